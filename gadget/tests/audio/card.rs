//! A sound card on a bus of its own, and the host that plays to it and records from it by hand.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use usbfs2_gadget::functions::audio::{
    Audio, AudioEvent, AudioOptions, SampleSize, Stream, StreamFormat, StreamOptions,
};
use usbfs2_gadget::{DeviceIds, Gadget, Running, SetupPacket, Speed, State};
use usbfs2_loopback::{Bus, BusDevice, BusError, CompletionQueue, PacketOutcome, Target, Transfer};
use usbfs2_protocol::audio::{
    AudioFunction, ControlRequest, Feedback, StreamingSetting, Version, encode_sampling_frequency,
};
use usbfs2_protocol::descriptor::Configuration;

/// Stops a test that hangs; nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const IDS: DeviceIds = DeviceIds {
    vendor: 0x1209,
    product: 0x0001,
    release: 0x0100,
};

pub(crate) struct Card {
    pub(crate) audio: Arc<Audio>,
    pub(crate) bus: Bus,
    pub(crate) running: Running,
    pub(crate) host: BusDevice,
    pub(crate) function: AudioFunction,
    pub(crate) version: Version,
    pub(crate) speed: Speed,
}

impl Card {
    pub(crate) fn new(options: AudioOptions, speed: Speed) -> Self {
        let version = options.version;
        let audio = Audio::new(options).unwrap();
        let gadget = Gadget::builder(IDS)
            .speeds(speed, speed)
            .function(Arc::clone(&audio) as Arc<_>)
            .build()
            .unwrap();
        let bus = Bus::with_manual_clock();
        let running = gadget.start_on(&bus, speed).unwrap();
        let host = bus.devices().into_iter().next().unwrap();
        let enumerated = host.enumerate(PATIENCE).unwrap();
        assert_eq!(enumerated.problem, None);
        running.wait_for_state(State::Configured, PATIENCE).unwrap();
        let function = function(&enumerated.configurations[0]);
        Self {
            audio,
            bus,
            running,
            host,
            function,
            version,
            speed,
        }
    }

    /// The alternate setting of a stream that has this format.
    pub(crate) fn setting(&self, stream: Stream, size: SampleSize) -> StreamingSetting {
        let settings = self.function.streams.iter().flat_map(|one| &one.settings);
        let mut settings = settings.filter(|setting| {
            let format = setting.format().unwrap();
            setting.is_playback() == (stream == Stream::Speaker)
                && (format.subslot_size, format.bit_resolution) == (size.bytes(), size.bits())
        });
        settings.next().expect("the format is there").clone()
    }

    pub(crate) fn select(&self, setting: &StreamingSetting) {
        let (interface, alternate) = (setting.interface_number, setting.alternate_setting);
        self.host
            .set_interface(interface, alternate, PATIENCE)
            .unwrap();
    }

    pub(crate) fn deselect(&self, setting: &StreamingSetting) {
        self.host
            .set_interface(setting.interface_number, 0, PATIENCE)
            .unwrap();
    }

    /// A request with the data of an OUT one; the answer of an IN one.
    pub(crate) fn ask(&self, request: ControlRequest, data: &[u8]) -> Result<Vec<u8>, BusError> {
        let setup = request.setup(self.version).expect("the version has it");
        let length = u16::try_from(data.len()).unwrap();
        let length = setup.length.max(length);
        let setup = SetupPacket { length, ..setup };
        self.host.control(setup, data, PATIENCE)
    }

    /// Chooses a rate the way the version has it.
    pub(crate) fn set_rate(&self, setting: &StreamingSetting, rate: u32) -> Result<(), BusError> {
        match self.version {
            Version::Uac1 => {
                let address = setting.data.endpoint.address;
                let request = ControlRequest::set_sampling_frequency(address);
                self.ask(request, &encode_sampling_frequency(rate))
            }
            Version::Uac2 => {
                let request = ControlRequest::clock_frequency(0, 1).set::<u32>();
                self.ask(request, &rate.to_le_bytes())
            }
        }
        .map(drop)
    }

    pub(crate) fn next_event(&self) -> AudioEvent {
        self.audio.next_event(Some(PATIENCE)).expect("an event")
    }

    /// Lets service intervals of a stream pass.
    fn step(&self, setting: &StreamingSetting, intervals: u64) {
        let endpoint = &setting.data.endpoint;
        let microframes = endpoint.interval_microframes(self.speed).unwrap();
        self.bus.step(u64::from(microframes) * intervals);
    }

    /// Waits until the function has dealt with what came and queued what goes next.
    fn wait_for_packets(&self, stream: Stream, count: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.audio.statistics(stream).packets < count {
            assert!(Instant::now() < deadline, "packet {count} was not served");
            std::thread::yield_now();
        }
    }
}

