//! The binary device object store: capabilities beyond USB 2.0.

use super::DescriptorError;
use super::walk::{Descriptors, RawDescriptor};
use crate::standard::descriptor_type;

/// A capability of a device (USB 3.2 9.6.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceCapability {
    /// What USB 2.1 added (USB 3.2 9.6.2.1).
    Usb20Extension {
        /// Bit 1: link power management.
        #[doc(alias = "bmAttributes")]
        attributes: u32,
    },
    /// The device runs at SuperSpeed (USB 3.2 9.6.2.2).
    SuperSpeed {
        /// Bit 1: latency tolerance messages.
        #[doc(alias = "bmAttributes")]
        attributes: u8,
        /// Bits 0 to 3: low, full, high speed, 5 Gbit/s.
        #[doc(alias = "wSpeedsSupported")]
        speeds_supported: u16,
        /// The lowest speed, by its bit, at which everything works.
        #[doc(alias = "bFunctionalitySupport")]
        functionality_support: u8,
        /// Exit latency of U1, in microseconds.
        #[doc(alias = "bU1DevExitLat")]
        u1_exit_latency_us: u8,
        /// Exit latency of U2, in microseconds.
        #[doc(alias = "wU2DevExitLat")]
        u2_exit_latency_us: u16,
    },
    /// The same on every bus the device is on (USB 3.2 9.6.2.3).
    ContainerId(
        /// The identifier.
        [u8; 16],
    ),
    /// A platform's: Microsoft OS 2.0, WebUSB (USB 3.2 9.6.2.4).
    Platform {
        /// Which platform's, as it travels.
        uuid: [u8; 16],
        /// The platform's data; the first 235 bytes are sent.
        data: Vec<u8>,
    },
    /// One this crate does not read.
    Unknown {
        /// What it is.
        #[doc(alias = "bDevCapabilityType")]
        capability_type: u8,
        /// What follows; the first 252 bytes are sent.
        bytes: Vec<u8>,
    },
}

impl DeviceCapability {
    const USB_2_0_EXTENSION: u8 = 2;
    const SUPERSPEED: u8 = 3;
    const CONTAINER_ID: u8 = 4;
    const PLATFORM: u8 = 5;
    const MAX_CONTENTS: usize = 252;

    fn write_to(&self, to: &mut Vec<u8>) {
        let mut contents = Vec::new();
        let capability_type = match self {
            Self::Usb20Extension { attributes } => {
                contents.extend_from_slice(&attributes.to_le_bytes());
                Self::USB_2_0_EXTENSION
            }
            Self::SuperSpeed {
                attributes,
                speeds_supported,
                functionality_support,
                u1_exit_latency_us,
                u2_exit_latency_us,
            } => {
                contents.push(*attributes);
                contents.extend_from_slice(&speeds_supported.to_le_bytes());
                contents.extend_from_slice(&[*functionality_support, *u1_exit_latency_us]);
                contents.extend_from_slice(&u2_exit_latency_us.to_le_bytes());
                Self::SUPERSPEED
            }
            Self::ContainerId(id) => {
                contents.push(0);
                contents.extend_from_slice(id);
                Self::CONTAINER_ID
            }
            Self::Platform { uuid, data } => {
                contents.push(0);
                contents.extend_from_slice(uuid);
                contents.extend_from_slice(data);
                Self::PLATFORM
            }
            Self::Unknown {
                capability_type,
                bytes,
            } => {
                contents.extend_from_slice(bytes);
                *capability_type
            }
        };
        contents.truncate(Self::MAX_CONTENTS);
        let length = u8::try_from(contents.len() + 3).unwrap_or(u8::MAX);
        to.extend_from_slice(&[length, descriptor_type::DEVICE_CAPABILITY, capability_type]);
        to.extend_from_slice(&contents);
    }

