//! Our class drivers on our gadgets, which are at the other end of a redirection: control, bulk, interrupt and
//! isochronous transfers of real controllers between the two.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use usbfs2_audio::{AudioDevice, AudioFormat, Sample, StreamOptions};
use usbfs2_gadget::functions::audio::{Audio, AudioOptions};
use usbfs2_gadget::functions::keyboard::KeyboardOptions;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::functions::{Disk, Keyboard};
use usbfs2_gadget::{Function, Gadget};
use usbfs2_hid::HidDevice;
use usbfs2_mass_storage::MassStorage;

use super::redirection::Redirected;
use super::{Bench, Case};
use crate::runner::FIGURE;
use crate::scenarios::audio::numbered::{frames, listen, play};
use crate::scenarios::keyboard::read_text;
use crate::scenarios::{Probe, pattern};
use crate::world::IDS;

/// On each of the kernel's ways to a device.
pub(super) fn cases() -> Vec<(&'static str, Case)> {
    vec![
        ("our_gadgets::a_keyboard_types", types),
        ("our_gadgets::a_disk_keeps_what_is_written", keeps),
    ]
}

/// On the module's files alone.
pub(super) fn cases_of_files() -> Vec<(&'static str, Case)> {
    vec![("our_gadgets::a_sound_card_hears_every_frame", hears)]
}

fn plug<'a>(bench: &'a Bench, function: Arc<dyn Function>) -> Result<Redirected<'a>> {
    let gadget = Gadget::builder(IDS).serial_number(bench.serial("1"));
    Redirected::plug(bench, &gadget.function(function).build()?)
}

fn types(bench: &Bench) -> Result<()> {
    const TEXT: &str = "The quick brown fox, 1234567890 times: (jumps) over \"the\" lazy_dog!\n";
    let keyboard = Keyboard::with_options(KeyboardOptions::default());
    let redirected = plug(bench, keyboard.clone())?;
    let hid = HidDevice::open_blocking(&redirected.plugged.open()?)?;
    let mut keys = hid.keys()?;
    keyboard.type_text(TEXT)?;
    let read = read_text(&mut keys, TEXT.chars().count());
    redirected.check()?;
    let read = read?;
    ensure!(read == TEXT, "{read:?} came");
    Ok(())
}

fn keeps(bench: &Bench) -> Result<()> {
    const SIZE: usize = 1 << 20;
    let probe = Probe::new(SIZE);
    let redirected = plug(bench, Disk::new(probe.clone(), DiskOptions::default())?)?;
    let storage = MassStorage::open_blocking(&redirected.plugged.open()?)?;
    let mut unit = storage.block_device_blocking(0)?;
    let written = pattern(SIZE / 2);
    unit.write_at_blocking(512, &written)?;
    unit.flush_blocking()?;
    ensure!(
        probe.contents()?[512..][..written.len()] == written,
        "the medium has something else"
    );
    let mut read = vec![0xff; SIZE];
    unit.read_at_blocking(0, &mut read)?;
    redirected.check()?;
    ensure!(
        read[512..][..written.len()] == written && read[..512] == [0; 512],
        "something else is read"
    );
    Ok(())
}

fn hears(bench: &Bench) -> Result<()> {
    const ATTEMPTS: u32 = 3;
    for attempt in 1..ATTEMPTS {
        match hears_once(bench) {
            // An emulated controller leaves frames out where the machine is too busy for it; the driver tells.
            Err(Trouble::Missed(packets, error)) => println!(
                "{FIGURE}attempt {attempt} of {ATTEMPTS} missed {packets} packets: {error:#}"
            ),
            Err(Trouble::Other(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
    hears_once(bench).map_err(|(Trouble::Missed(_, error) | Trouble::Other(error))| error)
}

enum Trouble {
    /// As many packets did not go, and the host was told so.
    Missed(u64, anyhow::Error),
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Time on the card's bus passes with the packets it is played, so its clock and its feedback are the same however
/// busy the machine is; the host's end has a buffer for that.
fn hears_once(bench: &Bench) -> Result<(), Trouble> {
    const RATE: u32 = 48_000;
    let card = Audio::new(AudioOptions {
        queue: Duration::from_secs(1),
        ring: Duration::from_secs(4),
        ..AudioOptions::default()
    })?;
    let redirected = plug(bench, card.clone())?;
    let device = AudioDevice::open_blocking(&redirected.plugged.open()?)?;
    let count = frames(RATE, Duration::from_secs(3));
    let options = StreamOptions::default().latency(Duration::from_millis(1_500));
    let mut playback = device.play_blocking(AudioFormat::new(RATE, 2, Sample::S16), options)?;
    let heard = thread::spawn(move || listen(&card, count));
    play(&mut playback, count)?;
    let statistics = playback.stop_blocking()?;
    let heard = heard.join().map_err(|_| anyhow!("a thread panicked"))?;
    redirected.check()?;
    if let Err(error) = heard {
        let error = error.context(statistics.to_string());
        return Err(match statistics.missed_packets {
            0 => Trouble::Other(error),
            packets => Trouble::Missed(packets, error),
        });
    }
    if statistics.xruns > 0 || statistics.feedback.is_none() {
        return Err(anyhow!("{statistics}").into());
    }
    Ok(())
}
