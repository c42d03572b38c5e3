//! What the kernel says of this process's memory and of its own.

use std::fs;

use anyhow::{Context as _, Result};

/// One look.
#[derive(Debug, Clone, Copy)]
pub struct Vitals {
    /// Memory of this process, in KiB.
    pub resident_kib: u64,
    /// Of this process.
    pub open_files: u64,
    /// Objects of the kernel that it cannot give back, in KiB.
    pub slab_kib: u64,
    /// Memory of the machine that is available, in KiB.
    pub available_kib: u64,
    /// What the AIO contexts of the machine have reserved.
    pub aio_reserved: u64,
    /// Requests that the module holds.
    pub live_requests: u64,
}

impl Vitals {
    /// Takes a look.
    ///
    /// # Errors
    /// When a table of /proc is not as it should be, or the module is not loaded.
    pub fn read() -> Result<Self> {
        Ok(Self {
            resident_kib: field("/proc/self/status", "VmRSS:")?,
            open_files: fs::read_dir("/proc/self/fd")?.count() as u64,
            slab_kib: field("/proc/meminfo", "SUnreclaim:")?,
            available_kib: field("/proc/meminfo", "MemAvailable:")?,
            aio_reserved: fs::read_to_string("/proc/sys/fs/aio-nr")?.trim().parse()?,
            live_requests: crate::usbfs2::live_requests()?,
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
