//! What `cargo xtask stress` decides and what it believes, without a kernel: the steps that a seed means, the
//! fate of numbered messages, and what has been counted.

pub mod counts;
pub mod ledger;
pub mod plan;
