//! `usbfs2 audio`.

mod channels;
mod choice;
mod device;
mod feeder;
mod info;
mod level;
mod meter;
mod observer;
mod play;
mod plot;
mod record;
mod report;
mod resample;
mod sample;
mod screen;
#[cfg(test)]
mod tests;
mod trace;
mod wav;

use anyhow::Result;

use usbfs2_audio::AudioDevice;
use usbfs2_host::{DeviceInfo, Host};

use crate::args::{AudioCommand, AudioInfoArgs, JsonArgs};
pub(crate) use feeder::Source;
pub(crate) use sample::round;
pub(crate) use wav::{WavFormat, WavReader, WavWriter};

/// Runs one of the audio commands.
pub(crate) fn run(command: &AudioCommand) -> Result<()> {
    match command {
        AudioCommand::Info(args) => info::run(args),
        AudioCommand::Play(args) => play::run(args),
        AudioCommand::Record(args) => record::record(args),
        AudioCommand::Meter(args) => record::meter(args),
    }
}

/// Prints what a sound card can do.
pub(crate) fn describe(host: &Host, device: &DeviceInfo) -> Result<()> {
    let device = AudioDevice::open_blocking(&host.open(device.id())?)?;
    let args = AudioInfoArgs {
        device: None,
        output: JsonArgs { json: false },
    };
    info::print(&device, &args)
}
