//! The calls of hidapi, on this driver: blocking, and with the report ID as the first byte.
//!
//! | hidapi (the crate, 2.6) | here |
//! |---|---|
//! | `HidApi::new()`, `device_list()` | [`Host::system`](usbfs2_host::Host::system), [`Host::devices`](usbfs2_host::Host::devices) |
//! | `HidApi::open_path(path)` | [`HidDevice::open`] on [`Host::open`](usbfs2_host::Host::open)`(&"1-1".into())` |
//! | `device.read(buf)` | [`HidDevice::read`] |
//! | `device.read_timeout(buf, milliseconds)` | [`HidDevice::read_timeout`]; `None` stands for -1 |
//! | `device.set_blocking_mode(blocking)` | [`HidDevice::set_blocking_mode`] |
//! | `device.write(data)` | [`HidDevice::write`] |
//! | `device.send_output_report(data)` | [`HidDevice::send_output_report`] |
//! | `device.send_feature_report(data)` | [`HidDevice::send_feature_report`] |
//! | `device.get_feature_report(buf)` | [`HidDevice::get_feature_report`] |
//! | `device.get_input_report(buf)` | [`HidDevice::get_input_report`] |
//! | `device.get_report_descriptor(buf)` | [`HidDevice::get_report_descriptor`] |
//! | `device.get_manufacturer_string()` | [`HidDevice::get_manufacturer_string`] |
//! | `device.get_product_string()` | [`HidDevice::get_product_string`] |
//! | `device.get_serial_number_string()` | [`HidDevice::get_serial_number_string`] |
//! | `device.get_indexed_string(index)` | [`HidDevice::get_indexed_string`] |
//! | `device.get_device_info()` | [`HidDevice::inner`]`().device().info()` |
//!
//! What differs. hidapi keeps 30 reports, or the kernel's hidraw 64, and then drops the oldest without a
//! word (hidapi issue 787); here a second of reports waits in the kernel, and
//! [`HidDevice::overflows`] counts when even that was too little. hidapi shares the device with the kernel's
//! driver; this takes it over until it is dropped, so that a keyboard read here types nowhere else.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use usbfs2_host::{Device, StringError};
use usbfs2_protocol::hid::ReportType;

use crate::error::{HidError, OpenError};
use crate::reports::Reports;

/// A HID device with the calls of hidapi. Every call blocks; reports are queued from when it is opened.
#[derive(Debug)]
pub struct HidDevice {
    reading: Mutex<Reading>,
    device: crate::HidDevice,
}

#[derive(Debug)]
struct Reading {
    reports: Reports,
    /// How long [`HidDevice::read`] waits; `None` for as long as it takes.
    patience: Option<Duration>,
}

impl HidDevice {
    /// Opens the device's first HID interface.
    ///
    /// # Errors
    /// As [`crate::HidDevice::open`]; also when its input endpoint cannot be read.
    pub fn open(device: &Device) -> Result<Self, HidApiError> {
        Self::new(crate::HidDevice::open_blocking(device)?)
    }

