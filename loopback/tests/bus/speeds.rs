//! Which endpoints a device may have at which speed.

use usbfs2_loopback::{Bus, EnableError, EndpointSpec, PortOptions};
use usbfs2_protocol::{Speed, TransferType};

use crate::rig::{Rig, address, bulk};

fn enable(
    speed: Speed,
    transfer_type: TransferType,
    size: u16,
    interval: u8,
) -> Result<(), EnableError> {
    let bus = Bus::with_manual_clock();
    let port = bus.plug(PortOptions::new(speed)).unwrap();
    port.enable(EndpointSpec {
        address: address(0x81),
        transfer_type,
        max_packet_size: size,
        interval,
    })
}

#[test]
fn bulk_packet_sizes() {
    for (speed, good, bad) in [
        (Speed::Full, &[8, 16, 32, 64][..], &[0, 4, 48, 128, 512][..]),
        (Speed::High, &[512], &[0, 64, 511, 1024]),
        (Speed::Super, &[1024], &[512, 2048]),
        (Speed::SuperPlus, &[1024], &[512]),
    ] {
        for &size in good {
            assert_eq!(
                enable(speed, TransferType::Bulk, size, 0),
                Ok(()),
                "{speed} {size}"
            );
        }
        for &size in bad {
            let refused = enable(speed, TransferType::Bulk, size, 0);
            assert!(
                matches!(refused, Err(EnableError::PacketSize { .. })),
                "{speed} {size}"
            );
        }
    }
    let refused = enable(Speed::Low, TransferType::Bulk, 8, 0);
    assert!(matches!(refused, Err(EnableError::NotAtThisSpeed { .. })));
}

#[test]
fn interrupt_packet_sizes() {
    for (speed, largest) in [
        (Speed::Low, 8),
        (Speed::Full, 64),
        (Speed::High, 1024),
        (Speed::Super, 1024),
    ] {
        for size in [1, largest] {
            assert_eq!(
                enable(speed, TransferType::Interrupt, size, 1),
                Ok(()),
                "{speed} {size}"
            );
        }
        for size in [0, largest + 1] {
            let refused = enable(speed, TransferType::Interrupt, size, 1);
            assert!(
                matches!(refused, Err(EnableError::PacketSize { .. })),
                "{speed} {size}"
            );
        }
    }
}

#[test]
fn interrupt_intervals() {
    for (speed, longest) in [
        (Speed::Low, 255),
        (Speed::Full, 255),
        (Speed::High, 16),
        (Speed::Super, 16),
    ] {
        assert_eq!(enable(speed, TransferType::Interrupt, 8, longest), Ok(()));
        assert!(matches!(
            enable(speed, TransferType::Interrupt, 8, 0),
            Err(EnableError::Interval { .. })
        ));
    }
    assert!(matches!(
        enable(Speed::High, TransferType::Interrupt, 8, 17),
        Err(EnableError::Interval { .. })
    ));
}

#[test]
fn isochronous_packet_sizes() {
    for (speed, good, bad) in [
        (Speed::Full, &[0, 1, 1023][..], &[1024, 0x0c00][..]),
        // Additional transactions in bits 11 and 12 (USB 2.0 table 9-14).
        (
            Speed::High,
            &[0, 1024, 0x0a01, 0x0c00, 0x12ab, 0x1400],
            &[1025, 0x0a00, 0x0c01, 0x12aa, 0x1401, 0x1c00, 0x2000],
        ),
        (Speed::Super, &[0, 1024, 49_152], &[49_153, u16::MAX]),
    ] {
        for &size in good {
            let enabled = enable(speed, TransferType::Isochronous, size, 1);
            assert_eq!(enabled, Ok(()), "{speed} {size}");
        }
        for &size in bad {
            let refused = enable(speed, TransferType::Isochronous, size, 1);
            assert!(
                matches!(refused, Err(EnableError::PacketSize { .. })),
                "{speed} {size}"
            );
        }
        for interval in [0, 17] {
            let refused = enable(speed, TransferType::Isochronous, 8, interval);
            assert!(matches!(refused, Err(EnableError::Interval { .. })));
        }
        assert_eq!(enable(speed, TransferType::Isochronous, 8, 16), Ok(()));
    }
    let refused = enable(Speed::Low, TransferType::Isochronous, 8, 1);
    assert!(matches!(refused, Err(EnableError::NotAtThisSpeed { .. })));
}

#[test]
fn control_endpoints_are_refused() {
    let refused = enable(Speed::High, TransferType::Control, 64, 0);
    assert_eq!(refused, Err(EnableError::Control(address(0x81))));
    let rig = Rig::new();
    let refused = rig.port.enable(bulk(0x80, 512));
    assert_eq!(refused, Err(EnableError::Control(address(0x80))));
}

#[test]
fn an_endpoint_is_enabled_once_and_only_with_a_host() {
    let rig = Rig::new();
    let again = rig.port.enable(bulk(0x81, 512));
    assert_eq!(again, Err(EnableError::AlreadyEnabled(address(0x81))));
    rig.port.disable(address(0x81));
    assert_eq!(rig.port.enable(bulk(0x81, 512)), Ok(()));
    rig.port.cable().pull();
    assert_eq!(
        rig.port.enable(bulk(0x81, 512)),
        Err(EnableError::Unplugged)
    );
}
