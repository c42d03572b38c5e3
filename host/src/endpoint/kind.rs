//! Transfer types and directions at the level of types.

use usbfs2_protocol::{Direction, EndpointAddress, InvalidEndpointAddress, TransferType};

mod sealed {
    pub trait Sealed {}
}
use sealed::Sealed;

/// A transfer type an [`Endpoint`](crate::Endpoint) can have: [`Bulk`] or [`Interrupt`].
pub trait EndpointType: Sealed + Send + Sync + 'static {
    /// The type as a value.
    const TRANSFER_TYPE: TransferType;
}

/// A direction an [`Endpoint`](crate::Endpoint) can have: [`In`] or [`Out`].
pub trait EndpointDirection: Sealed + Send + Sync + 'static {
    /// The direction as a value.
    const DIRECTION: Direction;
}

/// Bulk: whatever bandwidth is left, retried until it arrives (USB 2.0 5.8).
#[derive(Debug, Clone, Copy)]
pub enum Bulk {}
/// Interrupt: small, polled at an interval, retried until it arrives (USB 2.0 5.7).
#[derive(Debug, Clone, Copy)]
pub enum Interrupt {}
/// Device to host.
#[derive(Debug, Clone, Copy)]
pub enum In {}
/// Host to device.
#[derive(Debug, Clone, Copy)]
pub enum Out {}

impl Sealed for Bulk {}
impl Sealed for Interrupt {}
impl Sealed for In {}
impl Sealed for Out {}

impl EndpointType for Bulk {
    const TRANSFER_TYPE: TransferType = TransferType::Bulk;
}
impl EndpointType for Interrupt {
    const TRANSFER_TYPE: TransferType = TransferType::Interrupt;
}
impl EndpointDirection for In {
    const DIRECTION: Direction = Direction::In;
}
impl EndpointDirection for Out {
    const DIRECTION: Direction = Direction::Out;
}

/// An endpoint's address, as a value or as the byte the descriptor holds.
pub trait IntoEndpointAddress: Sealed {
    /// The address.
    ///
    /// # Errors
    /// A byte with reserved bits set is no address.
    fn into_endpoint_address(self) -> Result<EndpointAddress, InvalidEndpointAddress>;
}

impl Sealed for EndpointAddress {}
impl IntoEndpointAddress for EndpointAddress {
    fn into_endpoint_address(self) -> Result<EndpointAddress, InvalidEndpointAddress> {
        Ok(self)
    }
}

impl Sealed for u8 {}
impl IntoEndpointAddress for u8 {
    fn into_endpoint_address(self) -> Result<EndpointAddress, InvalidEndpointAddress> {
        EndpointAddress::try_from(self)
    }
}
