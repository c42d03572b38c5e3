//! HID's class requests.

use std::fmt;
use std::time::Duration;

use crate::{Direction, Recipient, RequestKind, SetupPacket};

/// Request codes, `bRequest` (HID 1.11 7.2).
pub mod request_code {
    /// Read a report.
    pub const GET_REPORT: u8 = 0x01;
    /// Read the idle rate.
    pub const GET_IDLE: u8 = 0x02;
    /// Read the protocol.
    pub const GET_PROTOCOL: u8 = 0x03;
    /// Write a report.
    pub const SET_REPORT: u8 = 0x09;
    /// Write the idle rate.
    pub const SET_IDLE: u8 = 0x0a;
    /// Select the protocol.
    pub const SET_PROTOCOL: u8 = 0x0b;
}

/// What a report is for (HID 1.11 7.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReportType {
    /// From the device.
    Input,
    /// To the device.
    Output,
    /// Settings, both ways.
    Feature,
}

impl ReportType {
    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Input),
            2 => Some(Self::Output),
            3 => Some(Self::Feature),
            _ => None,
        }
    }

    const fn to_byte(self) -> u8 {
        match self {
            Self::Input => 1,
            Self::Output => 2,
            Self::Feature => 3,
        }
    }
}

impl fmt::Display for ReportType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::Feature => "feature",
        })
    }
}

/// The form of a boot interface's reports (HID 1.11 7.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// The fixed form of appendix B.
    Boot,
    /// The form the report descriptor says; in force after every reset.
    Report,
}

impl Protocol {
    /// The protocol a GET_PROTOCOL answer says; `None` above 1.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Boot),
            1 => Some(Self::Report),
            _ => None,
        }
    }

    /// The byte that answers GET_PROTOCOL.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Boot => 0,
            Self::Report => 1,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Boot => "boot protocol",
            Self::Report => "report protocol",
        })
    }
}

/// How often a device repeats a report that has not changed, in units of 4 ms (HID 1.11 7.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdleRate(
    /// The rate as it travels; 0 for never.
    pub u8,
);

impl IdleRate {
    /// Reports are sent only when they change.
    pub const INDEFINITE: Self = Self(0);

    /// The rate nearest above this duration, 4 ms to 1020 ms.
    #[must_use]
    pub fn every(duration: Duration) -> Self {
        let units = duration.as_millis().div_ceil(4).clamp(1, 0xff);
        Self(u8::try_from(units).unwrap_or(u8::MAX))
    }

    /// The time between reports; `None` for never.
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        match self.0 {
            0 => None,
            units => Some(Duration::from_millis(4 * units as u64)),
        }
    }
}

/// A request to a HID interface (HID 1.11 7.2). Report identifiers are 0 where reports have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// Read a report.
    GetReport {
        /// Which kind.
        report_type: ReportType,
        /// Which one.
        report_id: u8,
        /// The most bytes to answer with.
        length: u16,
    },
    /// Write a report.
    SetReport {
        /// Which kind.
        report_type: ReportType,
        /// Which one.
        report_id: u8,
        /// Bytes that follow.
        length: u16,
    },
    /// Read the idle rate: one byte.
    GetIdle {
        /// Of which report.
        report_id: u8,
    },
    /// Write the idle rate.
    SetIdle {
        /// Of which report; 0 for all.
        report_id: u8,
        /// The rate.
        rate: IdleRate,
    },
    /// Read the protocol: one byte.
    GetProtocol,
    /// Select the protocol.
    SetProtocol(
        /// The protocol.
        Protocol,
    ),
}

impl Request {
    /// The setup packet that sends the request to this interface.
    #[must_use]
    pub const fn setup(&self, interface: u8) -> SetupPacket {
        use request_code as code;
        match *self {
            Self::GetReport {
                report_type,
                report_id,
                length,
            } => {
                let value = u16::from_be_bytes([report_type.to_byte(), report_id]);
                SetupPacket::class_interface_in(code::GET_REPORT, value, interface, length)
            }
            Self::SetReport {
                report_type,
                report_id,
                length,
            } => {
                let value = u16::from_be_bytes([report_type.to_byte(), report_id]);
                SetupPacket::class_interface_out(code::SET_REPORT, value, interface, length)
            }
            Self::GetIdle { report_id } => {
                SetupPacket::class_interface_in(code::GET_IDLE, report_id as u16, interface, 1)
            }
            Self::SetIdle { report_id, rate } => {
                let value = u16::from_be_bytes([rate.0, report_id]);
                SetupPacket::class_interface_out(code::SET_IDLE, value, interface, 0)
            }
            Self::GetProtocol => {
                SetupPacket::class_interface_in(code::GET_PROTOCOL, 0, interface, 1)
            }
            Self::SetProtocol(protocol) => {
                let value = protocol.to_byte() as u16;
                SetupPacket::class_interface_out(code::SET_PROTOCOL, value, interface, 0)
            }
        }
    }

