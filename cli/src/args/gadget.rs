//! `usbfs2 gadget`.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use usbfs2_gadget::functions::mass_storage::Misbehaviour;

use super::{GadgetAudioArgs, parse_size};

const RUN_EXAMPLES: &str = "\
Examples:
  usbfs2 gadget run keyboard --text hello.txt                 on this board's controller
  usbfs2 gadget run disk --image stick.img --backend functionfs
  usbfs2 gadget run mouse --backend loopback                  a dry run, without hardware or root";

const CHECK_EXAMPLES: &str = "\
Examples:
  usbfs2 gadget check --udc dwc2 keyboard disk                one device of both, on a Raspberry Pi
  usbfs2 gadget check audio                                   on this machine's controller
  usbfs2 gadget check --udc musb --backend functionfs disk    in a composite gadget";

const HOLD_EXAMPLES: &str = "\
Examples:
  usbfs2 gadget hold usbfs2 gadget run disk --image stick.img
  usbfs2 gadget hold ./my-firmware                            a program that uses Keeper::from_environment";

#[derive(Debug, Subcommand)]
pub(crate) enum GadgetCommand {
    /// Be a device until Ctrl-C, on the backend of your choice.
    ///
    /// `usbfs2 gadget KIND` is the short form, on gadgetfs.
    #[command(after_help = RUN_EXAMPLES)]
    Run(GadgetRunArgs),
    /// Say whether a device of these kinds fits on a controller, before it is deployed; no hardware is needed.
    ///
    /// Exits with 0 if it fits, else with 1 and a line for each problem.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(GadgetCheckArgs),
    /// Remove what runs that were killed have left in configfs, and their mounts.
    ///
    /// Only gadgets that `usbfs2 gadget run` made and whose process is gone; a run begins with it, too.
    Clean,
    /// Run a gadget's program, and keep the gadget on the bus for it to go on with should it be killed.
    ///
    /// The program is one of this library's on gadgetfs: the gadgets of this command, and whatever uses
    /// `Keeper::from_environment`. It is started again when it was killed or failed, and finds its files as it would below
    /// systemd, whose protocol this is (sd_notify(3)). More than five failures within 10 s end it. Ctrl-C ends both, and
    /// unplugs.
    #[command(after_help = HOLD_EXAMPLES)]
    Hold {
        /// The program and its arguments.
        #[arg(
            required = true,
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "COMMAND"
        )]
        command: Vec<OsString>,
    },
    #[command(flatten)]
    Kind(GadgetKind),
}

/// What carries a gadget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Backend {
    /// This board's device controller, the whole device (needs root and CONFIG_USB_GADGETFS).
    #[default]
    Gadgetfs,
    /// This board's device controller, as a function of a composite device in configfs (needs root and
    /// CONFIG_USB_CONFIGFS_F_FS); not for audio, serial and midi.
    Functionfs,
    /// A bus inside this process: a dry run that shows what a host sees (needs nothing).
    Loopback,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gadgetfs => "gadgetfs",
            Self::Functionfs => "FunctionFS",
            Self::Loopback => "the in-process bus",
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct GadgetRunArgs {
    /// What carries the device.
    #[arg(
        long,
        value_name = "BACKEND",
        default_value = "gadgetfs",
        global = true
    )]
    pub(crate) backend: Backend,
    #[command(subcommand)]
    pub(crate) kind: GadgetKind,
}

#[derive(Debug, Args)]
pub(crate) struct GadgetCheckArgs {
    /// The controller: its driver, its name in /sys/class/udc, or a board's variant; an unknown name lists them. By
    /// default this machine's.
    #[arg(long, value_name = "NAME")]
    pub(crate) udc: Option<String>,
    /// What is to carry the device.
    #[arg(long, value_name = "BACKEND", default_value = "gadgetfs")]
    pub(crate) backend: Backend,
    /// The functions of the device, with their default options.
    #[arg(required = true, value_name = "KIND")]
    pub(crate) kinds: Vec<KindName>,
}

