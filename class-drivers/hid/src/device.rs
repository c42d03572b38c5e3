//! HID devices: claim, descriptors, and what they send.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use usbfs2_host::{Device, Endpoint, Interface, Interrupt, Out, Speed, Waiting, block_on};
use usbfs2_protocol::descriptor::{self, AlternateSetting, ClassDescriptor};
use usbfs2_protocol::hid::{
    Protocol, ReportDescriptor, ReportDescriptorError, ReportType, SUBCLASS_BOOT,
};
use usbfs2_protocol::standard::{class, descriptor_type};
use usbfs2_protocol::{Direction, SetupPacket, TransferType};

use crate::controls::{ControlDecoder, Controls};
use crate::error::{HidError, OpenError};
use crate::gamepad::{Gamepad, GamepadDecoder};
use crate::keys::{KeyDecoder, Keys};
use crate::pointer::{Pointer, PointerDecoder};
use crate::reports::{Reports, default_depth};
use crate::usages::{UsageDecoder, Usages};

/// How long a device may take for a request.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A HID interface, claimed: detached from the kernel's driver and given back when the last clone,
/// [`Reports`] and [`Keys`] of it is dropped.
#[derive(Debug, Clone)]
pub struct HidDevice {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    /// Opened when the first output report is sent; before `interface`, which it belongs to.
    output: Mutex<Option<Endpoint<Interrupt, Out>>>,
    pub(crate) interface: Interface,
    pub(crate) setting: AlternateSetting,
    device: Device,
    descriptor_bytes: Vec<u8>,
    descriptor: Result<Arc<ReportDescriptor>, ReportDescriptorError>,
    protocol: Mutex<Protocol>,
}

impl HidDevice {
    /// Claims the device's first HID interface and reads its report descriptor.
    ///
    /// # Errors
    /// There is none, another program has claimed it, or it does not answer.
    pub async fn open(device: &Device) -> Result<Self, OpenError> {
        Self::open_waiting(Waiting::Async, device, None).await
    }