    /// The request a setup packet carries; `None` when it is not one, and a device stalls. To which
    /// interface, [`SetupPacket::interface`] says.
    #[must_use]
    pub fn decode(setup: &SetupPacket) -> Option<Self> {
        use request_code as code;
        let request_type = setup.request_type;
        if request_type.kind != RequestKind::Class || request_type.recipient != Recipient::Interface
        {
            return None;
        }
        let [high, low] = setup.value.to_be_bytes();
        let length = setup.length;
        match (request_type.direction, setup.request) {
            (Direction::In, code::GET_REPORT) => Some(Self::GetReport {
                report_type: ReportType::from_byte(high)?,
                report_id: low,
                length,
            }),
            (Direction::Out, code::SET_REPORT) => Some(Self::SetReport {
                report_type: ReportType::from_byte(high)?,
                report_id: low,
                length,
            }),
            (Direction::In, code::GET_IDLE) => Some(Self::GetIdle { report_id: low }),
            (Direction::Out, code::SET_IDLE) => Some(Self::SetIdle {
                report_id: low,
                rate: IdleRate(high),
            }),
            (Direction::In, code::GET_PROTOCOL) => Some(Self::GetProtocol),
            (Direction::Out, code::SET_PROTOCOL) => match high {
                0 => Protocol::from_byte(low).map(Self::SetProtocol),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_have_the_bytes_of_section_7_2() {
        let cases = [
            (
                Request::GetReport {
                    report_type: ReportType::Input,
                    report_id: 3,
                    length: 8,
                },
                [0xa1, 1, 3, 1, 2, 0, 8, 0],
            ),
            (
                Request::SetReport {
                    report_type: ReportType::Output,
                    report_id: 0,
                    length: 1,
                },
                [0x21, 9, 0, 2, 2, 0, 1, 0],
            ),
            (
                Request::GetIdle { report_id: 3 },
                [0xa1, 2, 3, 0, 2, 0, 1, 0],
            ),
            (
                Request::SetIdle {
                    report_id: 0,
                    rate: IdleRate(125),
                },
                [0x21, 10, 0, 125, 2, 0, 0, 0],
            ),
            (Request::GetProtocol, [0xa1, 3, 0, 0, 2, 0, 1, 0]),
            (
                Request::SetProtocol(Protocol::Report),
                [0x21, 11, 1, 0, 2, 0, 0, 0],
            ),
        ];
        for (request, bytes) in cases {
            assert_eq!(request.setup(2).to_bytes(), bytes, "{request:?}");
            assert_eq!(Request::decode(&request.setup(2)), Some(request));
        }
    }

    #[test]
    fn what_is_no_hid_request_is_none() {
        let cases = [
            [0x81, 6, 0, 0x22, 0, 0, 63, 0], // standard GET_DESCRIPTOR
            [0xa0, 1, 0, 1, 0, 0, 8, 0],     // to the device
            [0x21, 1, 0, 1, 0, 0, 8, 0],     // GET_REPORT going out
            [0xa1, 1, 0, 4, 0, 0, 8, 0],     // report type 4
            [0x21, 11, 2, 0, 0, 0, 0, 0],    // protocol 2
            [0x21, 11, 0, 1, 0, 0, 0, 0],    // protocol 256
        ];
        for bytes in cases {
            assert_eq!(Request::decode(&SetupPacket::from_bytes(bytes)), None);
        }
    }

    #[test]
    fn idle_rates_are_multiples_of_4_ms() {
        assert_eq!(IdleRate::every(Duration::from_millis(500)), IdleRate(125));
        assert_eq!(IdleRate::every(Duration::ZERO), IdleRate(1));
        assert_eq!(IdleRate::every(Duration::from_secs(60)), IdleRate(255));
        assert_eq!(IdleRate(125).duration(), Some(Duration::from_millis(500)));
        assert_eq!(IdleRate::INDEFINITE.duration(), None);
    }

    proptest! {
        #[test]
        fn a_decoded_request_encodes_to_a_setup_that_decodes_to_it(bytes: [u8; 8]) {
            let setup = SetupPacket::from_bytes(bytes);
            if let Some(request) = Request::decode(&setup) {
                let interface = setup.interface().unwrap();
                prop_assert_eq!(Request::decode(&request.setup(interface)), Some(request));
            }
        }
    }
}
