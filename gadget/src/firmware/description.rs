//! What the firmware says it is, learned from its descriptors, and whether the target takes it.

use usbfs2_protocol::descriptor::{AlternateSetting, Configuration, DescriptorError, Endpoint};
use usbfs2_protocol::standard::class;
use usbfs2_protocol::{Direction, EndpointAddress, Speed, TransferType};

use super::allocation::Allocation;
use super::error::FirmwareError;
use crate::check::{self, GADGETFS_CONTROL_BUFFER};
use crate::describe::{EndpointRequest, PerSpeed};
use crate::layout::Assigned;
use crate::udc::Udc;

/// Bits of an endpoint's bmAttributes that say how it keeps time and what it is for (USB 2.0 9.6.6).
const SYNCHRONIZATION: u8 = 0b0011_1100;

/// Where wMaxPacketSize and bInterval are in an endpoint descriptor (USB 2.0 9.6.6).
const MAX_PACKET_SIZE: usize = 4;
const INTERVAL: usize = 6;

/// The firmware's descriptors, and what they mean here.
#[derive(Debug, Clone, Default)]
pub(super) struct Description {
    pub(super) device: Vec<u8>,
    /// As the firmware gave it.
    pub(super) configuration: Vec<u8>,
    parsed: Configuration,
    /// The speed that the packet sizes are meant for.
    speed: Option<Speed>,
    /// Every endpoint of every alternate setting.
    endpoints: Vec<DescribedEndpoint>,
}

/// An endpoint of an alternate setting, and what has been set aside for it.
#[derive(Debug, Clone)]
pub(super) struct DescribedEndpoint {
    interface: u8,
    setting: u8,
    pub(super) assigned: Assigned,
    pub(super) request: EndpointRequest,
}

impl Description {
    /// Reads the descriptors, and refuses what no target takes.
    ///
    /// With `speed` the device is to run at that speed; otherwise at full or high speed, whichever its packet sizes
    /// are meant for.
    pub(super) fn read(
        device: Vec<u8>,
        configuration: Vec<u8>,
        allocation: &Allocation,
        speed: Option<Speed>,
    ) -> Result<Self, FirmwareError> {
        let bad = |error: DescriptorError| FirmwareError::Descriptor(error);
        let (parsed, problems) = Configuration::salvage(&configuration).map_err(bad)?;
        for problem in problems {
            log::warn!("the firmware's configuration: {problem}");
        }
        let endpoints = || {
            let settings = parsed.alternate_settings();
            settings.flat_map(|setting| setting.endpoints.iter().map(move |one| (setting, one)))
        };
        let is_high = endpoints()
            .any(|(_, one)| one.transfer_type() == TransferType::Bulk && packet_bytes(one) > 64);
        let meant = speed.unwrap_or(if is_high { Speed::High } else { Speed::Full });
        let endpoints = endpoints()
            .map(|(setting, one)| described(setting, one, allocation, meant))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            device,
            parsed,
            speed: Some(meant),
            endpoints,
            configuration,
        })
    }

    /// Refuses what gadgetfs would refuse, or would send only in part.
    pub(super) fn check_gadgetfs(&self) -> Result<(), FirmwareError> {
        if self.parsed.remote_wakeup {
            return Err(FirmwareError::RemoteWakeup);
        }
        let length = self.configuration.len();
        if length > GADGETFS_CONTROL_BUFFER {
            return Err(FirmwareError::ConfigurationTooLong {
                length,
                limit: GADGETFS_CONTROL_BUFFER,
            });
        }
        Ok(())
    }

    /// Refuses what the controller has no speed or no memory for.
    pub(super) fn check_controller(&self, udc: &Udc) -> Result<(), FirmwareError> {
        if self.is_high_speed() && udc.fastest() < Speed::High {
            return Err(FirmwareError::TooFast {
                udc: udc.name().to_owned(),
                fastest: udc.fastest(),
            });
        }
        if udc.in_fifos().is_empty() {
            return Ok(());
        }
        let mut fifos = udc.in_fifos().iter();
        // Each gets the smallest that will do, which leaves the most for the others: so sizes are all that counts.
        for (packet_size, address) in self.in_packets() {
            if fifos.next().is_none_or(|&fifo| fifo < packet_size.into()) {
                return Err(FirmwareError::NoFifo {
                    udc: udc.name().to_owned(),
                    address,
                    packet_size,
                });
            }
        }
        Ok(())
    }

    /// The packets of the IN endpoints that are enabled together, the largest first: of each interface the setting with
    /// most of them.
    fn in_packets(&self) -> Vec<(u16, EndpointAddress)> {
        let mut packets = Vec::new();
        for interface in &self.parsed.interfaces {
            let settings = interface.alternate_settings.iter().map(|setting| {
                let endpoints = setting.endpoints.iter();
                let inputs = endpoints.filter(|one| one.address.direction() == Direction::In);
                let mut inputs: Vec<_> =
                    inputs.map(|one| (packet_bytes(one), one.address)).collect();
                inputs.sort_by(|one, other| other.cmp(one));
                inputs
            });
            packets.extend(settings.max().unwrap_or_default());
        }
        packets.sort_by(|one, other| other.cmp(one));
        packets
    }

    /// Whether the packet sizes are meant for high speed.
    pub(super) fn is_high_speed(&self) -> bool {
        self.speed == Some(Speed::High)
    }

    /// The configuration as it would be at full speed, which gadgetfs wants to have of every device: with packets and
    /// intervals cut to what that speed has.
    pub(super) fn full_speed_configuration(&self) -> Vec<u8> {
        let mut bytes = self.configuration.clone();
        if !self.is_high_speed() {
            return bytes;
        }
        let mut start = 0;
        while let Some(&[length, kind]) = bytes.get(start..).and_then(<[u8]>::first_chunk) {
            let end = start + usize::from(length);
            let is_endpoint = kind == usbfs2_protocol::standard::descriptor_type::ENDPOINT;
            match bytes.get_mut(start..end) {
                Some(descriptor) if is_endpoint && descriptor.len() >= Endpoint::LENGTH => {
                    at_full_speed(descriptor);
                }
                Some([_, ..]) => {}
                _ => break,
            }
            start = end;
        }
        bytes
    }

    /// The value that selects the configuration.
    pub(super) fn configuration_value(&self) -> u8 {
        self.parsed.value
    }

    /// The interfaces' numbers, with the number of the setting each has at first.
    pub(super) fn default_settings(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        self.parsed.interfaces.iter().filter_map(|interface| {
            let setting = interface.default_setting()?;
            Some((interface.number, setting.alternate_setting))
        })
    }

    /// Whether the interface has this alternate setting.
    pub(super) fn has_setting(&self, interface: u8, setting: u8) -> bool {
        let interface = self.parsed.interface(interface);
        interface.is_some_and(|one| one.alternate_setting(setting).is_some())
    }

    /// The endpoints of an alternate setting.
    pub(super) fn setting(
        &self,
        interface: u8,
        setting: u8,
    ) -> impl Iterator<Item = &DescribedEndpoint> {
        self.endpoints
            .iter()
            .filter(move |one| one.interface == interface && one.setting == setting)
    }

    /// Whether the interface is Mass Storage's Bulk-Only Transport (its protocol is 0x50).
    pub(super) fn is_bulk_only(&self, interface: u8) -> bool {
        let interface = self.parsed.interface(interface);
        let setting = interface.and_then(|interface| interface.default_setting());
        setting.is_some_and(|one| one.class == class::MASS_STORAGE && one.protocol == 0x50)
    }
}

