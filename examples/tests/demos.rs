//! Runs every Rust example the way that needs no hardware, and looks at what it prints. `composite_gadget` and
//! `sandboxed_disk`, which need a kernel, are run in the VM.

use std::process::{Command, Output};
use std::sync::{PoisonError, RwLock};

/// Sound is played in real time: its examples have the machine to themselves, the others run beside each other.
static MACHINE: RwLock<()> = RwLock::new(());

fn run(program: &str, arguments: &[&str]) -> Output {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    output(program, arguments)
}

fn output(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    // anyhow would add its own to the complaint.
    command.args(arguments).env_remove("RUST_BACKTRACE");
    command.output().unwrap()
}

/// What a run that succeeded printed.
fn printed(program: &str, arguments: &[&str]) -> String {
    text(run(program, arguments))
}

/// The same of a run that has the machine to itself: where the kernel lets it, also before other programs.
fn printed_alone(program: &str, arguments: &[&str]) -> String {
    let _alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    // Of this thread, which the program inherits it from.
    let comes_first = rustix::process::nice(-15).is_ok();
    let output = output(program, arguments);
    if comes_first {
        rustix::process::nice(15).unwrap();
    }
    text(output)
}

fn text(output: Output) -> String {
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{}: {errors}", output.status);
    assert_eq!(errors, "");
    String::from_utf8(output.stdout).unwrap()
}

/// The one line a run that failed complained in.
fn complaint(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    assert!(!output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    errors
}

#[test]
fn list_shows_a_disk_with_its_endpoints() {
    let expected = "\
through loopback: an in-process bus was given
1-1 1209:0002 usbfs2 Example disk
  configuration 1
    interface 0 alternate 0 class 08/06/50, driver none
      0x81 bulk IN, 512 bytes a packet
      0x01 bulk OUT, 512 bytes a packet
";
    assert_eq!(printed(env!("CARGO_BIN_EXE_list"), &["--demo"]), expected);
}

#[test]
fn audio_play_is_heard_to_the_last_period() {
    let printed = printed_alone(env!("CARGO_BIN_EXE_audio_play"), &["--demo"]);
    let expected = "\
to the speaker: 2 channels, 16 bits, 48000 Hz
volume: -12.0 dB
played 48000 frames a second for a second
";
    assert!(printed.starts_with(expected), "{printed}");
    // 220 Hz to 440 Hz: 317.4 periods, the last of which is in the card's buffer.
    let periods = printed.strip_prefix(expected);
    let periods = periods.and_then(|rest| rest.strip_prefix("heard ")?.strip_suffix(" periods\n"));
    let periods: Option<u32> = periods.and_then(|periods| periods.parse().ok());
    assert!(
        periods.is_some_and(|it| (310..=318).contains(&it)),
        "{printed}"
    );
}

#[test]
fn isochronous_hears_every_word() {
    let expected = "up to 64 bytes every 1ms\n\
        heard: a\nheard: word\nheard: is\nheard: lost\nheard: that\nheard: nobody\nheard: was\nheard: there\n\
        heard: to\nheard: hear\nheard: .\n";
    assert_eq!(
        printed_alone(env!("CARGO_BIN_EXE_isochronous"), &[]),
        expected
    );
    let complaint = complaint(env!("CARGO_BIN_EXE_isochronous"), &["--loud"]);
    assert!(
        complaint.contains("`--loud` is not understood"),
        "{complaint}"
    );
}

#[test]
fn sound_card_repeats_what_it_hears() {
    let printed = printed_alone(env!("CARGO_BIN_EXE_sound_card"), &[]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "OUT: 2 channels, 16 bits, 48000 Hz",
            "IN: 2 channels, 16 bits, 48000 Hz",
            "volume -6.0 dB",
        ]
    );
    assert!(lines[3].starts_with("played: "), "{printed}");
    assert_eq!(lines[4], "all 24000 frames came back as they were");
    let complaint = complaint(env!("CARGO_BIN_EXE_sound_card"), &["--loud"]);
    assert!(
        complaint.contains("`--loud` is not understood"),
        "{complaint}"
    );
}

