//! What a guest says of usbtest's cases: an [`Outcome`] a line, as JSON.

use serde::{Deserialize, Serialize};

use super::cases::Verdict;

/// What usbtest is put on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Peer {
    /// The kernel's own f_sourcesink.
    Kernel,
    /// Ours, on gadgetfs.
    Gadgetfs,
    /// Ours, on FunctionFS.
    Functionfs,
}

impl Peer {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 3] = [Self::Kernel, Self::Gadgetfs, Self::Functionfs];

    /// FunctionFS has no alternate settings, and so nothing isochronous for usbtest.
    #[must_use]
    pub const fn has_settings(self) -> bool {
        !matches!(self, Self::Functionfs)
    }
}

/// The speed of the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BusSpeed {
    /// 12 Mbit/s.
    Full,
    /// 480 Mbit/s.
    High,
}

impl BusSpeed {
    /// Both, in the order of the table.
    pub const ALL: [Self; 2] = [Self::Full, Self::High];
}

/// How a case went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// On what.
    pub peer: Peer,
    /// At which speed.
    pub speed: BusSpeed,
    /// usbtest's and the device's, 0 or 1.
    pub pattern: u8,
    /// The place in [`CASES`](super::cases::CASES).
    pub case: usize,
    /// How.
    pub verdict: Verdict,
}
