//! What the host does once with every device: read its descriptors, select a configuration.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;
use usbfs2_protocol::standard::descriptor_type;
use usbfs2_protocol::{EndpointAddress, SetupPacket, Speed};

use crate::mailbox::deadline;
use crate::{BusDevice, BusError};

/// A device's descriptors, as it gave them: lengths may lie, so parse them with care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enumerated {
    /// The device descriptor, 18 bytes.
    pub device: Vec<u8>,
    /// The configurations that could be read, in order of their index, 8 at most as on Linux.
    pub configurations: Vec<Vec<u8>>,
    /// The BOS, where bcdUSB promises one (2.01 and above) and the device has it.
    pub bos: Option<Vec<u8>>,
    /// What went wrong first after the device descriptor. `None` means that every configuration was
    /// read and the first one selected.
    pub problem: Option<EnumerateError>,
}

/// Why enumeration failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnumerateError {
    /// The device descriptor was not to be had.
    #[error("reading the device descriptor failed: {0}")]
    DeviceDescriptor(BusError),
    /// The device descriptor breaks a rule.
    #[error("the device descriptor is not one: {0} (USB 2.0 9.6.1)")]
    BadDeviceDescriptor(&'static str),
    /// The device has no configuration.
    #[error("bNumConfigurations is 0: a device has at least one configuration (USB 2.0 9.6.1)")]
    NoConfiguration,
    /// A configuration was not to be had.
    #[error("reading configuration {index} failed: {error}")]
    Configuration {
        /// Its index, from 0.
        index: u8,
        /// Why.
        error: BusError,
    },
    /// A configuration's first nine bytes break a rule.
    #[error("configuration {index} is not a configuration: {rule} (USB 2.0 9.6.3)")]
    BadConfiguration {
        /// Its index, from 0.
        index: u8,
        /// The rule.
        rule: &'static str,
    },
    /// The device refused its first configuration, or did not answer.
    #[error("selecting configuration {value} failed: {error}")]
    SetConfiguration {
        /// bConfigurationValue.
        value: u8,
        /// Why.
        error: BusError,
    },
}

impl Enumerated {
    /// The bytes of the configuration with this bConfigurationValue.
    #[must_use]
    pub fn configuration(&self, value: u8) -> Option<&[u8]> {
        let mut configurations = self.configurations.iter();
        configurations
            .find(|bytes| bytes.get(CONFIGURATION_VALUE) == Some(&value))
            .map(Vec::as_slice)
    }
}

/// Bytes of a device descriptor (USB 2.0 table 9-8), and where its fields are.
const DEVICE_LENGTH: u16 = 18;
const DEVICE_BCD_USB: usize = 2;
const DEVICE_MAX_PACKET_SIZE: usize = 7;
const DEVICE_NUM_CONFIGURATIONS: usize = 17;

/// Bytes of a configuration descriptor (USB 2.0 table 9-10), and where its fields are.
const CONFIGURATION_LENGTH: u16 = 9;
const CONFIGURATION_VALUE: usize = 5;

/// Linux reads no more configurations than these (USB_MAXCONFIG).
const MAX_CONFIGURATIONS: u8 = 8;

/// Bytes of a BOS descriptor (USB 3.2 table 9-12), and the first bcdUSB that has it.
const BOS_LENGTH: u16 = 5;
const BOS_SINCE: u16 = 0x0201;

/// wTotalLength, of a configuration and of a BOS.
const TOTAL_LENGTH: usize = 2;

/// Reads what usbcore reads, in its order, and selects the first configuration.
pub(crate) fn enumerate(
    device: &BusDevice,
    timeout: Duration,
) -> Result<Arc<Enumerated>, EnumerateError> {
    let unplugged = EnumerateError::DeviceDescriptor(BusError::Unplugged);
    let reader = Reader {
        device,
        until: deadline(Some(timeout)),
    };
    let turn = device.bus.locked(|state, _| {
        let plug = state.plug(device.port, device.plug)?;
        Some(Arc::clone(&plug.enumeration))
    });
    let turn = turn.ok_or(unplugged)?;
    let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(enumerated) = device.enumerated() {
        return Ok(enumerated);
    }
    let (mut enumerated, first) = reader.descriptors()?;
    // The host must know a configuration's endpoints before it is active.
    reader.keep(&enumerated);
    if let Some(value) = first
        && let Err(error) = device.set_configuration(value, reader.left())
    {
        let error = EnumerateError::SetConfiguration { value, error };
        let _earliest = enumerated.problem.get_or_insert(error);
    }
    Ok(reader.keep(&enumerated))
}

/// Reads descriptors of one device until a deadline.
struct Reader<'a> {
    device: &'a BusDevice,
    until: Option<Instant>,
}

