//! A sound card whose packets the test moves by hand, one service interval at a time, on a bus whose clock it steps.
//!
//! Its descriptors are bytes written from the specification, not by the code under test.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use usbfs2_audio::AudioDevice;
use usbfs2_gadget::{
    Buffer, ControlRequest, ControlResponse, DeviceIds, Direction, Endpoint, EndpointError,
    EndpointRequest, Endpoints, Function, FunctionBuilder, FunctionError, Gadget, InterfaceClass,
    PerSpeed, Running, Speed,
};
use usbfs2_host::Host;
use usbfs2_loopback::Bus;
use usbfs2_protocol::descriptor::{SynchronizationType, UsageType};

/// Long enough for anything that is to happen; it only stops hangs.
const PATIENCE: Duration = Duration::from_secs(10);

const MILLISECOND: Duration = Duration::from_millis(1);

const CONTROL: InterfaceClass = InterfaceClass::new(1, 1, 0);
const STREAMING: InterfaceClass = InterfaceClass::new(1, 2, 0);
const CONTROL_2: InterfaceClass = InterfaceClass::new(1, 1, 0x20);
const STREAMING_2: InterfaceClass = InterfaceClass::new(1, 2, 0x20);

/// How a puppet is made.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) is_uac2: bool,
    pub(crate) speed: Speed,
    /// bInterval at high speed.
    pub(crate) interval: u8,
    pub(crate) channels: u8,
    pub(crate) bits: u8,
    pub(crate) bytes: u8,
    pub(crate) rates: Vec<u32>,
    /// Of the sink.
    pub(crate) synchronization: SynchronizationType,
    pub(crate) has_feedback: bool,
    /// Of the source.
    pub(crate) source: UsageType,
    pub(crate) packet_frames: u16,
    /// In place of the control interface's own descriptors.
    pub(crate) control: Option<Vec<Vec<u8>>>,
    /// In place of the streaming settings' own descriptors.
    pub(crate) streaming: Option<Vec<Vec<u8>>>,
}

impl Parts {
    /// A stereo card of 16 bits, 44.1 and 48 kHz, whose sink is adaptive.
    pub(crate) fn uac1() -> Self {
        Self {
            is_uac2: false,
            speed: Speed::Full,
            interval: 4,
            channels: 2,
            bits: 16,
            bytes: 2,
            rates: vec![44_100, 48_000],
            synchronization: SynchronizationType::Adaptive,
            has_feedback: false,
            source: UsageType::Data,
            packet_frames: 50,
            control: None,
            streaming: None,
        }
    }

    /// The same at high speed, a packet a microframe.
    pub(crate) fn uac2() -> Self {
        Self {
            is_uac2: true,
            speed: Speed::High,
            interval: 1,
            packet_frames: 8,
            ..Self::uac1()
        }
    }

    pub(crate) fn asynchronous(mut self) -> Self {
        self.synchronization = SynchronizationType::Asynchronous;
        self.has_feedback = true;
        self
    }

    pub(crate) fn frame_bytes(&self) -> u16 {
        u16::from(self.channels) * u16::from(self.bytes)
    }

    fn control_descriptors(&self) -> Vec<Vec<u8>> {
        if let Some(control) = &self.control {
            return control.clone();
        }
        let n = self.channels;
        if !self.is_uac2 {
            // Streams 1 and 2; 1 USB -> 2 feature (mute and volume) -> 3 speaker; 4 microphone -> 5 USB.
            let mut feature = vec![0, 0x24, 6, 2, 1, 1, 0x03];
            feature.extend(vec![0x02; n.into()]);
            feature.push(0);
            feature[0] = u8::try_from(feature.len()).unwrap();
            return vec![
                vec![10, 0x24, 1, 0, 1, 0, 0, 2, 1, 2],
                vec![12, 0x24, 2, 1, 0x01, 0x01, 0, n, 0, 0, 0, 0],
                feature,
                vec![9, 0x24, 3, 3, 0x01, 0x03, 0, 2, 0],
                vec![12, 0x24, 2, 4, 0x01, 0x02, 0, n, 0, 0, 0, 0],
                vec![9, 0x24, 3, 5, 0x01, 0x01, 0, 4, 0],
            ];
        }
        let mut feature = vec![0, 0x24, 6, 2, 1, 0x0f, 0, 0, 0];
        for _ in 0..n {
            feature.extend([0x0c, 0, 0, 0]);
        }
        feature.push(0);
        feature[0] = u8::try_from(feature.len()).unwrap();
        vec![
            vec![9, 0x24, 1, 0, 2, 1, 0, 0, 0],
            vec![8, 0x24, 10, 10, 3, 0x07, 0, 0],
            vec![17, 0x24, 2, 1, 0x01, 0x01, 0, 10, n, 0, 0, 0, 0, 0, 0, 0, 0],
            feature,
            vec![12, 0x24, 3, 3, 0x01, 0x03, 0, 2, 10, 0, 0, 0],
            vec![17, 0x24, 2, 4, 0x01, 0x02, 0, 10, n, 0, 0, 0, 0, 0, 0, 0, 0],
            vec![12, 0x24, 3, 5, 0x01, 0x01, 0, 4, 10, 0, 0, 0],
        ]
    }

