//! What the kernel says of this process's memory and of its own.

use std::fs;

use anyhow::{Context as _, Result};

/// One look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vitals {
    /// Of this process.
    pub(crate) resident_kib: u64,
    /// Of this process.
    pub(crate) open_files: u64,
    /// Of the kernel: objects that it cannot give back.
    pub(crate) slab_kib: u64,
    /// Of the machine.
    pub(crate) available_kib: u64,
    /// Of the machine: what AIO contexts have reserved.
    pub(crate) aio_reserved: u64,
    /// Of the module.
    pub(crate) live_requests: u64,
}

impl Vitals {
    pub(crate) fn read() -> Result<Self> {
        Ok(Self {
            resident_kib: field("/proc/self/status", "VmRSS:")?,
            open_files: fs::read_dir("/proc/self/fd")?.count() as u64,
            slab_kib: field("/proc/meminfo", "SUnreclaim:")?,
            available_kib: field("/proc/meminfo", "MemAvailable:")?,
            aio_reserved: fs::read_to_string("/proc/sys/fs/aio-nr")?.trim().parse()?,
            live_requests: dummy_hcd_tests::usbfs2::live_requests()?,
        })
    }
}

/// The number behind `name` in a table of /proc.
fn field(table: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(table).with_context(|| format!("read {table}"))?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    let value = value.with_context(|| format!("no {name} in {table}"))?;
    Ok(value.parse()?)
}
