//! Configurations as devices send them, written out from the specifications.

/// A boot keyboard at low speed (HID 1.11 appendix E).
pub(crate) const KEYBOARD: [u8; 34] = [
    9, 2, 34, 0, 1, 1, 0, 0xa0, 49, // configuration 1, remote wake-up, 98 mA
    9, 4, 0, 0, 1, 3, 1, 1, 0, // interface 0: HID, boot, keyboard
    9, 0x21, 0x11, 0x01, 0, 1, 0x22, 63, 0, // HID 1.11, report descriptor of 63 bytes
    7, 5, 0x81, 3, 8, 0, 10, // interrupt IN, 8 bytes, 10 ms
];

/// A disk at SuperSpeed: Bulk-Only with companions (USB 3.2 9.6.7).
pub(crate) const SUPERSPEED_DISK: [u8; 44] = [
    9, 2, 44, 0, 1, 1, 0, 0x80, 112, // configuration 1, 896 mA
    9, 4, 0, 0, 2, 8, 6, 0x50, 0, // interface 0: mass storage, SCSI, Bulk-Only
    7, 5, 0x81, 2, 0x00, 0x04, 0, // bulk IN, 1024 bytes
    6, 0x30, 15, 0, 0, 0, // bursts of 16
    7, 5, 0x02, 2, 0x00, 0x04, 0, // bulk OUT, 1024 bytes
    6, 0x30, 15, 0, 0, 0, // bursts of 16
];

/// A serial port and a keyboard in one device, told apart by an association (CDC 1.2, USB 3.2 9.6.4).
pub(crate) const COMPOSITE: [u8; 100] = [
    9, 2, 100, 0, 3, 1, 4, 0xc0, 50, // configuration 1, string 4, self-powered
    8, 11, 0, 2, 2, 2, 1, 5, // interfaces 0 and 1: communications, ACM, AT; string 5
    9, 4, 0, 0, 1, 2, 2, 1, 0, // interface 0: communications
    5, 0x24, 0, 0x10, 0x01, // CDC header 1.10
    5, 0x24, 1, 0, 1, // call management
    4, 0x24, 2, 2, // abstract control management
    5, 0x24, 6, 0, 1, // union of 0 and 1
    7, 5, 0x83, 3, 16, 0, 9, // interrupt IN
    9, 4, 1, 0, 2, 10, 0, 0, 0, // interface 1: data
    7, 5, 0x81, 2, 0, 2, 0, // bulk IN
    7, 5, 0x01, 2, 0, 2, 0, // bulk OUT
    9, 4, 2, 0, 1, 3, 0, 0, 0, // interface 2: HID
    9, 0x21, 0x11, 0x01, 33, 1, 0x22, 45, 0, // HID 1.11, US
    7, 5, 0x84, 3, 64, 0, 4, // interrupt IN
];

/// A microphone: alternate setting 0 has no bandwidth, 1 has an endpoint of nine bytes with a
/// class-specific descriptor behind it (Audio 1.0 4.5, 4.6).
pub(crate) const MICROPHONE: [u8; 111] = [
    9, 2, 111, 0, 2, 1, 0, 0x80, 50, // configuration 1
    9, 4, 0, 0, 0, 1, 1, 0, 0, // interface 0: audio control
    9, 0x24, 1, 0x00, 0x01, 30, 0, 1, 1, // header 1.00
    12, 0x24, 2, 1, 0x01, 0x02, 0, 1, 0, 0, 0, 0, // input terminal: microphone
    9, 0x24, 3, 2, 0x01, 0x01, 0, 1, 0, // output terminal: streaming
    9, 4, 1, 0, 0, 1, 2, 0, 0, // interface 1 setting 0: audio streaming, idle
    9, 4, 1, 1, 1, 1, 2, 0, 0, // interface 1 setting 1: audio streaming
    7, 0x24, 1, 2, 1, 1, 0, // general: PCM
    11, 0x24, 2, 1, 1, 2, 16, 1, 0x80, 0xbb, 0x00, // type I: mono, 16 bits, 48 kHz
    9, 5, 0x81, 5, 98, 0, 1, 0, 0, // isochronous IN, asynchronous, 98 bytes
    7, 0x25, 1, 1, 0, 0, 0, // class-specific endpoint
    2, 0xfe, // a descriptor with nothing in it
    9, 0x41, 1, 2, 3, 4, 5, 6, 7, // a vendor's
];

/// A camera's streaming interface at high speed, with three transactions a microframe (UVC 1.5 3.9).
pub(crate) const CAMERA: [u8; 78] = [
    9, 2, 78, 0, 2, 1, 0, 0x80, 250, // configuration 1, 500 mA
    8, 11, 0, 2, 14, 3, 0, 0, // interfaces 0 and 1: video
    9, 4, 0, 0, 1, 14, 1, 0, 0, // interface 0: video control
    13, 0x24, 1, 0x50, 0x01, 13, 0, 0x80, 0x8d, 0x5b, 0, 1, 1, // header 1.50, 6 MHz
    7, 5, 0x82, 3, 16, 0, 8, // interrupt IN
    5, 0x25, 3, 16, 0, // class-specific endpoint
    9, 4, 1, 0, 0, 14, 2, 0, 0, // interface 1 setting 0: video streaming, idle
    9, 4, 1, 1, 1, 14, 2, 0, 0, // interface 1 setting 1: video streaming
    9, 5, 0x81, 5, 0x00, 0x14, 1, 0, 0, // isochronous IN, 3 x 1024 bytes
];

/// The device descriptor of a device with this many configurations.
pub(crate) const fn device(configurations: u8) -> [u8; 18] {
    [
        18,
        1,
        0x00,
        0x02,
        0,
        0,
        0,
        64,
        0x34,
        0x12,
        0x78,
        0x56,
        0x00,
        0x01,
        1,
        2,
        3,
        configurations,
    ]
}
