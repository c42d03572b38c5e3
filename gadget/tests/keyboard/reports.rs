//! Reports: each reaches the host, once and in order.

use std::time::Duration;

use usbfs2_gadget::functions::Keyboard;
use usbfs2_gadget::functions::keyboard::{
    IdleRate, KeyboardOptions, Modifiers, NoSuchKey, NotDrained, Untypable,
};
use usbfs2_gadget::{Speed, State};
use usbfs2_protocol::hid::{BootKeyboardReport, usage};

use crate::host::{Decoder, HANG, Host};

/// Every character of a US keyboard that makes a mark, and some that repeat.
fn text() -> String {
    let printable: String = (' '..='~').collect();
    format!("{printable}\naabbBBb\t{printable}")
}

#[test]
fn what_is_typed_is_what_the_host_decodes() {
    for speed in [Speed::Full, Speed::High, Speed::Super] {
        let keyboard = Keyboard::new();
        let host = Host::with(keyboard.clone(), speed);
        let text = text();
        keyboard.type_text(&text).unwrap();
        let mut decoder = Decoder::default();
        for _ in 0..2 * text.len() {
            decoder.take(&host.report());
        }
        assert_eq!(decoder.text, text);
        keyboard.wait_until_drained(Some(HANG)).unwrap();
        assert_eq!(keyboard.pending(), 0);
        assert_eq!(host.running.failures(), []);
    }
}

#[test]
fn text_typed_with_nobody_there_waits_for_the_host() {
    let keyboard = Keyboard::new();
    keyboard.type_text("early").unwrap();
    let not_drained = keyboard.wait_until_drained(Some(Duration::ZERO));
    assert_eq!(not_drained, Err(NotDrained { pending: 10 }));
    let host = Host::with(keyboard, Speed::High);
    let mut decoder = Decoder::default();
    (0..10).for_each(|_| decoder.take(&host.report()));
    assert_eq!(decoder.text, "early");
}

#[test]
fn a_text_survives_the_cable_being_pulled_after_each_report() {
    let keyboard = Keyboard::new();
    let mut host = Host::with(keyboard.clone(), Speed::High);
    let text = "neither lost\nNOR repeated";
    keyboard.type_text(text).unwrap();
    let mut decoder = Decoder::default();
    for taken in 0..2 * text.len() {
        // The next report is on the wire by now, or about to be; no host takes it.
        host.replug();
        decoder.unplugged();
        decoder.take(&host.report());
        assert!(
            text.starts_with(&decoder.text),
            "{taken}: {:?}",
            decoder.text
        );
    }
    assert_eq!(decoder.text, text);
    keyboard.wait_until_drained(Some(HANG)).unwrap();
    assert_eq!(host.running.failures(), []);
}

#[test]
fn held_keys_are_released_by_unplugging() {
    let keyboard = Keyboard::new();
    let mut host = Host::with(keyboard.clone(), Speed::High);
    keyboard.press(usage::A).unwrap();
    assert_eq!(
        host.report(),
        BootKeyboardReport::pressing(Modifiers::empty(), &[usage::A])
    );
    keyboard.wait_until_drained(Some(HANG)).unwrap();
    host.replug();
    host.running
        .wait_for_state(State::Configured, HANG)
        .unwrap();
    keyboard.press(usage::ENTER).unwrap();
    assert_eq!(
        host.report(),
        BootKeyboardReport::pressing(Modifiers::empty(), &[usage::ENTER])
    );
}

#[test]
fn chords_and_too_many_keys_are_reported_as_they_are() {
    let keyboard = Keyboard::new();
    let host = Host::with(keyboard.clone(), Speed::High);
    keyboard
        .tap(Modifiers::LEFT_CONTROL | Modifiers::LEFT_ALT, 0x4c)
        .unwrap();
    assert_eq!(host.report().to_bytes(), [5, 0, 0x4c, 0, 0, 0, 0, 0]);
    assert_eq!(host.report().to_bytes(), [0; 8]);
    (4..=10).for_each(|key| keyboard.press(key).unwrap());
    (4..10).for_each(|_| assert!(!host.report().is_error()));
    assert_eq!(host.report().to_bytes(), [0, 0, 1, 1, 1, 1, 1, 1]);
    keyboard.release_all();
    assert_eq!(host.report().to_bytes(), [0; 8]);
}

#[test]
fn held_keys_do_not_spoil_a_text() {
    let keyboard = Keyboard::new();
    let host = Host::with(keyboard.clone(), Speed::High);
    keyboard.press(usage::LEFT_CONTROL).unwrap();
    keyboard.press(usage::A).unwrap();
    keyboard.type_text("a").unwrap();
    let mut decoder = Decoder::default();
    (0..5).for_each(|_| decoder.take(&host.report()));
    assert_eq!(decoder.text, "a");
}

#[test]
fn an_unchanged_report_is_repeated_at_the_idle_rate() {
    let keyboard = Keyboard::new();
    let host = Host::with(keyboard.clone(), Speed::High);
    keyboard.press(usage::SPACE).unwrap();
    let held = host.report();
    // At the indefinite rate nothing comes, however long one waits.
    assert_eq!(host.report_within(Duration::from_millis(50)), None);
    host.set_idle(IdleRate::every(Duration::from_millis(4)));
    (0..5).for_each(|_| assert_eq!(host.report(), held));
    keyboard.release_all();
    let released = loop {
        let report = host.report();
        if report != held {
            break report;
        }
    };
    assert_eq!(released, BootKeyboardReport::default());
    assert_eq!(host.report(), released);
}

#[test]
fn what_the_keyboard_has_not_is_refused() {
    let keyboard = Keyboard::new();
    for key in [0, 1, 3, 0x66, 0xdf, 0xe8, 0xff] {
        assert_eq!(keyboard.press(key), Err(NoSuchKey(key)));
        assert_eq!(keyboard.release(key), Err(NoSuchKey(key)));
        assert_eq!(keyboard.tap(Modifiers::empty(), key), Err(NoSuchKey(key)));
    }
    let untypable = Untypable {
        characters: vec!['ï', '→'],
    };
    assert_eq!(keyboard.type_text("naïve → naïve"), Err(untypable));
    assert_eq!(keyboard.pending(), 0, "nothing of it was typed");
}

#[test]
fn the_endpoint_is_polled_as_often_as_asked() {
    let options = KeyboardOptions {
        poll_interval: Duration::from_millis(1),
        ..Default::default()
    };
    let host = Host::with(Keyboard::with_options(options), Speed::High);
    let endpoint = host.configuration().interfaces[0].alternate_settings[0].endpoints[0].clone();
    assert_eq!((endpoint.interval, endpoint.max_packet_size()), (4, 8));
}
