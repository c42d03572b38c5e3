//! What the host reads of a device, honest or not, and what follows from it.

use std::sync::Arc;
use std::time::Duration;

use usbfs2_loopback::{
    Bus, BusDevice, BusError, ClaimError, CompletionQueue, EnumerateError, Enumerated, PortOptions,
    Target, Transfer,
};
use usbfs2_protocol::standard::request;
use usbfs2_protocol::{SetupPacket, Speed};

use crate::firmware::{Firmware, configuration};
use crate::rig::{address, drain};

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(30);

/// Runs `test` against `firmware` at high speed.
fn with(firmware: Firmware, test: impl FnOnce(&BusDevice)) {
    at(Speed::High, firmware, test);
}

fn at(speed: Speed, firmware: Firmware, test: impl FnOnce(&BusDevice)) {
    let bus = Bus::new();
    let port = bus.plug(PortOptions::new(speed)).unwrap();
    let device = bus.devices().pop().unwrap();
    std::thread::scope(|scope| {
        firmware.run(scope, &port);
        // Ends the firmware even where the test panics.
        let _unplug = scopeguard(|| port.cable().pull());
        test(&device);
        assert_eq!(bus.devices().len(), 1, "the device stays listed");
    });
}

fn scopeguard(end: impl FnMut()) -> impl Drop {
    struct Guard<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Guard<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    Guard(end)
}

fn enumerate(device: &BusDevice) -> Result<Arc<Enumerated>, EnumerateError> {
    device.enumerate(LONG)
}

#[test]
fn an_honest_device_is_read_and_configured_once() {
    with(Firmware::new(), |device| {
        assert_eq!(device.enumerated(), None);
        let enumerated = enumerate(device).unwrap();
        assert_eq!(enumerated.problem, None);
        assert_eq!(enumerated.device.len(), 18);
        assert_eq!(enumerated.configurations, [configuration()]);
        assert_eq!(enumerated.bos, None, "bcdUSB is 2.00, so nobody asks");
        assert_eq!(device.active_configuration(), Some(7));
        let requests = device.bus().counters("1-1").unwrap()[0].1.transfers;
        assert_eq!(requests, 4);
        assert!(Arc::ptr_eq(&enumerate(device).unwrap(), &enumerated));
        assert_eq!(
            device.bus().counters("1-1").unwrap()[0].1.transfers,
            requests
        );
    });
}

#[test]
fn a_bos_is_read_where_bcd_usb_promises_one() {
    let bos = vec![5, 15, 12, 0, 1, 7, 16, 2, 6, 0, 0, 0];
    for (has_bos, expected) in [(true, Some(bos.clone())), (false, None)] {
        let mut firmware = Firmware::new();
        firmware.device[2] = 0x01;
        firmware.bos = has_bos.then(|| bos.clone());
        with(firmware, |device| {
            let enumerated = enumerate(device).unwrap();
            assert_eq!((&enumerated.bos, &enumerated.problem), (&expected, &None));
        });
    }
}

#[test]
fn a_device_descriptor_that_lies_is_refused_with_the_rule() {
    let broken: [fn(&mut Vec<u8>); 5] = [
        Vec::clear,
        |device| device.truncate(17),
        |device| device[0] = 17,
        |device| device[1] = 2,
        |device| device[7] = 32,
    ];
    for spoil in broken {
        let mut firmware = Firmware::new();
        spoil(&mut firmware.device);
        with(firmware, |device| {
            let error = enumerate(device).unwrap_err();
            assert!(
                matches!(error, EnumerateError::BadDeviceDescriptor(_)),
                "{error}"
            );
            assert_eq!(device.enumerated(), None);
        });
    }
}

#[test]
fn the_control_packet_size_is_that_of_the_speed() {
    for (speed, good, bad) in [
        (Speed::Low, 8, 64),
        (Speed::Full, 16, 9),
        (Speed::High, 64, 8),
        (Speed::Super, 9, 64),
    ] {
        for (size, is_good) in [(good, true), (bad, false)] {
            let mut firmware = Firmware::new();
            firmware.device[7] = size;
            at(speed, firmware, |device| {
                assert_eq!(enumerate(device).is_ok(), is_good, "{speed} {size}");
            });
        }
    }
}

#[test]
fn a_device_without_configuration_says_so() {
    let mut firmware = Firmware::new();
    firmware.device[17] = 0;
    with(firmware, |device| {
        let problem = enumerate(device).unwrap().problem.clone();
        assert_eq!(problem, Some(EnumerateError::NoConfiguration));
        assert_eq!(device.active_configuration(), None);
    });
}

#[test]
fn one_bad_configuration_does_not_hide_the_others() {
    let mut firmware = Firmware::new();
    firmware.device[17] = 4;
    let mut bad = configuration();
    bad[5] = 0;
    let mut last = configuration();
    last[5] = 8;
    // Index 3 is not there at all.
    firmware.configurations = vec![configuration(), bad, last.clone()];
    with(firmware, |device| {
        let enumerated = enumerate(device).unwrap();
        assert_eq!(enumerated.configurations, [configuration(), last]);
        let problem = enumerated.problem.clone().unwrap();
        assert!(
            matches!(problem, EnumerateError::BadConfiguration { index: 1, .. }),
            "{problem}"
        );
        assert_eq!(device.active_configuration(), Some(7));
    });
}

#[test]
fn no_more_configurations_are_read_than_linux_reads() {
    let mut firmware = Firmware::new();
    firmware.device[17] = 255;
    firmware.configurations = vec![configuration(); 255];
    with(firmware, |device| {
        assert_eq!(enumerate(device).unwrap().configurations.len(), 8);
    });
}

