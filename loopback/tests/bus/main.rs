//! What a program sees of the bus: one module a rule book.

mod control;
mod enumeration;
mod errors;
mod faults;
mod firmware;
mod interleavings;
mod intervals;
mod isochronous;
mod packet_faults;
mod ports;
mod real_time;
mod replay;
mod rig;
mod speeds;
mod threads;
mod toggles;
mod transfers;
mod waiting;
