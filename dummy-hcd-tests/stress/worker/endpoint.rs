//! An open endpoint file of the worker's, and what a lane does to the endpoint whichever way it uses it.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use dummy_hcd_tests::stress::counts::Counts;
use dummy_hcd_tests::sys;

use super::shared::{Outside, Shared};

/// SET_FEATURE(ENDPOINT_HALT) to an endpoint (USB 2.0 9.4.9), as the offset of a control request.
const SET_HALT: u64 = 0x02 << 40 | 3 << 32;

#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) file: Arc<File>,
    address: u8,
    direction_in: bool,
    pub(super) opened: Outside,
}

impl Endpoint {
    pub(super) fn open(shared: &Shared, direction_in: bool, is_armed: bool) -> Result<Self> {
        let (file, opened) = shared.open(direction_in, is_armed)?;
        Ok(Self {
            address: address_of(&file)?,
            file: Arc::new(file),
            direction_in,
            opened,
        })
    }

    /// Has the device halt it.
    pub(super) fn halt(&self, shared: &Shared, counts: &mut Counts) -> Result<()> {
        shared.excuses[usize::from(!self.direction_in)]
            .halts
            .begin();
        let setup = SET_HALT | u64::from(self.address);
        if let Some(result) = shared.control("1.0/ep00", setup, &mut [])? {
            result.context("halting the endpoint")?;
            counts.count("halt");
        }
        Ok(())
    }

    /// Cancels all and clears the halt. True when the file is of no use any more.
    pub(super) fn recover(&self, shared: &Shared, counts: &mut Counts) -> Result<bool> {
        let excuses = &shared.excuses[usize::from(!self.direction_in)];
        excuses.cancels.begin();
        let recovered = sys::recover(&self.file);
        excuses.cancels.end();
        let error = recovered.as_ref().err();
        let gone = error.and_then(std::io::Error::raw_os_error) == Some(libc::ENODEV);
        let recovered = shared.tolerate("recovery", self.opened, recovered)?;
        if recovered.is_some() {
            counts.count("recovery");
            // What was submitted before is complete, or nearly: its results are still judged by their marks.
            excuses.halts.end_all();
        }
        Ok(gone)
    }
}

/// The endpoint's address, from the name of its file.
fn address_of(file: &File) -> Result<u8> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let name = path.to_string_lossy();
    // "... (deleted)" where the device has left since.
    let digits = name
        .rsplit_once("/ep")
        .and_then(|(_, rest)| rest.get(..2))
        .with_context(|| format!("{name} is no endpoint"))?;
    Ok(u8::from_str_radix(digits, 16)?)
}
