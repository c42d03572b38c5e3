//! The header usbmon puts before each packet (Documentation/usb/usbmon.rst, "Raw binary format and API").

use std::num::NonZeroU8;
use std::time::Duration;

use thiserror::Error;
use usbfs2_protocol::{Direction, EndpointAddress, SetupPacket, TransferType};

use crate::isochronous::{IsochronousCounts, IsochronousDescriptor};

/// What one packet tells of a transfer, as it stands before its data in a file of link type 189
/// (LINKTYPE_USB_LINUX) and in what read(2) gives from /dev/usbmonN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The same in the packets of one transfer, while it lasts.
    pub id: u64,
    /// Which end of the transfer.
    pub event: Event,
    /// The endpoint's type.
    pub transfer_type: TransferType,
    /// The endpoint. Of the control pipe it has the direction of the request.
    pub endpoint: EndpointAddress,
    /// The device's address; 0 while it has none.
    pub device: u8,
    /// The bus.
    pub bus: u16,
    /// Since 1970, in whole microseconds.
    pub time: Duration,
    /// 0, or an errno as a negative number: -EINPROGRESS on submission.
    pub status: i32,
    /// Bytes asked for on submission, bytes that moved on completion.
    pub length: u32,
    /// Why there are no data, or that there are.
    pub data: Data,
    /// Bytes after the header: data, and before them the [`IsochronousDescriptor`]s of an isochronous transfer.
    pub captured: u32,
    /// The request, in the submission of a control transfer.
    pub setup: Option<SetupPacket>,
    /// Of an isochronous transfer.
    pub isochronous: Option<IsochronousCounts>,
}

/// An end of a transfer's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The host submitted it.
    Submission,
    /// It ended.
    Completion,
    /// It could not be submitted.
    Error,
}

/// Whether data follow the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// They do.
    Present,
    /// They do not, for this reason: `<` they are to come from the device, `>` they went with the
    /// submission, or a letter that says why usbmon could not get at them.
    Absent(NonZeroU8),
}

impl Data {
    /// They are to come from the device.
    pub const TO_COME: Self = Self::Absent(NonZeroU8::new(b'<').unwrap());
    /// They went with the submission.
    pub const WENT: Self = Self::Absent(NonZeroU8::new(b'>').unwrap());
}

/// Why bytes are no usbmon header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// There are not enough of them.
    #[error("a usbmon header has 48 bytes, here are {0}")]
    Short(usize),
    /// The event is none of S, C and E.
    #[error("byte 8 is {0:#04x}, where a usbmon header has S, C or E")]
    Event(u8),
    /// The transfer type is none of the four.
    #[error("byte 9 is {0:#04x}, where a usbmon header has a transfer type from 0 to 3")]
    TransferType(u8),
    /// The endpoint is none.
    #[error("byte 10 is {0:#04x}, where a usbmon header has an endpoint address (USB 2.0 9.6.6)")]
    Endpoint(u8),
    /// The time is none.
    #[error("bytes 16 to 27 are no time: seconds before 1970, or microseconds above 999999")]
    Time,
}

/// usbmon's numbers for transfer types, which are not those of descriptors.
const TRANSFER_TYPES: [TransferType; 4] = [
    TransferType::Isochronous,
    TransferType::Interrupt,
    TransferType::Control,
    TransferType::Bulk,
];

impl Header {
    /// Bytes of a header.
    pub const LENGTH: usize = 48;

