//! The driver against a sound card whose packets the tests move by hand, on the in-process bus.

mod capture;
mod device;
mod feedback;
mod lying;
mod playback;
mod puppet;
