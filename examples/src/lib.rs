//! One task each, every one run by a test: `rust/` on this project's crates, `shell/` and `python/` on
//! the endpoint files of the usbfs2 module with no library at all.
//!
//! `cargo run -p usbfs2-examples --bin list -- --demo` runs one. With `--demo` it plugs devices of its own
//! into an in-process bus, so that it needs no hardware, no kernel module and no root.

pub mod firmware;
pub mod sound_card;
pub mod thermometer;

/// The page that greets users: what it shows must compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
