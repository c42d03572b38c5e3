//! What a program sees of the bus: one module a rule book.

mod control;
mod enumeration;
mod errors;
mod faults;
mod firmware;
mod interleavings;
mod isochronous;
mod ports;
mod replay;
mod rig;
mod speeds;
mod threads;
mod toggles;
mod transfers;
mod waiting;
