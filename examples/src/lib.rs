//! One task each, every one run by a test