    fn streaming_descriptors(&self, terminal: u8) -> Vec<Vec<u8>> {
        if let Some(streaming) = &self.streaming {
            return streaming.clone();
        }
        let n = self.channels;
        if self.is_uac2 {
            return vec![
                vec![16, 0x24, 1, terminal, 0, 1, 1, 0, 0, 0, n, 0, 0, 0, 0, 0],
                vec![6, 0x24, 2, 1, self.bytes, self.bits],
            ];
        }
        let count = u8::try_from(self.rates.len()).unwrap();
        let mut format = vec![8 + 3 * count, 0x24, 2, 1, n, self.bytes, self.bits, count];
        for rate in &self.rates {
            format.extend(&rate.to_le_bytes()[..3]);
        }
        vec![vec![7, 0x24, 1, terminal, 1, 1, 0], format]
    }

    fn endpoint(
        &self,
        direction: Direction,
        synchronization: SynchronizationType,
        usage: UsageType,
    ) -> EndpointRequest {
        let bytes = self.packet_frames * self.frame_bytes();
        let request = EndpointRequest::isochronous(direction, bytes, MILLISECOND);
        let intervals = PerSpeed {
            full: 1,
            high: self.interval,
            super_speed: self.interval,
        };
        let request = request
            .intervals(intervals)
            .synchronization(synchronization, usage);
        if self.is_uac2 {
            return request.class_descriptor([8, 0x25, 1, 0, 0, 0, 0, 0]);
        }
        let synch = (self.has_feedback && direction == Direction::Out).then_some(1);
        let request = request.audio_extension(0, synch);
        request.class_descriptor([7, 0x25, 1, 0x01, 0, 0, 0])
    }

    fn feedback_endpoint(&self) -> EndpointRequest {
        if self.is_uac2 {
            let request = EndpointRequest::isochronous(Direction::In, 4, MILLISECOND);
            return request.synchronization(SynchronizationType::None, UsageType::Feedback);
        }
        EndpointRequest::isochronous(Direction::In, 3, MILLISECOND).audio_extension(5, None)
    }
}

/// Endpoints of a streaming interface that was put in setting 1.
pub(crate) struct Stream {
    pub(crate) data: Endpoint,
    pub(crate) feedback: Option<Endpoint>,
}

/// What requests have set, by request, control, channel and entity or endpoint.
pub(crate) type Settings = BTreeMap<(u8, u8, u16), Vec<u8>>;

/// What requests find before they find what is set.
type FirstAnswers = BTreeMap<(u8, u8, u16), VecDeque<Vec<u8>>>;

struct Card {
    parts: Parts,
    streams: Mutex<[Sender<Stream>; 2]>,
    state: Arc<Mutex<Settings>>,
    first_answers: Arc<Mutex<FirstAnswers>>,
}

impl Function for Card {
    fn name(&self) -> &str {
        "puppet"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let parts = &self.parts;
        let (control, streaming) = match parts.is_uac2 {
            true => (CONTROL_2, STREAMING_2),
            false => (CONTROL, STREAMING),
        };
        builder.independent_interfaces();
        if parts.is_uac2 {
            builder.association(InterfaceClass::new(1, 0, 0x20), None);
        }
        let mut interface = builder.interface(control);
        let mut descriptors = parts.control_descriptors();
        let total: usize = descriptors.iter().map(Vec::len).sum();
        let at = if parts.is_uac2 { 6 } else { 5 };
        if let Some(header) = descriptors
            .first_mut()
            .filter(|header| header.len() > at + 1)
        {
            header[at..at + 2].copy_from_slice(&u16::try_from(total).unwrap().to_le_bytes());
        }
        for descriptor in descriptors {
            interface.class_descriptor(descriptor);
        }
        for (direction, terminal) in [(Direction::Out, 1), (Direction::In, 5)] {
            let mut interface = builder.interface(streaming);
            interface.alternate_setting(streaming);
            for descriptor in parts.streaming_descriptors(terminal) {
                interface.class_descriptor(descriptor);
            }
            if direction == Direction::Out {
                interface.endpoint(parts.endpoint(
                    direction,
                    parts.synchronization,
                    UsageType::Data,
                ));
                if parts.has_feedback {
                    interface.endpoint(parts.feedback_endpoint());
                }
            } else {
                interface.endpoint(parts.endpoint(
                    direction,
                    SynchronizationType::Asynchronous,
                    parts.source,
                ));
            }
        }
    }

