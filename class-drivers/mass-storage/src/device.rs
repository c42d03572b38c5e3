//! Mass-storage devices: finding the interface, claiming it, counting its units.

use std::sync::Arc;
use std::time::Duration;

use futures::lock::Mutex;
use usbfs2_host::{
    Bulk, Device, DeviceInfo, Endpoint, EndpointDirection, Interface, TransferError, Waiting,
    block_on,
};
use usbfs2_protocol::bot::{CommandBlockWrapper, PROTOCOL_BULK_ONLY, SUBCLASS_SCSI, get_max_lun};
use usbfs2_protocol::descriptor::AlternateSetting;
use usbfs2_protocol::standard::class;
use usbfs2_protocol::{EndpointAddress, TransferType};

use crate::block_device::BlockDevice;
use crate::error::{DiskError, OpenError};
use crate::options::Options;
use crate::pace::Pace;
use crate::quirks::Quirks;
use crate::statistics::Statistics;
use crate::transport::Transport;
use crate::unit::Unit;
use crate::unit_info::UnitInfo;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A Bulk-Only device, claimed: detached from the kernel's driver and given back when this and
/// every [`BlockDevice`] opened from it is dropped. Clones share the claim.
#[derive(Debug, Clone)]
pub struct MassStorage {
    transport: Arc<Mutex<Transport>>,
    max_lun: u8,
    options: Options,
    /// What one command may move at most, by the caller's wish or the device's speed.
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
        Self::open_with(device, Options::default()).await
    }

    /// [`open`](Self::open), blocking.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_blocking(device: &Device) -> Result<Self, OpenError> {
        Self::open_with_blocking(device, Options::default())
    }

    /// [`open`](Self::open), with another patience than usual.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(device: &Device, options: Options) -> Result<Self, OpenError> {
        Self::open_waiting(Waiting::Async, device, options).await
    }

    /// [`open_with`](Self::open_with), blocking.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_blocking(device: &Device, options: Options) -> Result<Self, OpenError> {
        block_on(Self::open_waiting(Waiting::Blocking, device, options))
    }

    async fn open_waiting(
        waiting: Waiting,
        device: &Device,
        options: Options,
    ) -> Result<Self, OpenError> {
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
        Self::on_waiting(waiting, interface, device.info(), options).await
    }

    /// Drives an interface that is claimed already, of the device that `info` describes, in the alternate setting it
    /// is in: one made of files ([`Interface::from_files`]), say, by a process that may open none.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`OpenError::NoInterface`] when it is of another class.
    pub async fn on(
        interface: Interface,
        info: &DeviceInfo,
        options: Options,
    ) -> Result<Self, OpenError> {
        Self::on_waiting(Waiting::Async, interface, info, options).await
    }

    /// [`on`](Self::on), blocking.
    ///
    /// # Errors
    /// As [`on`](Self::on).
    pub fn on_blocking(
        interface: Interface,
        info: &DeviceInfo,
        options: Options,
    ) -> Result<Self, OpenError> {
        block_on(Self::on_waiting(
            Waiting::Blocking,
            interface,
            info,
            options,
        ))
    }

    async fn on_waiting(
        waiting: Waiting,
        interface: Interface,
        info: &DeviceInfo,
        options: Options,
    ) -> Result<Self, OpenError> {
        let setting = interface.alternate_setting()?.clone();
        if !Self::matches(&setting) {
            return Err(OpenError::NoInterface);
        }
        let bulk_in = bulk_endpoint(&interface, &setting)?;
        let bulk_out = bulk_endpoint(&interface, &setting)?;
        let max_lun = max_lun(waiting, &interface).await?;
        let transport = Transport::new(interface, bulk_in, bulk_out, Pace::of(info));
        Ok(Self {
            transport: Arc::new(Mutex::new(transport)),
            max_lun,
            options,
            max_transfer_bytes: options
                .max_transfer_bytes
                .unwrap_or_else(|| max_transfer_bytes(info)),
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
    /// There is no such unit, no medium in it, or it does not answer in time ([`Options`]).
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

    /// Looks at every logical unit there is: what it is, and its medium.
    ///
    /// Numbers up to [`max_lun`](Self::max_lun) behind which the device says there is nothing are left out.
    ///
    /// # Errors
    /// The device does not answer. What is wrong with one unit's medium is in its place in the list.
    pub async fn units(&self) -> Result<Vec<UnitInfo>, DiskError> {
        self.units_waiting(Waiting::Async).await
    }

    /// [`units`](Self::units), blocking.
    ///
    /// # Errors
    /// As [`units`](Self::units).
    pub fn units_blocking(&self) -> Result<Vec<UnitInfo>, DiskError> {
        block_on(self.units_waiting(Waiting::Blocking))
    }

    async fn units_waiting(&self, waiting: Waiting) -> Result<Vec<UnitInfo>, DiskError> {
        let mut units = Vec::new();
        for lun in 0..=self.max_lun {
            units.extend(UnitInfo::read(waiting, self.unit(lun)?).await?);
        }
        Ok(units)
    }

    fn unit(&self, lun: u8) -> Result<Unit, DiskError> {
        let max_lun = self.max_lun;
        if lun > max_lun {
            return Err(DiskError::NoUnit { lun, max_lun });
        }
        let transport = Arc::clone(&self.transport);
        Ok(Unit::new(transport, lun, self.options))
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

    /// What the device was found to do otherwise than the standard says. Waits for a command in progress.
    pub async fn quirks(&self) -> Quirks {
        self.transport.lock().await.quirks()
    }

    /// [`quirks`](Self::quirks), blocking.
    #[must_use]
    pub fn quirks_blocking(&self) -> Quirks {
        block_on(self.quirks())
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
fn max_transfer_bytes(info: &DeviceInfo) -> usize {
    use usbfs2_protocol::Speed;
    match info.speed() {
        Some(Speed::Super | Speed::SuperPlus) => 1024 * 1024,
        _ => 120 * 1024,
    }
}