#[test]
fn a_first_configuration_that_lies_leaves_the_device_unconfigured() {
    let broken: [fn(&mut Vec<u8>); 5] = [
        Vec::clear,
        |bytes| bytes.truncate(8),
        |bytes| bytes[0] = 8,
        |bytes| bytes[1] = 4,
        |bytes| bytes[2] = 8,
    ];
    for spoil in broken {
        let mut firmware = Firmware::new();
        spoil(&mut firmware.configurations[0]);
        with(firmware, |device| {
            let enumerated = enumerate(device).unwrap();
            let problem = enumerated.problem.clone().unwrap();
            assert!(
                matches!(problem, EnumerateError::BadConfiguration { index: 0, .. }),
                "{problem}"
            );
            assert_eq!(device.active_configuration(), None);
        });
    }
}

#[test]
fn a_total_length_that_promises_too_much_is_left_to_the_parser() {
    let mut firmware = Firmware::new();
    firmware.configurations[0][3] = 0xff;
    let bytes = firmware.configurations[0].clone();
    with(firmware, |device| {
        assert_eq!(enumerate(device).unwrap().configurations, [bytes]);
    });
}

#[test]
fn a_refused_configuration_is_the_problem() {
    let mut firmware = Firmware::new();
    firmware.accepts = false;
    with(firmware, |device| {
        let problem = enumerate(device).unwrap().problem.clone();
        let error = BusError::Stall;
        assert_eq!(
            problem,
            Some(EnumerateError::SetConfiguration { value: 7, error })
        );
        assert_eq!(device.claim(0).unwrap_err(), ClaimError::NotConfigured);
    });
}

#[test]
fn a_silent_device_times_out_and_may_be_asked_again() {
    let mut firmware = Firmware::new();
    firmware.ignores = |_| true;
    with(firmware, |device| {
        for _ in 0..2 {
            let error = device.enumerate(Duration::from_millis(1)).unwrap_err();
            assert_eq!(error, EnumerateError::DeviceDescriptor(BusError::TimedOut));
        }
    });
}

#[test]
fn an_unplugged_device_says_so() {
    let bus = Bus::new();
    let port = bus.plug(PortOptions::new(Speed::High)).unwrap();
    let device = bus.devices().pop().unwrap();
    port.cable().pull();
    let unplugged = EnumerateError::DeviceDescriptor(BusError::Unplugged);
    assert_eq!(enumerate(&device).unwrap_err(), unplugged);
    assert_eq!(device.claim(0).unwrap_err(), ClaimError::Unplugged);
}

#[test]
fn threads_that_enumerate_together_share_one_enumeration() {
    with(Firmware::new(), |device| {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(enumerate(device).unwrap().problem, None));
            }
        });
        assert_eq!(device.bus().counters("1-1").unwrap()[0].1.transfers, 4);
    });
}

#[test]
fn an_interface_has_one_claim_at_a_time() {
    with(Firmware::new(), |device| {
        assert_eq!(device.claim(0).unwrap_err(), ClaimError::NotConfigured);
        enumerate(device).unwrap();
        let claim = device.claim(0).unwrap();
        assert_eq!(device.claim(0).unwrap_err(), ClaimError::Busy(0));
        assert!(device.is_claimed(0));
        let other = device.claim(2).unwrap();
        assert_eq!((claim.interface(), other.interface()), (0, 2));
        assert_eq!(device.claim(1).unwrap_err(), ClaimError::NoSuchInterface(1));
        drop(claim);
        assert!(!device.is_claimed(0));
        device.claim(0).unwrap();
    });
}

#[test]
fn a_claim_that_a_new_configuration_ended_does_not_release_the_next() {
    with(Firmware::new(), |device| {
        enumerate(device).unwrap();
        let old = device.claim(0).unwrap();
        device.set_configuration(7, LONG).unwrap();
        let new = device.claim(0).unwrap();
        drop(old);
        assert_eq!(device.claim(0).unwrap_err(), ClaimError::Busy(0));
        drop(new);
    });
}

#[test]
fn selecting_an_alternate_setting_resets_that_interface_only() {
    with(Firmware::new(), |device| {
        enumerate(device).unwrap();
        let queue = CompletionQueue::new(device.bus());
        let endpoint = |byte| Target::Endpoint(address(byte));
        device.submit(&queue, endpoint(0x01), Transfer::send(vec![1]));
        device.set_interface(2, 0, LONG).unwrap();
        assert_eq!(drain(&queue), [], "interface 2 does not have 0x01");
        device.set_interface(0, 1, LONG).unwrap();
        assert_eq!(queue.try_next().unwrap().status, Err(BusError::Cancelled));
        assert_eq!(device.alternate_setting(0), 1);
        assert_eq!(device.alternate_setting(2), 0);
        device.set_configuration(7, LONG).unwrap();
        assert_eq!(device.alternate_setting(0), 0);
    });
}

#[test]
fn a_device_that_stops_answering_in_the_middle_leaves_what_was_read() {
    let mut firmware = Firmware::new();
    firmware.ignores = |setup| setup.request == request::SET_CONFIGURATION;
    with(firmware, |device| {
        let enumerated = device.enumerate(Duration::from_secs(2)).unwrap();
        assert_eq!(enumerated.configurations, [configuration()]);
        let error = BusError::TimedOut;
        let problem = EnumerateError::SetConfiguration { value: 7, error };
        assert_eq!(enumerated.problem, Some(problem));
        let setup = SetupPacket::get_endpoint_status(address(0x00));
        assert_eq!(
            device.control(setup, &[], LONG),
            Ok(vec![0, 0]),
            "the pipe is free again"
        );
    });
}
