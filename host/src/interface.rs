//! Claimed interfaces.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use usbfs2_protocol::descriptor::{self, AlternateSetting};
use usbfs2_protocol::{EndpointAddress, SetupPacket, Speed, TransferType};

use crate::backend::Claimed;
use crate::endpoint::DEFAULT_DEPTH;
use crate::{
    AlternateSettingError, Endpoint, EndpointDirection, EndpointError, EndpointType,
    IntoEndpointAddress, IsochronousEndpoint, TransferError, Waiting, block_on, control,
    isochronous,
};

/// A claimed interface. Clones share the claim.
///
/// # Drop
/// When the last clone and the last endpoint opened through it are gone, the interface goes back to
/// the driver that had it before. The same happens however the process ends.
#[derive(Clone)]
pub struct Interface {
    shared: Arc<Shared>,
}

/// What the clones of an interface and its endpoints share.
pub(crate) struct Shared {
    claimed: Box<dyn Claimed>,
    descriptor: descriptor::Interface,
    speed: Speed,
    state: Mutex<State>,
}

struct State {
    alternate_setting: u8,
    open: Vec<EndpointAddress>,
}

impl Interface {
    pub(crate) fn new(
        claimed: Box<dyn Claimed>,
        descriptor: descriptor::Interface,
        speed: Speed,
    ) -> Result<Self, AlternateSettingError> {
        let state = Mutex::new(State {
            alternate_setting: claimed.alternate_setting()?,
            open: Vec::new(),
        });
        Ok(Self {
            shared: Arc::new(Shared {
                claimed,
                descriptor,
                speed,
                state,
            }),
        })
    }

    /// The interface's number.
    #[doc(alias = "bInterfaceNumber")]
    #[must_use]
    pub fn number(&self) -> u8 {
        self.shared.descriptor.number
    }

    /// The interface's descriptors, every alternate setting of it.
    #[must_use]
    pub fn descriptor(&self) -> &descriptor::Interface {
        &self.shared.descriptor
    }

    /// The alternate setting in force: class, endpoints and class descriptors.
    ///
    /// # Errors
    /// [`AlternateSettingError::NotFound`] when the device is in a setting it does not describe.
    pub fn alternate_setting(&self) -> Result<&AlternateSetting, AlternateSettingError> {
        let number = self.shared.state().alternate_setting;
        self.shared.setting(number)
    }

    /// Selects an alternate setting (USB 2.0 9.4.10). Blocks for the length of one control request.
    ///
    /// # Errors
    /// [`AlternateSettingError::EndpointsOpen`] while endpoints of the present setting are open: they
    /// may not exist in the next one.
    #[doc(alias = "SET_INTERFACE")]
    pub fn set_alternate_setting(&self, number: u8) -> Result<(), AlternateSettingError> {
        self.shared.setting(number)?;
        let mut state = self.shared.state();
        if !state.open.is_empty() {
            return Err(AlternateSettingError::EndpointsOpen(list(&state.open)));
        }
        self.shared.claimed.set_alternate_setting(number)?;
        state.alternate_setting = number;
        Ok(())
    }

    /// Opens an endpoint of the present alternate setting, of the type and direction the type
    /// parameters say.
    ///
    /// ```no_run
    /// # fn open(interface: usbfs2_host::Interface) -> Result<(), usbfs2_host::EndpointError> {
    /// use usbfs2_host::{Bulk, In};
    ///
    /// let endpoint = interface.endpoint::<Bulk, In>(0x81)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// At once, and listing what there is: the endpoint is not in this alternate setting, or has
    /// another direction or transfer type. [`EndpointError::Busy`] when it is open already.
    pub fn endpoint<T: EndpointType, D: EndpointDirection>(
        &self,
        address: impl IntoEndpointAddress,
    ) -> Result<Endpoint<T, D>, EndpointError> {
        self.endpoint_with_depth(address, DEFAULT_DEPTH)
    }

    /// [`endpoint`](Self::endpoint), with `depth` transfers held by the kernel at a time instead of 128:
    /// so many can complete while the program does something else. What is submitted beyond waits its
    /// turn in the program. The usbfs2 backend takes room out of the system-wide fs.aio-max-nr, and falls
    /// back to 128 where that is used up.
    ///
    /// # Errors
    /// As [`endpoint`](Self::endpoint).
    pub fn endpoint_with_depth<T: EndpointType, D: EndpointDirection>(
        &self,
        address: impl IntoEndpointAddress,
        depth: u32,
    ) -> Result<Endpoint<T, D>, EndpointError> {
        let address = address.into_endpoint_address()?;
        let (descriptor, lease) = self.shared.lease::<D>(address, T::TRANSFER_TYPE)?;
        let queue = self.shared.claimed.endpoint(&descriptor, depth)?;
        Ok(Endpoint::new(queue, descriptor, lease))
    }

    /// Opens an isochronous endpoint of the present alternate setting, of the direction the type parameter says.
    ///
    /// # Errors
    /// As [`endpoint`](Self::endpoint), and [`EndpointError::NoIsochronous`] on usbfs.
    pub fn isochronous_endpoint<D: EndpointDirection>(
        &self,
        address: impl IntoEndpointAddress,
    ) -> Result<IsochronousEndpoint<D>, EndpointError> {
        self.isochronous_endpoint_with_depth(address, isochronous::DEFAULT_DEPTH)
    }

