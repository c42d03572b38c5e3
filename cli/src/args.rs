//! The command line.

mod audio;
mod gadget;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

pub(crate) use audio::{
    AudioBits, AudioClock, AudioCommand, AudioFormatArgs, AudioInfoArgs, AudioMeterArgs,
    AudioPlayArgs, AudioRecordArgs, AudioStreamArgs, GadgetAudioArgs,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
pub(crate) use gadget::{
    Backend, GadgetCheckArgs, GadgetCommand, GadgetDiskArgs, GadgetKind, KindName,
};
use usbfs2_capture::LONGEST;
pub(crate) use verify::VerifyArgs;

/// USB in user space: drive devices, be a device, and try both without hardware.
#[derive(Debug, Parser)]
#[command(name = "usbfs2", version, propagate_version = true)]
#[command(
    after_help = "Start with `usbfs2 demo`: it needs no root, no kernel module and no hardware."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the devices that are plugged in.
    List(ListArgs),
    /// Keyboards and other HID devices.
    #[command(subcommand)]
    Hid(HidCommand),
    /// Disks and memory sticks (Bulk-Only Transport).
    #[command(subcommand)]
    Disk(DiskCommand),
    /// Sound cards, headsets and microphones (needs the usbfs2 kernel module).
    #[command(subcommand)]
    Audio(AudioCommand),
    /// Be a device, on this machine's USB device controller (needs root).
    #[command(subcommand)]
    Gadget(GadgetCommand),
    /// Record the traffic of a device, or of a bus, in a pcapng file for Wireshark (needs root and usbmon).
    ///
    /// Data are kept as usbmon shows them: of one transfer at most 240 KiB.
    #[command(after_help = CAPTURE_EXAMPLES)]
    Capture(CaptureArgs),
    /// Check a device against chapter 9 of the USB specification, and a disk against Bulk-Only Transport.
    ///
    /// Each check passes, fails, is not applicable to the device, or is not possible on this way to it. The drivers of
    /// the system lose the device for the time: unmount disks first. As root it is suspended and unplugged too.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Say what is missing on this machine and how to get it.
    Doctor(JsonArgs),
    /// Make a tour: a keyboard types, a disk stores, the cable is pulled, a voice is heard, nothing is lost.
    Demo(DemoArgs),
    /// Write the manual pages, of this command and of the kernel interface, where man looks for them.
    Man {
        /// The directory to write to, such as `~/.local/share/man`: man1 and man5 are made in it.
        directory: PathBuf,
    },
    /// Print shell completions.
    Completions {
        /// The shell to print them for.
        shell: Shell,
    },
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  usbfs2 verify 1-1                                    chapter 9, and 200 times plugged in
  usbfs2 verify 0781:5567 --mass-storage --rounds 10   a disk, without writing to it
  usbfs2 verify 1-1 --mass-storage --allow-writes      a disk, with writes that are put back";

#[derive(Debug, Args)]
pub(crate) struct JsonArgs {
    /// Print JSON for a script to read.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Show configurations, interfaces, drivers and endpoints too.
    #[arg(short, long)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HidCommand {
    /// List the HID interfaces that are plugged in, opening none.
    List(JsonArgs),
    /// Print what a device's reports are made of: its report descriptor, field by field.
    Info(HidInfoArgs),
    /// Print what a device sends as it comes, until Ctrl-C: keys, motion, gamepads, media keys, anything else.
    ///
    /// Nothing else hears the device meanwhile. Ctrl-C on the monitored keyboard ends the command too, but
    /// not with --raw, which knows nothing of keys: give it a --count where there is no other keyboard.
    Monitor(HidMonitorArgs),
    /// Send one output or feature report, or set a keyboard's LEDs.
    Send(HidSendArgs),
}

#[derive(Debug, Args)]
pub(crate) struct HidDeviceArgs {
    /// Where the device is (`1-1`), or its vendor and product (`046d:c31c`); by default the first HID device.
    pub(crate) device: Option<String>,
    /// Which interface, where a device has several HID interfaces; by default the first.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) interface: Option<u8>,
}

#[derive(Debug, Args)]
pub(crate) struct HidInfoArgs {
    #[command(flatten)]
    pub(crate) device: HidDeviceArgs,
    /// Print the descriptor item by item, with its bytes, instead of the fields it makes.
    #[arg(long, conflicts_with = "json")]
    pub(crate) items: bool,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct HidMonitorArgs {
    #[command(flatten)]
    pub(crate) device: HidDeviceArgs,
    /// Print whole reports in hexadecimal instead of what they say.
    #[arg(long)]
    pub(crate) raw: bool,
    /// Have keys that are held repeat, after 250 ms and then every 33 ms.
    #[arg(long, conflicts_with = "raw")]
    pub(crate) repeat: bool,
    /// Stop after this many events.
    #[arg(long, value_name = "EVENTS")]
    pub(crate) count: Option<u64>,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["leds", "output", "feature"])))]
