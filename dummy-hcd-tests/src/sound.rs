//! Sound cards, as sysfs shows them: the gadget's own and the one `snd-usb-audio` makes of it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::device::SysfsDevice;
use crate::wait::{self, TimedOut};

/// A card by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoundCard(u32);

impl SoundCard {
    /// Waits for the card of an audio function (`f_uac1`, `f_uac2`) that is bound to `dummy_udc.{bus}`.
    ///
    /// # Errors
    /// When none comes.
    pub fn wait_gadget(bus: u8) -> Result<Self, TimedOut> {
        let controller = format!("/sys/devices/platform/dummy_udc.{bus}");
        let what = format!("the gadget on dummy_udc.{bus} has a sound card");
        wait::until(&what, || {
            let gadgets = fs::read_dir(&controller).ok()?.flatten();
            gadgets
                .map(|entry| entry.path())
                .find_map(|path| below(&path))
        })
    }

    /// Waits for the card that `snd-usb-audio` has made of `device`.
    ///
    /// # Errors
    /// When none comes.
    pub fn wait_host(device: &SysfsDevice) -> Result<Self, TimedOut> {
        let what = format!("{} has a sound card", device.name());
        wait::until(&what, || below(&device.interface(0)))
    }

    /// What ALSA's programs call its first PCM, without conversions: "hw:1,0".
    #[must_use]
    pub fn pcm(self) -> String {
        format!("hw:{},0", self.0)
    }

    /// The device file of its first PCM, to play or to record.
    #[must_use]
    pub fn node(self, plays: bool) -> PathBuf {
        let direction = if plays { 'p' } else { 'c' };
        PathBuf::from(format!("/dev/snd/pcmC{}D0{direction}", self.0))
    }

    /// The device file of its first MIDI port.
    #[must_use]
    pub fn midi(self) -> PathBuf {
        PathBuf::from(format!("/dev/snd/midiC{}D0", self.0))
    }

    /// What ALSA's programs call its controls: "hw:1".
    #[must_use]
    pub fn mixer(self) -> String {
        format!("hw:{}", self.0)
    }

    /// A file of `/proc/asound/cardN`, as "pcm0c/sub0/status"; `None` once the card has gone.
    #[must_use]
    pub fn state(self, file: &str) -> Option<String> {
        fs::read_to_string(
            Path::new("/proc/asound")
                .join(format!("card{}", self.0))
                .join(file),
        )
        .ok()
    }

    /// Waits until the card has gone.
    ///
    /// # Errors
    /// When it stays.
    pub fn wait_gone(self) -> Result<(), TimedOut> {
        wait::until(&format!("sound card {} is gone", self.0), || {
            self.state("id").is_none().then_some(())
        })
    }
}

/// The card whose parent is `device`.
fn below(device: &Path) -> Option<SoundCard> {
    let cards = fs::read_dir(device.join("sound")).ok()?.flatten();
    let mut names = cards.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let number = names.find_map(|name| name.strip_prefix("card")?.parse().ok())?;
    // A card is registered last: before, its devices may be missing.
    let node = PathBuf::from(format!("/dev/snd/controlC{number}"));
    node.exists().then_some(SoundCard(number))
}
