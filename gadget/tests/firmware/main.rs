//! Firmware on the in-process bus: classes written for microcontrollers, and what a host may do to them.

mod bulk_only_reset;
mod data;
mod executor;
mod hostile;
mod probe;
mod refused;
mod rig;
mod serial;
mod settings;