/// Bits 0 to 10 of wMaxPacketSize.
fn packet_bytes(endpoint: &Endpoint) -> u16 {
    endpoint.max_packet_size_raw & 0x07ff
}

fn described(
    setting: &AlternateSetting,
    endpoint: &Endpoint,
    allocation: &Allocation,
    speed: Speed,
) -> Result<DescribedEndpoint, FirmwareError> {
    let address = endpoint.address;
    let udc_endpoint = allocation
        .place(address)
        .ok_or(FirmwareError::UnknownEndpoint { address })?;
    let transfer_type = endpoint.transfer_type();
    let mut full = [0; Endpoint::LENGTH];
    full[3] = endpoint.attributes;
    full[MAX_PACKET_SIZE..][..2].copy_from_slice(&endpoint.max_packet_size_raw.to_le_bytes());
    full[INTERVAL] = endpoint.interval;
    if speed == Speed::High {
        at_full_speed(&mut full);
    }
    let raw = endpoint.max_packet_size_raw;
    let full_size = u16::from_le_bytes([full[MAX_PACKET_SIZE], full[MAX_PACKET_SIZE + 1]]);
    let request = EndpointRequest {
        direction: address.direction(),
        transfer_type,
        max_packet_size: PerSpeed {
            full: full_size,
            high: raw,
            super_speed: raw,
        },
        interval: PerSpeed {
            full: full[INTERVAL],
            high: endpoint.interval,
            super_speed: endpoint.interval,
        },
        synchronization: endpoint.attributes & SYNCHRONIZATION,
        audio: None,
        class_descriptors: Vec::new(),
    };
    if let Some(kind) = check::endpoint(&request, speed).into_iter().next() {
        return Err(FirmwareError::Endpoint { address, kind });
    }
    Ok(DescribedEndpoint {
        interface: setting.interface_number,
        setting: setting.alternate_setting,
        assigned: Assigned {
            udc_endpoint,
            address,
        },
        request,
    })
}

