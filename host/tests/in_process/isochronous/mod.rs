//! Isochronous endpoints.

mod ends;
mod opening;
mod packets;
mod sound;
mod waiting;