pub(crate) struct HidSendArgs {
    #[command(flatten)]
    pub(crate) device: HidDeviceArgs,
    /// Light exactly these LEDs of a keyboard.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) leds: Option<Vec<Led>>,
    /// Send an output report, in hexadecimal; its first byte is the report ID, 00 where there are none.
    #[arg(long, value_name = "HEX", value_parser = parse_report)]
    pub(crate) output: Option<Report>,
    /// Send a feature report, in hexadecimal; its first byte is the report ID, 00 where there are none.
    #[arg(long, value_name = "HEX", value_parser = parse_report)]
    pub(crate) feature: Option<Report>,
}

/// A light of a keyboard.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Led {
    Num,
    Caps,
    Scroll,
    Compose,
    Kana,
    None,
}

/// A report as users write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// 0 where the device numbers no reports.
    pub(crate) id: u8,
    pub(crate) data: Vec<u8>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DiskCommand {
    /// Print what a disk says of itself.
    Info {
        #[command(flatten)]
        disk: DiskArgs,
        #[command(flatten)]
        output: JsonArgs,
    },
    /// Copy a disk, or a part of it, to a file (`-` for standard output).
    Read {
        #[command(flatten)]
        disk: DiskArgs,
        /// The file to write.
        file: PathBuf,
        #[command(flatten)]
        range: RangeArgs,
    },
    /// Copy a file onto a disk, over what is there.
    Write {
        #[command(flatten)]
        disk: DiskArgs,
        /// The file to read.
        file: PathBuf,
        /// Where on the disk to begin, in bytes; K, M, G and T stand for powers of 1024.
        #[arg(long, default_value_t = 0, value_name = "BYTES", value_parser = parse_size)]
        offset: u64,
    },
    /// List the files on a disk's FAT file system.
    ///
    /// `usbfs2 disk ls`, `usbfs2 disk ls 1-1`, `usbfs2 disk ls 1-1 /photos` and `usbfs2 disk ls 1-1:/photos`
    /// are all right; nothing is mounted, and nothing on the disk changes. Times are local.
    Ls(DiskLsArgs),
    /// Copy files to or from a disk's FAT file system.
    ///
    /// `DISK:/PATH` is on a disk, `:/PATH` on the first one there is, and all else on this machine. The last
    /// path is where the copy goes: into it when it is a directory. What is there is replaced, times go along,
    /// and a file that could not be copied as a whole is removed.
    #[command(
        after_help = CP_HELP,
        override_usage = "usbfs2 disk cp [OPTIONS] <SOURCE>... <DESTINATION>"
    )]
    Cp(DiskCpArgs),
    /// Print a file on a disk's FAT file system.
    Cat(DiskCatArgs),
    /// Compare a disk with a file, byte by byte.
    Verify {
        #[command(flatten)]
        disk: DiskArgs,
        /// The file to compare with.
        file: PathBuf,
        /// Where on the disk to begin, in bytes; K, M, G and T stand for powers of 1024.
        #[arg(long, default_value_t = 0, value_name = "BYTES", value_parser = parse_size)]
        offset: u64,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DiskArgs {
    /// Where the disk is (`1-1`), or its vendor and product (`0781:5567`).
    pub(crate) device: String,
    /// Which logical unit, where a device has several.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=15))]
    pub(crate) lun: u8,
}

#[derive(Debug, Args)]
pub(crate) struct VolumeArgs {
    /// Which logical unit, where a device has several.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=15))]
    pub(crate) lun: u8,
    /// Which partition, counted from 1; by default the whole disk where that is a FAT file system, else the
    /// first partition.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) partition: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct DiskLsArgs {
    /// Where the disk is (`1-1`), or its vendor and product (`0781:5567`); by default the first disk.
    pub(crate) disk: Option<String>,
    /// The directory or file; by default all of the root directory.
    pub(crate) path: Option<String>,
    /// Show attributes (directory, read-only, hidden, system, archive), bytes and the time of the last change.
    #[arg(short, long)]
    pub(crate) long: bool,
    #[command(flatten)]
    pub(crate) volume: VolumeArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DiskCatArgs {
    /// Where the disk is, as for `ls`; or a path, for the first disk.
    pub(crate) disk: String,
    /// The file.
    pub(crate) path: Option<String>,
    #[command(flatten)]
    pub(crate) volume: VolumeArgs,
}

const CP_HELP: &str = "\
Examples:
  usbfs2 disk cp 1-1:/README.TXT .            from the disk at 1-1 to this directory
  usbfs2 disk cp -r photos :/                 the directory photos to the first disk
  usbfs2 disk cp -r :/ backup                 all that is on it
  usbfs2 disk cp a.txt b.txt 0781:5567:/docs  several files, to a disk by its vendor and product";

#[derive(Debug, Args)]
pub(crate) struct DiskCpArgs {
    /// What to copy, and last where to: `DISK:/PATH` on a disk, all else on this machine.
    #[arg(required = true, num_args = 2.., value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Copy directories with all in them.
    #[arg(short, long)]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) volume: VolumeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RangeArgs {
    /// Where on the disk to begin, in bytes; K, M, G and T stand for powers of 1024.
    #[arg(long, default_value_t = 0, value_name = "BYTES", value_parser = parse_size)]
    pub(crate) offset: u64,
    /// How much to copy, in bytes, as for --offset; to the end of the disk by default.
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    pub(crate) length: Option<u64>,
}

const CAPTURE_EXAMPLES: &str = "\
Examples:
  usbfs2 capture 1-1 -o disk.pcapng                   until Ctrl-C
  usbfs2 capture --bus 1 -o - | wireshark -k -i -     live";

#[derive(Debug, Args)]
pub(crate) struct CaptureArgs {
    /// Where the device is (`1-1`), or its vendor and product (`046d:c31c`); by default every device.
    pub(crate) device: Option<String>,
    /// Only this bus, as in the first part of `1-1`; 0 stands for all.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        conflicts_with = "device"
    )]
    pub(crate) bus: u16,
    /// The file to write (`-` for standard output).
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Keep this much of each transfer's data, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = LONGEST,
          value_parser = clap::value_parser!(u32).range(0..=i64::from(LONGEST)))]
    pub(crate) snaplen: u32,
    /// Stop after this many packets; a transfer has two.
    #[arg(long, value_name = "PACKETS")]
    pub(crate) count: Option<u64>,
    /// Stop after this many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) duration: Option<Duration>,
    /// Say nothing but errors.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The text to type, in characters of a US keyboard; this project's README by default.
    #[arg(long, value_name = "FILE")]
    pub(crate) text: Option<PathBuf>,
    /// A disk image with a FAT file system and 64 MiB of room, to use a copy of instead of a new one.
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Option<PathBuf>,
    /// The sound to play and to record again, at most a minute of it; a synthetic voice by default.
    #[arg(long, value_name = "FILE")]
    pub(crate) wav: Option<PathBuf>,
    /// Make it over the kernel module, gadgetfs and dummy_hcd: here where they are, else in a VM.
    #[arg(long)]
    pub(crate) kernel: bool,
    /// Record the tour's traffic for Wireshark, of each transfer's data the first 4 KiB.
    #[arg(long, value_name = "FILE", conflicts_with = "kernel")]
    pub(crate) capture: Option<PathBuf>,
}

