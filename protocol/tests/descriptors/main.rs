//! Whole configurations: those of real kinds of devices, those that lie, and any at all.

mod devices;
mod lying;
mod properties;
mod real;
