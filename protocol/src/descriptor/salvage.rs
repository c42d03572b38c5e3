//! Reading a configuration that may lie.

use super::endpoint::{Endpoint, SuperSpeedCompanion};
use super::walk::{Descriptors, RawDescriptor};
use super::{
    AlternateSetting, ClassDescriptor, Configuration, DescriptorError, Interface,
    InterfaceAssociation,
};
use crate::standard::descriptor_type;

const NAME: &str = "configuration descriptor";
const SECTION: &str = "USB 2.0 9.6.3";
const LENGTH: usize = Configuration::HEADER_LENGTH;

/// The configuration descriptor itself, its `wTotalLength` at least its own nine bytes.
pub(super) fn header(bytes: &[u8], base: usize) -> Result<&[u8; LENGTH], DescriptorError> {
    let raw = match Descriptors::at(bytes, base).next() {
        Some(raw) => raw?,
        None => {
            return Err(DescriptorError::Cut {
                descriptor: NAME,
                offset: base,
                needed: LENGTH,
                found: 0,
                section: SECTION,
            });
        }
    };
    let expected = match raw.descriptor_type {
        other @ descriptor_type::OTHER_SPEED_CONFIGURATION => other,
        _ => descriptor_type::CONFIGURATION,
    };
    let header: &[u8; LENGTH] = raw.expect(NAME, expected, SECTION)?;
    let stated = u16::from_le_bytes([header[2], header[3]]);
    if usize::from(stated) < LENGTH {
        return Err(DescriptorError::TotalLength {
            descriptor: "configuration",
            offset: base + 2,
            stated,
            found: bytes.len(),
            section: SECTION,
        });
    }
    Ok(header)
}

/// Reads the configuration all of `bytes` belong to, offsets counted from `base`.
pub(super) fn configuration(
    bytes: &[u8],
    base: usize,
) -> Result<(Configuration, Vec<DescriptorError>), DescriptorError> {
    let header = header(bytes, base)?;
    let mut reader = Reader {
        configuration: Configuration {
            value: header[5],
            string_index: header[6],
            self_powered: header[7] & 0x40 != 0,
            remote_wakeup: header[7] & 0x20 != 0,
            max_power: header[8],
            ..Configuration::default()
        },
        problems: Vec::new(),
        place: Place::Configuration,
    };
    let stated = u16::from_le_bytes([header[2], header[3]]);
    if usize::from(stated) != bytes.len() {
        reader.problems.push(DescriptorError::TotalLength {
            descriptor: "configuration",
            offset: base + 2,
            stated,
            found: bytes.len(),
            section: SECTION,
        });
    }
    // The header's own bLength may be more than nine.
    for raw in Descriptors::at(bytes, base).skip(1) {
        match raw {
            Ok(raw) => reader.descriptor(raw),
            Err(problem) => reader.problems.push(problem),
        }
    }
    reader.end_setting();
    reader.check_interfaces(base, header[4]);
    reader.sort_associations();
    Ok((reader.configuration, reader.problems))
}

/// What the descriptors read so far make the next one belong to.
enum Place {
    /// The configuration: no interface has come yet.
    Configuration,
    /// This alternate setting.
    Setting(OpenSetting),
    /// An interface that was left out, with all that belongs to it.
    Skipped,
}

/// An alternate setting whose descriptors are still coming.
struct OpenSetting {
    setting: AlternateSetting,
    /// Where its `bNumEndpoints` is and what it says.
    endpoint_count_offset: usize,
    endpoint_count: u8,
    /// How many endpoint descriptors came, those left out too.
    endpoints_seen: usize,
    /// The last endpoint was left out, so what follows is not the previous one's.
    endpoint_skipped: bool,
}

struct Reader {
    configuration: Configuration,
    problems: Vec<DescriptorError>,
    place: Place,
}

impl Reader {
    fn descriptor(&mut self, raw: RawDescriptor<'_>) {
        match raw.descriptor_type {
            descriptor_type::INTERFACE => self.interface(raw),
            descriptor_type::ENDPOINT => self.endpoint(raw),
            descriptor_type::INTERFACE_ASSOCIATION => match InterfaceAssociation::from_raw(raw) {
                Ok(association) => self.configuration.associations.push(association),
                Err(problem) => self.problems.push(problem),
            },
            _ => self.other(raw),
        }
    }

