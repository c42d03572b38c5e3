//! The kernel's audio functions become sound cards at both ends.

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::composite::KernelFunction;
use dummy_hcd_tests::sound::SoundCard;

use crate::runner::Test;
use crate::setup;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("audio::cards::f_uac1", || both_ends("uac1")),
        Test::new("audio::cards::f_uac2", || both_ends("uac2")),
    ]
}

fn both_ends(function: &'static str) -> Result<()> {
    let mut function = KernelFunction::new(function);
    for rates in ["c_srate", "p_srate"] {
        function = function.with(rates, "44100,48000,96000");
    }
    let plugged = setup::with_driver(function, "snd-usb-audio")?;
    let gadget = SoundCard::wait_gadget(setup::BUS)?;
    let host = SoundCard::wait_host(&plugged.device)?;
    ensure!(gadget != host, "both ends say {gadget:?}");
    let stream = host
        .state("stream0")
        .context("the host's card has no stream")?;
    for expected in ["Playback:", "Capture:", "Rates: 44100, 48000, 96000"] {
        ensure!(stream.contains(expected), "no {expected} in\n{stream}");
    }
    plugged.pull()?;
    host.wait_gone()?;
    Ok(())
}
