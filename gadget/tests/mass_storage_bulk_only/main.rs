//! The disk function over Bulk-Only Transport on the in-process bus, driven by a host without manners.

mod any_command;
mod control;
mod data;
mod host;
mod recovery;
mod thirteen_cases;
