//! `struct usb_gadgetfs_event` (linux/usb/gadgetfs.h).

use usbfs2_protocol::{SetupPacket, Speed};

/// What endpoint 0's file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileEvent {
    /// Never sent by the kernels read for this.
    Nop,
    /// The host has sent its first request.
    Connect(Speed),
    /// The host is gone or has reset the bus.
    Disconnect,
    Setup(SetupPacket),
    Suspend,
}

impl FileEvent {
    pub(super) const LENGTH: usize = 12;

    /// The event in these bytes, or the type that is unknown.
    pub(super) fn parse(bytes: [u8; Self::LENGTH]) -> Result<Self, u32> {
        let [setup @ .., t0, t1, t2, t3] = bytes;
        // The speed, a u32 of the host's byte order, shares its place with the setup packet.
        let [s0, s1, s2, s3, ..] = setup;
        match u32::from_ne_bytes([t0, t1, t2, t3]) {
            0 => Ok(Self::Nop),
            1 => Ok(Self::Connect(speed(u32::from_ne_bytes([s0, s1, s2, s3])))),
            2 => Ok(Self::Disconnect),
            3 => Ok(Self::Setup(SetupPacket::from_bytes(setup))),
            4 => Ok(Self::Suspend),
            unknown => Err(unknown),
        }
    }
}

/// `enum usb_device_speed` (linux/usb/ch9.h). gadgetfs never connects faster than high speed.
fn speed(code: u32) -> Speed {
    match code {
        1 => Speed::Low,
        2 => Speed::Full,
        _ => Speed::High,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(head: [u8; 8], kind: u32) -> Result<FileEvent, u32> {
        let mut bytes = [0; FileEvent::LENGTH];
        bytes[..8].copy_from_slice(&head);
        bytes[8..].copy_from_slice(&kind.to_ne_bytes());
        FileEvent::parse(bytes)
    }

    #[test]
    fn each_type_is_read_from_its_place() {
        let setup = SetupPacket::set_configuration(1);
        assert_eq!(event(setup.to_bytes(), 3), Ok(FileEvent::Setup(setup)));
        let mut connect = [0; 8];
        connect[..4].copy_from_slice(&2_u32.to_ne_bytes());
        assert_eq!(event(connect, 1), Ok(FileEvent::Connect(Speed::Full)));
        connect[..4].copy_from_slice(&3_u32.to_ne_bytes());
        assert_eq!(event(connect, 1), Ok(FileEvent::Connect(Speed::High)));
        assert_eq!(event([0; 8], 2), Ok(FileEvent::Disconnect));
        assert_eq!(event([0; 8], 4), Ok(FileEvent::Suspend));
        assert_eq!(event([0; 8], 9), Err(9));
    }
}