    /// Reads a header in this machine's byte order, as the kernel writes it.
    ///
    /// # Errors
    /// [`HeaderError`] when `bytes` does not begin with one.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let bytes: &[u8; Self::LENGTH] =
            bytes.first_chunk().ok_or(HeaderError::Short(bytes.len()))?;
        let event = match bytes[8] {
            b'S' => Event::Submission,
            b'C' => Event::Completion,
            b'E' => Event::Error,
            other => return Err(HeaderError::Event(other)),
        };
        let transfer_type = TRANSFER_TYPES
            .get(usize::from(bytes[9]))
            .ok_or(HeaderError::TransferType(bytes[9]))?;
        let endpoint =
            EndpointAddress::try_from(bytes[10]).map_err(|_| HeaderError::Endpoint(bytes[10]))?;
        let seconds = u64::try_from(i64::from_ne_bytes(field(bytes, 16)));
        let microseconds = u32::try_from(i32::from_ne_bytes(field(bytes, 24)));
        let (Ok(seconds), Ok(microseconds @ 0..1_000_000)) = (seconds, microseconds) else {
            return Err(HeaderError::Time);
        };
        let has_setup = bytes[14] == 0;
        let is_isochronous = *transfer_type == TransferType::Isochronous && !has_setup;
        Ok(Self {
            id: u64::from_ne_bytes(field(bytes, 0)),
            event,
            transfer_type: *transfer_type,
            endpoint,
            device: bytes[11],
            bus: u16::from_ne_bytes(field(bytes, 12)),
            time: Duration::new(seconds, microseconds * 1000),
            status: i32::from_ne_bytes(field(bytes, 28)),
            length: u32::from_ne_bytes(field(bytes, 32)),
            data: NonZeroU8::new(bytes[15]).map_or(Data::Present, Data::Absent),
            captured: u32::from_ne_bytes(field(bytes, 36)),
            setup: has_setup.then(|| SetupPacket::from_bytes(field(bytes, 40))),
            isochronous: is_isochronous.then(|| IsochronousCounts {
                errors: u32::from_ne_bytes(field(bytes, 40)),
                // The kernel counts the transfer's packets here, and shows no more than these.
                descriptors: u32::from_ne_bytes(field(bytes, 44)).min(IsochronousDescriptor::MOST),
            }),
        })
    }

    /// The header in this machine's byte order.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &self.id.to_ne_bytes());
        let event = match self.event {
            Event::Submission => b'S',
            Event::Completion => b'C',
            Event::Error => b'E',
        };
        let transfer_type: u8 = match self.transfer_type {
            TransferType::Isochronous => 0,
            TransferType::Interrupt => 1,
            TransferType::Control => 2,
            TransferType::Bulk => 3,
        };
        put(
            8,
            &[event, transfer_type, self.endpoint.into(), self.device],
        );
        put(12, &self.bus.to_ne_bytes());
        let absent = match self.data {
            Data::Present => 0,
            Data::Absent(why) => why.get(),
        };
        put(14, &[if self.setup.is_some() { 0 } else { b'-' }, absent]);
        put(16, &self.time.as_secs().to_ne_bytes());
        put(24, &self.time.subsec_micros().to_ne_bytes());
        put(28, &self.status.to_ne_bytes());
        put(32, &self.length.to_ne_bytes());
        put(36, &self.captured.to_ne_bytes());
        if let Some(setup) = self.setup {
            put(40, &setup.to_bytes());
        } else if let Some(counts) = self.isochronous {
            put(40, &counts.errors.to_ne_bytes());
            put(44, &counts.descriptors.to_ne_bytes());
        }
        bytes
    }

    /// The control pipe's address with the direction of a request, as usbmon writes it.
    #[must_use]
    pub(crate) fn endpoint_of(endpoint: EndpointAddress, sends: bool) -> EndpointAddress {
        if endpoint.number() != 0 {
            return endpoint;
        }
        let direction = if sends { Direction::Out } else { Direction::In };
        EndpointAddress::new(0, direction).unwrap_or(endpoint)
    }
}

fn field<const N: usize>(bytes: &[u8; Header::LENGTH], at: usize) -> [u8; N] {
    std::array::from_fn(|place| bytes[at + place])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_submission_is_the_bytes_the_kernel_documents() {
        let header = Header {
            id: 0xffff_8880_1234_5678,
            event: Event::Submission,
            transfer_type: TransferType::Control,
            endpoint: EndpointAddress::try_from(0x80).unwrap(),
            device: 5,
            bus: 1,
            time: Duration::new(1_700_000_000, 250_000_000),
            status: -115,
            length: 18,
            data: Data::TO_COME,
            captured: 0,
            setup: Some(SetupPacket::get_descriptor(1, 0, 0, 18)),
            isochronous: None,
        };
        let bytes = header.to_bytes();
        assert_eq!(bytes[8..12], [b'S', 2, 0x80, 5]);
        assert_eq!(bytes[14..16], [0, b'<']);
        assert_eq!(bytes[24..28], 250_000_i32.to_ne_bytes());
        assert_eq!(bytes[40..], [0x80, 6, 0, 1, 0, 0, 18, 0]);
        assert_eq!(Header::parse(&bytes), Ok(header));
    }

    #[test]
    fn an_isochronous_header_counts_the_descriptors_that_follow() {
        let mut bytes = [0; Header::LENGTH];
        (bytes[8], bytes[9], bytes[14]) = (b'C', 0, b'-');
        bytes[40..44].copy_from_slice(&3_u32.to_ne_bytes());
        bytes[44..].copy_from_slice(&200_u32.to_ne_bytes());
        let header = Header::parse(&bytes).unwrap();
        let counts = IsochronousCounts {
            errors: 3,
            descriptors: 128,
        };
        assert_eq!(header.isochronous, Some(counts));
        assert_eq!(header.to_bytes()[44..], 128_u32.to_ne_bytes());
    }

    #[test]
    fn what_is_no_header_is_named() {
        let good = |at: usize, value: u8| {
            let mut bytes = [0; Header::LENGTH];
            (bytes[8], bytes[9]) = (b'C', 3);
            bytes[at] = value;
            Header::parse(&bytes).map(drop)
        };
        assert_eq!(Header::parse(&[0; 47]), Err(HeaderError::Short(47)));
        assert_eq!(good(8, b'X'), Err(HeaderError::Event(b'X')));
        assert_eq!(good(9, 4), Err(HeaderError::TransferType(4)));
        assert_eq!(good(10, 0x10), Err(HeaderError::Endpoint(0x10)));
        assert_eq!(
            good(
                if cfg!(target_endian = "little") {
                    27
                } else {
                    24
                },
                0xff
            ),
            Err(HeaderError::Time)
        );
        assert_eq!(good(11, 9), Ok(()));
    }

    proptest! {
        #[test]
        fn what_parses_writes_itself_back(bytes: Vec<u8>) {
            if let Ok(header) = Header::parse(&bytes) {
                prop_assert_eq!(Header::parse(&header.to_bytes()), Ok(header));
            }
        }
    }
}
