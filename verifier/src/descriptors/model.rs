//! A configuration taken apart, as far as its lengths can be followed.

use usbfs2_protocol::TransferType;
use usbfs2_protocol::descriptor::{Descriptors, RawDescriptor};
use usbfs2_protocol::standard::descriptor_type;

/// A configuration taken apart. Whatever the bytes are, there is one.
#[derive(Debug)]
pub(crate) struct Model<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) settings: Vec<Setting<'a>>,
    /// Interface association descriptors.
    pub(crate) associations: Vec<[u8; 8]>,
}

/// An interface descriptor and what follows it.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) bytes: &'a [u8; 9],
    /// Before the first endpoint.
    pub(crate) class_descriptors: Vec<RawDescriptor<'a>>,
    pub(crate) endpoints: Vec<Endpoint<'a>>,
}

/// An endpoint descriptor and what follows it.
#[derive(Debug)]
pub(crate) struct Endpoint<'a> {
    /// At least seven bytes.
    pub(crate) bytes: &'a [u8],
    pub(crate) followed_by: Vec<RawDescriptor<'a>>,
}

impl<'a> Model<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        let mut model = Self {
            bytes,
            settings: Vec::new(),
            associations: Vec::new(),
        };
        for descriptor in Descriptors::new(bytes).map_while(Result::ok) {
            model.add(descriptor);
        }
        model
    }

    fn add(&mut self, descriptor: RawDescriptor<'a>) {
        let setting = self.settings.last_mut();
        match (descriptor.descriptor_type, setting) {
            (descriptor_type::INTERFACE, _) => {
                if let Some(bytes) = descriptor.bytes.first_chunk() {
                    self.settings.push(Setting {
                        bytes,
                        class_descriptors: Vec::new(),
                        endpoints: Vec::new(),
                    });
                }
            }
            (descriptor_type::INTERFACE_ASSOCIATION, _) => {
                if let Some(bytes) = descriptor.bytes.first_chunk() {
                    self.associations.push(*bytes);
                }
            }
            (descriptor_type::ENDPOINT, Some(setting)) if descriptor.bytes.len() >= 7 => {
                setting.endpoints.push(Endpoint {
                    bytes: descriptor.bytes,
                    followed_by: Vec::new(),
                });
            }
            (_, Some(setting)) => match setting.endpoints.last_mut() {
                Some(endpoint) => endpoint.followed_by.push(descriptor),
                None => setting.class_descriptors.push(descriptor),
            },
            (_, None) => {}
        }
    }

    /// The configuration descriptor itself, where it is whole.
    pub(crate) fn header(&self) -> Option<&'a [u8; 9]> {
        self.bytes.first_chunk()
    }

    /// The string indices that the configuration, its interfaces and associations name.
    pub(crate) fn strings(&self) -> Vec<u8> {
        let of_configuration = self.header().map(|header| header[6]);
        let of_settings = self.settings.iter().map(|setting| setting.bytes[8]);
        let of_associations = self.associations.iter().map(|one| one[7]);
        of_configuration
            .into_iter()
            .chain(of_settings)
            .chain(of_associations)
            .collect()
    }

    /// Every endpoint with the setting it is in.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = (&Setting<'a>, &Endpoint<'a>)> {
        let settings = self.settings.iter();
        settings.flat_map(|setting| setting.endpoints.iter().map(move |one| (setting, one)))
    }
}

impl Setting<'_> {
    pub(crate) fn number(&self) -> u8 {
        self.bytes[2]
    }

    pub(crate) fn alternate(&self) -> u8 {
        self.bytes[3]
    }

    /// bNumEndpoints.
    pub(crate) fn endpoint_count(&self) -> u8 {
        self.bytes[4]
    }

    pub(crate) fn class(&self) -> u8 {
        self.bytes[5]
    }

    pub(crate) fn subclass(&self) -> u8 {
        self.bytes[6]
    }

    pub(crate) fn protocol(&self) -> u8 {
        self.bytes[7]
    }

    /// The setting for a message: `interface 0 alternate 1`.
    pub(crate) fn name(&self) -> String {
        format!("interface {} alternate {}", self.number(), self.alternate())
    }
}

impl Endpoint<'_> {
    pub(crate) fn address(&self) -> u8 {
        self.bytes[2]
    }

    pub(crate) fn attributes(&self) -> u8 {
        self.bytes[3]
    }

    pub(crate) fn transfer_type(&self) -> TransferType {
        TransferType::from_attributes(self.attributes())
    }

    /// wMaxPacketSize, all bits.
    pub(crate) fn max_packet(&self) -> u16 {
        u16::from_le_bytes([self.bytes[4], self.bytes[5]])
    }

    /// Bytes of a packet.
    pub(crate) fn packet_size(&self) -> u16 {
        self.max_packet() & 0x07ff
    }

    /// Packets of a microframe beyond the first.
    pub(crate) fn additional_packets(&self) -> u16 {
        self.max_packet() >> 11 & 3
    }

    pub(crate) fn interval(&self) -> u8 {
        self.bytes[6]
    }

    /// The endpoint for a message: `endpoint 0x81`.
    pub(crate) fn name(&self) -> String {
        format!("endpoint {:#04x}", self.address())
    }
}
