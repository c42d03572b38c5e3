//! Gadgets on the in-process bus, seen from the host's end of it.

mod alternate_settings;
mod control_requests;
mod counters;
mod data;
mod descriptors;
mod echo;
mod isochronous;
mod lifecycle;
mod misbehaving;
