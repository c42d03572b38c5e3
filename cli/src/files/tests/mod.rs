//! The commands on disks of our own, on a bus in this process.

mod bench;
mod copies;
mod damaged;
mod partitions;
mod refused;
