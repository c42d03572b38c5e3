//! Consumer controls: volume, playback and what else media keyboards have (HID Usage Tables 15).

use super::hid::{Controls, HidFunction, ReadyMade};

/// Two controls at a time, each by its usage.
#[rustfmt::skip]
pub(super) const REPORT_DESCRIPTOR: &[u8] = &[
    0x05, 0x0c, // Usage Page (Consumer)
    0x09, 0x01, // Usage (Consumer Control)
    0xa1, 0x01, // Collection (Application)
    0x19, 0x00, //   Usage Minimum (0)
    0x2a, 0xff, 0x03, // Usage Maximum (1023)
    0x15, 0x00, //   Logical Minimum (0)
    0x26, 0xff, 0x03, // Logical Maximum (1023)
    0x75, 0x10, //   Report Size (16)
    0x95, 0x02, //   Report Count (2)
    0x81, 0x00, //   Input (Data, Array)
    0xc0, //       End Collection
];

/// Usages of the consumer page that media keyboards have.
pub mod usage {
    /// Play or pause.
    pub const PLAY_PAUSE: u16 = 0xcd;
    /// The next track.
    pub const NEXT_TRACK: u16 = 0xb5;
    /// The previous track.
    pub const PREVIOUS_TRACK: u16 = 0xb6;
    /// Stop.
    pub const STOP: u16 = 0xb7;
    /// No sound, and sound again.
    pub const MUTE: u16 = 0xe2;
    /// Louder.
    pub const VOLUME_UP: u16 = 0xe9;
    /// Less loud.
    pub const VOLUME_DOWN: u16 = 0xea;
}

/// There is no such consumer control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no consumer control has usage {0:#06x}: they are 0x0001 to 0x03ff (HID Usage Tables, 15)")]
pub struct NoSuchControl(pub u16);

/// The controls that are held.
#[derive(Debug, Default)]
pub(super) struct HeldUsages(Vec<u16>);

impl HeldUsages {
    pub(super) fn press(&mut self, usage: u16) {
        if !self.0.contains(&usage) {
            self.0.push(usage);
        }
    }

    pub(super) fn release(&mut self, usage: u16) {
        self.0.retain(|&held| held != usage);
    }

    pub(super) fn release_all(&mut self) {
        self.0.clear();
    }

    /// The two that were pressed last, oldest first.
    pub(super) fn report(&self) -> Vec<u8> {
        let last = &self.0[self.0.len().saturating_sub(2)..];
        let at = |index| last.get(index).copied().unwrap_or_default();
        [at(0), at(1)].map(u16::to_le_bytes).concat()
    }
}

/// Whether the report descriptor has this usage.
pub(super) fn check(usage: u16) -> Result<(), NoSuchControl> {
    if (1..=0x03ff).contains(&usage) {
        Ok(())
    } else {
        Err(NoSuchControl(usage))
    }
}

/// Consumer controls, two held at a time; of more, the host is told of the last two.
///
/// ```
/// use usbfs2_gadget::functions::ConsumerControl;
/// use usbfs2_gadget::functions::consumer_control::usage;
///
/// let controls = ConsumerControl::new();
/// controls.tap(usage::VOLUME_UP)?;
/// assert_eq!(controls.pending(), 2);
/// # Ok::<(), usbfs2_gadget::functions::consumer_control::NoSuchControl>(())
/// ```
pub type ConsumerControl = HidFunction<ConsumerControls>;

/// The controls of a [`ConsumerControl`].
#[derive(Debug, Default)]
pub struct ConsumerControls {
    held: HeldUsages,
}

impl Controls for ConsumerControls {
    const NAME: &'static str = "consumer control";

    fn release(&mut self) {
        self.held.release_all();
    }
}

impl ReadyMade for ConsumerControls {
    const REPORT_DESCRIPTOR: &'static [u8] = REPORT_DESCRIPTOR;
}

impl ConsumerControl {
    /// Presses a control, and holds it. No effect while it is held.
    ///
    /// # Errors
    /// [`NoSuchControl`]
    pub fn press(&self, usage: u16) -> Result<(), NoSuchControl> {
        check(usage)?;
        self.change(|controls| {
            controls.held.press(usage);
            controls.held.report()
        });
        Ok(())
    }

    /// Releases a control. No effect while it is not held.
    ///
    /// # Errors
    /// [`NoSuchControl`]
    pub fn release(&self, usage: u16) -> Result<(), NoSuchControl> {
        check(usage)?;
        self.change(|controls| {
            controls.held.release(usage);
            controls.held.report()
        });
        Ok(())
    }

    /// Presses a control and releases it.
    ///
    /// # Errors
    /// [`NoSuchControl`]
    pub fn tap(&self, usage: u16) -> Result<(), NoSuchControl> {
        self.press(usage)?;
        self.release(usage)
    }
}
