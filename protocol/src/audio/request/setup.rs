//! Control requests as setup packets (UAC1 5.2.1, UAC2 5.2.2).

use super::super::Version;
use super::{Attribute, ControlRequest, Target, request_code};
use crate::{Direction, Recipient, RequestKind, RequestType, SetupPacket};

impl ControlRequest {
    /// The setup packet that sends the request; `None` where the version has no such request: Audio 1.0 has
    /// no ranges, Audio 2.0 has nothing else for limits, and nobody writes a range.
    #[must_use]
    pub const fn setup(&self, version: Version) -> Option<SetupPacket> {
        use request_code as code;
        let request = match (version, self.attribute) {
            (Version::Uac1, Attribute::Current) => code::SET_CUR | self.direction.bit(),
            (Version::Uac1, Attribute::Minimum) => code::SET_MIN | self.direction.bit(),
            (Version::Uac1, Attribute::Maximum) => code::SET_MAX | self.direction.bit(),
            (Version::Uac1, Attribute::Resolution) => code::SET_RES | self.direction.bit(),
            (Version::Uac1, Attribute::Memory) => code::SET_MEM | self.direction.bit(),
            (Version::Uac2, Attribute::Current) => code::CUR,
            (Version::Uac2, Attribute::Range) if matches!(self.direction, Direction::In) => {
                code::RANGE
            }
            (Version::Uac2, Attribute::Memory) => code::MEM,
            _ => return None,
        };
        let (recipient, index) = match self.target {
            Target::Entity { interface, id } => {
                (Recipient::Interface, u16::from_le_bytes([interface, id]))
            }
            Target::Endpoint(address) => (Recipient::Endpoint, address.to_byte() as u16),
        };
        Some(SetupPacket {
            request_type: RequestType {
                direction: self.direction,
                kind: RequestKind::Class,
                recipient,
            },
            request,
            value: u16::from_le_bytes([self.channel, self.selector]),
            index,
            length: self.length,
        })
    }

