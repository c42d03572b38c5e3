//! The interface: its settings, control requests, and the process as a whole.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::stress::counts::Counts;
use dummy_hcd_tests::stress::plan::{SteerAction, Step};

use super::Stepper;
use super::shared::Shared;
use crate::arguments::Kind;
use crate::sys::Copy;

/// GET_STATUS of interface 0 (USB 2.0 9.4.5).
const INTERFACE_STATUS: u64 = 0x81 << 40;
/// A vendor's request that no gadget of the kernel's knows.
const UNKNOWN: u64 = 0xc1 << 40 | 0x7f << 32;
/// SourceSink's: takes data, and gives them back (f_sourcesink.c, sourcesink_setup).
const TAKE: u64 = 0x40 << 40 | 0x5b << 32;
const GIVE: u64 = 0xc0 << 40 | 0x5c << 32;

pub(super) struct Steer<'shared> {
    shared: &'shared Shared,
}

impl<'shared> Steer<'shared> {
    pub(super) fn new(shared: &'shared Shared) -> Self {
        Self { shared }
    }

    fn alternate(&self, a: usize, counts: &mut Counts) -> Result<()> {
        // f_sourcesink has a second one where the controller has isochronous endpoints; f_loopback has one.
        let settings = match self.shared.kind {
            Kind::SourceSink => self.settings()?,
            Kind::Loopback => 1,
        };
        let alternate = a % settings;
        if self
            .shared
            .select("1.0/alternate", &alternate.to_string())?
        {
            counts.count(&format!("alternate setting {alternate} of {settings}"));
        }
        Ok(())
    }

    /// How many alternate settings interface 0 has; 1 where the device has gone.
    fn settings(&self) -> Result<usize> {
        let since = self.shared.outside()?;
        let read = fs::read(self.shared.directory.join("descriptors"));
        let Some(bytes) = self.shared.tolerate("reading descriptors", since, read)? else {
            return Ok(1);
        };
        let mut rest = bytes.as_slice();
        let mut settings = 0;
        while let [length @ 2..=u8::MAX, kind, ..] = *rest {
            // An interface descriptor (USB 2.0 9.6.5).
            settings += usize::from(kind == 4);
            rest = rest.get(usize::from(length)..).unwrap_or_default();
        }
        Ok(settings.max(1))
    }

    fn control(&self, step: Step<SteerAction>, counts: &mut Counts) -> Result<()> {
        match step.a % 3 {
            0 => {
                let mut status = [0xff; 2];
                let asked = self
                    .shared
                    .control("1.0/ep00", INTERFACE_STATUS, &mut status)?;
                if let Some(result) = asked {
                    let length = result.context("GET_STATUS")?;
                    ensure!(
                        (length, status) == (2, [0, 0]),
                        "the interface's status is {length} bytes, {status:?}"
                    );
                    counts.count("control transfer");
                }
            }
            1 => {
                let asked = self.shared.control("1.0/ep00", UNKNOWN, &mut [0; 16])?;
                if let Some(result) = asked {
                    let refused = result.err().and_then(|error| error.raw_os_error());
                    ensure!(
                        refused == Some(libc::EPIPE),
                        "an unknown request gave {refused:?} instead of a stall"
                    );
                    counts.count("control transfer, stalled");
                }
            }
            _ if self.shared.kind == Kind::SourceSink => self.give_back(step.b, counts)?,
            _ => {}
        }
        Ok(())
    }

    /// Data to endpoint 0 and back.
    fn give_back(&self, b: usize, counts: &mut Counts) -> Result<()> {
        let since = self.shared.outside()?;
        let mut data = vec![(b % 256).to_le_bytes()[0]; 1 + b % 4096];
        let Some(result) = self.shared.control("ep00", TAKE, &mut data)? else {
            return Ok(());
        };
        let taken = result.context("sending data to endpoint 0")?;
        ensure!(
            taken == data.len(),
            "{taken} of {} bytes were taken",
            data.len()
        );
        let mut back = vec![0; data.len()];
        let Some(result) = self.shared.control("ep00", GIVE, &mut back)? else {
            return Ok(());
        };
        let given = result.context("reading data from endpoint 0")?;
        let same = given == data.len() && back == data;
        ensure!(
            same || self.shared.disturbed(since)?,
            "endpoint 0 gave {given} bytes of {}, or others",
            data.len()
        );
        counts.add("control transfer", 2);
        Ok(())
    }

    fn second_open(&self, a: usize, counts: &mut Counts) -> Result<()> {
        let direction_in = a.is_multiple_of(2);
        let opened = match direction_in {
            true => self.shared.interface.open_in(),
            false => self.shared.interface.open_out(),
        };
        match opened {
            // The thread of that endpoint has it closed.
            Ok(_) => counts.count("second open, while the first was closed"),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                counts.count("second open, refused");
            }
            Err(error) => match error.raw_os_error() {
                // The device, or its directory, is gone for the moment.
                Some(libc::ENODEV | libc::ENOENT) | None => {}
                _ => bail!("a second open gave {error}"),
            },
        }
        Ok(())
    }

    fn look(&self, counts: &mut Counts) -> Result<()> {
        for file in ["1.0/driver", "1.0/alternate", "configuration"] {
            let since = self.shared.outside()?;
            let read = fs::read_to_string(self.shared.directory.join(file));
            let what = format!("reading {file}");
            let Some(text) = self.shared.tolerate(&what, since, read)? else {
                continue;
            };
            let text = text.trim_end();
            let known = match file {
                "1.0/driver" => ["", "usbfs2", "usbtest"].contains(&text),
                _ => text.parse::<u8>().is_ok_and(|number| number <= 1),
            };
            ensure!(known, "{file} says {text:?}");
            counts.count("text file read");
        }
        Ok(())
    }
}

impl Stepper<SteerAction> for Steer<'_> {
    fn step(&mut self, step: Step<SteerAction>, counts: &mut Counts) -> Result<()> {
        match step.action {
            SteerAction::Alternate => self.alternate(step.a, counts),
            SteerAction::Configuration => {
                if self.shared.select("configuration", "1")? {
                    counts.count("configuration selected again");
                }
                Ok(())
            }
            SteerAction::Control => self.control(step, counts),
            SteerAction::SecondOpen => self.second_open(step.a, counts),
            SteerAction::Fork => {
                let time = Duration::from_micros(step.a as u64);
                self.shared.has_copy(Copy::that_sleeps(time)?);
                counts.count("fork");
                Ok(())
            }
            SteerAction::Look => self.look(counts),
            SteerAction::Reset => {
                if self.shared.select("reset", "1")? {
                    counts.count("reset by its file");
                }
                Ok(())
            }
            SteerAction::Reclaim => {
                counts.count("claimed again");
                self.shared.claim_anew().map(|_| ())
            }
        }
    }

    fn finish(&mut self, _: &mut Counts) -> Result<()> {
        Ok(())
    }

    fn must_stop(&self) -> bool {
        self.shared.has_failed()
    }
}
