//! The descriptors of a device as it gives them, byte for byte.

use std::collections::{BTreeMap, BTreeSet};

use usbfs2_host::{SetupPacket, Speed};
use usbfs2_protocol::standard::descriptor_type;

use crate::descriptors::Model;
use crate::finding::{Checked, Finding};

/// Bytes as a device gave them, or how it did not.
pub(crate) type Bytes = Checked<Vec<u8>>;

/// More configurations than any device has.
const MOST_CONFIGURATIONS: u8 = 16;
/// More languages than a check has to see to believe in the others.
const MOST_LANGUAGES: usize = 8;

/// The descriptors of a device as it gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) speed: Option<Speed>,
    pub(crate) device: Bytes,
    pub(crate) configurations: Vec<Bytes>,
    pub(crate) qualifier: Bytes,
    pub(crate) other_speed: Vec<Bytes>,
    pub(crate) object_store: Bytes,
    pub(crate) languages: Bytes,
    /// By index and language: every one that a descriptor names.
    pub(crate) strings: BTreeMap<(u8, u16), Bytes>,
}

impl Reading {
    /// Asks for everything, but for at most this many strings. `read` stands for the device.
    pub(crate) fn take(
        speed: Option<Speed>,
        most_strings: usize,
        read: &mut dyn FnMut(SetupPacket) -> Checked<Vec<u8>>,
    ) -> Self {
        let mut plain = |kind, length| read(SetupPacket::get_descriptor(kind, 0, 0, length));
        let device = plain(descriptor_type::DEVICE, 18);
        let qualifier = plain(descriptor_type::DEVICE_QUALIFIER, 10);
        let count = device.as_ref().ok().and_then(|bytes| bytes.get(17));
        let count = count.copied().unwrap_or(0).min(MOST_CONFIGURATIONS);
        let all = |kind, read: &mut dyn FnMut(SetupPacket) -> Bytes| -> Vec<Bytes> {
            (0..count)
                .map(|index| whole(kind, index, 9, read))
                .collect()
        };
        let mut reading = Self {
            speed,
            device,
            qualifier,
            configurations: all(descriptor_type::CONFIGURATION, read),
            other_speed: Vec::new(),
            object_store: Err(Finding::not_applicable(
                "the device is of USB 2.0 or before",
            )),
            languages: Err(Finding::not_applicable("no descriptor names a string")),
            strings: BTreeMap::new(),
        };
        if reading.qualifier.is_ok() {
            reading.other_speed = all(descriptor_type::OTHER_SPEED_CONFIGURATION, read);
        }
        if reading.usb_version() > 0x0200 {
            reading.object_store = whole(descriptor_type::BOS, 0, 5, read);
        }
        reading.take_strings(most_strings, read);
        reading
    }

    fn take_strings(&mut self, most: usize, read: &mut dyn FnMut(SetupPacket) -> Bytes) {
        let indices = self.string_indices();
        if indices.is_empty() {
            return;
        }
        self.languages = read(SetupPacket::get_descriptor(
            descriptor_type::STRING,
            0,
            0,
            255,
        ));
        for language in self.language_ids().into_iter().take(MOST_LANGUAGES) {
            for &index in &indices {
                if self.strings.len() >= most {
                    return;
                }
                let setup =
                    SetupPacket::get_descriptor(descriptor_type::STRING, index, language, 255);
                self.strings.insert((index, language), read(setup));
            }
        }
    }

    /// bcdUSB, 0 where there is none.
    pub(crate) fn usb_version(&self) -> u16 {
        let device = self.device.as_deref().unwrap_or_default();
        match device.get(2..4) {
            Some(version) => u16::from_le_bytes([version[0], version[1]]),
            None => 0,
        }
    }

    /// Every string index that a standard descriptor names.
    pub(crate) fn string_indices(&self) -> BTreeSet<u8> {
        let device = self.device.as_deref().unwrap_or_default();
        let of_device = device.get(14..17).unwrap_or_default().to_vec();
        let of_configurations = self.configurations.iter().flatten();
        let of_configurations = of_configurations.flat_map(|bytes| Model::of(bytes).strings());
        let all = of_device.into_iter().chain(of_configurations);
        all.filter(|&index| index != 0).collect()
    }

