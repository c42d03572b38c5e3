//! A pcapng file of usbmon packets.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::interface_statistics::{
    InterfaceStatisticsBlock, InterfaceStatisticsOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::{PcapNgBlock, PcapNgWriter};
use pcap_file::{DataLink, Endianness, PcapError};

use crate::Header;

/// if_tsresol: times are in units of 10^-9 s, which is what `pcap_file` writes.
const NANOSECONDS: u8 = 9;

/// The largest snap length: Wireshark takes a file with a longer packet for broken
/// (WTAP_MAX_PACKET_SIZE_STANDARD, 256 KiB with the header). usbmon itself shows at most 240 KiB of a transfer.
pub const LONGEST: u32 = 262_144 - 48;

/// Writes packets of one source to a pcapng file, which Wireshark reads.
///
/// Nothing is buffered here: give it a [`BufWriter`](std::io::BufWriter) and [`flush`](Self::flush) when a
/// reader waits.
pub struct Writer<W: Write> {
    file: PcapNgWriter<W>,
    snap_length: u32,
    totals: Totals,
}

/// What a capture came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Packets written: two for each transfer that was seen from its submission to its end.
    pub packets: u64,
    /// Bytes of transfers' data written.
    pub bytes: u64,
    /// Packets cut to the snap length.
    pub cut: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a file of packets from the source called `name`, as `usbmon1`. Of each packet's data at most
    /// `snap_length` bytes are kept, and at most [`LONGEST`].
    ///
    /// # Errors
    /// That of writing.
    pub fn new(file: W, name: &str, snap_length: u32) -> io::Result<Self> {
        let snap_length = snap_length.min(LONGEST);
        let section = SectionHeaderBlock {
            endianness: Endianness::native(),
            options: vec![SectionHeaderOption::UserApplication(Cow::Borrowed(
                concat!("usbfs2 ", env!("CARGO_PKG_VERSION")),
            ))],
            ..Default::default()
        };
        let mut file = PcapNgWriter::with_section_header(file, section).map_err(io_error)?;
        let header = u32::try_from(Header::LENGTH).unwrap_or(u32::MAX);
        let interface = InterfaceDescriptionBlock {
            linktype: DataLink::USB_LINUX,
            snaplen: snap_length.saturating_add(header),
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Owned(name.to_owned())),
                InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
            ],
        };
        file.write_block(&interface.into_block())
            .map_err(io_error)?;
        Ok(Self {
            file,
            snap_length,
            totals: Totals::default(),
        })
    }

    /// Writes one packet; `header` is changed where it says how much data there is.
    ///
    /// # Errors
    /// That of writing.
    pub fn write(&mut self, header: &Header, data: &[u8]) -> io::Result<()> {
        let limit = usize::try_from(self.snap_length).unwrap_or(usize::MAX);
        let kept = &data[..data.len().min(limit)];
        let length = |bytes: usize| u32::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput);
        let captured = length(kept.len())?;
        let packet = [
            &Header {
                captured,
                ..*header
            }
            .to_bytes(),
            kept,
        ]
        .concat();
        // What there would be but for the snap length here and usbmon's own.
        let whole = match data {
            [] => 0,
            data => data
                .len()
                .max(usize::try_from(header.length).unwrap_or(usize::MAX)),
        };
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: header.time,
            original_len: length(Header::LENGTH + whole)?,
            data: Cow::Owned(packet),
            options: Vec::new(),
        };
        self.file
            .write_block(&block.into_block())
            .map_err(io_error)?;
        self.totals.packets += 1;
        self.totals.bytes += u64::from(captured);
        self.totals.cut += u64::from(kept.len() < data.len());
        Ok(())
    }

    /// What was written so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Passes on what a buffer below holds.
    ///
    /// # Errors
    /// That of writing.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.get_mut().flush()
    }

    /// Ends the file with a note of how many packets the source lost, and flushes it.
    ///
    /// # Errors
    /// That of writing.
    pub fn finish(mut self, lost: u64) -> io::Result<Totals> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let block = InterfaceStatisticsBlock {
            interface_id: 0,
            timestamp: statistics_time(now.unwrap_or_default()),
            options: vec![
                InterfaceStatisticsOption::IsbIfRecv(self.totals.packets.saturating_add(lost)),
                InterfaceStatisticsOption::IsbIfDrop(lost),
            ],
        };
        self.file
            .write_block(&block.into_block())
            .map_err(io_error)?;
        self.flush()?;
        Ok(self.totals)
    }
}

impl<W: Write> fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("snap_length", &self.snap_length)
            .field("totals", &self.totals)
            .finish_non_exhaustive()
    }
}

/// The format has a time's upper half first in either byte order; `pcap_file` writes that of statistics as
/// one number.
fn statistics_time(time: Duration) -> u64 {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    if cfg!(target_endian = "little") {
        nanoseconds.rotate_left(32)
    } else {
        nanoseconds
    }
}

fn io_error(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidInput, other),
    }
}
