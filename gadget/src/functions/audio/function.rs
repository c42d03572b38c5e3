//! The sound card as a USB function.

use usbfs2_protocol::audio::{Decibel, Version};

use super::{Audio, Stream};
use crate::{
    ControlRequest, ControlResponse, Endpoints, Function, FunctionBuilder, FunctionError,
    InterfaceHandle,
};

impl Audio {
    /// The streams there are, in the order of their interfaces.
    pub(super) fn streams(&self) -> impl Iterator<Item = Stream> + use<> {
        let speaker = self.options.speaker.as_ref().map(|_| Stream::Speaker);
        let microphone = self.options.microphone.as_ref().map(|_| Stream::Microphone);
        speaker.into_iter().chain(microphone)
    }

    /// The stream of an interface; `None` for the first, which is the control interface.
    fn stream_of(&self, interface: InterfaceHandle) -> Option<Stream> {
        let index = interface.index().checked_sub(1)?;
        self.streams().nth(index)
    }

    /// Sets the rate of a stream, or of all that are on the same clock.
    pub(super) fn set_rate(&self, stream: Stream, rate: u32) {
        let mut state = self.lock();
        let streams: Vec<Stream> = match self.options.version {
            Version::Uac1 => vec![stream],
            Version::Uac2 => self.streams().collect(),
        };
        let cancellers: Vec<_> = streams
            .into_iter()
            .filter_map(|stream| state.set_rate(stream, rate))
            .collect();
        drop(state);
        for canceller in cancellers {
            canceller.cancel_all();
        }
        self.changed.notify_all();
    }
}

impl Function for Audio {
    fn name(&self) -> &str {
        "audio"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        self.options.describe(builder);
    }

    fn control(&self, request: &ControlRequest) -> ControlResponse {
        let response = self.answer(request);
        self.changed.notify_all();
        response
    }

    fn prepare(&self, endpoints: &mut Endpoints) {
        let interface = endpoints.interface();
        if interface.is_some_and(|one| self.stream_of(one) == Some(Stream::Speaker)) {
            self.prepare_speaker(endpoints);
        }
    }

    fn run(&self, endpoints: Endpoints) -> Result<(), FunctionError> {
        let stream = endpoints.interface().and_then(|one| self.stream_of(one));
        match stream {
            Some(Stream::Speaker) => self.run_speaker(endpoints)?,
            Some(Stream::Microphone) => self.run_microphone(endpoints)?,
            None => {}
        }
        Ok(())
    }

    /// What the next host finds is what there was at first.
    fn reset(&self) {
        let rate = self.options.rates.first().copied().unwrap_or_default();
        for stream in self.streams() {
            self.set_rate(stream, rate);
            let volume = self.stream_options(stream).and_then(|one| one.volume);
            let mut state = self.lock();
            state.set_mute(stream, false);
            state.set_volume(stream, volume.map_or(Decibel::ZERO, |range| range.maximum));
        }
        self.changed.notify_all();
    }
}
