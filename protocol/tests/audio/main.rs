//! Audio functions: those of real devices, those that lie, and any at all.

mod devices;
mod graph;
mod lying;
mod properties;
mod real;
