//! The device descriptor and its other-speed companion.

use std::fmt;

use super::DescriptorError;
use super::walk::RawDescriptor;
use crate::standard::descriptor_type;

/// A version in binary-coded decimal: 0x0210 is 2.1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u16);

impl Version {
    /// USB 2.0.
    pub const USB_2_0: Self = Self(0x0200);
    /// USB 2.1: the device has a BOS descriptor.
    pub const USB_2_1: Self = Self(0x0210);
    /// USB 3.2.
    pub const USB_3_2: Self = Self(0x0320);
}

impl fmt::Display for Version {
    /// As lsusb writes it, `2.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor] = self.0.to_be_bytes();
        write!(f, "{major:x}.{minor:02x}")
    }
}

/// What a device is (USB 2.0 9.6.1). String indices are 0 where there is no string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceDescriptor {
    /// The USB version it follows.
    #[doc(alias = "bcdUSB")]
    pub usb_version: Version,
    /// One of [`class`](crate::standard::class); 0 when each interface says its own.
    #[doc(alias = "bDeviceClass")]
    pub class: u8,
    /// The class's subclass.
    #[doc(alias = "bDeviceSubClass")]
    pub subclass: u8,
    /// The class's protocol.
    #[doc(alias = "bDeviceProtocol")]
    pub protocol: u8,
    /// Endpoint 0's packet size as it is written; see
    /// [`control_max_packet_size`](Self::control_max_packet_size).
    #[doc(alias = "bMaxPacketSize0")]
    pub max_packet_size_0: u8,
    /// The vendor.
    #[doc(alias = "idVendor")]
    pub vendor_id: u16,
    /// The vendor's product.
    #[doc(alias = "idProduct")]
    pub product_id: u16,
    /// The product's release.
    #[doc(alias = "bcdDevice")]
    pub device_version: Version,
    /// The string that names the manufacturer.
    #[doc(alias = "iManufacturer")]
    pub manufacturer_string: u8,
    /// The string that names the product.
    #[doc(alias = "iProduct")]
    pub product_string: u8,
    /// The string that is the serial number.
    #[doc(alias = "iSerialNumber")]
    pub serial_number_string: u8,
    /// How many configurations the device has at this speed.
    #[doc(alias = "bNumConfigurations")]
    pub configuration_count: u8,
}

impl DeviceDescriptor {
    /// Bytes of a device descriptor.
    pub const LENGTH: usize = 18;

    /// The descriptor as it travels.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let [u0, u1] = self.usb_version.0.to_le_bytes();
        let [v0, v1] = self.vendor_id.to_le_bytes();
        let [p0, p1] = self.product_id.to_le_bytes();
        let [d0, d1] = self.device_version.0.to_le_bytes();
        [
            18,
            descriptor_type::DEVICE,
            u0,
            u1,
            self.class,
            self.subclass,
            self.protocol,
            self.max_packet_size_0,
            v0,
            v1,
            p0,
            p1,
            d0,
            d1,
            self.manufacturer_string,
            self.product_string,
            self.serial_number_string,
            self.configuration_count,
        ]
    }

    /// Reads a device descriptor. What follows it is not looked at.
    ///
    /// # Errors
    /// Fewer than 18 bytes, or another descriptor.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        let b: &[u8; Self::LENGTH] = RawDescriptor::first(bytes)?.expect(
            "device descriptor",
            descriptor_type::DEVICE,
            "USB 2.0 9.6.1",
        )?;
        Ok(Self {
            usb_version: Version(u16::from_le_bytes([b[2], b[3]])),
            class: b[4],
            subclass: b[5],
            protocol: b[6],
            max_packet_size_0: b[7],
            vendor_id: u16::from_le_bytes([b[8], b[9]]),
            product_id: u16::from_le_bytes([b[10], b[11]]),
            device_version: Version(u16::from_le_bytes([b[12], b[13]])),
            manufacturer_string: b[14],
            product_string: b[15],
            serial_number_string: b[16],
            configuration_count: b[17],
        })
    }

    /// Endpoint 0's packet size in bytes. USB 3 writes the exponent, 9 for 512 (USB 3.2 9.6.1).
    #[must_use]
    pub fn control_max_packet_size(&self) -> u16 {
        if self.usb_version >= Version(0x0300) && self.max_packet_size_0 < 16 {
            1 << self.max_packet_size_0
        } else {
            self.max_packet_size_0.into()
        }
    }
}

