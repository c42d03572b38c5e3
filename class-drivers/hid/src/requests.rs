//! The class requests of HID 7.2, and output reports the way the device prefers.

use std::time::Duration;

use usbfs2_host::{Buffer, TransferError, Waiting, block_on};
use usbfs2_protocol::Direction;
use usbfs2_protocol::hid::report_descriptor::{Field, page};
use usbfs2_protocol::hid::{IdleRate, Leds, Protocol, ReportType, Request, Usage};

use crate::device::{HidDevice, REQUEST_TIMEOUT};
use crate::error::HidError;

impl HidDevice {
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
        self.set_known_protocol(protocol);
        Ok(())
    }

    /// Asks which protocol is in force (HID 7.2.5).
    ///
    /// # Errors
    /// The interface has no boot protocol, or the device refuses or answers with something else.
    pub async fn get_protocol(&self) -> Result<Protocol, HidError> {
        self.get_protocol_waiting(Waiting::Async).await
    }

    /// [`get_protocol`](Self::get_protocol), blocking.
    ///
    /// # Errors
    /// As [`get_protocol`](Self::get_protocol).
    pub fn get_protocol_blocking(&self) -> Result<Protocol, HidError> {
        block_on(self.get_protocol_waiting(Waiting::Blocking))
    }

    async fn get_protocol_waiting(&self, waiting: Waiting) -> Result<Protocol, HidError> {
        if !self.has_boot_protocol() {
            return Err(HidError::NoBootProtocol);
        }
        const NAME: &str = "GET_PROTOCOL";
        let answer = self
            .request(waiting, NAME, Request::GetProtocol, &[])
            .await?;
        let protocol = answer.first().copied().and_then(Protocol::from_byte);
        protocol.ok_or(HidError::Answer {
            request: NAME,
            answer,
        })
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

    /// Asks how often the device repeats an unchanged report (HID 7.2.3); zero for never.
    ///
    /// # Errors
    /// The device refuses, or answers with nothing.
    pub async fn get_idle(&self, report_id: u8) -> Result<Duration, HidError> {
        self.get_idle_waiting(Waiting::Async, report_id).await
    }

    /// [`get_idle`](Self::get_idle), blocking.
    ///
    /// # Errors
    /// As [`get_idle`](Self::get_idle).
    pub fn get_idle_blocking(&self, report_id: u8) -> Result<Duration, HidError> {
        block_on(self.get_idle_waiting(Waiting::Blocking, report_id))
    }

    async fn get_idle_waiting(
        &self,
        waiting: Waiting,
        report_id: u8,
    ) -> Result<Duration, HidError> {
        const NAME: &str = "GET_IDLE";
        let request = Request::GetIdle { report_id };
        let answer = self.request(waiting, NAME, request, &[]).await?;
        let &[rate, ..] = answer.as_slice() else {
            return Err(HidError::Answer {
                request: NAME,
                answer,
            });
        };
        Ok(IdleRate(rate).duration().unwrap_or_default())
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
        let length = u16::try_from(report.len())
            .map_err(|_| HidError::request("SET_REPORT")(TransferError::InvalidRequest))?;
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
        let Some(address) = self.endpoint(Direction::Out).map(|out| out.address) else {
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

    /// Lights exactly these LEDs of a keyboard: by the output report that has them, wherever in it they are
    /// and whatever its ID; in the boot protocol, and where the report descriptor makes no sense, by the
    /// boot keyboard's (HID B.1).
    ///
    /// # Errors
    /// The device refuses or does not answer in 5 s.
    pub async fn set_leds(&self, leds: Leds) -> Result<(), HidError> {
        self.set_leds_waiting(Waiting::Async, leds).await
    }

    /// [`set_leds`](Self::set_leds), blocking.
    ///
    /// # Errors
    /// As [`set_leds`](Self::set_leds).
    pub fn set_leds_blocking(&self, leds: Leds) -> Result<(), HidError> {
        block_on(self.set_leds_waiting(Waiting::Blocking, leds))
    }

    async fn set_leds_waiting(&self, waiting: Waiting, leds: Leds) -> Result<(), HidError> {
        let (report_id, data) = self.leds_report(leds);
        self.send_output_waiting(waiting, report_id, &data).await
    }

    /// The ID and the data of the output report that lights these LEDs.
    fn leds_report(&self, leds: Leds) -> (u8, Vec<u8>) {
        let described = match (self.protocol(), self.report_descriptor()) {
            (Protocol::Report, Ok(descriptor)) => descriptor
                .reports_of(ReportType::Output)
                .find(|report| report.fields.iter().any(is_of_leds)),
            _ => None,
        };
        let Some(report) = described else {
            return (0, vec![leds.bits()]);
        };
        let mut bytes = report.zeroed();
        for field in report.fields.iter().filter(|field| is_of_leds(field)) {
            for index in 0..field.count {
                // Usages 1 to 5 of the LED page are the bits of `Leds`, in order.
                let bit = match field.usage(index) {
                    Some(Usage {
                        page: page::LED,
                        id: id @ 1..=5,
                    }) => 1 << (id - 1),
                    _ => continue,
                };
                field.set(&mut bytes, index, i64::from(leds.bits() & bit != 0));
            }
        }
        let id_length = usize::from(report.id != 0);
        (report.id, bytes.split_off(id_length))
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
}

fn is_of_leds(field: &Field) -> bool {
    field.is_variable() && !field.is_padding() && field.usages.has_page(page::LED)
}
