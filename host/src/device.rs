//! Open devices.

use std::sync::Arc;
use std::time::Duration;

use usbfs2_protocol::descriptor::{Bos, Configuration, Languages, StringDescriptor, Version};
use usbfs2_protocol::standard::descriptor_type;
use usbfs2_protocol::{SetupPacket, Speed};

use crate::backend::OpenDevice;
use crate::interface::list;
use crate::{
    AlternateSettingError, BosError, ClaimError, ConfigurationError, DeviceInfo, Interface,
    ResetError, StringError, TransferError, Waiting, block_on, control,
};

/// An open device. Clones share it.
#[derive(Debug, Clone)]
pub struct Device {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    info: DeviceInfo,
    open: Box<dyn OpenDevice>,
}

impl Device {
    /// The longest a device may take for a standard request with a data stage (USB 2.0 9.2.6.4).
    const STANDARD_REQUEST: Duration = Duration::from_secs(5);

    /// The first version of USB whose devices have a BOS descriptor (USB 2.0 LPM ECN 3).
    const FIRST_WITH_BOS: Version = Version(0x0201);

    pub(crate) fn new(info: DeviceInfo, open: Box<dyn OpenDevice>) -> Self {
        Self {
            shared: Arc::new(Shared { info, open }),
        }
    }

    /// What was known about the device when it was opened.
    #[must_use]
    pub fn info(&self) -> &DeviceInfo {
        &self.shared.info
    }

    /// The active configuration: interfaces, alternate settings, endpoints.
    ///
    /// # Errors
    /// The device is not configured, or the configuration's descriptors are wrong.
    pub fn configuration(&self) -> Result<&Configuration, ConfigurationError> {
        let active = self.shared.open.configuration()?;
        self.shared.info.configuration(active)
    }

    /// Selects a configuration, or none with 0 (USB 2.0 9.4.7). Every interface changes, so none may
    /// be claimed. Blocks for the length of one control request.
    ///
    /// # Errors
    /// [`ConfigurationError::Busy`] while an interface is claimed, here or by another program.
    #[doc(alias = "SET_CONFIGURATION")]
    pub fn set_configuration(&self, value: u8) -> Result<(), ConfigurationError> {
        self.shared.open.set_configuration(value)
    }

    /// Resets the device (USB 2.0 7.1.7.5), and has its configuration and alternate settings selected again. Blocks
    /// until it is usable, some tenths of a second.
    ///
    /// Every transfer in flight completes once, with the bytes that came or as cancelled; halts and data toggles are
    /// forgotten. On usbfs2 and in process, interfaces and endpoints stay as they are and go on. Over usbfs the kernel
    /// takes interfaces away at a reset, so that this is refused while there are any.
    ///
    /// # Errors
    /// [`ResetError::Busy`] while a kernel driver or another program uses an interface, on usbfs2;
    /// [`ResetError::Claimed`] while this `Device` has one, over usbfs; [`ResetError::Disconnected`] also when the
    /// device came back as another one, with other descriptors.
    pub fn reset(&self) -> Result<(), ResetError> {
        self.shared.open.reset()
    }

    /// Claims an interface of the active configuration, taking it from the driver that has it.
    /// Blocks while that driver lets go.
    ///
    /// # Errors
    /// [`ClaimError::Busy`] while another program, or another claim of this one, has it.
    pub fn claim(&self, number: u8) -> Result<Interface, ClaimError> {
        let configuration = self.configuration()?;
        let descriptor = configuration
            .interface(number)
            .ok_or_else(|| ClaimError::NotFound {
                number,
                existing: list(configuration.interfaces.iter().map(|i| i.number)),
            })?;
        let claimed = self.shared.open.claim(configuration.value, number)?;
        // Every system says; high speed is the likeliest for a device that came without.
        let speed = self.shared.info.speed().unwrap_or(Speed::High);
        Interface::new(claimed, descriptor.clone(), speed).map_err(|error| match error {
            AlternateSettingError::Disconnected => ClaimError::Disconnected,
            AlternateSettingError::Io(source) => ClaimError::Io { number, source },
            other => ClaimError::Io {
                number,
                source: std::io::Error::other(other),
            },
        })
    }

