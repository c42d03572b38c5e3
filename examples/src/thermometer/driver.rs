//! The thermometer's driver.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use usbfs2_host::{
    Buffer, Direction, Endpoint, Host, In, Interface, Interrupt, SetupPacket, TransferError,
    TransferType,
};

use super::{PRODUCT, REPORT_BYTES, SET_UNIT, Unit, VENDOR};

const PATIENCE: Duration = Duration::from_secs(1);

/// A thermometer that is plugged in, and ours until this is dropped.
#[derive(Debug)]
pub struct Thermometer {
    // The endpoint goes before the interface it belongs to.
    reports: Endpoint<Interrupt, In>,
    interface: Interface,
}

impl Thermometer {
    /// Opens the first one there is.
    pub fn open(host: &Host) -> Result<Self> {
        let devices = host.devices()?;
        let ids = (Some(VENDOR), Some(PRODUCT));
        let info = devices
            .iter()
            .find(|info| (info.vendor_id(), info.product_id()) == ids)
            .context("no thermometer is plugged in")?;
        let device = host.open(info.id())?;
        let interface = device.claim(0)?;
        // The address is the device's choice: ask for what is there.
        let address = interface
            .alternate_setting()?
            .find_endpoint(TransferType::Interrupt, Direction::In)
            .context("a thermometer has an interrupt IN endpoint")?
            .address;
        let reports = interface.endpoint::<Interrupt, In>(address)?;
        Ok(Self { reports, interface })
    }

    /// The next measurement, in degrees of the unit that is set.
    pub fn read(&mut self) -> Result<f64> {
        let report = self.report()?;
        ensure!(
            report.len() == REPORT_BYTES,
            "a report of {} bytes, not {REPORT_BYTES}",
            report.len()
        );
        let hundredths = i32::from_le_bytes(report[..].try_into()?);
        Ok(f64::from(hundredths) / 100.0)
    }

    /// A report, with one more try after a stall.
    fn report(&mut self) -> Result<Buffer, TransferError> {
        for last in [false, true] {
            let room = Buffer::with_capacity(self.reports.max_packet_size());
            match self.reports.transfer_blocking(room, PATIENCE).into_result() {
                Err(TransferError::Stall) if !last => self.reports.clear_halt()?,
                outcome => return outcome,
            }
        }
        Err(TransferError::Stall)
    }

    /// Has measurements told in `unit` from now on; one that was made before may still come.
    pub fn set_unit(&self, unit: Unit) -> Result<()> {
        let interface = self.interface.number();
        let setup = SetupPacket::class_interface_out(SET_UNIT, unit as u16, interface, 0);
        self.interface.control_out_blocking(setup, &[], PATIENCE)?;
        Ok(())
    }
}
