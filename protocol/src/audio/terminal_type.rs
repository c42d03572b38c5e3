//! What is at the end of the line: USB, a speaker, a microphone.

use std::fmt;

/// What a terminal stands for (USB Audio Terminal Types 1.0 and 2.0).
#[doc(alias = "wTerminalType")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminalType(
    /// The code as it travels.
    pub u16,
);

/// Codes and their names, by code.
const NAMES: [(u16, &str); 63] = [
    (0x0100, "USB undefined"),
    (0x0101, "USB streaming"),
    (0x01ff, "USB vendor-specific"),
    (0x0200, "input"),
    (0x0201, "microphone"),
    (0x0202, "desktop microphone"),
    (0x0203, "personal microphone"),
    (0x0204, "omni-directional microphone"),
    (0x0205, "microphone array"),
    (0x0206, "processing microphone array"),
    (0x0300, "output"),
    (0x0301, "speaker"),
    (0x0302, "headphones"),
    (0x0303, "head-mounted display audio"),
    (0x0304, "desktop speaker"),
    (0x0305, "room speaker"),
    (0x0306, "communication speaker"),
    (0x0307, "low frequency effects speaker"),
    (0x0400, "bidirectional"),
    (0x0401, "handset"),
    (0x0402, "headset"),
    (0x0403, "speakerphone"),
    (0x0404, "echo-suppressing speakerphone"),
    (0x0405, "echo-cancelling speakerphone"),
    (0x0500, "telephony"),
    (0x0501, "phone line"),
    (0x0502, "telephone"),
    (0x0503, "down line phone"),
    (0x0600, "external"),
    (0x0601, "analog connector"),
    (0x0602, "digital audio interface"),
    (0x0603, "line connector"),
    (0x0604, "legacy audio connector"),
    (0x0605, "S/PDIF interface"),
    (0x0606, "1394 DA stream"),
    (0x0607, "1394 DV stream soundtrack"),
    (0x0608, "ADAT Lightpipe"),
    (0x0609, "TDIF"),
    (0x060a, "MADI"),
    (0x0700, "embedded"),
    (0x0701, "level calibration noise source"),
    (0x0702, "equalization noise"),
    (0x0703, "CD player"),
    (0x0704, "DAT"),
    (0x0705, "DCC"),
    (0x0706, "compressed audio player"),
    (0x0707, "analog tape"),
    (0x0708, "phonograph"),
    (0x0709, "VCR audio"),
    (0x070a, "video disc audio"),
    (0x070b, "DVD audio"),
    (0x070c, "TV tuner audio"),
    (0x070d, "satellite receiver audio"),
    (0x070e, "cable tuner audio"),
    (0x070f, "DSS audio"),
    (0x0710, "radio receiver"),
    (0x0711, "radio transmitter"),
    (0x0712, "multi-track recorder"),
    (0x0713, "synthesizer"),
    (0x0714, "piano"),
    (0x0715, "guitar"),
    (0x0716, "drums or rhythm"),
    (0x0717, "other musical instrument"),
];

impl TerminalType {
    /// The USB itself: a stream starts or ends here.
    pub const USB_STREAMING: Self = Self(0x0101);
    /// A microphone.
    pub const MICROPHONE: Self = Self(0x0201);
    /// A speaker.
    pub const SPEAKER: Self = Self(0x0301);
    /// Headphones.
    pub const HEADPHONES: Self = Self(0x0302);
    /// A headset.
    pub const HEADSET: Self = Self(0x0402);
    /// A line connector.
    pub const LINE_CONNECTOR: Self = Self(0x0603);

    /// Whether it is the USB, where streams start and end.
    #[must_use]
    pub const fn is_usb(self) -> bool {
        self.0 >> 8 == 0x01
    }

    /// The type in words; `None` for a code that is not given out.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let at = NAMES
            .binary_search_by_key(&self.0, |&(code, _)| code)
            .ok()?;
        Some(NAMES[at].1)
    }
}

impl fmt::Display for TerminalType {
    /// `speaker`, or `terminal 0x1234`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("terminal {:#06x}", self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_by_code_and_the_rest_says_its_number() {
        assert!(NAMES.is_sorted_by(|(a, _), (b, _)| a < b));
        assert_eq!(TerminalType::SPEAKER.to_string(), "speaker");
        assert_eq!(TerminalType(0x1234).to_string(), "terminal 0x1234");
        assert!(TerminalType::USB_STREAMING.is_usb());
        assert!(!TerminalType::HEADSET.is_usb());
    }
}
