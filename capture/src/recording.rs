//! The in-process bus on record.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use usbfs2_loopback::{Bus, BusError, BusMonitor, Isochronous, Moment, Traffic};

use crate::isochronous::{IsochronousCounts, IsochronousDescriptor};
use crate::usbmon::{Data, Event, Header};
use crate::writer::{Totals, Writer};

/// The bus's number, as in the names of its ports: `1-1`.
const BUS: u16 = 1;

/// Linux's numbers of what usbmon says as a status.
mod errno {
    pub(super) const ENOENT: i32 = -2;
    pub(super) const EXDEV: i32 = -18;
    pub(super) const EINVAL: i32 = -22;
    pub(super) const EPIPE: i32 = -32;
    pub(super) const EPROTO: i32 = -71;
    pub(super) const EOVERFLOW: i32 = -75;
    pub(super) const ESHUTDOWN: i32 = -108;
    pub(super) const ETIMEDOUT: i32 = -110;
    pub(super) const EINPROGRESS: i32 = -115;
}

/// Writes what the hosts on a bus submit, and how it ends, to a pcapng file: from [`start`](Self::start) until
/// [`finish`](Self::finish) or drop.
///
/// Packets are written by whoever makes them happen, so none is lost and the bus is as slow as the file:
/// give it a [`BufWriter`](std::io::BufWriter).
#[derive(Debug)]
pub struct Recording<W: Write + Send + 'static> {
    monitor: BusMonitor,
    tape: Arc<Mutex<Tape<W>>>,
}

#[derive(Debug)]
struct Tape<W: Write> {
    /// `None` once finished.
    writer: Option<Writer<W>>,
    /// Why it stopped early. The first reason; nothing is written after it.
    failure: Option<io::Error>,
}

impl<W: Write + Send + 'static> Recording<W> {
    /// Starts. Of each transfer's data at most `snap_length` bytes are kept.
    ///
    /// # Errors
    /// That of writing the file's beginning.
    pub fn start(bus: &Bus, file: W, snap_length: u32) -> io::Result<Self> {
        let tape = Arc::new(Mutex::new(Tape {
            writer: Some(Writer::new(file, "in-process bus", snap_length)?),
            failure: None,
        }));
        let kept = Arc::clone(&tape);
        let monitor = bus.monitor(move |traffic| {
            let mut tape = kept.lock().unwrap_or_else(PoisonError::into_inner);
            tape.write(traffic);
        });
        Ok(Self { monitor, tape })
    }

    /// Ends the file.
    ///
    /// # Errors
    /// The first error of writing since the start: the file ends there.
    pub fn finish(self) -> io::Result<Totals> {
        drop(self.monitor);
        let mut tape = self.tape.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = tape.failure.take() {
            return Err(failure);
        }
        let Some(writer) = tape.writer.take() else {
            return Ok(Totals::default());
        };
        writer.finish(0)
    }
}

impl<W: Write> Tape<W> {
    fn write(&mut self, traffic: &Traffic<'_>) {
        if self.failure.is_some() {
            return;
        }
        let Some(writer) = &mut self.writer else {
            return;
        };
        let (header, data) = packet(traffic);
        if let Err(error) = writer.write(&header, &data) {
            self.failure = Some(error);
        }
    }
}

/// The packet usbmon would have made of it.
fn packet<'a>(traffic: &Traffic<'a>) -> (Header, Cow<'a, [u8]>) {
    let (event, status, length, data, setup) = match traffic.moment {
        Moment::Submitted {
            setup,
            length,
            data,
        } => (Event::Submission, errno::EINPROGRESS, length, data, setup),
        Moment::Ended {
            status,
            length,
            data,
        } => (Event::Completion, number(status), length, data, None),
        // Moments to come are none that usbmon knows.
        _ => (Event::Error, errno::EINVAL, 0, &[][..], None),
    };
    let (counts, data) = match traffic.isochronous {
        Some(isochronous) => {
            let (counts, bytes) = described(isochronous, event, data);
            (Some(counts), Cow::Owned(bytes))
        }
        None => (None, Cow::Borrowed(data)),
    };
    let absent = match event {
        Event::Submission if !traffic.sends => Data::TO_COME,
        Event::Completion if traffic.sends => Data::WENT,
        _ => Data::Present,
    };
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let header = Header {
        id: traffic.transfer,
        event,
        transfer_type: traffic.transfer_type,
        endpoint: Header::endpoint_of(traffic.endpoint, traffic.sends),
        device: traffic.device,
        bus: BUS,
        time: time.unwrap_or_default(),
        status,
        length: u32::try_from(length).unwrap_or(u32::MAX),
        data: absent,
        captured: u32::try_from(data.len()).unwrap_or(u32::MAX),
        setup,
        isochronous: counts,
    };
    (header, data)
}

/// The descriptors of a transfer's packets with its data behind them, and how many there are.
fn described(
    isochronous: Isochronous<'_>,
    event: Event,
    data: &[u8],
) -> (IsochronousCounts, Vec<u8>) {
    let most = IsochronousDescriptor::MOST as usize;
    let packets = isochronous.packets;
    let shown = &packets[..packets.len().min(most)];
    let mut bytes = Vec::with_capacity(shown.len() * IsochronousDescriptor::LENGTH + data.len());
    let (mut offset, mut end) = (0_u32, 0);
    for packet in shown {
        let length = match event {
            Event::Submission => packet.length,
            _ => packet.actual_length,
        };
        let status = number(packet.status);
        let descriptor = IsochronousDescriptor {
            status,
            offset,
            length,
        };
        bytes.extend(descriptor.to_bytes());
        if length > 0 {
            end = offset.saturating_add(length);
        }
        offset = offset.saturating_add(packet.length);
    }
    // Slots that nothing came into are not shown behind the last packet, nor are packets without a descriptor.
    let end = usize::try_from(end).unwrap_or(usize::MAX);
    bytes.extend(&data[..end.min(data.len())]);
    let failed = packets.iter().filter(|packet| packet.status.is_err());
    let errors = match event {
        Event::Submission => 0,
        _ => u32::try_from(failed.count()).unwrap_or(u32::MAX),
    };
    let descriptors = u32::try_from(shown.len()).unwrap_or(u32::MAX);
    let counts = IsochronousCounts {
        errors,
        descriptors,
    };
    (counts, bytes)
}

fn number(status: Result<(), BusError>) -> i32 {
    match status {
        Ok(()) => 0,
        Err(BusError::Missed) => errno::EXDEV,
        Err(BusError::Stall) => errno::EPIPE,
        Err(BusError::Overflow) => errno::EOVERFLOW,
        Err(BusError::Cancelled | BusError::NotEnabled) => errno::ENOENT,
        Err(BusError::Unplugged) => errno::ESHUTDOWN,
        Err(BusError::TimedOut) => errno::ETIMEDOUT,
        Err(BusError::InvalidRequest) => errno::EINVAL,
        Err(_) => errno::EPROTO,
    }
}
