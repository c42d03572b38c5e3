//! The kernel's own host-side tests, 15, 16, 22 and 23: isochronous writes and reads, aligned and not, of SourceSink.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::composite::KernelFunction;
use dummy_hcd_tests::kernel_log;
use dummy_hcd_tests::modprobe;
use dummy_hcd_tests::usbtest::UsbTest;

use super::gadget::Speed;
use crate::runner::Test;
use crate::setup;

/// Writes, and writes from an odd address.
const WRITES: [u32; 2] = [15, 22];
/// The same of reads.
const READS: [u32; 2] = [16, 23];
/// Packets of a transfer.
const PACKETS: u32 = 16;

/// Requests the gadget has queued on each endpoint.
const QUEUED: u32 = 4;

/// One gadget, all four tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceSink {
    speed: Speed,
    /// bInterval.
    interval: u32,
    /// Bytes of a transaction.
    max_packet: u32,
    /// Transactions besides the first one: "mult" at high speed, and at super speed with "burst" besides.
    mult: u32,
    burst: u32,
}

impl SourceSink {
    const fn new(speed: Speed, interval: u32, max_packet: u32) -> Self {
        Self {
            speed,
            interval,
            max_packet,
            mult: 0,
            burst: 0,
        }
    }

    /// Bytes of a service interval.
    fn packet(self) -> u32 {
        match self.speed {
            Speed::Full => self.max_packet,
            Speed::High => self.max_packet * (self.mult + 1),
            Speed::Super => self.max_packet * (self.mult + 1) * (self.burst + 1),
        }
    }

    pub(crate) fn run(self) -> Result<()> {
        modprobe::load("usbtest")?;
        // Without it the driver takes alternate setting 0, which has the bulk endpoints only.
        fs::write("/sys/module/usbtest/parameters/alt", "1")?;
        // Zeros: the patterns repeat in transactions, whose size the gadget takes for that of a packet.
        let mut function = KernelFunction::source_sink(0, 4096, 4);
        for (name, value) in [
            ("isoc_interval", self.interval),
            ("isoc_maxpacket", self.max_packet),
            ("isoc_mult", self.mult),
            ("isoc_maxburst", self.burst),
            ("iso_qlen", QUEUED),
        ] {
            function = function.with(name, value.to_string());
        }
        let plugged = setup::usbtest_at(function, self.speed.udc_name());
        let result = plugged.and_then(|plugged| {
            // A write's last packet is one byte. A read has room for every packet, and the device fills it.
            for number in WRITES {
                self.number(&plugged, number, self.packet() * (PACKETS - 1) + 1)?;
            }
            for number in READS {
                self.number(&plugged, number, self.packet() * PACKETS)?;
            }
            Ok(())
        });
        fs::write("/sys/module/usbtest/parameters/alt", "-1")?;
        result
    }

    fn number(self, plugged: &setup::Plugged, number: u32, length: u32) -> Result<()> {
        let logged = kernel_log::position()?;
        let mut test = UsbTest {
            number,
            iterations: 20,
            length,
            queue: 8,
            ..UsbTest::default()
        };
        test.run_on(&plugged.device)
            .with_context(|| format!("usbtest {number}"))?;
        // It lets one packet of ten fail.
        ensure!(
            !complained(logged)?,
            "usbtest {number} counted packets that failed"
        );
        let took = test.seconds * 1_000_000 + test.microseconds;
        let packets = i64::from(test.iterations * test.queue * PACKETS);
        let interval = match self.speed {
            Speed::Full => 1000,
            Speed::High | Speed::Super => 125,
        } << (self.interval - 1);
        let due = packets * interval;
        // It starts in the next interval and is told of the end by a completion: a millisecond for both.
        ensure!(
            (due - interval..=due + interval + 1000).contains(&took),
            "usbtest {number}: {packets} packets took {took} us instead of {due}"
        );
        Ok(())
    }
}

/// Whether usbtest has told of failed packets from this place of the log on.
fn complained(logged: u64) -> Result<bool> {
    Ok(kernel_log::since(logged)?.contains("during the test,"))
}

pub(super) fn tests() -> Vec<Test> {
    let high = SourceSink::new(Speed::High, 1, 1024);
    let fast = SourceSink::new(Speed::Super, 1, 1024);
    [
        ("full::every_frame", SourceSink::new(Speed::Full, 1, 1023)),
        ("full::every_fourth", SourceSink::new(Speed::Full, 3, 200)),
        ("high::every_microframe", high),
        ("high::three_transactions", SourceSink { mult: 2, ..high }),
        ("high::every_eighth", SourceSink::new(Speed::High, 4, 192)),
        ("super_speed::every_interval", fast),
        (
            "super_speed::a_burst_of_16",
            SourceSink { burst: 15, ..fast },
        ),
        (
            "super_speed::three_bursts",
            SourceSink {
                mult: 2,
                burst: 3,
                interval: 2,
                ..fast
            },
        ),
    ]
    .map(|(name, case)| {
        let name = super::named(case.speed, &format!("usbtest::{name}"));
        Test::source_sink(name, case)
    })
    .into()
}