impl Reader<'_> {
    fn left(&self) -> Duration {
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        self.until.map_or(Duration::MAX, left)
    }

    fn keep(&self, enumerated: &Enumerated) -> Arc<Enumerated> {
        let enumerated = Arc::new(enumerated.clone());
        self.device.bus.locked(|state, _| {
            if let Some(plug) = state.plug_mut(self.device.port, self.device.plug) {
                plug.enumerated = Some(Arc::clone(&enumerated));
            }
        });
        enumerated
    }

    /// Everything to be read, and the value of the first configuration if that was among it.
    fn descriptors(&self) -> Result<(Enumerated, Option<u8>), EnumerateError> {
        let device = self
            .read(descriptor_type::DEVICE, 0, DEVICE_LENGTH)
            .map_err(EnumerateError::DeviceDescriptor)?;
        check_device(&device, self.device.speed()).map_err(EnumerateError::BadDeviceDescriptor)?;
        let mut enumerated = Enumerated {
            bos: None,
            configurations: Vec::new(),
            problem: None,
            device,
        };
        if word(&enumerated.device, DEVICE_BCD_USB) >= Some(BOS_SINCE) {
            // Devices that promise a BOS and have none work, so a host lets them.
            enumerated.bos = self.read_whole(descriptor_type::BOS, 0, BOS_LENGTH).ok();
        }
        let count = enumerated.device.get(DEVICE_NUM_CONFIGURATIONS);
        let count = count.map_or(0, |&count| count.min(MAX_CONFIGURATIONS));
        if count == 0 {
            enumerated.problem = Some(EnumerateError::NoConfiguration);
        }
        let mut first = None;
        for index in 0..count {
            match self.configuration(index) {
                Ok(bytes) => {
                    if index == 0 {
                        first = bytes.get(CONFIGURATION_VALUE).copied();
                    }
                    enumerated.configurations.push(bytes);
                }
                Err(error) => {
                    let _earliest = enumerated.problem.get_or_insert(error);
                }
            }
        }
        Ok((enumerated, first))
    }

    fn configuration(&self, index: u8) -> Result<Vec<u8>, EnumerateError> {
        let bytes = self
            .read_whole(descriptor_type::CONFIGURATION, index, CONFIGURATION_LENGTH)
            .map_err(|error| EnumerateError::Configuration { index, error })?;
        check_configuration(&bytes)
            .map_err(|rule| EnumerateError::BadConfiguration { index, rule })?;
        Ok(bytes)
    }

    /// Reads a descriptor's first bytes, then all of it. Gives what came, be it less than promised: the
    /// parser says it best.
    fn read_whole(&self, kind: u8, index: u8, header: u16) -> Result<Vec<u8>, BusError> {
        let first = self.read(kind, index, header)?;
        match word(&first, TOTAL_LENGTH) {
            Some(total) if total > header => self.read(kind, index, total),
            _ => Ok(first),
        }
    }

    fn read(&self, kind: u8, index: u8, length: u16) -> Result<Vec<u8>, BusError> {
        let setup = SetupPacket::get_descriptor(kind, index, 0, length);
        self.device.control(setup, &[], self.left())
    }
}

fn word(bytes: &[u8], offset: usize) -> Option<u16> {
    let word = bytes.get(offset..)?.first_chunk()?;
    Some(u16::from_le_bytes(*word))
}

fn check_device(bytes: &[u8], speed: Speed) -> Result<(), &'static str> {
    let &[length, kind, ..] = bytes else {
        return Err("it is empty");
    };
    if bytes.len() != usize::from(DEVICE_LENGTH) || usize::from(length) != bytes.len() {
        return Err("it must have 18 bytes, and bLength must say so");
    }
    if kind != descriptor_type::DEVICE {
        return Err("bDescriptorType must be 1");
    }
    let max_packet_size = bytes.get(DEVICE_MAX_PACKET_SIZE).copied().unwrap_or(0);
    let (allowed, rule): (&[u8], _) = match speed {
        Speed::Low => (&[8], "bMaxPacketSize0 must be 8 at low speed"),
        Speed::Full => (&[8, 16, 32, 64], "bMaxPacketSize0 must be 8, 16, 32 or 64"),
        Speed::High => (&[64], "bMaxPacketSize0 must be 64 at high speed"),
        Speed::Super | Speed::SuperPlus => (&[9], "bMaxPacketSize0 must be 9 at super speed"),
    };
    if allowed.contains(&max_packet_size) {
        Ok(())
    } else {
        Err(rule)
    }
}

fn check_configuration(bytes: &[u8]) -> Result<(), &'static str> {
    let &[length, kind, low, high, _, value, ..] = bytes else {
        return Err("it ends within its first nine bytes");
    };
    if bytes.len() < usize::from(CONFIGURATION_LENGTH) {
        return Err("it ends within its first nine bytes");
    }
    if u16::from(length) < CONFIGURATION_LENGTH {
        return Err("bLength must be at least 9");
    }
    if kind != descriptor_type::CONFIGURATION {
        return Err("bDescriptorType must be 2");
    }
    if u16::from_le_bytes([low, high]) < CONFIGURATION_LENGTH {
        return Err("wTotalLength must be at least 9");
    }
    if value == 0 {
        return Err("bConfigurationValue must not be 0");
    }
    Ok(())
}

/// The descriptors in a configuration, up to the first whose length cannot be.
fn descriptors(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = usize::from(*bytes.first()?);
        let (descriptor, rest) = bytes.split_at_checked(length.max(2))?;
        bytes = rest;
        (length >= 2).then_some(descriptor)
    })
}

/// Whether a configuration has this interface.
pub(crate) fn has_interface(configuration: &[u8], interface: u8) -> bool {
    descriptors(configuration).any(
        |bytes| matches!(bytes, &[_, descriptor_type::INTERFACE, number, ..] if number == interface),
    )
}

/// The endpoints of all alternate settings of an interface.
pub(crate) fn interface_endpoints(configuration: &[u8], interface: u8) -> Vec<EndpointAddress> {
    let mut within = false;
    let mut endpoints = Vec::new();
    for descriptor in descriptors(configuration) {
        match *descriptor {
            [_, descriptor_type::INTERFACE, number, ..] => within = number == interface,
            [_, descriptor_type::ENDPOINT, address, ..] if within => {
                endpoints.extend(EndpointAddress::try_from(address));
            }
            _ => {}
        }
    }
    endpoints
}