/// How long a device may take to answer before the command gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A number of bytes: `4096`, `64K`, `1G`.
fn parse_size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        Some(b'T' | b't') => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("`{text}` is not a number of bytes such as 4096, 64K or 1G"))?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("`{text}` is more than 2^64 bytes"))
}

/// A time in seconds, which may have a fraction.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| format!("`{text}` is not a number of seconds such as 10 or 0.5"))
}

/// A report ID and the bytes after it: `00 01ff`.
fn parse_report(hex: &str) -> Result<Report, String> {
    const RULE: &str =
        "give an even number of hexadecimal digits, the report ID first (00 where there are none)";
    let digits: Option<Vec<u8>> = hex
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| u8::try_from(character.to_digit(16)?).ok())
        .collect();
    let (pairs, []) = digits.as_deref().ok_or(RULE)?.as_chunks() else {
        return Err(RULE.into());
    };
    let mut bytes = pairs.iter().map(|[high, low]| high << 4 | low);
    Ok(Report {
        id: bytes.next().ok_or(RULE)?,
        data: bytes.collect(),
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("64K"), Ok(65_536));
        assert_eq!(parse_size("2t"), Ok(2 << 40));
        assert!(parse_size("").is_err());
        assert!(parse_size("K").is_err());
        assert!(parse_size("64KB").is_err());
        assert!(parse_size("99999999999T").is_err());
    }

    #[test]
    fn seconds_may_have_a_fraction_but_no_sign() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["-1", "NaN", "inf", "1e40", "1s", ""] {
            assert!(parse_seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_report_is_its_id_and_bytes() {
        let report = |id, data| Ok(Report { id, data });
        assert_eq!(parse_report("01 02ff"), report(1, vec![2, 0xff]));
        assert_eq!(parse_report("00"), report(0, vec![]));
        for wrong in ["", "012", "0g", "01 +f"] {
            assert!(parse_report(wrong).is_err(), "{wrong}");
        }
    }
}