    /// [`open`](Self::open), blocking.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_blocking(device: &Device) -> Result<Self, OpenError> {
        block_on(Self::open_waiting(Waiting::Blocking, device, None))
    }

    /// As [`open`](Self::open), an interface of a device that has several.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_interface(device: &Device, number: u8) -> Result<Self, OpenError> {
        Self::open_waiting(Waiting::Async, device, Some(number)).await
    }

    /// [`open_interface`](Self::open_interface), blocking.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_interface_blocking(device: &Device, number: u8) -> Result<Self, OpenError> {
        block_on(Self::open_waiting(Waiting::Blocking, device, Some(number)))
    }

    async fn open_waiting(
        waiting: Waiting,
        device: &Device,
        number: Option<u8>,
    ) -> Result<Self, OpenError> {
        let setting = find(device, number)?;
        let interface = device.claim(setting.interface_number)?;
        if interface.alternate_setting()?.alternate_setting != setting.alternate_setting {
            interface.set_alternate_setting(setting.alternate_setting)?;
        }
        let length = report_descriptor_length(&setting)
            .ok_or(OpenError::NoHidDescriptor(setting.interface_number))?;
        let setup = SetupPacket::get_interface_descriptor(
            descriptor_type::HID_REPORT,
            0,
            setting.interface_number,
            length,
        );
        let descriptor_bytes = interface
            .control(waiting, setup, &[], REQUEST_TIMEOUT)
            .await
            .map_err(OpenError::ReadReportDescriptor)?;
        let descriptor = ReportDescriptor::parse(&descriptor_bytes).map(Arc::new);
        Ok(Self {
            shared: Arc::new(Shared {
                output: Mutex::new(None),
                interface,
                setting,
                device: device.clone(),
                descriptor_bytes,
                descriptor,
                // What a device starts with (HID 7.2.6).
                protocol: Mutex::new(Protocol::Report),
            }),
        })
    }

    /// The claimed interface, for vendor requests.
    #[must_use]
    pub fn interface(&self) -> &Interface {
        &self.shared.interface
    }

    /// The report descriptor as the device gives it (HID 6.2.2).
    #[must_use]
    pub fn report_descriptor_bytes(&self) -> &[u8] {
        &self.shared.descriptor_bytes
    }

    /// The report descriptor, parsed.
    ///
    /// # Errors
    /// What is wrong with it. Raw reports and the boot protocol work all the same.
    pub fn report_descriptor(&self) -> Result<&Arc<ReportDescriptor>, &ReportDescriptorError> {
        self.shared.descriptor.as_ref()
    }

    /// The device it is an interface of.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.shared.device
    }

    /// Whether the interface has a boot protocol (HID 4.2).
    #[must_use]
    pub fn has_boot_protocol(&self) -> bool {
        self.shared.setting.subclass == SUBCLASS_BOOT
    }

    /// The protocol in force, as far as this driver set it.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        *self
            .shared
            .protocol
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Input reports, with as many transfers in flight as the device can send reports in a second, and an
    /// eighth more: at least 64, and 9,000 for a device of 8 kHz.
    ///
    /// Dropping it takes the transfers back. On the usbfs fallback the kernel does so one by one, about a
    /// millisecond each; where that is too long, ask for fewer with
    /// [`reports_with_depth`](Self::reports_with_depth).
    ///
    /// # Errors
    /// The endpoint is missing or already being read.
    pub fn reports(&self) -> Result<Reports, HidError> {
        let endpoint = self
            .endpoint(Direction::In)
            .ok_or(HidError::NoInputEndpoint)?;
        let speed = self.device().info().speed().unwrap_or(Speed::Full);
        self.reports_with_depth(default_depth(endpoint.interval_microframes(speed)))
    }

    /// Input reports, with `depth` transfers in flight, one at least: so many reports can arrive
    /// while nobody reads.
    ///
    /// # Errors
    /// As [`reports`](Self::reports).
    pub fn reports_with_depth(&self, depth: usize) -> Result<Reports, HidError> {
        let address = self
            .endpoint(Direction::In)
            .ok_or(HidError::NoInputEndpoint)?
            .address;
        let in_kernel = u32::try_from(depth.max(1)).unwrap_or(u32::MAX);
        let interface = &self.shared.interface;
        let endpoint = interface.endpoint_with_depth(address, in_kernel)?;
        Ok(Reports::new(endpoint, depth, self.longest_input_report()))
    }

    /// Key events of a keyboard, in the protocol in force.
    ///
    /// # Errors
    /// As [`reports`](Self::reports); in the report protocol also when the report descriptor makes
    /// no sense.
    pub fn keys(&self) -> Result<Keys, HidError> {
        let decoder = self.key_decoder()?;
        Ok(self.reports()?.decode(decoder))
    }

    /// What makes [`keys`](Self::keys) of reports, in the protocol in force.
    ///
    /// # Errors
    /// In the report protocol, the report descriptor makes no sense.
    pub fn key_decoder(&self) -> Result<KeyDecoder, HidError> {
        Ok(match self.protocol() {
            Protocol::Boot => KeyDecoder::boot(),
            Protocol::Report => KeyDecoder::described(self.described()?),
        })
    }

    /// What the mouse, tablet or touch screen does.
    ///
    /// # Errors
    /// As [`reports`](Self::reports); also when the report descriptor makes no sense.
    pub fn pointer(&self) -> Result<Pointer, HidError> {
        let decoder = PointerDecoder::new(self.described()?);
        Ok(self.reports()?.decode(decoder))
    }

    /// The states of a gamepad or joystick.
    ///
    /// # Errors
    /// As [`pointer`](Self::pointer).
    pub fn gamepad(&self) -> Result<Gamepad, HidError> {
        let decoder = GamepadDecoder::new(self.described()?);
        Ok(self.reports()?.decode(decoder))
    }

    /// Consumer and system controls that go down and come up.
    ///
    /// # Errors
    /// As [`pointer`](Self::pointer).
    pub fn controls(&self) -> Result<Controls, HidError> {
        let decoder = ControlDecoder::new(self.described()?);
        Ok(self.reports()?.decode(decoder))
    }

    /// Every change of every control, whatever the device is.
    ///
    /// # Errors
    /// As [`pointer`](Self::pointer).
    pub fn usages(&self) -> Result<Usages, HidError> {
        let decoder = UsageDecoder::new(self.described()?);
        Ok(self.reports()?.decode(decoder))
    }

    fn described(&self) -> Result<Arc<ReportDescriptor>, HidError> {
        let descriptor = self.shared.descriptor.as_ref().map_err(Clone::clone)?;
        Ok(Arc::clone(descriptor))
    }

    pub(crate) fn set_known_protocol(&self, protocol: Protocol) {
        *self
            .shared
            .protocol
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = protocol;
    }

    pub(crate) fn output(&self) -> MutexGuard<'_, Option<Endpoint<Interrupt, Out>>> {
        self.shared
            .output
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The interrupt endpoint of this direction.
    pub(crate) fn endpoint(&self, direction: Direction) -> Option<&descriptor::Endpoint> {
        let mut endpoints = self.shared.setting.endpoints.iter();
        endpoints.find(|endpoint| {
            endpoint.transfer_type() == TransferType::Interrupt
                && endpoint.address.direction() == direction
        })
    }

    /// Bytes; 0 where the report descriptor does not tell. Not more than it says: a transfer with room for
    /// two reports of whole packets would take two.
    fn longest_input_report(&self) -> usize {
        let described = self.shared.descriptor.as_ref();
        described.map_or(0, |descriptor| descriptor.longest(ReportType::Input))
    }
}

/// The HID interface asked for, or the first; its alternate setting that the kernel selects, the first.
fn find(device: &Device, number: Option<u8>) -> Result<AlternateSetting, OpenError> {
    let missing = number.map_or(OpenError::NoInterface, OpenError::NotHid);
    device
        .configuration()?
        .interfaces
        .iter()
        .filter(|interface| number.is_none_or(|number| interface.number == number))
        .flat_map(|interface| &interface.alternate_settings)
        .find(|setting| setting.class == class::HID)
        .cloned()
        .ok_or(missing)
}

fn report_descriptor_length(setting: &AlternateSetting) -> Option<u16> {
    setting
        .extra
        .iter()
        .find_map(|descriptor| match descriptor {
            ClassDescriptor::Hid(descriptor) => descriptor.report_descriptor_length(),
            _ => None,
        })
}