/// What a high-speed capable device is at its other speed (USB 2.0 9.6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceQualifier {
    /// The USB version it follows.
    #[doc(alias = "bcdUSB")]
    pub usb_version: Version,
    /// One of [`class`](crate::standard::class).
    #[doc(alias = "bDeviceClass")]
    pub class: u8,
    /// The class's subclass.
    #[doc(alias = "bDeviceSubClass")]
    pub subclass: u8,
    /// The class's protocol.
    #[doc(alias = "bDeviceProtocol")]
    pub protocol: u8,
    /// Endpoint 0's packet size at the other speed.
    #[doc(alias = "bMaxPacketSize0")]
    pub max_packet_size_0: u8,
    /// How many configurations the device has at the other speed.
    #[doc(alias = "bNumConfigurations")]
    pub configuration_count: u8,
}

impl DeviceQualifier {
    /// Bytes of a device qualifier.
    pub const LENGTH: usize = 10;

    /// The descriptor as it travels.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let [u0, u1] = self.usb_version.0.to_le_bytes();
        [
            10,
            descriptor_type::DEVICE_QUALIFIER,
            u0,
            u1,
            self.class,
            self.subclass,
            self.protocol,
            self.max_packet_size_0,
            self.configuration_count,
            0,
        ]
    }

    /// Reads a device qualifier.
    ///
    /// # Errors
    /// Fewer than 10 bytes, or another descriptor.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        let &[
            _,
            _,
            u0,
            u1,
            class,
            subclass,
            protocol,
            max_packet_size_0,
            configuration_count,
            _,
        ] = RawDescriptor::first(bytes)?.expect::<{ Self::LENGTH }>(
            "device qualifier",
            descriptor_type::DEVICE_QUALIFIER,
            "USB 2.0 9.6.2",
        )?;
        Ok(Self {
            usb_version: Version(u16::from_le_bytes([u0, u1])),
            class,
            subclass,
            protocol,
            max_packet_size_0,
            configuration_count,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEYBOARD: [u8; 18] = [
        18, 1, 0x10, 0x01, 0, 0, 0, 8, 0x6d, 0x04, 0x1c, 0xc3, 0x00, 0x49, 1, 2, 0, 1,
    ];

    #[test]
    fn a_low_speed_keyboard_reads_as_it_is() {
        let device = DeviceDescriptor::parse(&KEYBOARD).unwrap();
        assert_eq!(device.usb_version.to_string(), "1.10");
        assert_eq!((device.vendor_id, device.product_id), (0x046d, 0xc31c));
        assert_eq!(device.control_max_packet_size(), 8);
        assert_eq!(device.to_bytes(), KEYBOARD);
    }

    #[test]
    fn usb_3_writes_the_exponent_of_endpoint_0s_packet_size() {
        let device = DeviceDescriptor::parse(&KEYBOARD).unwrap();
        let usb_3 = DeviceDescriptor {
            usb_version: Version::USB_3_2,
            max_packet_size_0: 9,
            ..device
        };
        assert_eq!(usb_3.control_max_packet_size(), 512);
        let lying = DeviceDescriptor {
            max_packet_size_0: 64,
            ..usb_3
        };
        assert_eq!(lying.control_max_packet_size(), 64);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut short = KEYBOARD;
        short[0] = 17;
        let error = DeviceDescriptor::parse(&short).unwrap_err();
        assert_eq!(
            error.to_string(),
            "bLength at byte 0 is 17: device descriptor has at least 18 bytes (USB 2.0 9.6.1)"
        );
        let mut other = KEYBOARD;
        other[1] = 2;
        let error = DeviceDescriptor::parse(&other).unwrap_err();
        assert!(matches!(
            error,
            DescriptorError::Type {
                offset: 1,
                found: 2,
                ..
            }
        ));
        let error = DeviceDescriptor::parse(&[]).unwrap_err();
        assert!(matches!(error, DescriptorError::Cut { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn any_device_round_trips(mut bytes: [u8; 18]) {
            bytes[..2].copy_from_slice(&[18, 1]);
            let device = DeviceDescriptor::parse(&bytes).unwrap();
            prop_assert_eq!(device.to_bytes(), bytes);
        }

        #[test]
        fn any_qualifier_round_trips(mut bytes: [u8; 10]) {
            bytes[..2].copy_from_slice(&[10, 6]);
            let qualifier = DeviceQualifier::parse(&bytes).unwrap();
            prop_assert_eq!(DeviceQualifier::parse(&qualifier.to_bytes()), Ok(qualifier));
        }

        #[test]
        fn cut_descriptors_are_errors(length in 0..18_usize) {
            prop_assert!(DeviceDescriptor::parse(&KEYBOARD[..length]).is_err());
        }

        #[test]
        fn any_bytes_are_a_descriptor_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            prop_assert!(DeviceDescriptor::parse(&bytes).is_err() || bytes[1] == 1);
            prop_assert!(DeviceQualifier::parse(&bytes).is_err() || bytes[1] == 6);
        }
    }
}
