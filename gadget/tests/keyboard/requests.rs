//! Descriptors and class requests (HID 1.11 6.2, 7.2).

use std::time::Duration;

use usbfs2_gadget::Speed;
use usbfs2_gadget::functions::Keyboard;
use usbfs2_gadget::functions::keyboard::{IdleRate, KeyboardOptions, Leds, Protocol};
use usbfs2_loopback::BusError;
use usbfs2_protocol::descriptor::ClassDescriptor;
use usbfs2_protocol::hid::{
    BOOT_KEYBOARD_REPORT_DESCRIPTOR, BootKeyboardReport, HidDescriptor, ReportType, Request, usage,
};
use usbfs2_protocol::standard::descriptor_type;
use usbfs2_protocol::{Recipient, SetupPacket};

use crate::host::{HANG, Host};

fn plugged() -> (std::sync::Arc<Keyboard>, Host) {
    let keyboard = Keyboard::new();
    (keyboard.clone(), Host::with(keyboard, Speed::High))
}

const fn set_leds(length: u16) -> Request {
    Request::SetReport {
        report_type: ReportType::Output,
        report_id: 0,
        length,
    }
}

const fn get_report(report_type: ReportType, report_id: u8, length: u16) -> Request {
    Request::GetReport {
        report_type,
        report_id,
        length,
    }
}

#[test]
fn the_interface_is_a_boot_keyboards() {
    let (_, host) = plugged();
    let configuration = host.configuration();
    let setting = &configuration.interfaces[0].alternate_settings[0];
    assert_eq!(
        (setting.class, setting.subclass, setting.protocol),
        (3, 1, 1)
    );
    assert_eq!(setting.endpoints.len(), 1);
    let expected = HidDescriptor::new(BOOT_KEYBOARD_REPORT_DESCRIPTOR.len() as u16);
    assert_eq!(setting.extra, [ClassDescriptor::Hid(expected.clone())]);

    let get = |kind| host.control(SetupPacket::get_interface_descriptor(kind, 0, 0, 255), &[]);
    assert_eq!(get(descriptor_type::HID), Ok(expected.to_bytes()));
    assert_eq!(
        get(descriptor_type::HID_REPORT),
        Ok(BOOT_KEYBOARD_REPORT_DESCRIPTOR.to_vec())
    );
    assert_eq!(get(descriptor_type::HID_PHYSICAL), Err(BusError::Stall));
}

#[test]
fn set_report_switches_the_lights() {
    let (keyboard, mut host) = plugged();
    assert_eq!(keyboard.leds(), Leds::empty());
    assert_eq!(
        keyboard.wait_for_leds(Some(Duration::ZERO), |leds| !leds.is_empty()),
        None
    );
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| keyboard.wait_for_leds(Some(HANG), |leds| !leds.is_empty()));
        // The padding above the five lights is not the keyboard's.
        host.control(set_leds(1).setup(0), &[0xe2]).unwrap();
        assert_eq!(waiting.join().unwrap(), Some(Leds::CAPS_LOCK));
    });
    assert_eq!(
        host.request(get_report(ReportType::Output, 0, 8)),
        Ok(vec![0x02])
    );
    host.replug();
    assert_eq!(keyboard.leds(), Leds::empty(), "a reset turns them off");
}

#[test]
fn an_endpoint_of_its_own_switches_the_lights_too() {
    let options = KeyboardOptions {
        led_endpoint: true,
        ..KeyboardOptions::default()
    };
    let keyboard = Keyboard::with_options(options);
    let mut host = Host::with(keyboard.clone(), Speed::Full);
    for leds in [Leds::NUM_LOCK, Leds::CAPS_LOCK | Leds::KANA, Leds::empty()] {
        host.send(&[leds.bits()]);
        assert_eq!(
            keyboard.wait_for_leds(Some(HANG), |now| now == leds),
            Some(leds)
        );
    }
    // No report of the lights: nothing happens, and the next one counts.
    host.send(&[]);
    host.control(set_leds(1).setup(0), &[1]).unwrap();
    host.send(&[4]);
    let scroll = keyboard.wait_for_leds(Some(HANG), |now| now == Leds::SCROLL_LOCK);
    assert_eq!(scroll, Some(Leds::SCROLL_LOCK));

    host.replug();
    keyboard.type_text("a").unwrap();
    assert_eq!(host.report().keys[0], usage::A);
    host.send(&[1]);
    assert!(
        keyboard
            .wait_for_leds(Some(HANG), |now| now == Leds::NUM_LOCK)
            .is_some()
    );
    assert_eq!(host.running.failures(), []);
}

