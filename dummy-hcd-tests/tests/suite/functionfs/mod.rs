//! What is FunctionFS's own: functions beside the kernel's, numbers of their own, and how they come and go.

mod beside;
mod echo;
mod example;
mod lifecycle;
mod refused;
mod requests;

use crate::scenarios::Scenario;
pub(crate) use lifecycle::{HOLD, hold};

pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    [
        beside::scenarios(),
        refused::scenarios(),
        requests::scenarios(),
        lifecycle::scenarios(),
        example::scenarios(),
    ]
    .concat()
}
