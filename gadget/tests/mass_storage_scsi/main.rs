//! The SCSI target without a transport: what each command answers, and what it refuses.

mod any_bytes;
mod bench;
mod blocks;
mod conditions;
mod faults;
mod identity;
mod supported;