    fn interface(&mut self, raw: RawDescriptor<'_>) {
        self.end_setting();
        let (setting, endpoint_count) = match AlternateSetting::from_raw(raw) {
            Ok(read) => read,
            Err(problem) => {
                self.place = Place::Skipped;
                return self.problems.push(problem);
            }
        };
        let interface = setting.interface_number;
        let known = self.configuration.interface(interface);
        let problem = match known {
            None if self.configuration.interfaces.len() >= Configuration::MAX_INTERFACES => {
                Some(DescriptorError::TooManyInterfaces {
                    offset: raw.offset,
                    interface,
                })
            }
            Some(known) if known.alternate_setting(setting.alternate_setting).is_some() => {
                Some(DescriptorError::DuplicateAlternateSetting {
                    offset: raw.offset,
                    interface,
                    alternate_setting: setting.alternate_setting,
                })
            }
            _ => None,
        };
        if let Some(problem) = problem {
            self.place = Place::Skipped;
            return self.problems.push(problem);
        }
        self.place = Place::Setting(OpenSetting {
            setting,
            endpoint_count_offset: raw.offset + 4,
            endpoint_count,
            endpoints_seen: 0,
            endpoint_skipped: false,
        });
    }

    fn endpoint(&mut self, raw: RawDescriptor<'_>) {
        let open = match &mut self.place {
            Place::Configuration => {
                let offset = raw.offset;
                return self
                    .problems
                    .push(DescriptorError::EndpointOutsideInterface { offset });
            }
            Place::Skipped => return,
            Place::Setting(open) => open,
        };
        open.endpoints_seen += 1;
        let endpoint = Endpoint::from_raw(raw).and_then(|endpoint| {
            match user_of(&self.configuration, &open.setting, &endpoint) {
                None => Ok(endpoint),
                Some(interface) => Err(DescriptorError::DuplicateEndpoint {
                    offset: raw.offset,
                    address: endpoint.address,
                    interface,
                }),
            }
        });
        open.endpoint_skipped = endpoint.is_err();
        match endpoint {
            Ok(endpoint) => open.setting.endpoints.push(endpoint),
            Err(problem) => self.problems.push(problem),
        }
    }

    fn other(&mut self, raw: RawDescriptor<'_>) {
        let open = match &mut self.place {
            Place::Configuration => return self.configuration.extra.push(raw.into()),
            Place::Skipped => return,
            Place::Setting(open) if open.endpoint_skipped => return,
            Place::Setting(open) => open,
        };
        let Some(endpoint) = open.setting.endpoints.last_mut() else {
            let descriptor = ClassDescriptor::from_raw(raw, open.setting.class);
            return open.setting.extra.push(descriptor);
        };
        if raw.descriptor_type == descriptor_type::SUPERSPEED_ENDPOINT_COMPANION
            && endpoint.companion.is_none()
            && endpoint.extra.is_empty()
        {
            match SuperSpeedCompanion::from_raw(raw) {
                Ok(companion) => endpoint.companion = Some(companion),
                Err(problem) => self.problems.push(problem),
            }
        } else {
            endpoint.extra.push(raw.into());
        }
    }

    /// Puts the alternate setting whose descriptors have all come where it belongs.
    fn end_setting(&mut self) {
        let Place::Setting(open) = std::mem::replace(&mut self.place, Place::Skipped) else {
            return;
        };
        if usize::from(open.endpoint_count) != open.endpoints_seen {
            self.problems.push(DescriptorError::EndpointCount {
                offset: open.endpoint_count_offset,
                stated: open.endpoint_count,
                found: open.endpoints_seen,
            });
        }
        let number = open.setting.interface_number;
        let interfaces = &mut self.configuration.interfaces;
        match interfaces.iter_mut().find(|known| known.number == number) {
            Some(interface) => interface.alternate_settings.push(open.setting),
            None => interfaces.push(Interface {
                number,
                alternate_settings: vec![open.setting],
            }),
        }
    }

    /// Puts associations in the order they are sent in: those of no interface, then each before its
    /// first interface.
    fn sort_associations(&mut self) {
        let interfaces = &self.configuration.interfaces;
        let place = |association: &InterfaceAssociation| {
            let first = association.first_interface;
            interfaces
                .iter()
                .position(|interface| interface.number == first)
        };
        self.configuration.associations.sort_by_key(place);
    }

    fn check_interfaces(&mut self, base: usize, stated: u8) {
        let found = self.configuration.interfaces.len();
        if usize::from(stated) != found {
            self.problems.push(DescriptorError::InterfaceCount {
                offset: base + 4,
                stated,
                found,
            });
        }
        for interface in &self.configuration.interfaces {
            if interface.alternate_setting(0).is_none() {
                self.problems.push(DescriptorError::NoDefaultSetting {
                    interface: interface.number,
                });
            }
        }
    }
}

/// The interface that already has this endpoint: the same alternate setting, or another interface.
/// Alternate settings of one interface share endpoints by design.
fn user_of(
    configuration: &Configuration,
    setting: &AlternateSetting,
    endpoint: &Endpoint,
) -> Option<u8> {
    let others = configuration
        .alternate_settings()
        .filter(|other| other.interface_number != setting.interface_number);
    others
        .chain([setting])
        .find(|user| user.endpoint(endpoint.address).is_some())
        .map(|user| user.interface_number)
}
