//! Mass-storage devices: finding the interface, claiming it, counting its units.

use std::sync::Arc;
use std::time::Duration;

use futures::lock::Mutex;
use usbfs2_host::{
    Bulk, Device, Endpoint, EndpointDirection, Interface, TransferError, Waiting, block_on,
};
use usbfs2_protocol::bot::{CommandBlockWrapper, PROTOCOL_BULK_ONLY, SUBCLASS_SCSI, get_max_lun};
use usbfs2_protocol::descriptor::AlternateSetting;
use usbfs2_protocol::standard::class;
use usbfs2_protocol::{EndpointAddress, TransferType};

use crate::block_device::BlockDevice;
use crate::error::{DiskError, OpenError};
use crate::statistics::Statistics;
use crate::transport::Transport;
use crate::unit::Unit;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A Bulk-Only device, claimed: detached from the kernel's driver and given back when this and
/// every [`BlockDevice`] opened from it is dropped. Clones share the claim.
#[derive(Debug, Clone)]
pub struct MassStorage {
    transport: Arc<Mutex<Transport>>,
    max_lun: u8,
    /// What one command may move at most, by the device's speed.
    max_transfer_bytes: usize,
}

impl MassStorage {
    /// Whether an alternate setting is one of a device this driver knows.
    #[must_use]
    pub fn matches(setting: &AlternateSetting) -> bool {
        setting.class == class::MASS_STORAGE
            && setting.subclass == SUBCLASS_SCSI
            && setting.protocol == PROTOCOL_BULK_ONLY
    }

    /// Claims the device's first Bulk-Only interface and asks how many units there are.
    ///
    /// # Errors
    /// There is none, it is claimed by another program, or it does not answer.
    pub async fn open(device: &Device) -> Result<Self, OpenError> {
        Self::open_waiting(Waiting::Async, device).await
    }

    /// [`open`](Self::open), blocking.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_blocking(device: &Device) -> Result<Self, OpenError> {
        block_on(Self::open_waiting(Waiting::Blocking, device))
    }

    async fn open_waiting(waiting: Waiting, device: &Device) -> Result<Self, OpenError> {
        let setting = device
            .configuration()?
            .interfaces
            .iter()
            .flat_map(|interface| &interface.alternate_settings)
            .find(|setting| Self::matches(setting))
            .ok_or(OpenError::NoInterface)?
            .clone();
        let interface = device.claim(setting.interface_number)?;
        if interface.alternate_setting()?.alternate_setting != setting.alternate_setting {
            interface.set_alternate_setting(setting.alternate_setting)?;
        }
        let bulk_in = bulk_endpoint(&interface, &setting)?;
        let bulk_out = bulk_endpoint(&interface, &setting)?;
        let max_lun = max_lun(waiting, &interface).await?;
        let transport = Transport::new(interface, bulk_in, bulk_out);
        Ok(Self {
            transport: Arc::new(Mutex::new(transport)),
            max_lun,
            max_transfer_bytes: max_transfer_bytes(device),
        })
    }

    /// The highest logical unit; 0 when there is one.
    #[must_use]
    pub fn max_lun(&self) -> u8 {
        self.max_lun
    }

    /// Opens a logical unit: asks what it is, waits until its medium is ready, reads its size.
    ///
    /// # Errors
    /// There is no such unit, no medium in it, or it does not answer in 30 s.
    pub async fn block_device(&self, lun: u8) -> Result<BlockDevice, DiskError> {
        BlockDevice::open(Waiting::Async, self.unit(lun)?, self.max_transfer_bytes).await
    }

    /// [`block_device`](Self::block_device), blocking.
    ///
    /// # Errors
    /// As [`block_device`](Self::block_device).
    pub fn block_device_blocking(&self, lun: u8) -> Result<BlockDevice, DiskError> {
        let unit = self.unit(lun)?;
        block_on(BlockDevice::open(
            Waiting::Blocking,
            unit,
            self.max_transfer_bytes,
        ))
    }

    fn unit(&self, lun: u8) -> Result<Unit, DiskError> {
        let max_lun = self.max_lun;
        if lun > max_lun {
            return Err(DiskError::NoUnit { lun, max_lun });
        }
        Ok(Unit {
            transport: Arc::clone(&self.transport),
            lun,
        })
    }

    /// What the driver did and survived since the device was opened. Waits for a command in progress.
    pub async fn statistics(&self) -> Statistics {
        self.transport.lock().await.statistics
    }

    /// [`statistics`](Self::statistics), blocking.
    #[must_use]
    pub fn statistics_blocking(&self) -> Statistics {
        block_on(self.statistics())
    }
}

/// The highest LUN. A device with one unit may stall the request (BOT 3.2).
async fn max_lun(waiting: Waiting, interface: &Interface) -> Result<u8, OpenError> {
    let setup = get_max_lun(interface.number());
    match interface
        .control(waiting, setup, &[], REQUEST_TIMEOUT)
        .await
    {
        // Nothing, or more than a CBW can name, is taken as one unit: so do the kernel's drivers.
        Ok(answer) => Ok(match answer.first() {
            Some(&lun) if lun <= CommandBlockWrapper::MAX_LUN => lun,
            _ => 0,
        }),
        Err(TransferError::Stall) => Ok(0),
        Err(error) => Err(OpenError::GetMaxLun(error)),
    }
}

fn bulk_endpoint<D: EndpointDirection>(
    interface: &Interface,
    setting: &AlternateSetting,
) -> Result<Endpoint<Bulk, D>, OpenError> {
    let address: EndpointAddress = setting
        .endpoints
        .iter()
        .find(|endpoint| {
            endpoint.transfer_type() == TransferType::Bulk
                && endpoint.address.direction() == D::DIRECTION
        })
        .ok_or(OpenError::NoEndpoint {
            interface: setting.interface_number,
            direction: D::DIRECTION,
        })?
        .address;
    Ok(interface.endpoint(address)?)
}

/// The transfer sizes that Linux's own driver settled on: some older devices fail beyond 120 KiB,
/// those with SuperSpeed take 1 MiB.
fn max_transfer_bytes(device: &Device) -> usize {
    use usbfs2_protocol::Speed;
    match device.info().speed() {
        Some(Speed::Super | Speed::SuperPlus) => 1024 * 1024,
        _ => 120 * 1024,
    }
}
