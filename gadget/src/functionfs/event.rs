//! `struct usb_functionfs_event` (linux/usb/functionfs.h).

use usbfs2_protocol::SetupPacket;

/// What endpoint 0's file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileEvent {
    /// The composite has been put on a controller.
    Bind,
    /// The composite has been taken off its controller.
    Unbind,
    /// The host has selected the configuration: the endpoints work.
    Enable,
    /// The host has left the configuration, reset the bus, or is gone.
    Disable,
    Setup(SetupPacket),
    Suspend,
    Resume,
}

impl FileEvent {
    pub(super) const LENGTH: usize = 12;

    /// The event in these bytes, or the type that is unknown.
    pub(super) fn parse(bytes: [u8; Self::LENGTH]) -> Result<Self, u8> {
        let [setup @ .., kind, _, _, _] = bytes;
        Ok(match kind {
            0 => Self::Bind,
            1 => Self::Unbind,
            2 => Self::Enable,
            3 => Self::Disable,
            4 => Self::Setup(SetupPacket::from_bytes(setup)),
            5 => Self::Suspend,
            6 => Self::Resume,
            unknown => return Err(unknown),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_read_from_its_place() {
        let mut bytes = [0; FileEvent::LENGTH];
        bytes[..8].copy_from_slice(&[0x81, 6, 0, 0x22, 2, 0, 63, 0]);
        bytes[8] = 4;
        let Ok(FileEvent::Setup(setup)) = FileEvent::parse(bytes) else {
            panic!("no setup event");
        };
        assert_eq!(
            (setup.request, setup.value, setup.index, setup.length),
            (6, 0x2200, 2, 63)
        );
        bytes[8] = 3;
        assert_eq!(FileEvent::parse(bytes), Ok(FileEvent::Disable));
        bytes[8] = 7;
        assert_eq!(FileEvent::parse(bytes), Err(7));
    }
}