/// Rewrites an endpoint descriptor of high speed for full speed.
fn at_full_speed(descriptor: &mut [u8]) {
    let transfer_type = TransferType::from_attributes(descriptor[3]);
    let raw = u16::from_le_bytes([descriptor[MAX_PACKET_SIZE], descriptor[MAX_PACKET_SIZE + 1]]);
    let limit = match transfer_type {
        TransferType::Isochronous => 1023,
        _ => 64,
    };
    let size = (raw & 0x07ff).min(limit);
    descriptor[MAX_PACKET_SIZE..][..2].copy_from_slice(&size.to_le_bytes());
    // 2^(n - 1) microframes become that many frames, or for isochronous endpoints 2^(n - 1) frames.
    let exponent = descriptor[INTERVAL].clamp(1, 16) - 1;
    match transfer_type {
        TransferType::Interrupt => {
            let frames = (1_u32 << exponent) / 8;
            descriptor[INTERVAL] = u8::try_from(frames.max(1)).unwrap_or(u8::MAX);
        }
        TransferType::Isochronous => descriptor[INTERVAL] = exponent.saturating_sub(3) + 1,
        TransferType::Bulk | TransferType::Control => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration of one interface with a bulk IN endpoint, and `extra` bytes of a class's before that.
    fn read(attributes: u8, packet_size: u16, extra: usize) -> Result<Description, FirmwareError> {
        let mut allocation = Allocation::new(Udc::dummy_hcd());
        let address = allocation
            .allocate(Direction::In, TransferType::Bulk, packet_size, None)
            .unwrap();
        let mut bytes = vec![9, 2, 0, 0, 1, 1, 0, attributes, 50];
        bytes.extend([9, 4, 0, 0, 1, 0xff, 0, 0, 0]);
        for length in std::iter::repeat_n(10, extra / 10) {
            bytes.extend([length, 0x24, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        let [low, high] = packet_size.to_le_bytes();
        bytes.extend([7, 5, address.to_byte(), 2, low, high, 0]);
        let total = u16::try_from(bytes.len()).unwrap();
        bytes[2..4].copy_from_slice(&total.to_le_bytes());
        Description::read(vec![0; 18], bytes, &allocation, None)
    }

    fn refused(attributes: u8, extra: usize) -> String {
        let description = read(attributes, 64, extra).unwrap();
        description.check_gadgetfs().unwrap_err().to_string()
    }

    #[test]
    fn what_gadgetfs_refuses_is_told_with_the_way_out() {
        read(0x80, 64, 200).unwrap().check_gadgetfs().unwrap();
        let message = refused(0xa0, 0);
        assert!(message.contains("supports_remote_wakeup"), "{message}");
        let message = refused(0x80, 240);
        let limit = "the configuration has 265 bytes, gadgetfs can send 256";
        assert!(message.starts_with(limit), "{message}");
    }

    #[test]
    fn the_packets_say_the_speed_and_full_speed_has_shorter_ones() {
        let full = read(0x80, 64, 0).unwrap();
        assert!(!full.is_high_speed());
        assert_eq!(full.full_speed_configuration(), full.configuration);
        let high = read(0x80, 512, 0).unwrap();
        assert!(high.is_high_speed());
        let mut expected = high.configuration.clone();
        expected[22..24].copy_from_slice(&64_u16.to_le_bytes());
        assert_eq!(high.full_speed_configuration(), expected);
        let error = read(0x80, 100, 0).unwrap_err().to_string();
        assert!(error.contains("use 512"), "{error}");
    }

    #[test]
    fn in_endpoints_share_out_the_controller_s_memory() {
        // One FIFO of 1024 bytes and seven of 64.
        let udc = Udc::known("dwc2-stm32mp1").unwrap();
        let mut description = read(0x80, 512, 0).unwrap();
        description.check_controller(&udc).unwrap();
        let setting = &mut description.parsed.interfaces[0].alternate_settings[0];
        let mut another = setting.endpoints[0].clone();
        another.max_packet_size_raw = 64;
        setting.endpoints.push(another.clone());
        description.check_controller(&udc).unwrap();
        another.max_packet_size_raw = 65;
        let setting = &mut description.parsed.interfaces[0].alternate_settings[0];
        setting.endpoints.push(another);
        let error = description.check_controller(&udc).unwrap_err();
        let message = "dwc2-stm32mp1 has no transmit FIFO of 65 bytes left for 0x81";
        assert!(error.to_string().starts_with(message), "{error}");
        description.check_controller(&Udc::dummy_hcd()).unwrap();
    }

    #[test]
    fn high_speed_intervals_become_frames() {
        let mut interrupt = [7, 5, 0x81, 3, 0x00, 0x02, 7];
        at_full_speed(&mut interrupt);
        assert_eq!(interrupt, [7, 5, 0x81, 3, 64, 0, 8]);
        let mut isochronous = [7, 5, 0x81, 1, 0x00, 0x14, 4];
        at_full_speed(&mut isochronous);
        assert_eq!(isochronous, [7, 5, 0x81, 1, 0xff, 3, 1]);
    }
}
