//! The device that is being verified, and how it is asked.

use std::thread;
use std::time::{Duration, Instant};

use usbfs2_host::{
    AlternateSettingError, ConfigurationError, Device, DeviceId, Direction, EndpointAddress, Host,
    Interface, OpenError, SetupPacket, TransferError,
};

use crate::finding::{Checked, Finding, hex};
use crate::limit::Limit;
use crate::reading::Reading;
use crate::{Options, Port, PortError};

/// A device that leaves this many requests in a row unanswered is asked no more.
const PATIENCE: u32 = 3;
/// Strings that are enough to see that a device says the same again.
const SOME_STRINGS: usize = 16;
/// How soon the list of devices is looked at again while one is on its way: soon on the in-process bus, later where the
/// kernel enumerates for a third of a second, and looking takes the time of a processor that it needs itself.
const FIRST_GLANCE: Duration = Duration::from_millis(1);
const LAST_GLANCE: Duration = Duration::from_millis(32);
/// How many requests' time a host has at most to enumerate what was plugged in: the hub's debouncing, and a few.
const ENUMERATION: u32 = 4;

/// The device that is being verified.
pub(crate) struct Subject<'a> {
    host: &'a Host,
    id: DeviceId,
    pub(crate) port: &'a dyn Port,
    pub(crate) options: &'a Options,
    /// `None` while nobody may have it open.
    device: Option<Device>,
    claims: Vec<Interface>,
    /// The value of the configuration that it had at the beginning.
    configuration: Option<u8>,
    reading: Reading,
    /// Requests in a row that it did not answer.
    silent: u32,
    /// Of the check under way.
    limit: Limit,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was accepted; these bytes came.
    Data(Vec<u8>),
    Stall,
    /// No answer, or one that breaks the rules of the bus.
    Broken(TransferError),
    /// It never went to the device.
    NotSent(TransferError),
}

impl Answer {
    pub(crate) fn of(result: Result<Vec<u8>, TransferError>) -> Self {
        match result {
            Ok(bytes) => Self::Data(bytes),
            Err(TransferError::Stall) => Self::Stall,
            Err(
                error @ (TransferError::TimedOut
                | TransferError::BusError
                | TransferError::Overflow
                | TransferError::Disconnected),
            ) => Self::Broken(error),
            // Nobody but the system gives these, usbfs by its ENOENT also `Cancelled`.
            Err(error) => Self::NotSent(error),
        }
    }
}

impl<'a> Subject<'a> {
    /// Opens the device and reads its descriptors.
    pub(crate) fn open(
        host: &'a Host,
        id: &DeviceId,
        port: &'a dyn Port,
        options: &'a Options,
    ) -> Result<Self, OpenError> {
        let device = host.open(id)?;
        let configuration = device.configuration().ok().map(|active| active.value);
        let nothing = Finding::not_possible("it has not been asked");
        let mut subject = Self {
            host,
            id: id.clone(),
            port,
            options,
            configuration,
            reading: Reading::take(None, 0, &mut |_| Err(nothing.clone())),
            device: Some(device),
            claims: Vec::new(),
            silent: 0,
            limit: Limit::of_check(options),
        };
        subject.reading = subject.read_descriptors(usize::MAX);
        Ok(subject)
    }

    /// The descriptors as they were at the beginning.
    pub(crate) fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The value of the configuration that it had at the beginning.
    pub(crate) fn configuration(&self) -> Checked<u8> {
        self.configuration
            .ok_or_else(|| Finding::not_applicable("the device is not configured"))
    }

    /// Asks for all descriptors, and at most this many strings.
    fn read_descriptors(&mut self, most_strings: usize) -> Reading {
        let device = self.device.as_ref();
        let speed = device.and_then(|device| device.info().speed());
        Reading::take(speed, most_strings, &mut |setup| self.read(setup))
    }

    /// Asks for the descriptors again, which are as they were at the beginning.
    pub(crate) fn reads_the_same(&mut self) -> Checked {
        let now = self.read_descriptors(SOME_STRINGS);
        // What was not asked for any more does not differ.
        self.limit.check()?;
        self.reading.same(&now)
    }

    /// Begins the time that a check has.
    pub(crate) fn begin_check(&mut self) {
        self.limit = Limit::of_check(self.options);
    }

    /// Begins one of the rounds that a check has. The first adds the time of all to the check's.
    pub(crate) fn begin_round(&mut self, round: u32) -> Checked {
        if round == 1 {
            self.limit.add_rounds(self.options, self.options.rounds);
        }
        self.limit.check()
    }