#[test]
fn disk_files_lists_and_prints_a_file() {
    let expected = "      36 README.TXT\nA file on a disk that is not there.\n";
    assert_eq!(
        printed(env!("CARGO_BIN_EXE_disk_files"), &["--demo"]),
        expected
    );
}

#[test]
fn disk_read_prints_the_first_sectors() {
    let expected = "\
usbfs2 Disk: 2048 blocks of 512 bytes
00000000  54 68 65 20 66 69 72 73 74 20 73 65 63 74 6f 72  The first sector
00000010  20 6f 66 20 61 20 64 69 73 6b 20 74 68 61 74 20   of a disk that 
00000020  69 73 20 6e 6f 74 20 74 68 65 72 65 2e 00 00 00  is not there....
";
    assert_eq!(
        printed(env!("CARGO_BIN_EXE_disk_read"), &["--demo"]),
        expected
    );
}

#[test]
fn hid_monitor_prints_key_events_and_lights_num_lock() {
    let expected = r"down 0xe1
down 0x0b 'H'
up 0xe1
up 0x0b
down 0x0c 'i'
up 0x0c
down 0xe1
down 0x1e '!'
up 0xe1
up 0x1e
down 0x29 '\u{1b}'
lights of the keyboard: Leds(NUM_LOCK)
";
    let printed = printed(env!("CARGO_BIN_EXE_hid_monitor"), &["--demo"]);
    assert_eq!(printed, expected);
}

#[test]
fn hotplug_sees_the_cable_pulled_and_plugged() {
    let expected = "\
1-1 is here: Example keyboard
1-1 is gone
1-1 is here: Example keyboard
1-1 is gone
";
    assert_eq!(
        printed(env!("CARGO_BIN_EXE_hotplug"), &["--demo"]),
        expected
    );
}

#[test]
fn own_gadget_echoes_shouts_and_counts() {
    let expected = "\
it says: is anybody there?
it says: IS ANYBODY THERE?
it counts: 34 bytes
";
    assert_eq!(printed(env!("CARGO_BIN_EXE_own_gadget"), &[]), expected);
}

#[test]
fn asynchronous_reads_keyboard_and_disk_on_two_executors() {
    let expected = "\
on futures, press Enter to end a line
\"both at once\" came while 4194304 bytes were read
on tokio, within a minute
\"and once more\" came while 4194304 bytes were read
";
    assert_eq!(
        printed(env!("CARGO_BIN_EXE_asynchronous"), &["--demo"]),
        expected
    );
}

/// What the two ends of a firmware's demo printed, each in a thread of its own.
fn sorted(program: &str) -> Vec<String> {
    let mut lines: Vec<String> = printed(program, &["--demo"])
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort_unstable();
    lines
}

#[test]
fn firmware_serial_echoes_a_mebibyte_and_stalls_a_break() {
    let printed = sorted(env!("CARGO_BIN_EXE_firmware_serial"));
    for line in [
        "9600 8N1 without a terminal",
        "115200 7E2 with a terminal",
        "a break: the endpoint stalled: the device refused the request, or clear_halt is due",
        "1048576 bytes came back as they were",
        "1 requests stalled",
    ] {
        assert!(
            printed.iter().any(|printed| printed == line),
            "{line}: {printed:?}"
        );
    }
}

#[test]
fn firmware_mouse_moves_and_clicks() {
    let expected = "\
moved by 10 -5
Button { number: 1, pressed: true }
Button { number: 1, pressed: false }
moved by -127 127
";
    let printed = printed(env!("CARGO_BIN_EXE_firmware_mouse"), &["--demo"]);
    assert_eq!(printed, expected);
}