    fn from_raw(raw: RawDescriptor<'_>) -> Result<Self, DescriptorError> {
        let name = "device capability";
        let kind = descriptor_type::DEVICE_CAPABILITY;
        let &[_, _, capability_type] = raw.expect(name, kind, "USB 3.2 9.6.2")?;
        Ok(match capability_type {
            Self::USB_2_0_EXTENSION => {
                let &[_, _, _, a0, a1, a2, a3] =
                    raw.expect("USB 2.0 extension", kind, "USB 3.2 9.6.2.1")?;
                Self::Usb20Extension {
                    attributes: u32::from_le_bytes([a0, a1, a2, a3]),
                }
            }
            Self::SUPERSPEED => {
                let &[
                    _,
                    _,
                    _,
                    attributes,
                    s0,
                    s1,
                    functionality_support,
                    u1,
                    u20,
                    u21,
                ] = raw.expect("SuperSpeed capability", kind, "USB 3.2 9.6.2.2")?;
                Self::SuperSpeed {
                    attributes,
                    speeds_supported: u16::from_le_bytes([s0, s1]),
                    functionality_support,
                    u1_exit_latency_us: u1,
                    u2_exit_latency_us: u16::from_le_bytes([u20, u21]),
                }
            }
            Self::CONTAINER_ID => {
                let bytes: &[u8; 20] = raw.expect("container ID", kind, "USB 3.2 9.6.2.3")?;
                Self::ContainerId(std::array::from_fn(|at| bytes[4 + at]))
            }
            Self::PLATFORM => {
                let bytes: &[u8; 20] =
                    raw.expect("platform capability", kind, "USB 3.2 9.6.2.4")?;
                Self::Platform {
                    uuid: std::array::from_fn(|at| bytes[4 + at]),
                    data: raw.bytes[20..].to_vec(),
                }
            }
            capability_type => Self::Unknown {
                capability_type,
                bytes: raw.bytes[3..].to_vec(),
            },
        })
    }
}

/// The capabilities of a device (USB 3.2 9.6.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Bos {
    /// The capabilities, in the order the device lists them.
    pub capabilities: Vec<DeviceCapability>,
}

impl Bos {
    /// Bytes of the BOS descriptor itself. Its `wTotalLength` says how many follow.
    pub const HEADER_LENGTH: usize = 5;

    const NAME: &str = "BOS descriptor";
    const SECTION: &str = "USB 3.2 9.6.2";

    /// `wTotalLength` of the BOS whose first bytes these are: how many to read in all.
    ///
    /// # Errors
    /// Fewer than five bytes, or another descriptor.
    pub fn total_length(header: &[u8]) -> Result<u16, DescriptorError> {
        let &[_, _, t0, t1, _] = Self::header(header)?;
        Ok(u16::from_le_bytes([t0, t1]))
    }

    fn header(bytes: &[u8]) -> Result<&[u8; Self::HEADER_LENGTH], DescriptorError> {
        RawDescriptor::first(bytes)?.expect(Self::NAME, descriptor_type::BOS, Self::SECTION)
    }