/// The kinds, where they have no options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindName {
    Keyboard,
    Mouse,
    Tablet,
    Gamepad,
    MediaKeys,
    Disk,
    Audio,
    Serial,
    Midi,
    SourceSink,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GadgetKind {
    /// Be a boot keyboard that types a text each time a host configures it.
    Keyboard {
        /// The text to type, in characters of a US keyboard; standard input by default.
        #[arg(long, value_name = "FILE")]
        text: Option<PathBuf>,
    },
    /// Be a mouse that does what lines of standard input say: `move 10 -5`, `click left`, `scroll 1`.
    ///
    /// Lines: move RIGHT DOWN, scroll UP or UP RIGHT, click|press|release left|right|middle, wait MILLISECONDS.
    /// What the host does not take waits for it. Ctrl-C ends it; the end of the input does not.
    Mouse,
    /// Be a tablet that does what lines of standard input say: `at 50% 50%`, `click left`.
    ///
    /// Lines: at X% Y%, scroll UP, click|press|release left|right|middle, wait MILLISECONDS.
    Tablet,
    /// Be a gamepad that does what lines of standard input say: `left -1 0.5`, `hat up`, `press 1`.
    ///
    /// Lines: left X Y, right X Y (from -1 to 1), triggers LEFT RIGHT (from 0 to 1), hat up|up-right|...|off,
    /// press|release 1..12, rest, wait MILLISECONDS.
    Gamepad,
    /// Be media keys that do what lines of standard input say: `tap volume-up`, `press mute`.
    ///
    /// Lines: tap|press|release volume-up|volume-down|mute|play|stop|next|previous, or a usage of the consumer
    /// page in hexadecimal such as 0x6f; wait MILLISECONDS.
    MediaKeys,
    /// Be a disk.
    Disk(GadgetDiskArgs),
    /// Be a serial port (CDC ACM): what the host writes to it is printed, and standard input is what the host reads.
    ///
    /// The class is the `usbd-serial` crate's, unmodified. The end of the input does not end it, Ctrl-C does.
    Serial,
    /// Be a MIDI port: notes of lines on standard input go to the host, and the host's are printed.
    ///
    /// Lines: on NOTE or on NOTE VELOCITY, off NOTE or off NOTE VELOCITY, control NUMBER VALUE, program NUMBER,
    /// bend -8192..8191, channel 1..16, wait MILLISECONDS; notes are 0 to 127, 60 is the middle C. The class is the `usbd-midi` crate's, unmodified.
    Midi,
    /// Be the device of the kernel's usbtest driver (0525:a4a0): an endless source and sink.
    SourceSink,
    /// Be a sound card with a speaker and a microphone (needs a controller with isochronous endpoints).
    Audio(GadgetAudioArgs),
}

#[derive(Debug, Args)]
pub(crate) struct GadgetDiskArgs {
    /// The file that is the medium; give it several times for a disk of several units. With --size it is
    /// made, sparse, where it is not there.
    #[arg(long = "image", value_name = "FILE", required = true)]
    pub(crate) images: Vec<PathBuf>,
    /// The size of a new image, in bytes; K, M, G and T stand for powers of 1024.
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    pub(crate) size: Option<u64>,
    /// Refuse writes.
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Report removable media, which a host can eject, and so can you: `eject [LUN]` and `insert FILE
    /// [LUN]` on standard input.
    #[arg(long)]
    pub(crate) removable: bool,
    /// Bytes of a logical block: 512, 1024, 2048 or 4096.
    #[arg(long, value_name = "BYTES", default_value_t = 512)]
    pub(crate) block_size: u32,
    /// Do one thing otherwise than the standard says, to see what a host makes of it.
    #[arg(long, value_name = "QUIRK", value_parser = misbehaviours())]
    pub(crate) misbehave: Option<Misbehaviour>,
}

/// The quirks by name.
fn misbehaviours() -> impl TypedValueParser<Value = Misbehaviour> {
    PossibleValuesParser::new(Misbehaviour::ALL.map(Misbehaviour::name))
        .try_map(|name| name.parse::<Misbehaviour>())
}
