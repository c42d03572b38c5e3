//! What Wireshark's dissectors make of a capture.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Frames of a capture that show what a device did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dissection {
    /// All of them.
    pub frames: usize,
    /// A device descriptor with a vendor.
    pub device_descriptors: usize,
    /// A configuration with interfaces.
    pub configurations: usize,
    /// READ (10), its command and its answer.
    pub reads: usize,
    /// WRITE (10), likewise.
    pub writes: usize,
    /// A command's status.
    pub statuses: usize,
    /// A HID report.
    pub reports: usize,
}

/// One column of tshark's output each. The first two say that a frame is not what its dissector expects.
const FIELDS: [&str; 7] = [
    "_ws.malformed",
    "_ws.expert.message",
    "usb.idVendor",
    "usb.bNumInterfaces",
    "scsi_sbc.opcode",
    "scsi.status",
    "usbhid.data",
];

impl Dissection {
    /// Has tshark dissect `file`.
    ///
    /// # Errors
    /// When tshark is not there or fails, and when it calls a frame malformed.
    pub fn of(file: &Path) -> Result<Self> {
        let mut tshark = Command::new("tshark");
        tshark.arg("-r").arg(file).args(["-T", "fields"]);
        for field in FIELDS {
            tshark.args(["-e", field]);
        }
        let output = tshark
            .stdin(Stdio::null())
            .output()
            .context("run tshark (Debian package tshark)")?;
        ensure!(
            output.status.success(),
            "tshark: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut seen = Self::default();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            seen.frame(line)?;
        }
        Ok(seen)
    }

    fn frame(&mut self, line: &str) -> Result<()> {
        self.frames += 1;
        let number = self.frames;
        let mut columns = line.split('\t');
        let mut column = || columns.next().unwrap_or_default();
        ensure!(column().is_empty(), "frame {number} is malformed");
        let complaint = column();
        ensure!(
            !complaint.to_lowercase().contains("malformed"),
            "frame {number}: {complaint}"
        );
        self.device_descriptors += usize::from(!column().is_empty());
        self.configurations += usize::from(!column().is_empty());
        let code = column();
        self.reads += usize::from(code == "0x28");
        self.writes += usize::from(code == "0x2a");
        self.statuses += usize::from(!column().is_empty());
        self.reports += usize::from(!column().is_empty());
        Ok(())
    }
}