    fn control(&self, request: &ControlRequest) -> ControlResponse {
        let setup = request.setup;
        let [channel, control] = setup.value.to_le_bytes();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match (setup.direction(), setup.request) {
            (Direction::Out, 1) => {
                state.insert((control, channel, setup.index), request.data.clone());
                ControlResponse::Acknowledge
            }
            (Direction::In, code) => {
                // CUR is 0x81 in Audio 1.0 and 1 in 2.0; others are told apart by their code.
                let control = if matches!(code, 1 | 0x81) {
                    control
                } else {
                    control | code << 4
                };
                let key = (control, channel, setup.index);
                let mut first = self
                    .first_answers
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                if let Some(answer) = first.get_mut(&key).and_then(VecDeque::pop_front) {
                    return ControlResponse::Data(answer);
                }
                let found = state.get(&key);
                found.map_or(ControlResponse::Stall, |value| {
                    ControlResponse::Data(value.clone())
                })
            }
            _ => ControlResponse::Stall,
        }
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let interface = endpoints.interface().expect("independent interfaces");
        if interface.index() > 0 && endpoints.alternate_setting(interface) == 1 {
            let feedback = usize::from(self.parts.has_feedback);
            let stream = match interface.index() {
                1 => Stream {
                    data: endpoints.take(0)?,
                    feedback: endpoints.take(1).ok().filter(|_| feedback == 1),
                },
                _ => Stream {
                    data: endpoints.take(1 + feedback)?,
                    feedback: None,
                },
            };
            let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            let sent = streams[interface.index() - 1].send(stream);
            drop(streams);
            sent.map_err(FunctionError::other)?;
        }
        endpoints.session().wait_disabled();
        Ok(())
    }
}

/// The device, its bus, and the driver's view of it.
pub(crate) struct Puppet {
    pub(crate) bus: Bus,
    pub(crate) device: usbfs2_host::Device,
    sinks: Receiver<Stream>,
    sources: Receiver<Stream>,
    state: Arc<Mutex<Settings>>,
    first_answers: Arc<Mutex<FirstAnswers>>,
    _running: Running,
}

/// What requests answer that nobody set: rates, volumes.
fn initial(parts: &Parts) -> Settings {
    let mut state = Settings::new();
    if parts.is_uac2 {
        let clock = 10 << 8;
        let mut ranges = u16::try_from(parts.rates.len())
            .unwrap()
            .to_le_bytes()
            .to_vec();
        for rate in &parts.rates {
            ranges.extend([rate.to_le_bytes(), rate.to_le_bytes(), [0; 4]].concat());
        }
        state.insert((1 | 2 << 4, 0, clock), ranges);
        state.insert((1, 0, clock), parts.rates[0].to_le_bytes().to_vec());
        state.insert((2, 0, clock), vec![1]);
    }
    for channel in 0..=parts.channels {
        let unit = 2 << 8;
        let key = |code: u8| (2 | code.wrapping_shl(4), channel, unit);
        state.insert((2, channel, unit), 0_i16.to_le_bytes().to_vec());
        state.insert((1, channel, unit), vec![0]);
        let (low, high, step) = (-60 * 256_i16, 0_i16, 256_i16);
        if parts.is_uac2 {
            let mut range = vec![1, 0];
            range.extend([low, high, step].map(i16::to_le_bytes).concat());
            state.insert(key(2), range);
        } else {
            state.insert(key(0x82), low.to_le_bytes().to_vec());
            state.insert(key(0x83), high.to_le_bytes().to_vec());
            state.insert(key(0x84), step.to_le_bytes().to_vec());
        }
    }
    state
}

impl Puppet {
    pub(crate) fn plug(parts: &Parts) -> Self {
        let bus = Bus::with_manual_clock();
        let (sink, sinks) = channel();
        let (source, sources) = channel();
        let state = Arc::new(Mutex::new(initial(parts)));
        let first_answers = Arc::default();
        let card = Card {
            parts: parts.clone(),
            streams: Mutex::new([sink, source]),
            state: Arc::clone(&state),
            first_answers: Arc::clone(&first_answers),
        };
        let ids = DeviceIds {
            vendor: 0x1209,
            product: 1,
            release: 0x0100,
        };
        let gadget = Gadget::builder(ids).function(Arc::new(card)).build();
        let running = gadget.unwrap().start_on(&bus, parts.speed).unwrap();
        let host = Host::on(&bus);
        let info = host.devices().unwrap().remove(0);
        Self {
            device: host.open(info.id()).unwrap(),
            bus,
            sinks,
            sources,
            state,
            first_answers,
            _running: running,
        }
    }

