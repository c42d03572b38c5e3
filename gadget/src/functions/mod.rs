//! Ready-made functions.
