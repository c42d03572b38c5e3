//! The sound card on the in-process bus, seen from the host's end of it, by a clock that the tests step.

mod capture;
mod card;
mod descriptors;
mod lifecycle;
mod playback;
mod requests;
