//! Our class driver on the kernel's `f_uac1` and `f_uac2`, both ways at once, with ALSA on the gadget's side.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::alsa::{self, Stream};
use dummy_hcd_tests::numbered_frames::{self, FRAME, Listener};
use dummy_hcd_tests::sound::SoundCard;
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_audio::{AudioDevice, AudioFormat, Sample, Statistics, StreamOptions};

use super::gadget::{Function, Speed};
use super::recording::{Length, Recording};
use crate::runner::Test;
use crate::setup;
use crate::world::KernelHost;

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OurHost {
    function: Function,
    speed: Speed,
    rate: u32,
}

pub(super) fn tests() -> Vec<Test> {
    [
        (Function::Uac2, Speed::High, 48_000),
        (Function::Uac2, Speed::Full, 44_100),
        (Function::Uac1, Speed::High, 48_000),
    ]
    .map(|(function, speed, rate)| {
        let name = format!(
            "audio::our_host::{}::{}::{rate}_hz",
            function.name(),
            speed.name()
        );
        let case = OurHost {
            function,
            speed,
            rate,
        };
        Test::our_host(name, case)
    })
    .into()
}

impl OurHost {
    pub(crate) fn run(self) -> Result<()> {
        alsa::warm_up()?;
        let plugged = self.function.plug(self.speed, self.rate)?;
        let gadget = SoundCard::wait_gadget(setup::BUS)?;
        let host = KernelHost::Usbfs2.connect()?;
        let device = host.open(&plugged.device.name().into())?;
        let card = AudioDevice::open_blocking(&device)?;

        let directory = tempfile::tempdir_in("/dev/shm")?;
        let length = Length::new(self.rate, 10);
        let played = directory.path().join("played");
        fs::write(&played, length.signal())?;
        let mut recorder = Recording::start(gadget, length, directory.path().join("recorded"))?;
        let _player = Stream::play(gadget, self.rate, &played)?;

        let is_over = AtomicBool::new(false);
        let (playing, recorded, heard) = thread::scope(|scope| {
            let playing = scope.spawn(|| self.play(&card, &is_over));
            let recorded = scope.spawn(|| self.record(&card, length));
            let heard = recorder.wait_while(|| !playing.is_finished());
            let heard = heard.and_then(|()| recorder.check());
            is_over.store(true, Ordering::Relaxed);
            (playing.join(), recorded.join(), heard)
        });
        let playing = playing.map_err(|_| anyhow::anyhow!("the player panicked"))?;
        let recorded = recorded.map_err(|_| anyhow::anyhow!("the recorder panicked"))?;
        let playing = playing.context("play")?;
        heard.with_context(|| format!("what the gadget heard of {playing:?}"))?;
        without_fault(playing)?;
        without_fault(recorded.context("record")?)
    }

    fn format(self) -> AudioFormat {
        AudioFormat::new(self.rate, 2, Sample::S16)
    }

    /// Plays until the other end has enough.
    fn play(self, card: &AudioDevice, is_over: &AtomicBool) -> Result<Statistics> {
        let mut playback = card.play_blocking(self.format(), StreamOptions::default())?;
        let piece = self.rate / 200;
        let mut next = 1;
        while !is_over.load(Ordering::Relaxed) {
            let signal = numbered_frames::signal(next..=next + piece - 1);
            let written = playback.write_timeout(&signal, DEADLINE)?;
            ensure!(written > 0, "no room came for {} s", DEADLINE.as_secs());
            next += u32::try_from(written)?;
        }
        Ok(playback.stop_blocking()?)
    }

    fn record(self, card: &AudioDevice, length: Length) -> Result<Statistics> {
        let mut capture = card.record_blocking(self.format(), StreamOptions::default())?;
        let mut listener = Listener::default();
        let mut frames = vec![0; 1024 * FRAME];
        while listener.frames() < length.recorded() {
            let count = capture.read_timeout(&mut frames, DEADLINE)?;
            ensure!(count > 0, "nothing came");
            listener.hear(&frames[..count * FRAME])?;
        }
        length.suffices(listener.finish()?)?;
        Ok(capture.stop_blocking()?)
    }
}

fn without_fault(statistics: Statistics) -> Result<()> {
    ensure!(
        statistics.xruns == 0 && statistics.missed_packets == 0 && statistics.lost_frames == 0,
        "{statistics:?}"
    );
    Ok(())
}
