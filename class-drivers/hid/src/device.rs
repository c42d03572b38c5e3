//! HID devices: claim, requests, reports.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hidreport::ReportDescriptor;
use usbfs2_host::{Buffer, Device, Endpoint, Interface, Interrupt, Out, Waiting, block_on};
use usbfs2_protocol::descriptor::{AlternateSetting, ClassDescriptor};
use usbfs2_protocol::hid::{
    BootKeyboardReport, IdleRate, Leds, Protocol, ReportType, Request, SUBCLASS_BOOT,
};
use usbfs2_protocol::standard::{class, descriptor_type};
use usbfs2_protocol::{Direction, EndpointAddress, SetupPacket, TransferType};

use crate::error::{HidError, OpenError};
use crate::keys::Keys;
use crate::report_descriptor::{self, ReportDescriptorError};
use crate::reports::{DEFAULT_DEPTH, Reports};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A HID interface, claimed: detached from the kernel's driver and given back when the last clone,
/// [`Reports`] and [`Keys`] of it is dropped.
#[derive(Debug, Clone)]
pub struct HidDevice {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Opened when the first output report is sent; before `interface`, which it belongs to.
    output: Mutex<Option<Endpoint<Interrupt, Out>>>,
    interface: Interface,
    setting: AlternateSetting,
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
        let descriptor = report_descriptor::parse(&descriptor_bytes).map(Arc::new);
        Ok(Self {
            shared: Arc::new(Shared {
                output: Mutex::new(None),
                interface,
                setting,
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
    pub fn report_descriptor(&self) -> Result<&ReportDescriptor, &ReportDescriptorError> {
        self.shared.descriptor.as_deref()
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

    /// Input reports, with [`DEFAULT_DEPTH`] transfers in flight.
    ///
    /// # Errors
    /// The endpoint is missing or already being read.
    pub fn reports(&self) -> Result<Reports, HidError> {
        self.reports_with_depth(DEFAULT_DEPTH)
    }

    /// Input reports, with `depth` transfers in flight, one at least: so many reports can arrive
    /// while nobody reads.
    ///
    /// # Errors
    /// As [`reports`](Self::reports).
    pub fn reports_with_depth(&self, depth: usize) -> Result<Reports, HidError> {
        let address = self
            .endpoint_address(Direction::In)
            .ok_or(HidError::NoInputEndpoint)?;
        let endpoint = self.shared.interface.endpoint(address)?;
        Ok(Reports::new(endpoint, depth, self.longest_input_report()))
    }

    /// Key events of a keyboard, in the protocol in force.
    ///
    /// # Errors
    /// As [`reports`](Self::reports); in the report protocol also when the report descriptor makes
    /// no sense.
    pub fn keys(&self) -> Result<Keys, HidError> {
        match self.protocol() {
            Protocol::Boot => Ok(Keys::boot(self.reports()?)),
            Protocol::Report => {
                let descriptor = self.shared.descriptor.as_ref().map_err(Clone::clone)?;
                Ok(Keys::described(self.reports()?, Arc::clone(descriptor)))
            }
        }
    }

    /// Selects the boot or the report protocol (HID 7.2.6).
    ///
    /// # Errors
    /// The interface has no boot protocol, or the device refuses.
    pub async fn set_protocol(&self, protocol: Protocol) -> Result<(), HidError> {
        self.set_protocol_waiting(Waiting::Async, protocol).await
    }

    /// [`set_protocol`](Self::set_protocol), blocking.
    ///
    /// # Errors
    /// As [`set_protocol`](Self::set_protocol).
    pub fn set_protocol_blocking(&self, protocol: Protocol) -> Result<(), HidError> {
        block_on(self.set_protocol_waiting(Waiting::Blocking, protocol))
    }

    async fn set_protocol_waiting(
        &self,
        waiting: Waiting,
        protocol: Protocol,
    ) -> Result<(), HidError> {
        if !self.has_boot_protocol() {
            return Err(HidError::NoBootProtocol);
        }
        self.request(waiting, "SET_PROTOCOL", Request::SetProtocol(protocol), &[])
            .await?;
        *self
            .shared
            .protocol
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = protocol;
        Ok(())
    }

    /// How often the device repeats an unchanged report (HID 7.2.4): in steps of 4 ms up to 1,020 ms,
    /// zero for never. `report_id` 0 means every report.
    ///
    /// # Errors
    /// The device refuses, as many do that only know never.
    pub async fn set_idle(&self, report_id: u8, every: Duration) -> Result<(), HidError> {
        self.set_idle_waiting(Waiting::Async, report_id, every)
            .await
    }

    /// [`set_idle`](Self::set_idle), blocking.
    ///
    /// # Errors
    /// As [`set_idle`](Self::set_idle).
    pub fn set_idle_blocking(&self, report_id: u8, every: Duration) -> Result<(), HidError> {
        block_on(self.set_idle_waiting(Waiting::Blocking, report_id, every))
    }

    async fn set_idle_waiting(
        &self,
        waiting: Waiting,
        report_id: u8,
        every: Duration,
    ) -> Result<(), HidError> {
        let rate = if every.is_zero() {
            IdleRate::INDEFINITE
        } else {
            IdleRate::every(every)
        };
        let request = Request::SetIdle { report_id, rate };
        self.request(waiting, "SET_IDLE", request, &[]).await?;
        Ok(())
    }

    /// Asks for a report over the control pipe (HID 7.2.1): at most `length` bytes, the report ID
    /// first where the device numbers its reports.
    ///
    /// # Errors
    /// The device refuses or does not answer in 5 s.
    pub async fn get_report(
        &self,
        report_type: ReportType,
        report_id: u8,
        length: u16,
    ) -> Result<Vec<u8>, HidError> {
        self.get_report_waiting(Waiting::Async, report_type, report_id, length)
            .await
    }

    /// [`get_report`](Self::get_report), blocking.
    ///
    /// # Errors
    /// As [`get_report`](Self::get_report).
    pub fn get_report_blocking(
        &self,
        report_type: ReportType,
        report_id: u8,
        length: u16,
    ) -> Result<Vec<u8>, HidError> {
        block_on(self.get_report_waiting(Waiting::Blocking, report_type, report_id, length))
    }

    async fn get_report_waiting(
        &self,
        waiting: Waiting,
        report_type: ReportType,
        report_id: u8,
        length: u16,
    ) -> Result<Vec<u8>, HidError> {
        let request = Request::GetReport {
            report_type,
            report_id,
            length,
        };
        self.request(waiting, "GET_REPORT", request, &[]).await
    }

    /// Sends a report over the control pipe (HID 7.2.2): an output or feature report, its ID first
    /// where the device numbers its reports.
    ///
    /// # Errors
    /// The device refuses or does not answer in 5 s; the report is longer than 65,535 bytes.
    pub async fn set_report(
        &self,
        report_type: ReportType,
        report_id: u8,
        report: &[u8],
    ) -> Result<(), HidError> {
        self.set_report_waiting(Waiting::Async, report_type, report_id, report)
            .await
    }

    /// [`set_report`](Self::set_report), blocking.
    ///
    /// # Errors
    /// As [`set_report`](Self::set_report).
    pub fn set_report_blocking(
        &self,
        report_type: ReportType,
        report_id: u8,
        report: &[u8],
    ) -> Result<(), HidError> {
        block_on(self.set_report_waiting(Waiting::Blocking, report_type, report_id, report))
    }

    async fn set_report_waiting(
        &self,
        waiting: Waiting,
        report_type: ReportType,
        report_id: u8,
        report: &[u8],
    ) -> Result<(), HidError> {
        let length = u16::try_from(report.len()).map_err(|_| {
            HidError::request("SET_REPORT")(usbfs2_host::TransferError::InvalidRequest)
        })?;
        let request = Request::SetReport {
            report_type,
            report_id,
            length,
        };
        self.request(waiting, "SET_REPORT", request, report).await?;
        Ok(())
    }

    /// Sends an output report the way the device prefers: over its interrupt OUT endpoint where it has
    /// one, else by SET_REPORT (HID 4.4). `report_id` is 0 where the device numbers no reports, and
    /// `data` the report without its ID.
    ///
    /// # Errors
    /// The device refuses or does not take it in 5 s.
    pub async fn send_output(&self, report_id: u8, data: &[u8]) -> Result<(), HidError> {
        self.send_output_waiting(Waiting::Async, report_id, data)
            .await
    }

    /// [`send_output`](Self::send_output), blocking.
    ///
    /// # Errors
    /// As [`send_output`](Self::send_output).
    pub fn send_output_blocking(&self, report_id: u8, data: &[u8]) -> Result<(), HidError> {
        block_on(self.send_output_waiting(Waiting::Blocking, report_id, data))
    }

    async fn send_output_waiting(
        &self,
        waiting: Waiting,
        report_id: u8,
        data: &[u8],
    ) -> Result<(), HidError> {
        let report: Vec<u8> = (report_id != 0)
            .then_some(report_id)
            .into_iter()
            .chain(data.iter().copied())
            .collect();
        let Some(address) = self.endpoint_address(Direction::Out) else {
            return self
                .set_report_waiting(waiting, ReportType::Output, report_id, &report)
                .await;
        };
        // Taken out while in use, so that no lock is held across a wait.
        let taken = self.output().take();
        let mut endpoint = match taken {
            Some(endpoint) => endpoint,
            None => self.shared.interface.endpoint(address)?,
        };
        let sent = endpoint
            .transfer_within(waiting, Buffer::from(report), Some(REQUEST_TIMEOUT))
            .await
            .into_result();
        if sent.is_err() {
            endpoint
                .clear_halt()
                .map_err(HidError::request("CLEAR_FEATURE(ENDPOINT_HALT)"))?;
        }
        *self.output() = Some(endpoint);
        sent.map(drop).map_err(HidError::request("output report"))
    }

    /// Lights exactly these LEDs of a keyboard (HID B.1).
    ///
    /// # Errors
    /// The device refuses or does not answer in 5 s.
    pub async fn set_leds(&self, leds: Leds) -> Result<(), HidError> {
        self.send_output(0, &[leds.bits()]).await
    }

    /// [`set_leds`](Self::set_leds), blocking.
    ///
    /// # Errors
    /// As [`set_leds`](Self::set_leds).
    pub fn set_leds_blocking(&self, leds: Leds) -> Result<(), HidError> {
        self.send_output_blocking(0, &[leds.bits()])
    }

    async fn request(
        &self,
        waiting: Waiting,
        name: &'static str,
        request: Request,
        data: &[u8],
    ) -> Result<Vec<u8>, HidError> {
        let setup = request.setup(self.shared.setting.interface_number);
        self.shared
            .interface
            .control(waiting, setup, data, REQUEST_TIMEOUT)
            .await
            .map_err(HidError::request(name))
    }

    fn output(&self) -> std::sync::MutexGuard<'_, Option<Endpoint<Interrupt, Out>>> {
        self.shared
            .output
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn endpoint_address(&self, direction: Direction) -> Option<EndpointAddress> {
        self.shared
            .setting
            .endpoints
            .iter()
            .find(|endpoint| {
                endpoint.transfer_type() == TransferType::Interrupt
                    && endpoint.address.direction() == direction
            })
            .map(|endpoint| endpoint.address)
    }

    fn longest_input_report(&self) -> usize {
        let described = self.shared.descriptor.iter().flat_map(|descriptor| {
            descriptor
                .input_reports()
                .iter()
                .map(hidreport::Report::size_in_bytes)
        });
        described.max().unwrap_or(0).max(BootKeyboardReport::LENGTH)
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