    /// The descriptors as they travel. A BOS counts 255 capabilities and 65535 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = u8::try_from(self.capabilities.len()).unwrap_or(u8::MAX);
        let mut bytes = vec![5, descriptor_type::BOS, 0, 0, count];
        for capability in &self.capabilities {
            capability.write_to(&mut bytes);
        }
        let total_length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        bytes[2..4].copy_from_slice(&total_length.to_le_bytes());
        bytes
    }

    /// Reads the capabilities.
    ///
    /// # Errors
    /// The first rule that is broken: lengths, types, the count of capabilities.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        let &[_, _, t0, t1, count] = Self::header(bytes)?;
        let stated = u16::from_le_bytes([t0, t1]);
        if usize::from(stated) != bytes.len() {
            return Err(DescriptorError::TotalLength {
                descriptor: "BOS",
                offset: 2,
                stated,
                found: bytes.len(),
                section: Self::SECTION,
            });
        }
        let capabilities = Descriptors::new(bytes)
            .skip(1)
            .map(|raw| DeviceCapability::from_raw(raw?))
            .collect::<Result<Vec<_>, _>>()?;
        if usize::from(count) != capabilities.len() {
            return Err(DescriptorError::CapabilityCount {
                offset: 4,
                stated: count,
                found: capabilities.len(),
            });
        }
        Ok(Self { capabilities })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUPERSPEED_DISK: [u8; 22] = [
        5, 15, 22, 0, 2, // BOS, two capabilities
        7, 16, 2, 0x02, 0, 0, 0, // USB 2.0 extension: LPM
        10, 16, 3, 0, 0x0e, 0, 1, 10, 0xff, 0x07, // SuperSpeed: full, high, super
    ];

    #[test]
    fn a_superspeed_disk_reads_as_it_is() {
        let bos = Bos::parse(&SUPERSPEED_DISK).unwrap();
        assert_eq!(
            bos.capabilities,
            [
                DeviceCapability::Usb20Extension { attributes: 2 },
                DeviceCapability::SuperSpeed {
                    attributes: 0,
                    speeds_supported: 0x000e,
                    functionality_support: 1,
                    u1_exit_latency_us: 10,
                    u2_exit_latency_us: 2047,
                },
            ]
        );
        assert_eq!(bos.to_bytes(), SUPERSPEED_DISK);
        assert_eq!(Bos::total_length(&SUPERSPEED_DISK[..5]), Ok(22));
    }

    #[test]
    fn a_bos_that_lies_is_refused() {
        let change = |offset: usize, byte: u8| {
            let mut bytes = SUPERSPEED_DISK;
            bytes[offset] = byte;
            Bos::parse(&bytes).unwrap_err()
        };
        assert!(matches!(
            change(2, 23),
            DescriptorError::TotalLength { stated: 23, .. }
        ));
        assert!(matches!(
            change(4, 3),
            DescriptorError::CapabilityCount {
                stated: 3,
                found: 2,
                ..
            }
        ));
        assert!(matches!(
            change(12, 0),
            DescriptorError::LengthTooSmall { offset: 12, .. }
        ));
        assert!(matches!(
            change(12, 11),
            DescriptorError::LengthPastEnd { offset: 12, .. }
        ));
        assert!(matches!(
            change(6, 15),
            DescriptorError::Type { offset: 6, .. }
        ));
        assert!(matches!(
            change(7, 4),
            DescriptorError::LengthForType {
                offset: 5,
                minimum: 20,
                ..
            }
        ));
    }

    fn capability() -> impl Strategy<Value = DeviceCapability> {
        prop_oneof![
            any::<u32>().prop_map(|attributes| DeviceCapability::Usb20Extension { attributes }),
            any::<(u8, u16, u8, u8, u16)>().prop_map(|(attributes, speeds, lowest, u1, u2)| {
                DeviceCapability::SuperSpeed {
                    attributes,
                    speeds_supported: speeds,
                    functionality_support: lowest,
                    u1_exit_latency_us: u1,
                    u2_exit_latency_us: u2,
                }
            }),
            any::<[u8; 16]>().prop_map(DeviceCapability::ContainerId),
            (any::<[u8; 16]>(), prop::collection::vec(any::<u8>(), 0..20))
                .prop_map(|(uuid, data)| DeviceCapability::Platform { uuid, data }),
            (6..=u8::MAX, prop::collection::vec(any::<u8>(), 0..20)).prop_map(
                |(capability_type, bytes)| DeviceCapability::Unknown {
                    capability_type,
                    bytes
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn any_bos_round_trips(capabilities in prop::collection::vec(capability(), 0..8)) {
            let bos = Bos { capabilities };
            let bytes = bos.to_bytes();
            prop_assert!(Bos::parse(&bytes[..bytes.len() - 1]).is_err());
            prop_assert_eq!(Bos::parse(&bytes), Ok(bos));
        }

        #[test]
        fn any_bytes_are_a_bos_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            change in any::<(prop::sample::Index, u8)>(),
        ) {
            prop_assert!(Bos::parse(&bytes).is_err() || bytes[1] == 15);
            let mut nearly = SUPERSPEED_DISK;
            nearly[change.0.index(SUPERSPEED_DISK.len())] = change.1;
            if let Ok(bos) = Bos::parse(&nearly) {
                prop_assert_eq!(Bos::parse(&bos.to_bytes()), Ok(bos));
            }
        }
    }
}
