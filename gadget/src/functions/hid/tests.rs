//! What is held, what waits, and what the host knows.

use proptest::prelude::*;

use usbfs2_protocol::hid::{BootKeyboardReport, Modifiers, ReportDescriptor, ReportType, usage};

use crate::functions::consumer_control::usage as media;
use crate::functions::keyboard::KeyboardOptions;
use crate::functions::mouse::Button;
use crate::functions::{ConsumerControl, Gamepad, Keyboard, Mouse, Tablet};

use super::{Controls, HidFunction};

const SHIFT: u8 = usage::LEFT_CONTROL + 1;

fn taken<C: Controls>(function: &HidFunction<C>) {
    function.update(|state| state.queue.taken(&function.descriptor));
}

fn next<C: Controls>(function: &HidFunction<C>) -> Option<Vec<u8>> {
    function.lock().queue.next().map(<[u8]>::to_vec)
}

fn unplug<C: Controls>(function: &HidFunction<C>) {
    function.update(|state| state.unplugged());
}

fn take_all<C: Controls>(function: &HidFunction<C>) -> Vec<Vec<u8>> {
    let mut reports = Vec::new();
    while let Some(report) = next(function) {
        reports.push(report);
        taken(function);
    }
    reports
}

#[test]
fn each_change_is_a_report() {
    let keyboard = Keyboard::new();
    keyboard.press(SHIFT).unwrap();
    keyboard.press(4).unwrap();
    keyboard.press(4).unwrap();
    keyboard.press(5).unwrap();
    keyboard.release(4).unwrap();
    keyboard.release(9).unwrap();
    keyboard.release_all();
    let expected = [
        [2, 0, 0, 0, 0, 0, 0, 0],
        [2, 0, 4, 0, 0, 0, 0, 0],
        [2, 0, 4, 5, 0, 0, 0, 0],
        [2, 0, 5, 0, 0, 0, 0, 0],
        [0; 8],
    ];
    assert_eq!(take_all(&keyboard), expected);
}

#[test]
fn more_than_six_keys_are_a_rollover_until_six_are_left() {
    let keyboard = Keyboard::new();
    (4..=11).for_each(|key| keyboard.press(key).unwrap());
    keyboard.press(SHIFT).unwrap();
    keyboard.release(4).unwrap();
    keyboard.release(5).unwrap();
    let reports = take_all(&keyboard);
    assert_eq!(reports[5], [0, 0, 4, 5, 6, 7, 8, 9]);
    assert_eq!(reports[6], [0, 0, 1, 1, 1, 1, 1, 1]);
    assert_eq!(reports[7], [2, 0, 1, 1, 1, 1, 1, 1], "modifiers still show");
    assert_eq!(reports[8], [2, 0, 6, 7, 8, 9, 10, 11]);
    assert_eq!(reports.len(), 9);
}

#[test]
fn a_tap_leaves_what_was_held() {
    let keyboard = Keyboard::new();
    keyboard.press(SHIFT).unwrap();
    keyboard.press(4).unwrap();
    take_all(&keyboard);
    keyboard
        .tap(Modifiers::LEFT_SHIFT | Modifiers::LEFT_CONTROL, 5)
        .unwrap();
    keyboard.tap(Modifiers::empty(), 4).unwrap();
    let expected = [
        [3, 0, 4, 5, 0, 0, 0, 0],
        [2, 0, 4, 0, 0, 0, 0, 0],
        [2, 0, 0, 0, 0, 0, 0, 0],
        [2, 0, 4, 0, 0, 0, 0, 0],
        [2, 0, 0, 0, 0, 0, 0, 0],
    ];
    assert_eq!(take_all(&keyboard), expected);
}

#[test]
fn a_held_key_is_released_by_unplugging() {
    let keyboard = Keyboard::new();
    keyboard.press(4).unwrap();
    taken(&keyboard);
    unplug(&keyboard);
    assert_eq!(keyboard.lock().queue.current(0), Some(&[0; 8][..]));
    keyboard.release(4).unwrap();
    assert_eq!(next(&keyboard), None, "the next host never knew it pressed");
    keyboard.press(5).unwrap();
    assert_eq!(take_all(&keyboard), [[0, 0, 5, 0, 0, 0, 0, 0]]);
}

#[test]
fn reports_that_were_not_taken_survive_unplugging_unchanged() {
    let keyboard = Keyboard::new();
    keyboard.press(4).unwrap();
    taken(&keyboard);
    keyboard.press(5).unwrap();
    unplug(&keyboard);
    keyboard.release(4).unwrap();
    let expected = [[0, 0, 4, 5, 0, 0, 0, 0], [0, 0, 5, 0, 0, 0, 0, 0]];
    assert_eq!(take_all(&keyboard), expected);
}