    /// Opens one of several HID interfaces.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_interface(device: &Device, number: u8) -> Result<Self, HidApiError> {
        Self::new(crate::HidDevice::open_interface_blocking(device, number)?)
    }

    fn new(device: crate::HidDevice) -> Result<Self, HidApiError> {
        let reports = device.reports()?;
        Ok(Self {
            reading: Mutex::new(Reading {
                reports,
                patience: None,
            }),
            device,
        })
    }

    /// The driver underneath.
    #[must_use]
    pub fn inner(&self) -> &crate::HidDevice {
        &self.device
    }

    /// Has [`read`](Self::read) wait for a report, as it does at first, or return at once.
    pub fn set_blocking_mode(&self, blocking: bool) {
        self.reading().patience = (!blocking).then_some(Duration::ZERO);
    }

    /// Reads one input report, its ID first where the device numbers its reports, and gives its length. What
    /// `buffer` has no room for is lost. 0 when there is none and the blocking mode is off.
    ///
    /// # Errors
    /// [`HidError::Disconnected`], or what [`Reports`] says.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, HidApiError> {
        let mut reading = self.reading();
        let patience = reading.patience;
        reading.read(buffer, patience)
    }

    /// [`read`](Self::read), waiting for at most `timeout` whatever the blocking mode; `None` for as long as
    /// it takes. 0 when it has passed.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_timeout(
        &self,
        buffer: &mut [u8],
        timeout: Option<Duration>,
    ) -> Result<usize, HidApiError> {
        self.reading().read(buffer, timeout)
    }

    /// How often reports may have been lost; see [`Reports::overflows`].
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.reading().reports.overflows()
    }

    /// Sends an output report, over the interrupt OUT endpoint where there is one: the ID first, 0 where the
    /// device numbers no reports. Gives the length of `data`.
    ///
    /// # Errors
    /// [`HidApiError::NoReportId`]; the device refuses or does not take it in 5 s.
    pub fn write(&self, data: &[u8]) -> Result<usize, HidApiError> {
        let (&id, report) = data.split_first().ok_or(HidApiError::NoReportId)?;
        self.device.send_output_blocking(id, report)?;
        Ok(data.len())
    }

    /// Sends an output report by SET_REPORT, whatever endpoints there are: the ID first, 0 where there are
    /// none.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn send_output_report(&self, data: &[u8]) -> Result<(), HidApiError> {
        self.send(ReportType::Output, data)
    }

    /// Sends a feature report: the ID first, 0 where there are none.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn send_feature_report(&self, data: &[u8]) -> Result<(), HidApiError> {
        self.send(ReportType::Feature, data)
    }

    /// Asks for the feature report whose ID is in the first byte of `buffer`, 0 where there are none, and gives
    /// its length, the first byte included.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn get_feature_report(&self, buffer: &mut [u8]) -> Result<usize, HidApiError> {
        self.get(ReportType::Feature, buffer)
    }

    /// Asks for an input report as [`get_feature_report`](Self::get_feature_report) does for a feature report.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn get_input_report(&self, buffer: &mut [u8]) -> Result<usize, HidApiError> {
        self.get(ReportType::Input, buffer)
    }

    /// Copies the report descriptor, and gives its length; what `buffer` has no room for is left out.
    #[must_use]
    pub fn get_report_descriptor(&self, buffer: &mut [u8]) -> usize {
        copy(self.device.report_descriptor_bytes(), buffer)
    }

    /// Who made the device, where it says.
    #[must_use]
    pub fn get_manufacturer_string(&self) -> Option<String> {
        self.device.device().info().manufacturer().map(Into::into)
    }

    /// What the device is called, where it says.
    #[must_use]
    pub fn get_product_string(&self) -> Option<String> {
        self.device.device().info().product().map(Into::into)
    }

    /// The device's serial number, where it says.
    #[must_use]
    pub fn get_serial_number_string(&self) -> Option<String> {
        self.device.device().info().serial_number().map(Into::into)
    }

    /// Asks for a string by its index (USB 2.0 9.6.7).
    ///
    /// # Errors
    /// The device has no such string.
    pub fn get_indexed_string(&self, index: u8) -> Result<String, HidApiError> {
        Ok(self.device.device().string_blocking(index)?)
    }

    fn send(&self, report_type: ReportType, data: &[u8]) -> Result<(), HidApiError> {
        let (&id, report) = data.split_first().ok_or(HidApiError::NoReportId)?;
        // On the wire the ID is only there where there are IDs.
        let report = if id == 0 { report } else { data };
        self.device.set_report_blocking(report_type, id, report)?;
        Ok(())
    }

    fn get(&self, report_type: ReportType, buffer: &mut [u8]) -> Result<usize, HidApiError> {
        let (&mut id, data) = buffer.split_first_mut().ok_or(HidApiError::NoReportId)?;
        let is_numbered = id != 0;
        let room = data.len() + usize::from(is_numbered);
        let length = u16::try_from(room).unwrap_or(u16::MAX);
        let report = self.device.get_report_blocking(report_type, id, length)?;
        Ok(if is_numbered {
            copy(&report, buffer)
        } else {
            copy(&report, data) + 1
        })
    }

    fn reading(&self) -> std::sync::MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    fn read(
        &mut self,
        buffer: &mut [u8],
        patience: Option<Duration>,
    ) -> Result<usize, HidApiError> {
        let report = match patience {
            Some(patience) => self.reports.next_timeout(patience)?,
            None => self.reports.next_blocking().transpose()?,
        };
        match report {
            Some(report) => Ok(copy(&report.bytes, buffer)),
            None if self.reports.has_ended() => Err(HidError::Disconnected.into()),
            None => Ok(0),
        }
    }
}

/// Copies as much as there is room for, and says how much that is.
fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let length = from.len().min(to.len());
    to[..length].copy_from_slice(&from[..length]);
    length
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HidApiError {
    /// The device cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The device fails or refuses, or is gone.
    #[error(transparent)]
    Hid(#[from] HidError),
    /// A string cannot be had.
    #[error(transparent)]
    String(#[from] StringError),
    /// The bytes do not begin with a report ID.
    #[error("no bytes: the first is the report ID, 0 where the device numbers no reports")]
    NoReportId,
}