    /// The request a setup packet carries; `None` when it is not one of this version, and a device stalls.
    #[must_use]
    pub fn decode(version: Version, setup: &SetupPacket) -> Option<Self> {
        use request_code as code;
        if setup.request_type.kind != RequestKind::Class {
            return None;
        }
        let direction = setup.direction();
        let attribute = match version {
            Version::Uac1 => {
                // Bit 7 says the direction once more.
                if setup.request & Direction::In.bit() != direction.bit() {
                    return None;
                }
                match setup.request & 0x7f {
                    code::SET_CUR => Attribute::Current,
                    code::SET_MIN => Attribute::Minimum,
                    code::SET_MAX => Attribute::Maximum,
                    code::SET_RES => Attribute::Resolution,
                    code::SET_MEM => Attribute::Memory,
                    _ => return None,
                }
            }
            Version::Uac2 => match (setup.request, direction) {
                (code::CUR, _) => Attribute::Current,
                (code::RANGE, Direction::In) => Attribute::Range,
                (code::MEM, _) => Attribute::Memory,
                _ => return None,
            },
        };
        let [low, high] = setup.index.to_le_bytes();
        let target = match setup.request_type.recipient {
            Recipient::Interface => Target::Entity {
                interface: low,
                id: high,
            },
            Recipient::Endpoint => Target::Endpoint(setup.endpoint().filter(|_| high == 0)?),
            _ => return None,
        };
        let [channel, selector] = setup.value.to_le_bytes();
        Some(Self {
            direction,
            attribute,
            target,
            selector,
            channel,
            length: setup.length,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::{Decibel, FeatureControl};
    use super::*;
    use crate::EndpointAddress;

    #[test]
    fn requests_have_the_bytes_of_section_5_2() {
        use Version::{Uac1, Uac2};
        let endpoint = EndpointAddress::try_from(0x01).unwrap();
        let volume = ControlRequest::feature(0, 2, FeatureControl::Volume, 1);
        let mute = ControlRequest::feature(0, 2, FeatureControl::Mute, 0);
        let clock = ControlRequest::clock_frequency(1, 9);
        let cases = [
            (
                Uac1,
                volume.set::<Decibel>(),
                [0x21, 0x01, 1, 2, 0, 2, 2, 0],
            ),
            (
                Uac1,
                volume.get::<Decibel>().of(Attribute::Minimum),
                [0xa1, 0x82, 1, 2, 0, 2, 2, 0],
            ),
            (
                Uac1,
                volume.get::<Decibel>().of(Attribute::Resolution),
                [0xa1, 0x84, 1, 2, 0, 2, 2, 0],
            ),
            (Uac1, mute.get::<bool>(), [0xa1, 0x81, 0, 1, 0, 2, 1, 0]),
            (
                Uac1,
                ControlRequest::set_sampling_frequency(endpoint),
                [0x22, 0x01, 0, 1, 1, 0, 3, 0],
            ),
            (
                Uac1,
                ControlRequest::selector_unit(Uac1, 0, 4).get::<u8>(),
                [0xa1, 0x81, 0, 0, 0, 4, 1, 0],
            ),
            (Uac2, clock.set::<u32>(), [0x21, 0x01, 0, 1, 1, 9, 4, 0]),
            (Uac2, clock.get::<u32>(), [0xa1, 0x01, 0, 1, 1, 9, 4, 0]),
            (Uac2, clock.range(14), [0xa1, 0x02, 0, 1, 1, 9, 14, 0]),
            (
                Uac2,
                ControlRequest::clock_valid(1, 9).get::<bool>(),
                [0xa1, 0x01, 0, 2, 1, 9, 1, 0],
            ),
            (
                Uac2,
                ControlRequest::selector_unit(Uac2, 0, 4).set::<u8>(),
                [0x21, 0x01, 0, 1, 0, 4, 1, 0],
            ),
            (Uac2, volume.range(8), [0xa1, 0x02, 1, 2, 0, 2, 8, 0]),
        ];
        for (version, request, bytes) in cases {
            let setup = request.setup(version).unwrap();
            assert_eq!(setup.to_bytes(), bytes, "{version} {request:?}");
            assert_eq!(ControlRequest::decode(version, &setup), Some(request));
        }
    }

    #[test]
    fn a_version_has_no_requests_of_the_other() {
        let volume = ControlRequest::feature(0, 2, FeatureControl::Volume, 1);
        assert_eq!(volume.range(2).setup(Version::Uac1), None);
        let minimum = volume.get::<Decibel>().of(Attribute::Minimum);
        assert_eq!(minimum.setup(Version::Uac2), None);
        let written_range = volume.set::<Decibel>().of(Attribute::Range);
        assert_eq!(written_range.setup(Version::Uac2), None);
        let cases = [
            (Version::Uac1, [0xa1, 0x01, 0, 2, 0, 2, 2, 0]), // SET_CUR that reads
            (Version::Uac1, [0xa1, 0xff, 0, 2, 0, 2, 2, 0]), // GET_STAT
            (Version::Uac2, [0x21, 0x02, 0, 2, 0, 2, 2, 0]), // RANGE written
            (Version::Uac2, [0x81, 0x06, 0, 2, 0, 2, 2, 0]), // GET_DESCRIPTOR
            (Version::Uac2, [0xa2, 0x01, 0, 1, 0x71, 0, 4, 0]), // no endpoint
            (Version::Uac2, [0xa0, 0x01, 0, 1, 0, 0, 4, 0]), // to the device
        ];
        for (version, bytes) in cases {
            let setup = SetupPacket::from_bytes(bytes);
            assert_eq!(ControlRequest::decode(version, &setup), None, "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn a_decoded_request_encodes_to_the_setup_it_came_from(bytes: [u8; 8], uac2: bool) {
            let version = if uac2 { Version::Uac2 } else { Version::Uac1 };
            let setup = SetupPacket::from_bytes(bytes);
            if let Some(request) = ControlRequest::decode(version, &setup) {
                prop_assert_eq!(request.setup(version), Some(setup));
            }
        }
    }
}