#[test]
fn get_report_says_which_keys_the_host_knows_to_be_held() {
    let (keyboard, host) = plugged();
    let ask = || host.request(get_report(ReportType::Input, 0, 8));
    assert_eq!(ask(), Ok(vec![0; 8]));
    keyboard.press(usage::TAB).unwrap();
    let report = host.report();
    keyboard.wait_until_drained(Some(HANG)).unwrap();
    assert_eq!(ask(), Ok(report.to_bytes().to_vec()));
    let cut = host.request(get_report(ReportType::Input, 0, 3));
    assert_eq!(cut, Ok(report.to_bytes()[..3].to_vec()));
}

#[test]
fn protocol_and_idle_rate_are_kept_until_a_reset() {
    let keyboard = Keyboard::new();
    let mut host = Host::with(keyboard.clone(), Speed::High);
    host.request(Request::SetProtocol(Protocol::Boot)).unwrap();
    host.set_idle(IdleRate(7));
    assert_eq!(host.request(Request::GetProtocol), Ok(vec![0]));
    assert_eq!(host.request(Request::GetIdle { report_id: 0 }), Ok(vec![7]));
    assert_eq!(
        (keyboard.protocol(), keyboard.idle_rate()),
        (Protocol::Boot, IdleRate(7))
    );
    // The same reports in both.
    assert_eq!(host.report(), BootKeyboardReport::default());

    host.replug();
    assert_eq!(host.request(Request::GetProtocol), Ok(vec![1]));
    assert_eq!(host.request(Request::GetIdle { report_id: 0 }), Ok(vec![0]));
}

#[test]
fn other_requests_are_stalled_and_change_nothing() {
    let (keyboard, host) = plugged();
    for request in [
        get_report(ReportType::Feature, 0, 8),
        get_report(ReportType::Input, 1, 8),
        get_report(ReportType::Output, 1, 8),
        Request::GetIdle { report_id: 1 },
        Request::SetIdle {
            report_id: 1,
            rate: IdleRate(1),
        },
    ] {
        assert_eq!(host.request(request), Err(BusError::Stall), "{request:?}");
    }
    for (request, data) in [
        (set_leds(0), &[][..]),
        (set_leds(2), &[1, 0]),
        (
            Request::SetReport {
                report_type: ReportType::Output,
                report_id: 1,
                length: 1,
            },
            &[1],
        ),
        (
            Request::SetReport {
                report_type: ReportType::Input,
                report_id: 0,
                length: 8,
            },
            &[0; 8],
        ),
        (
            Request::SetReport {
                report_type: ReportType::Feature,
                report_id: 0,
                length: 1,
            },
            &[1],
        ),
    ] {
        let stalled = host.control(request.setup(0), data);
        assert_eq!(stalled, Err(BusError::Stall), "{request:?}");
    }
    let mut setup = Request::SetProtocol(Protocol::Boot).setup(0);
    setup.value = 2;
    assert_eq!(host.control(setup, &[]), Err(BusError::Stall));
    setup.value = 0;
    setup.request_type.recipient = Recipient::Device;
    assert_eq!(host.control(setup, &[]), Err(BusError::Stall));

    assert_eq!(keyboard.leds(), Leds::empty());
    assert_eq!(keyboard.protocol(), Protocol::Report);
    assert_eq!(keyboard.idle_rate(), IdleRate::INDEFINITE);
}