proptest! {
    /// However often the host goes away, what it decodes is what was typed.
    #[test]
    fn taps_are_neither_lost_nor_repeated(
        keys in prop::collection::vec(4..0x66_u8, 0..50),
        unplugs in prop::collection::vec(any::<bool>(), 200),
    ) {
        let keyboard = Keyboard::new();
        keys.iter().for_each(|&key| keyboard.tap(Modifiers::empty(), key).unwrap());
        let mut host = usbfs2_protocol::hid::Keyboard::new();
        let mut decoded = Vec::new();
        let mut unplugs = unplugs.into_iter();
        while let Some(report) = next(&keyboard) {
            if unplugs.next() == Some(true) {
                unplug(&keyboard);
                host = usbfs2_protocol::hid::Keyboard::new();
                continue;
            }
            taken(&keyboard);
            let report = BootKeyboardReport::parse(&report).unwrap();
            let pressed = host.update(&report).into_iter().filter(|change| change.pressed);
            decoded.extend(pressed.map(|change| change.usage));
        }
        prop_assert_eq!(decoded, keys);
    }
}

#[test]
fn every_ready_made_report_descriptor_is_right() {
    fn forms<C: Controls>(function: &HidFunction<C>) -> Vec<(ReportType, u8, usize)> {
        let bytes = &function.options.report_descriptor;
        let descriptor = ReportDescriptor::parse(bytes).unwrap();
        let reports = descriptor.reports().iter();
        let forms = reports.map(|form| (form.report_type, form.id, form.length()));
        forms.collect()
    }
    use ReportType::{Input, Output};
    assert_eq!(forms(&Keyboard::new()), [(Input, 0, 8), (Output, 0, 1)]);
    assert_eq!(
        forms(&with_media()),
        [(Input, 1, 9), (Output, 1, 2), (Input, 2, 5)]
    );
    assert_eq!(forms(&Mouse::new()), [(Input, 0, 5)]);
    assert_eq!(forms(&Tablet::new()), [(Input, 0, 6)]);
    assert_eq!(forms(&Gamepad::new()), [(Input, 0, 12)]);
    assert_eq!(forms(&ConsumerControl::new()), [(Input, 0, 4)]);
}

fn with_media() -> std::sync::Arc<Keyboard> {
    Keyboard::with_options(KeyboardOptions {
        media_keys: true,
        ..KeyboardOptions::default()
    })
}

#[test]
fn keys_and_media_keys_are_reports_of_their_own() {
    let keyboard = with_media();
    keyboard.press(4).unwrap();
    keyboard.press_media(media::VOLUME_UP).unwrap();
    keyboard.press_media(media::VOLUME_UP).unwrap();
    keyboard.press(4).unwrap();
    keyboard.release_media(media::VOLUME_UP).unwrap();
    let expected: [&[u8]; 3] = [
        &[1, 0, 0, 4, 0, 0, 0, 0, 0],
        &[2, 0xe9, 0, 0, 0],
        &[2, 0, 0, 0, 0],
    ];
    assert_eq!(take_all(&keyboard), expected);
    assert!(keyboard.press_media(0).is_err());
    assert!(Keyboard::new().press_media(media::MUTE).is_err());
}

#[test]
fn far_motion_is_split_and_never_repeated() {
    let mouse = Mouse::new();
    mouse.press(Button::Right);
    mouse.move_by(-300, 130);
    mouse.press(Button::Right);
    mouse.scroll(2, -1);
    let expected: [&[u8]; 5] = [
        &[2, 0, 0, 0, 0],
        &[2, 0x81, 127, 0, 0],
        &[2, 0x81, 3, 0, 0],
        &[2, 0xd2, 0, 0, 0],
        &[2, 0, 0, 2, 0xff],
    ];
    assert_eq!(take_all(&mouse), expected);
    assert_eq!(mouse.lock().queue.current(0), Some(&[2, 0, 0, 0, 0][..]));
    mouse.release(Button::Left);
    assert_eq!(next(&mouse), None);
    unplug(&mouse);
    mouse.release(Button::Right);
    assert_eq!(next(&mouse), None, "the next host never knew it pressed");
}

#[test]
fn of_many_media_keys_the_last_two_are_told() {
    let controls = ConsumerControl::new();
    for usage in [media::MUTE, media::STOP, media::PLAY_PAUSE] {
        controls.press(usage).unwrap();
    }
    controls.release(media::STOP).unwrap();
    let expected: [&[u8]; 4] = [
        &[0xe2, 0, 0, 0],
        &[0xe2, 0, 0xb7, 0],
        &[0xb7, 0, 0xcd, 0],
        &[0xe2, 0, 0xcd, 0],
    ];
    assert_eq!(take_all(&controls), expected);
    assert!(controls.press(0x400).is_err());
}