    pub(crate) fn limit(&self) -> &Limit {
        &self.limit
    }

    /// Fails once the device is to be asked no more in this check: it makes no sense, or the time is up. What is put
    /// back is sent nevertheless.
    pub(crate) fn may_ask(&self) -> Checked {
        self.limit.check()?;
        self.is_there()
    }

    /// Fails once it makes no sense to ask the device any more.
    pub(crate) fn is_there(&self) -> Checked {
        if self.silent >= PATIENCE {
            return Err(Finding::not_possible(format!(
                "the device has left {PATIENCE} requests in a row unanswered"
            )));
        }
        if self.device.is_none() {
            return Err(Finding::not_possible("the device is not on the bus"));
        }
        Ok(())
    }

    fn device(&self) -> Checked<&Device> {
        let gone = || Finding::not_possible("the device is not on the bus");
        self.device.as_ref().ok_or_else(gone)
    }

    /// The interfaces, once they are claimed.
    pub(crate) fn claims(&self) -> &[Interface] {
        &self.claims
    }

    /// Claims every interface that is not.
    pub(crate) fn claim(&mut self) -> Checked {
        let device = self.device()?;
        let active = device.configuration().map_err(|error| {
            Finding::not_possible(format!("there is no interface to claim: {error}"))
        })?;
        let mut claims = Vec::new();
        for interface in &active.interfaces {
            if self
                .claims
                .iter()
                .any(|claim| claim.number() == interface.number)
            {
                continue;
            }
            let claim = device.claim(interface.number).map_err(|error| {
                Finding::not_possible(format!(
                    "interface {} cannot be claimed: {error}",
                    interface.number
                ))
            })?;
            claims.push(claim);
        }
        self.claims.append(&mut claims);
        Ok(())
    }

    /// Gives every interface back.
    pub(crate) fn release(&mut self) {
        self.claims.clear();
    }

    /// Closes the device, for nobody may have it open.
    pub(crate) fn close(&mut self) {
        self.release();
        self.device = None;
    }

    /// Waits until the host lists the device with its configuration, and opens it.
    pub(crate) fn reopen(&mut self) -> Checked {
        let patience = self.options.deadline * ENUMERATION;
        let deadline = Instant::now() + patience;
        let mut glance = FIRST_GLANCE;
        loop {
            let devices = self.host.devices().unwrap_or_default();
            let listed = devices.iter().find(|info| *info.id() == self.id);
            let ready = listed.is_some_and(|info| {
                self.configuration.is_none() || info.active_configuration().is_some()
            });
            let opened = ready.then(|| self.host.open(&self.id));
            match opened {
                Some(Ok(device)) => {
                    self.device = Some(device);
                    return Ok(());
                }
                Some(Err(error)) if Instant::now() >= deadline => {
                    return Err(Finding::failed(
                        "the device, enumerated",
                        format!("it cannot be opened: {error}"),
                    ));
                }
                None if Instant::now() >= deadline => {
                    return Err(Finding::failed(
                        "the device, enumerated",
                        format!("no device after {patience:?}"),
                    ));
                }
                _ => thread::sleep(glance),
            }
            glance = (glance * 2).min(LAST_GLANCE);
        }
    }

    /// Selects a configuration, as the host knows it.
    pub(crate) fn set_configuration(&mut self, value: u8) -> Checked {
        let result = self.device()?.set_configuration(value);
        self.count(matches!(
            result,
            Err(ConfigurationError::Refused(TransferError::TimedOut)
                | ConfigurationError::Disconnected)
        ));
        result.map_err(|error| match error {
            ConfigurationError::Busy => {
                Finding::not_possible("a driver of the system has an interface of the device")
            }
            error => Finding::failed(
                format!("configuration {value} to be accepted"),
                error.to_string(),
            ),
        })
    }

    /// Selects an alternate setting of a claimed interface, as the host knows it.
    pub(crate) fn set_alternate(&mut self, interface: u8, setting: u8) -> Checked {
        let claims = self.claims.iter();
        let mut claims = claims.filter(|claim| claim.number() == interface);
        let claim = claims.next().ok_or_else(|| {
            Finding::not_possible(format!("interface {interface} is not claimed"))
        })?;
        let result = claim.set_alternate_setting(setting);
        self.count(matches!(
            result,
            Err(AlternateSettingError::Refused(TransferError::TimedOut)
                | AlternateSettingError::Disconnected)
        ));
        result.map_err(|error| {
            Finding::failed(
                format!("setting {setting} of interface {interface} to be accepted"),
                error.to_string(),
            )
        })
    }