    pub(crate) fn open(&self) -> AudioDevice {
        AudioDevice::open_blocking(&self.device).unwrap()
    }

    /// The playback stream's endpoints, once the host has selected it.
    pub(crate) fn sink(&self) -> Stream {
        self.sinks.recv_timeout(PATIENCE).unwrap()
    }

    /// An ear at the playback stream as the host has selected it last.
    pub(crate) fn ear(&self, depth: usize) -> Ear {
        loop {
            let mut ear = Ear::new(self.sink().data, depth);
            // Of what was selected before, the host has taken leave before it selected again.
            if ear.endpoint.wait(Some(Duration::ZERO)).is_none() {
                return ear;
            }
        }
    }

    /// The capture stream's endpoint, once the host has selected it.
    pub(crate) fn source(&self) -> Stream {
        self.sources.recv_timeout(PATIENCE).unwrap()
    }

    /// The same, if the host has selected it since it was asked for last.
    pub(crate) fn new_source(&self) -> Option<Stream> {
        self.sources.try_iter().last()
    }

    /// What requests have set, and what they will find.
    pub(crate) fn state(&self) -> MutexGuard<'_, Settings> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, for another thread.
    pub(crate) fn shared_state(&self) -> Arc<Mutex<Settings>> {
        Arc::clone(&self.state)
    }

    /// What requests will find once each, before they find what is set.
    pub(crate) fn answer_first(
        &self,
        key: (u8, u8, u16),
        answers: impl IntoIterator<Item = Vec<u8>>,
    ) {
        let mut first = self
            .first_answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        first.entry(key).or_default().extend(answers);
    }

    pub(crate) fn unplug(&self) {
        self.bus.cable("1-1").unwrap().pull();
    }
}

/// A sink with room for `depth` packets, which keeps what it heard.
pub(crate) struct Ear {
    endpoint: Endpoint,
    packet_bytes: usize,
    pub(crate) heard: Vec<u8>,
    /// Bytes of each packet.
    pub(crate) packets: Vec<usize>,
}

impl Ear {
    pub(crate) fn new(endpoint: Endpoint, depth: usize) -> Self {
        let packet_bytes = endpoint.max_packet_size();
        let mut ear = Self {
            endpoint,
            packet_bytes,
            heard: Vec::new(),
            packets: Vec::new(),
        };
        for _ in 0..depth {
            ear.endpoint.submit(Buffer::with_capacity(packet_bytes));
        }
        ear
    }

    /// Takes what has come.
    pub(crate) fn listen(&mut self) {
        while self.endpoint.pending() > 0
            && let Some(completion) = self.endpoint.wait(Some(Duration::ZERO))
        {
            match completion.status {
                Ok(()) => {
                    self.heard.extend_from_slice(&completion.buffer);
                    self.packets.push(completion.buffer.len());
                }
                Err(EndpointError::Disabled | EndpointError::Cancelled) => return,
                Err(error) => panic!("{error}"),
            }
            self.endpoint
                .submit(Buffer::with_capacity(self.packet_bytes));
        }
    }
}

/// Has time pass on the bus for as long as something is being done.
pub(crate) fn while_stepping<T>(bus: &Bus, done: impl FnOnce() -> T) -> T {
    let bus = bus.clone();
    let (stop, stopped) = channel::<()>();
    let stepping = std::thread::spawn(move || {
        let on = TryRecvError::Empty;
        while stopped.try_recv() == Err(on) {
            bus.step(8);
            std::thread::yield_now();
        }
    });
    let result = done();
    drop(stop);
    stepping.join().unwrap();
    result
}

/// A source that always has the next packet ready.
pub(crate) struct Mouth {
    endpoint: Endpoint,
}

impl Mouth {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }

    /// Has a packet ready unless `depth` are.
    pub(crate) fn say(&mut self, depth: usize, mut packet: impl FnMut() -> Vec<u8>) {
        while self.endpoint.pending() > 0 && self.endpoint.wait(Some(Duration::ZERO)).is_some() {}
        while self.endpoint.pending() < depth {
            self.endpoint.submit(Buffer::from(packet()));
        }
    }
}
