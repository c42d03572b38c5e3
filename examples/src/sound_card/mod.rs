//! A sound card that repeats what it hears, and a program that plays to it and listens. The tutorial about audio is
//! about them.

pub mod card;
pub mod player;

/// pid.codes gives these numbers out for tests: a product needs its own.
pub const VENDOR: u16 = 0x1209;
/// See [`VENDOR`].
pub const PRODUCT: u16 = 0x0006;