    /// Runs a request, without data where it goes OUT.
    pub(crate) fn ask(&mut self, setup: SetupPacket) -> Answer {
        let deadline = self.options.deadline;
        let Some(device) = &self.device else {
            return Answer::NotSent(TransferError::Disconnected);
        };
        let claim = self.claims.iter().find(|claim| is_for(claim, &setup));
        let result = match (setup.direction(), claim) {
            (Direction::In, Some(claim)) => claim.control_in_blocking(setup, deadline),
            (Direction::In, None) => device.control_in_blocking(setup, deadline),
            (Direction::Out, claim) => {
                let data = vec![0; usize::from(setup.length)];
                let sent = match claim {
                    Some(claim) => claim.control_out_blocking(setup, &data, deadline),
                    None => device.control_out_blocking(setup, &data, deadline),
                };
                sent.map(|()| Vec::new())
            }
        };
        let answer = Answer::of(result);
        if !matches!(answer, Answer::NotSent(_)) {
            self.count(matches!(
                answer,
                Answer::Broken(TransferError::TimedOut | TransferError::Disconnected)
            ));
        }
        answer
    }

    fn count(&mut self, is_silent: bool) {
        self.silent = if is_silent { self.silent + 1 } else { 0 };
    }

    /// Runs a request that must succeed, and returns what came.
    pub(crate) fn read(&mut self, setup: SetupPacket) -> Checked<Vec<u8>> {
        self.may_ask()?;
        match self.ask(setup) {
            Answer::Data(bytes) => Ok(bytes),
            Answer::Stall => Err(Finding::failed(format!("an answer to {setup}"), "a stall")),
            answer => Err(self.unanswered(setup, &answer)),
        }
    }

    /// Runs a request that must succeed and brings nothing.
    pub(crate) fn accepts(&mut self, setup: SetupPacket) -> Checked {
        self.read(setup).map(drop)
    }

    /// Runs a request that must be refused (USB 2.0 9.2.7).
    pub(crate) fn stalls(&mut self, setup: SetupPacket) -> Checked {
        self.may_ask()?;
        match self.ask(setup) {
            Answer::Stall => Ok(()),
            Answer::Data(bytes) => {
                let seen = match setup.direction() {
                    Direction::In => hex(&bytes),
                    Direction::Out => "it accepted".to_owned(),
                };
                Err(Finding::failed(format!("a stall for {setup}"), seen))
            }
            answer => Err(self.unanswered(setup, &answer)),
        }
    }

    /// The finding for an answer that is neither data nor a stall.
    pub(crate) fn unanswered(&self, setup: SetupPacket, answer: &Answer) -> Finding {
        match answer {
            Answer::Broken(TransferError::TimedOut) => Finding::failed(
                format!("an answer to {setup}"),
                format!("none within {:?}", self.options.deadline),
            ),
            Answer::Broken(error) => {
                Finding::failed(format!("an answer to {setup}"), error.to_string())
            }
            Answer::NotSent(error) => Finding::not_possible(format!(
                "{} sends no {setup}: {}",
                self.host.backend(),
                match error {
                    // usbfs looks interfaces and endpoints up in the device's configuration.
                    TransferError::Cancelled => "the kernel knows no such interface or endpoint",
                    TransferError::InvalidRequest => "it refuses requests of this form",
                    TransferError::Busy => "another driver has the interface",
                    _ => "the system refuses",
                }
            )),
            Answer::Data(_) | Answer::Stall => Finding::failed("no answer", "one"),
        }
    }
}

impl Drop for Subject<'_> {
    fn drop(&mut self) {
        self.release();
        // The next one finds it as this one did, where it still answers.
        if let (Some(device), Some(value)) = (&self.device, self.configuration)
            && self.silent < PATIENCE
            && device.configuration().is_err()
        {
            let _ = device.set_configuration(value);
        }
    }
}

/// Whether a request is for a claimed interface or one of its endpoints.
fn is_for(claim: &Interface, setup: &SetupPacket) -> bool {
    let has = |address: EndpointAddress| {
        let mut settings = claim.descriptor().alternate_settings.iter();
        settings.any(|setting| setting.endpoint(address).is_some())
    };
    setup.interface() == Some(claim.number()) || setup.endpoint().is_some_and(has)
}

/// What a port that could not be moved means for a check.
impl From<PortError> for Finding {
    fn from(error: PortError) -> Self {
        Self::NotPossible(error.to_string())
    }
}
