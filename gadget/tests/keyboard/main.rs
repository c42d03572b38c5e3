//! The keyboard function on the in-process bus, asked by a host without a driver.

mod host;
mod reports;
mod requests;
