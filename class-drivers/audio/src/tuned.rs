//! A stream in a format: its endpoints, opened.

use std::time::Duration;

use usbfs2_host::{EndpointDirection, Interface, IsochronousEndpoint, Speed};

use crate::clock_lease::ClockLease;
use crate::error::StreamError;
use crate::format::AudioFormat;
use crate::intake::Intake;
use crate::latency::Depth;
use crate::options::StreamOptions;
use crate::outlet::Outlet;
use crate::pace::Pace;
use crate::statistics::Statistics;
use crate::stream::{FeedbackKind, StreamSetting};
use crate::timing::Timing;

const MICROFRAME: Duration = Duration::from_micros(125);

/// An interface in the alternate setting of a format, its rate set.
#[derive(Debug)]
pub(crate) struct Tuned {
    /// What sets the pace, where that is a recording.
    pub(crate) recording: Option<Box<Tuned>>,
    pub(crate) interface: Interface,
    pub(crate) setting: StreamSetting,
    pub(crate) format: AudioFormat,
    pub(crate) speed: Option<Speed>,
    /// No other stream changes the rate meanwhile.
    pub(crate) _clock: Option<ClockLease>,
}

impl Tuned {
    /// The endpoints of a playback, opened. Counts of it and of what records to set its pace go on.
    pub(crate) fn outlet(
        &self,
        options: StreamOptions,
        statistics: Statistics,
        of_recording: Statistics,
    ) -> Result<Outlet, StreamError> {
        let (output, timing, depth) = self.endpoint(options)?;
        let microframes = depth.packets * timing.interval;
        let (pace, recording) = match (self.setting.feedback, &self.recording) {
            (FeedbackKind::Explicit(address), _) => {
                let endpoint = self.interface.isochronous_endpoint(address)?;
                (Pace::explicit(timing, endpoint, microframes), None)
            }
            (_, Some(recording)) => {
                let (input, of_input, of_depth) = recording.endpoint(options)?;
                let frame_bytes = recording.format.frame_bytes();
                let mut intake = Intake::new(input, of_depth, frame_bytes, of_recording);
                if !options.keep_recording {
                    intake = intake.discarding();
                }
                let recorded = of_depth.all_packets() * of_input.interval / timing.interval;
                let packets = depth.all_packets().max(recorded);
                let pace = Pace::implicit(timing, of_input.interval, packets);
                (pace, Some(intake))
            }
            _ => (Pace::nominal(timing), None),
        };
        let frame_bytes = self.format.frame_bytes();
        let bus = (timing, depth);
        Ok(Outlet::new(
            output,
            pace,
            recording,
            bus,
            frame_bytes,
            statistics,
        ))
    }

    /// The endpoint of a capture, opened.
    pub(crate) fn intake(
        &self,
        options: StreamOptions,
        statistics: Statistics,
    ) -> Result<Intake, StreamError> {
        let (input, _, depth) = self.endpoint(options)?;
        let frame_bytes = self.format.frame_bytes();
        Ok(Intake::new(input, depth, frame_bytes, statistics))
    }

    fn endpoint<D: EndpointDirection>(
        &self,
        options: StreamOptions,
    ) -> Result<(IsochronousEndpoint<D>, Timing, Depth), StreamError> {
        let Timing { interval, .. } = self.setting.timing;
        let depth = Depth::new(options.latency, MICROFRAME * interval);
        let address = self.setting.endpoint;
        let requests = depth.requests;
        let endpoint = self
            .interface
            .isochronous_endpoint_with_depth::<D>(address, requests)?;
        let packet_frames = endpoint.max_packet_size() / self.format.frame_bytes().max(1);
        let timing = Timing {
            rate: self.format.rate,
            interval: Timing::microframes(endpoint.service_interval()),
            speed: self.speed.unwrap_or(Speed::High),
            packet_frames: u32::try_from(packet_frames).unwrap_or(u32::MAX),
        };
        Ok((endpoint, timing, depth))
    }
}
