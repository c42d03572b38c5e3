//! The codes of chapter 9: requests, descriptor types, features, classes.

/// Standard request codes, `bRequest` (USB 2.0 table 9-4, USB 3.2 table 9-5).
pub mod request {
    /// Read the status of a device, interface or endpoint.
    pub const GET_STATUS: u8 = 0;
    /// Clear a feature, as an endpoint's halt.
    pub const CLEAR_FEATURE: u8 = 1;
    /// Set a feature, as an endpoint's halt.
    pub const SET_FEATURE: u8 = 3;
    /// Give the device its address on the bus.
    pub const SET_ADDRESS: u8 = 5;
    /// Read a descriptor.
    pub const GET_DESCRIPTOR: u8 = 6;
    /// Write a descriptor.
    pub const SET_DESCRIPTOR: u8 = 7;
    /// Read the active configuration value.
    pub const GET_CONFIGURATION: u8 = 8;
    /// Select a configuration, or none with 0.
    pub const SET_CONFIGURATION: u8 = 9;
    /// Read an interface's alternate setting.
    pub const GET_INTERFACE: u8 = 10;
    /// Select an interface's alternate setting.
    pub const SET_INTERFACE: u8 = 11;
    /// Read an isochronous endpoint's frame number.
    pub const SYNCH_FRAME: u8 = 12;
    /// Tell the device the system exit latencies (SuperSpeed).
    pub const SET_SEL: u8 = 48;
    /// Tell the device the delay of isochronous packets (SuperSpeed).
    pub const SET_ISOCH_DELAY: u8 = 49;
}

/// Descriptor types, `bDescriptorType` (USB 2.0 table 9-5, USB 3.2 table 9-6).
pub mod descriptor_type {
    /// Device.
    pub const DEVICE: u8 = 1;
    /// Configuration.
    pub const CONFIGURATION: u8 = 2;
    /// String.
    pub const STRING: u8 = 3;
    /// Interface.
    pub const INTERFACE: u8 = 4;
    /// Endpoint.
    pub const ENDPOINT: u8 = 5;
    /// Device qualifier: the device at its other speed.
    pub const DEVICE_QUALIFIER: u8 = 6;
    /// The configuration at the other speed.
    pub const OTHER_SPEED_CONFIGURATION: u8 = 7;
    /// On-The-Go.
    pub const OTG: u8 = 9;
    /// Debug port.
    pub const DEBUG: u8 = 10;
    /// Interface association.
    pub const INTERFACE_ASSOCIATION: u8 = 11;
    /// Binary device object store.
    pub const BOS: u8 = 15;
    /// Device capability, within a BOS.
    pub const DEVICE_CAPABILITY: u8 = 16;
    /// HID (HID 1.11 7.1).
    pub const HID: u8 = 0x21;
    /// HID report (HID 1.11 7.1).
    pub const HID_REPORT: u8 = 0x22;
    /// HID physical (HID 1.11 7.1).
    pub const HID_PHYSICAL: u8 = 0x23;
    /// Class-specific, beside an interface (CDC, audio, video).
    pub const CS_INTERFACE: u8 = 0x24;
    /// Class-specific, beside an endpoint (CDC, audio, video).
    pub const CS_ENDPOINT: u8 = 0x25;
    /// SuperSpeed endpoint companion.
    pub const SUPERSPEED_ENDPOINT_COMPANION: u8 = 48;
    /// SuperSpeedPlus isochronous endpoint companion.
    pub const SUPERSPEED_PLUS_ISOCHRONOUS_ENDPOINT_COMPANION: u8 = 49;
}

/// Feature selectors, `wValue` of SET_FEATURE and CLEAR_FEATURE (USB 2.0 table 9-6).
pub mod feature {
    /// An endpoint's halt.
    pub const ENDPOINT_HALT: u16 = 0;
    /// A device's permission to wake the host.
    pub const DEVICE_REMOTE_WAKEUP: u16 = 1;
    /// A high-speed device's test modes.
    pub const TEST_MODE: u16 = 2;
}

/// Class codes, `bDeviceClass` and `bInterfaceClass` (usb.org, "Defined Class Codes").
pub mod class {
    /// Each interface says its own class.
    pub const PER_INTERFACE: u8 = 0x00;
    /// Audio.
    pub const AUDIO: u8 = 0x01;
    /// Communications.
    pub const COMMUNICATIONS: u8 = 0x02;
    /// Human interface device.
    pub const HID: u8 = 0x03;
    /// Mass storage.
    pub const MASS_STORAGE: u8 = 0x08;
    /// Hub.
    pub const HUB: u8 = 0x09;
    /// Communications data.
    pub const CDC_DATA: u8 = 0x0a;
    /// Video.
    pub const VIDEO: u8 = 0x0e;
    /// Miscellaneous; with subclass 2 and protocol 1, a device with interface associations.
    pub const MISCELLANEOUS: u8 = 0xef;
    /// Application-specific, as device firmware upgrade.
    pub const APPLICATION_SPECIFIC: u8 = 0xfe;
    /// Vendor-specific.
    pub const VENDOR_SPECIFIC: u8 = 0xff;

    /// The class's name in words; `None` for a code usb.org has not given out.
    #[must_use]
    pub const fn name(code: u8) -> Option<&'static str> {
        Some(match code {
            PER_INTERFACE => "defined by interface",
            AUDIO => "audio",
            COMMUNICATIONS => "communications",
            HID => "human interface device",
            0x05 => "physical",
            0x06 => "still image",
            0x07 => "printer",
            MASS_STORAGE => "mass storage",
            HUB => "hub",
            CDC_DATA => "communications data",
            0x0b => "smart card",
            0x0d => "content security",
            VIDEO => "video",
            0x0f => "personal healthcare",
            0x10 => "audio/video",
            0x11 => "billboard",
            0x12 => "USB Type-C bridge",
            0x13 => "bulk display",
            0x14 => "MCTP over USB",
            0x3c => "I3C",
            0xdc => "diagnostic",
            0xe0 => "wireless controller",
            MISCELLANEOUS => "miscellaneous",
            APPLICATION_SPECIFIC => "application-specific",
            VENDOR_SPECIFIC => "vendor-specific",
            _ => return None,
        })
    }
}