    /// Runs a control transfer on the default pipe, waiting as told.
    ///
    /// `data` is what an OUT request sends, `setup.length` bytes of it; it is empty for an IN request,
    /// whose answer, up to `setup.length` bytes, is returned. At `timeout` the transfer is cancelled;
    /// bytes that came are returned.
    ///
    /// Cancellation: dropping the future cancels the transfer; the device may have acted on it.
    ///
    /// # Errors
    /// [`TransferError::Stall`] when the device refuses the request, [`TransferError::Busy`] when it
    /// is addressed to an interface somebody else has claimed, [`TransferError::InvalidRequest`] when
    /// `data` and `setup.length` differ.
    pub async fn control(
        &self,
        waiting: Waiting,
        setup: SetupPacket,
        data: &[u8],
        timeout: Duration,
    ) -> Result<Vec<u8>, TransferError> {
        let start = |setup, buffer| self.shared.open.control(setup, buffer);
        control::transfer(start, waiting, setup, data, timeout).await
    }

    /// Reads by a control transfer: up to `setup.length` bytes.
    ///
    /// # Errors
    /// As [`control`](Self::control).
    pub async fn control_in(
        &self,
        setup: SetupPacket,
        timeout: Duration,
    ) -> Result<Vec<u8>, TransferError> {
        self.control(Waiting::Async, setup, &[], timeout).await
    }

    /// Writes by a control transfer: `setup.length` bytes, which is the length of `data`.
    ///
    /// # Errors
    /// As [`control`](Self::control).
    pub async fn control_out(
        &self,
        setup: SetupPacket,
        data: &[u8],
        timeout: Duration,
    ) -> Result<(), TransferError> {
        self.control(Waiting::Async, setup, data, timeout).await?;
        Ok(())
    }

    /// [`control_in`](Self::control_in), blocking.
    ///
    /// # Errors
    /// As [`control`](Self::control).
    pub fn control_in_blocking(
        &self,
        setup: SetupPacket,
        timeout: Duration,
    ) -> Result<Vec<u8>, TransferError> {
        block_on(self.control(Waiting::Blocking, setup, &[], timeout))
    }

    /// [`control_out`](Self::control_out), blocking.
    ///
    /// # Errors
    /// As [`control`](Self::control).
    pub fn control_out_blocking(
        &self,
        setup: SetupPacket,
        data: &[u8],
        timeout: Duration,
    ) -> Result<(), TransferError> {
        block_on(self.control(Waiting::Blocking, setup, data, timeout))?;
        Ok(())
    }

    /// Reads a string in the first language the device lists (USB 2.0 9.6.7).
    ///
    /// # Errors
    /// Index 0 is no string; the device may refuse, or answer with something that is no string.
    pub async fn string(&self, waiting: Waiting, index: u8) -> Result<String, StringError> {
        if index == 0 {
            return Err(StringError::NoString);
        }
        let read = async |index, language| {
            let setup = SetupPacket::get_descriptor(descriptor_type::STRING, index, language, 255);
            self.control(waiting, setup, &[], Self::STANDARD_REQUEST)
                .await
        };
        let Languages(known) = Languages::parse(&read(0, 0).await?)?;
        let &language = known.first().ok_or(StringError::NoLanguage)?;
        Ok(StringDescriptor::parse(&read(index, language).await?)?.into_string())
    }

    /// [`string`](Self::string), blocking.
    ///
    /// # Errors
    /// As [`string`](Self::string).
    pub fn string_blocking(&self, index: u8) -> Result<String, StringError> {
        block_on(self.string(Waiting::Blocking, index))
    }

    /// Reads the BOS descriptor: what the device can do beyond USB 2.0 (USB 3.2 9.6.2).
    ///
    /// # Errors
    /// [`BosError::None`] without a request for a device that says it is of USB 2.0 or before.
    #[doc(alias = "binary device object store")]
    pub async fn bos(&self, waiting: Waiting) -> Result<Bos, BosError> {
        let device = self.info().device_descriptor();
        if !device.is_ok_and(|device| device.usb_version >= Self::FIRST_WITH_BOS) {
            return Err(BosError::None);
        }
        let read = async |length| {
            let setup = SetupPacket::get_descriptor(descriptor_type::BOS, 0, 0, length);
            self.control(waiting, setup, &[], Self::STANDARD_REQUEST)
                .await
        };
        let header = read(5).await?;
        let whole = read(Bos::total_length(&header)?).await?;
        Ok(Bos::parse(&whole)?)
    }

    /// [`bos`](Self::bos), blocking.
    ///
    /// # Errors
    /// As [`bos`](Self::bos).
    pub fn bos_blocking(&self) -> Result<Bos, BosError> {
        block_on(self.bos(Waiting::Blocking))
    }
}
