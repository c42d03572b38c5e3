//! A thermometer: the device, its driver, and the words they share. The tutorials in docs/ are about it.

pub mod device;
pub mod driver;

/// pid.codes gives these numbers out for tests: a product needs its own.
pub const VENDOR: u16 = 0x1209;
/// See [`VENDOR`].
pub const PRODUCT: u16 = 0x0004;
/// Request to the interface, OUT, without data: wValue is the [`Unit`].
pub const SET_UNIT: u8 = 1;
/// Bytes of a report: hundredths of a degree, signed, little-endian.
pub const REPORT_BYTES: usize = 4;

/// What a temperature is told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// wValue 0, and what a thermometer begins with.
    Celsius = 0,
    /// wValue 1.
    Fahrenheit = 1,
}
