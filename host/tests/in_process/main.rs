//! The public API, tested on a bus inside the process.

mod claims;
mod control;
mod isochronous;
mod listing;
mod resets;
mod rig;
mod streams;
mod transfers;
mod watch;