    /// The languages the device lists, 0 left out.
    pub(crate) fn language_ids(&self) -> Vec<u16> {
        let bytes = self.languages.as_deref().unwrap_or_default();
        let pairs = bytes.get(2..).unwrap_or_default().chunks_exact(2);
        pairs
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .filter(|&language| language != 0)
            .collect()
    }

    /// Fails unless all that was read now is as it is here, where more strings may be.
    pub(crate) fn same(&self, now: &Self) -> Checked {
        let other_string = |(key, now): (&(u8, u16), &Bytes)| self.strings.get(key) != Some(now);
        let differs = [
            ("device descriptor", self.device != now.device),
            ("configurations", self.configurations != now.configurations),
            ("device qualifier", self.qualifier != now.qualifier),
            (
                "other-speed configurations",
                self.other_speed != now.other_speed,
            ),
            ("object store", self.object_store != now.object_store),
            ("languages", self.languages != now.languages),
            ("strings", now.strings.iter().any(other_string)),
            ("speed", self.speed != now.speed),
        ];
        let what = differs
            .into_iter()
            .find_map(|(what, differs)| differs.then_some(what));
        match what {
            None => Ok(()),
            Some(what) => Err(Finding::failed(
                "the descriptors of before",
                format!("other {what}"),
            )),
        }
    }

    /// The device descriptor, where it is whole.
    pub(crate) fn device(&self) -> Checked<&[u8; 18]> {
        let bytes = self.device.as_ref().map_err(Finding::unread)?;
        bytes.first_chunk().ok_or_else(|| {
            Finding::failed(
                "a device descriptor of 18 bytes",
                format!("{} bytes", bytes.len()),
            )
        })
    }

    /// The speed, which some rules depend on.
    pub(crate) fn speed(&self) -> Checked<Speed> {
        self.speed
            .ok_or_else(|| Finding::not_possible("the system does not say the device's speed"))
    }

    /// The other of full and high speed.
    pub(crate) fn other_speed(&self) -> Checked<Speed> {
        match self.speed()? {
            Speed::Full => Ok(Speed::High),
            Speed::High => Ok(Speed::Full),
            speed => Err(Finding::not_applicable(format!(
                "{speed} has no other speed"
            ))),
        }
    }

    /// Runs a check on each configuration.
    pub(crate) fn each_configuration(&self, check: impl Fn(&Model<'_>) -> Checked) -> Checked {
        each("configuration", &self.configurations, check)
    }

    /// Runs a check on each configuration of the other speed.
    pub(crate) fn each_other_speed(&self, check: impl Fn(&Model<'_>) -> Checked) -> Checked {
        self.other_speed()?;
        if self.other_speed.is_empty() {
            return Err(Finding::not_applicable(
                "the device works at one speed alone",
            ));
        }
        each("other-speed configuration", &self.other_speed, check)
    }
}

fn each(what: &str, all: &[Bytes], check: impl Fn(&Model<'_>) -> Checked) -> Checked {
    if all.is_empty() {
        return Err(Finding::failed("a configuration", "none"));
    }
    for (index, bytes) in all.iter().enumerate() {
        let bytes = bytes.as_ref().map_err(Finding::unread);
        let checked = bytes.and_then(|bytes| check(&Model::of(bytes)));
        checked.map_err(|finding| finding.of(format_args!("{what} {index}")))?;
    }
    Ok(())
}

/// A descriptor that says at its third byte how long it is with all that belongs to it.
fn whole(kind: u8, index: u8, header: u16, read: &mut dyn FnMut(SetupPacket) -> Bytes) -> Bytes {
    let head = read(SetupPacket::get_descriptor(kind, index, 0, header))?;
    let total = match head.get(2..4) {
        Some(total) => u16::from_le_bytes([total[0], total[1]]),
        None => return Ok(head),
    };
    if total <= header {
        return Ok(head);
    }
    read(SetupPacket::get_descriptor(kind, index, 0, total))
}
