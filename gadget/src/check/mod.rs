//! The validator: what a target would refuse, told before it does.

mod everywhere;
mod functionfs;
mod problem;
mod target;

pub use problem::{DescriptorProblems, Place, Problem, ProblemKind};
pub use target::Target;

pub(crate) use everywhere::{check_everywhere, endpoint};
pub(crate) use target::{GADGETFS_CONTROL_BUFFER, check, endpoints};