#[test]
fn firmware_keyboard_types_and_is_lit() {
    let printed = sorted(env!("CARGO_BIN_EXE_firmware_keyboard"));
    assert_eq!(
        printed,
        ["num lock true, caps lock false", "typed: unmodified"]
    );
}

#[test]
fn firmware_disk_recovers_and_keeps_a_file() {
    let printed = sorted(env!("CARGO_BIN_EXE_firmware_disk"));
    let expected = [
        "1 reset",
        "16777216 bytes",
        "a file of 262144 bytes came back as it was",
    ];
    assert_eq!(printed, expected);
}

#[test]
fn firmware_midi_answers_an_octave_higher() {
    let printed = sorted(env!("CARGO_BIN_EXE_firmware_midi"));
    assert_eq!(
        printed,
        [
            "heard [90, 3c, 64]",
            "heard [90, 40, 64]",
            "it played [67, 72, 76]"
        ]
    );
}

#[test]
fn firmware_audio_hears_what_is_played() {
    let printed = printed_alone(env!("CARGO_BIN_EXE_firmware_audio"), &["--demo"]);
    assert!(
        printed.contains("all 12000 frames came back as they were\n"),
        "{printed}"
    );
}

#[test]
fn firmware_composite_plays_and_types() {
    let printed = printed(env!("CARGO_BIN_EXE_firmware_composite"), &["--demo"]);
    assert_eq!(printed, "played piano\ntyped piano\n");
}

#[test]
fn firmware_is_checked_for_boards_that_are_elsewhere() {
    for program in [
        env!("CARGO_BIN_EXE_firmware_serial"),
        env!("CARGO_BIN_EXE_firmware_mouse"),
        env!("CARGO_BIN_EXE_firmware_keyboard"),
        env!("CARGO_BIN_EXE_firmware_disk"),
        env!("CARGO_BIN_EXE_firmware_midi"),
        env!("CARGO_BIN_EXE_firmware_audio"),
        env!("CARGO_BIN_EXE_firmware_composite"),
    ] {
        for controller in ["dwc2", "musb", "ci_hdrc"] {
            let printed = printed(program, &["--check", controller]);
            let last = printed.lines().last().unwrap();
            assert_eq!(last, format!("fits gadgetfs on {controller}"));
        }
    }
    let serial = env!("CARGO_BIN_EXE_firmware_serial");
    let complaint = complaint(serial, &["--check", "toaster"]);
    assert!(
        complaint.contains("nothing is known of `toaster`"),
        "{complaint}"
    );
    // It has no isochronous transfers.
    let audio = env!("CARGO_BIN_EXE_firmware_audio");
    let complaint = self::complaint(audio, &["--check", "tegra-xudc"]);
    assert!(
        complaint.contains("has 0 isochronous IN endpoints"),
        "{complaint}"
    );
}

#[test]
fn examples_say_which_arguments_they_take() {
    for (program, arguments) in [
        (env!("CARGO_BIN_EXE_list"), &["--wrong"][..]),
        (env!("CARGO_BIN_EXE_composite_gadget"), &[]),
        (env!("CARGO_BIN_EXE_audio_play"), &[]),
        (env!("CARGO_BIN_EXE_disk_read"), &[]),
        (env!("CARGO_BIN_EXE_hid_monitor"), &[]),
        (env!("CARGO_BIN_EXE_hotplug"), &["--wrong"]),
        (env!("CARGO_BIN_EXE_sandboxed_disk"), &[]),
        (env!("CARGO_BIN_EXE_own_gadget"), &["--wrong"]),
        (env!("CARGO_BIN_EXE_asynchronous"), &["1-1"]),
        (env!("CARGO_BIN_EXE_firmware_serial"), &["--wrong"]),
    ] {
        let complaint = complaint(program, arguments);
        let says_what_to_give = complaint.to_lowercase().contains("give ");
        assert!(says_what_to_give, "{program}: {complaint}");
    }
}