/// The only audio function of a configuration, which breaks no rule.
pub(crate) fn function(configuration: &[u8]) -> AudioFunction {
    let configuration = Configuration::parse(configuration).unwrap();
    let mut functions = AudioFunction::all(&configuration);
    assert_eq!(functions.len(), 1);
    let (function, problems) = functions.remove(0).unwrap();
    assert_eq!(problems, []);
    function
}

/// Plays numbered frames, as many as the feedback asks for where there is any.
pub(crate) struct Player<'a> {
    card: &'a Card,
    setting: StreamingSetting,
    size: SampleSize,
    channels: usize,
    /// Per service interval, in steps of 2^-32 frames.
    frames: u64,
    remainder: u64,
    microframes: u64,
    next: i32,
    packets: u64,
    pub(crate) feedback: Vec<Feedback>,
    data: CompletionQueue,
    asked: CompletionQueue,
}

impl<'a> Player<'a> {
    pub(crate) fn new(card: &'a Card, size: SampleSize, rate: u32) -> Self {
        let setting = card.setting(Stream::Speaker, size);
        card.select(&setting);
        let endpoint = &setting.data.endpoint;
        let microframes = endpoint.interval_microframes(card.speed).unwrap();
        Self {
            card,
            size,
            channels: usize::from(setting.channel_count()),
            frames: ((u64::from(rate) * u64::from(microframes)) << 32).div_ceil(8000),
            remainder: 0,
            microframes: microframes.into(),
            next: 0,
            packets: card.audio.statistics(Stream::Speaker).packets,
            feedback: Vec::new(),
            data: CompletionQueue::new(&card.bus),
            asked: CompletionQueue::new(&card.bus),
            setting,
        }
    }

    /// One service interval: a packet, and the feedback that comes in it.
    pub(crate) fn interval(&mut self) -> usize {
        self.remainder += self.frames;
        let frames = usize::try_from(self.remainder >> 32).unwrap();
        self.remainder &= 0xffff_ffff;
        self.packet(frames);
        frames
    }

    /// A packet of so many frames.
    pub(crate) fn packet(&mut self, frames: usize) {
        self.send(frames);
        self.card.wait_for_packets(Stream::Speaker, self.packets);
        self.hear_feedback();
    }

    /// A packet of so many frames, which the function deals with when it likes.
    pub(crate) fn send(&mut self, frames: usize) {
        let mut bytes = Vec::new();
        for _ in 0..frames {
            for sample in numbered(self.next, self.channels, self.size) {
                let left_out = 4 - usize::from(self.size.bytes());
                bytes.extend_from_slice(&sample.to_le_bytes()[left_out..]);
            }
            self.next += 1;
        }
        let lengths = [u32::try_from(bytes.len()).unwrap()];
        let to = Target::Endpoint(self.setting.data.endpoint.address);
        let host = &self.card.host;
        host.submit(&self.data, to, Transfer::isochronous_send(bytes, lengths));
        if let Some(feedback) = &self.setting.feedback {
            let lengths = [u32::from(feedback.endpoint.max_packet_size())];
            let from = Target::Endpoint(feedback.endpoint.address);
            host.submit(&self.asked, from, Transfer::isochronous_receive(lengths));
        }
        self.card.step(&self.setting, 1);
        let sent = self.data.try_next().expect("the interval has passed");
        assert_eq!(sent.packets[0].status, Ok(()));
        self.packets += 1;
    }

    fn hear_feedback(&mut self) {
        while let Some(asked) = self.asked.try_next() {
            let PacketOutcome {
                actual_length,
                status,
                ..
            } = asked.packets[0];
            if status == Ok(()) {
                let bytes = &asked.buffer[..actual_length as usize];
                let feedback = Feedback::parse(bytes).expect("three or four bytes");
                self.feedback.push(feedback);
            }
        }
    }

    /// Sends what the last feedback asked for from now on.
    pub(crate) fn follow_feedback(&mut self) {
        let units = match self.card.speed {
            Speed::Full => self.microframes / 8,
            _ => self.microframes,
        };
        if let Some(last) = self.feedback.last() {
            self.frames = (u64::from(last.0) * units) << 16;
        }
    }

    /// Frames sent.
    pub(crate) fn sent(&self) -> i32 {
        self.next
    }

    /// Ends the stream, and waits until all of it was heard.
    pub(crate) fn stop(self) {
        self.card.deselect(&self.setting);
        let deadline = Instant::now() + PATIENCE;
        while self.card.audio.format(Stream::Speaker).is_some() {
            assert!(Instant::now() < deadline, "the stream did not end");
            std::thread::yield_now();
        }
    }
}

