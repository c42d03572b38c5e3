//! The driver against a sound card whose packets the tests move by hand, on the in-process bus.

mod cancellation;
mod capture;
mod clocks;
mod device;
mod feedback;
mod lying;
mod playback;
mod puppet;