    /// [`isochronous_endpoint`](Self::isochronous_endpoint), with `depth` requests held by the kernel at a time
    /// instead of 64, as [`endpoint_with_depth`](Self::endpoint_with_depth) does for transfers.
    ///
    /// # Errors
    /// As [`isochronous_endpoint`](Self::isochronous_endpoint).
    pub fn isochronous_endpoint_with_depth<D: EndpointDirection>(
        &self,
        address: impl IntoEndpointAddress,
        depth: u32,
    ) -> Result<IsochronousEndpoint<D>, EndpointError> {
        let address = address.into_endpoint_address()?;
        let (descriptor, lease) = self.shared.lease::<D>(address, TransferType::Isochronous)?;
        let queue = self
            .shared
            .claimed
            .isochronous_endpoint(&descriptor, depth)?;
        let speed = self.shared.speed;
        Ok(IsochronousEndpoint::new(queue, descriptor, speed, lease))
    }

    /// Runs a control transfer, as [`Device::control`](crate::Device::control) does, for drivers that
    /// keep their interface alone.
    ///
    /// # Errors
    /// As [`Device::control`](crate::Device::control), and [`TransferError::PermissionDenied`] for a
    /// request beyond this interface by a process that was given no more.
    pub async fn control(
        &self,
        waiting: Waiting,
        setup: SetupPacket,
        data: &[u8],
        timeout: Duration,
    ) -> Result<Vec<u8>, TransferError> {
        let start = |setup, buffer| self.shared.claimed.control(setup, buffer);
        control::transfer(start, waiting, setup, data, timeout).await
    }

    /// Reads by a control transfer: up to `setup.length` bytes.
    ///
    /// # Errors
    /// As [`Device::control`](crate::Device::control).
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
    /// As [`Device::control`](crate::Device::control).
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
    /// As [`Device::control`](crate::Device::control).
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
    /// As [`Device::control`](crate::Device::control).
    pub fn control_out_blocking(
        &self,
        setup: SetupPacket,
        data: &[u8],
        timeout: Duration,
    ) -> Result<(), TransferError> {
        block_on(self.control(Waiting::Blocking, setup, data, timeout))?;
        Ok(())
    }
}

impl fmt::Debug for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state();
        f.debug_struct("Interface")
            .field("number", &self.number())
            .field("alternate_setting", &state.alternate_setting)
            .field("open_endpoints", &state.open)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment or push, so a panic elsewhere leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn setting(&self, number: u8) -> Result<&AlternateSetting, AlternateSettingError> {
        let settings = &self.descriptor.alternate_settings;
        self.descriptor
            .alternate_setting(number)
            .ok_or_else(|| AlternateSettingError::NotFound {
                number,
                existing: list(settings.iter().map(|setting| setting.alternate_setting)),
            })
    }

    fn lease<D: EndpointDirection>(
        self: &Arc<Self>,
        address: EndpointAddress,
        asked: TransferType,
    ) -> Result<(descriptor::Endpoint, Lease), EndpointError> {
        // Under one lock, so that the alternate setting cannot change in between.
        let mut state = self.state();
        let descriptor = self
            .find::<D>(state.alternate_setting, address, asked)?
            .clone();
        if state.open.contains(&address) {
            return Err(EndpointError::Busy(address));
        }
        state.open.push(address);
        let interface = Arc::clone(self);
        Ok((descriptor, Lease { interface, address }))
    }

    fn find<D: EndpointDirection>(
        &self,
        alternate_setting: u8,
        address: EndpointAddress,
        asked: TransferType,
    ) -> Result<&descriptor::Endpoint, EndpointError> {
        let endpoints = match self.setting(alternate_setting) {
            Ok(setting) => setting.endpoints.as_slice(),
            Err(_) => &[],
        };
        let existing = || list(endpoints.iter().map(Described));
        let endpoint = endpoints
            .iter()
            .find(|endpoint| endpoint.address == address)
            .ok_or_else(|| EndpointError::NotFound {
                address,
                interface: self.descriptor.number,
                alternate_setting,
                existing: existing(),
            })?;
        if address.direction() != D::DIRECTION {
            return Err(EndpointError::WrongDirection {
                address,
                actual: address.direction(),
                asked: D::DIRECTION,
                existing: existing(),
            });
        }
        if endpoint.transfer_type() != asked {
            return Err(EndpointError::WrongTransferType {
                address,
                actual: endpoint.transfer_type(),
                asked,
                existing: existing(),
            });
        }
        if endpoint.max_packet_size() == 0 {
            return Err(EndpointError::NoPackets(address));
        }
        Ok(endpoint)
    }
}

/// The right to have an endpoint open, and a share in the claim.
pub(crate) struct Lease {
    interface: Arc<Shared>,
    address: EndpointAddress,
}

impl Lease {
    pub(crate) fn interface_number(&self) -> u8 {
        self.interface.descriptor.number
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.interface.state();
        state.open.retain(|&address| address != self.address);
    }
}

/// An endpoint as error messages list it: `0x81 bulk IN`.
struct Described<'a>(&'a descriptor::Endpoint);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(endpoint) = self;
        let address = endpoint.address;
        write!(
            f,
            "{address} {} {}",
            endpoint.transfer_type(),
            address.direction()
        )
    }
}

/// `0, 1, 2`, or `none`, for messages that say what there is.
pub(crate) fn list(items: impl IntoIterator<Item: fmt::Display>) -> String {
    let mut text = String::new();
    for item in items {
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{item}");
    }
    if text.is_empty() {
        "none".to_owned()
    } else {
        text
    }
}