/// The samples of frame number `frame`, of which every byte differs from that of its neighbours.
pub(crate) fn numbered(frame: i32, channels: usize, size: SampleSize) -> impl Iterator<Item = i32> {
    let channels = i32::try_from(channels).unwrap();
    (0..channels).map(move |channel| {
        let number = frame.wrapping_mul(channels).wrapping_add(channel);
        size.truncate(number.wrapping_mul(0x0101_0101).rotate_left(16))
    })
}

/// Checks that these samples are frames `from` and following.
pub(crate) fn assert_numbered(samples: &[i32], from: i32, channels: usize, size: SampleSize) {
    for (frame, samples) in (from..).zip(samples.chunks(channels)) {
        let expected: Vec<i32> = numbered(frame, channels, size).collect();
        assert_eq!(samples, expected, "frame {frame}");
    }
}

/// All that waits to be read.
pub(crate) fn read_all(audio: &Audio, channels: usize) -> Vec<i32> {
    let mut samples = vec![0; audio.waiting(Stream::Speaker) * channels];
    let frames = audio.read(&mut samples, Some(Duration::ZERO));
    assert_eq!(frames * channels, samples.len());
    samples
}

/// Records packet by packet.
pub(crate) struct Recorder<'a> {
    card: &'a Card,
    setting: StreamingSetting,
    packets: u64,
    data: CompletionQueue,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(card: &'a Card, size: SampleSize) -> Self {
        let setting = card.setting(Stream::Microphone, size);
        card.select(&setting);
        Self {
            card,
            packets: card.audio.statistics(Stream::Microphone).packets,
            data: CompletionQueue::new(&card.bus),
            setting,
        }
    }

    /// The packet of one service interval, once the function has packets queued.
    pub(crate) fn packet(&mut self) -> Vec<u8> {
        let endpoint = &self.setting.data.endpoint;
        let longest = u32::from(endpoint.max_packet_size())
            * u32::from(endpoint.transactions_per_microframe());
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.card.host.submit(
                &self.data,
                Target::Endpoint(endpoint.address),
                Transfer::isochronous_receive([longest]),
            );
            self.card.step(&self.setting, 1);
            let received = self.data.try_next().expect("the interval has passed");
            let packet = received.packets[0];
            if packet.status == Err(BusError::Missed) {
                // It has not begun; later the queue is never empty, since each packet is waited for.
                assert!(Instant::now() < deadline, "no packet");
                std::thread::yield_now();
                continue;
            }
            assert_eq!(packet.status, Ok(()));
            self.packets += 1;
            self.card.wait_for_packets(Stream::Microphone, self.packets);
            return received.buffer[..packet.actual_length as usize].to_vec();
        }
    }

    pub(crate) fn select_rate(&self, rate: u32) {
        self.card.set_rate(&self.setting, rate).unwrap();
    }

    pub(crate) fn stop(self) {
        self.card.deselect(&self.setting);
    }
}

/// The stream of these options alone.
pub(crate) fn speaker_only(stream: StreamOptions) -> AudioOptions {
    AudioOptions {
        speaker: Some(stream),
        microphone: None,
        ..AudioOptions::default()
    }
}

pub(crate) fn microphone_only(stream: StreamOptions) -> AudioOptions {
    AudioOptions {
        speaker: None,
        microphone: Some(stream),
        ..AudioOptions::default()
    }
}

pub(crate) fn started(stream: Stream, channels: u8, size: SampleSize, rate: u32) -> AudioEvent {
    AudioEvent::Started {
        stream,
        format: StreamFormat {
            channels,
            size,
            rate,
        },
    }
}

/// Frames written at once, to have more than a test records.
pub(crate) fn write_numbered(audio: &Audio, frames: i32, channels: usize, size: SampleSize) {
    let samples: Vec<i32> = (0..frames)
        .flat_map(|frame| numbered(frame, channels, size))
        .collect();
    assert_eq!(
        audio.write(&samples, Some(Duration::ZERO)),
        usize::try_from(frames).unwrap()
    );
}

/// The samples of packets.
pub(crate) fn decode(packets: &VecDeque<Vec<u8>>, size: SampleSize) -> Vec<i32> {
    let bytes: Vec<u8> = packets.iter().flatten().copied().collect();
    let width = usize::from(size.bytes());
    bytes
        .chunks(width)
        .map(|bytes| {
            let mut sample = [0; 4];
            sample[4 - width..].copy_from_slice(bytes);
            i32::from_le_bytes(sample)
        })
        .collect()
}
