//! Which of the controller's endpoints each endpoint of a class gets, as the classes ask, one after the other.

use usb_device::UsbError;
use usbfs2_protocol::{Direction, EndpointAddress, TransferType};

use super::error::FirmwareError;
use crate::udc::{Udc, UdcEndpoint};

/// The controller's endpoints, and what was given away.
#[derive(Debug)]
pub(super) struct Allocation {
    udc: Udc,
    /// The addresses given away, each with its index in [`Udc::endpoints`].
    taken: Vec<(EndpointAddress, usize)>,
    /// What was asked for in vain, without a certain address.
    refused: Option<FirmwareError>,
    /// Addresses given away that no endpoint of the controller's is behind.
    feigned: Vec<EndpointAddress>,
}

impl Allocation {
    pub(super) fn new(udc: Udc) -> Self {
        Self {
            udc,
            taken: Vec::new(),
            refused: None,
            feigned: Vec::new(),
        }
    }

    pub(super) fn udc(&self) -> &Udc {
        &self.udc
    }

    /// Puts a better knowledge of the same controller in place.
    pub(super) fn replace_udc(&mut self, udc: Udc) {
        let name = |place: usize| self.udc.endpoints()[place].name();
        let taken = self.taken.iter().filter_map(|&(address, place)| {
            let mut endpoints = udc.endpoints().iter();
            let place = endpoints.position(|endpoint| endpoint.name() == name(place))?;
            Some((address, place))
        });
        self.taken = taken.collect();
        self.udc = udc;
    }

    /// The index in [`Udc::endpoints`] of what was given away under this address.
    pub(super) fn place(&self, address: EndpointAddress) -> Option<usize> {
        let mut taken = self.taken.iter();
        taken.find_map(|&(one, place)| (one == address).then_some(place))
    }

    /// The first request for which there was nothing left.
    pub(super) fn take_refused(&mut self) -> Option<FirmwareError> {
        self.refused.take()
    }

    /// An address for what was refused, so that a class that would panic is built: its firmware is only to learn why it
    /// does not fit.
    pub(super) fn feign(&mut self, direction: Direction) -> Option<EndpointAddress> {
        let address = self.free_number(direction)?;
        self.feigned.push(address);
        Some(address)
    }

    /// Gives away an endpoint: the most specific one that suits, or the one with this address.
    ///
    /// # Errors
    /// As [`usb_device::bus::UsbBus::alloc_ep`] has them.
    pub(super) fn allocate(
        &mut self,
        direction: Direction,
        transfer_type: TransferType,
        packet_size: u16,
        wanted: Option<EndpointAddress>,
    ) -> Result<EndpointAddress, UsbError> {
        let suits = |endpoint: &&UdcEndpoint| {
            let limit = endpoint.packet_limit();
            endpoint.suits(direction, transfer_type)
                && limit.is_none_or(|limit| packet_size <= limit)
        };
        let found = self.choose(direction, &suits, wanted);
        if let Some((place, address)) = found {
            self.taken.push((address, place));
            return Ok(address);
        }
        if let Some(address) = wanted {
            log::warn!("{} has no {transfer_type} {address} free", self.udc.name());
            return Err(UsbError::InvalidEndpoint);
        }
        let error = FirmwareError::EndpointOverflow {
            udc: self.udc.name().to_owned(),
            direction,
            transfer_type,
            packet_size,
            suitable: self.udc.endpoints().iter().filter(suits).count(),
        };
        // Most classes panic at what is returned, so that nothing but the log says why.
        log::error!("{error}");
        self.refused.get_or_insert(error);
        Err(UsbError::EndpointOverflow)
    }

    fn choose(
        &self,
        direction: Direction,
        suits: &dyn Fn(&&UdcEndpoint) -> bool,
        wanted: Option<EndpointAddress>,
    ) -> Option<(usize, EndpointAddress)> {
        let endpoints = self.udc.endpoints().iter().enumerate();
        endpoints
            .filter(|(place, endpoint)| {
                self.taken.iter().all(|(_, taken)| taken != place) && suits(endpoint)
            })
            .filter_map(|(place, endpoint)| {
                let address = match (wanted, endpoint.number()) {
                    (None, None) => self.free_number(direction)?,
                    (None, Some(number)) => EndpointAddress::new(number, direction).ok()?,
                    (Some(wanted), None) => wanted,
                    (Some(wanted), Some(number)) if wanted.number() == number => wanted,
                    (Some(_), Some(_)) => return None,
                };
                let is_free = self.taken.iter().all(|&(taken, _)| taken != address);
                is_free.then_some((place, address))
            })
            // The first of the most specific ones, which suit fewest others.
            .min_by_key(|&(place, _)| {
                let endpoint = &self.udc.endpoints()[place];
                (
                    usize::MAX - endpoint.specificity(),
                    wanted.is_some() && endpoint.number().is_none(),
                )
            })
    }

    /// A number for an endpoint that may have any: if possible one that no other endpoint has for good.
    fn free_number(&self, direction: Direction) -> Option<EndpointAddress> {
        let is_fixed = |address: &EndpointAddress| {
            self.udc.endpoints().iter().any(|endpoint| {
                endpoint.number() == Some(address.number())
                    && endpoint.direction().is_none_or(|one| one == direction)
            })
        };
        let free = || {
            (1..=15)
                .filter_map(|number| EndpointAddress::new(number, direction).ok())
                .filter(|address| self.taken.iter().all(|(taken, _)| taken != address))
                .filter(|address| !self.feigned.contains(address))
        };
        free()
            .find(|address| !is_fixed(address))
            .or_else(|| free().next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{In, Out};
    use TransferType::{Bulk, Interrupt, Isochronous};

    fn byte(result: Result<EndpointAddress, UsbError>) -> u8 {
        result.unwrap().to_byte()
    }

    #[test]
    fn dummy_hcd_gives_specific_endpoints_first_and_then_generic_ones() {
        let mut allocation = Allocation::new(Udc::dummy_hcd());
        let mut take = |direction, kind| byte(allocation.allocate(direction, kind, 64, None));
        assert_eq!(take(In, Bulk), 0x81);
        assert_eq!(take(Out, Bulk), 0x02);
        assert_eq!(take(In, Interrupt), 0x85);
        // No interrupt OUT endpoint, so a generic one, with a number that no bulk endpoint has.
        assert_eq!(take(Out, Interrupt), 0x03);
        let numbers: Vec<u8> = (0..3).map(|_| take(Out, Bulk)).collect();
        assert_eq!(numbers, [0x07, 0x0c, 0x01]);
    }

    #[test]
    fn what_is_not_there_is_refused_with_the_limit() {
        let mut allocation = Allocation::new(Udc::from_endpoint_names("small", ["ep1in-bulk"]));
        assert_eq!(byte(allocation.allocate(In, Bulk, 64, None)), 0x81);
        let second = allocation.allocate(In, Bulk, 64, None);
        assert_eq!(second, Err(UsbError::EndpointOverflow));
        let refused = allocation.take_refused().unwrap().to_string();
        assert!(refused.contains("small has 1"), "{refused}");
        assert_eq!(
            allocation.allocate(Out, Isochronous, 64, None),
            Err(UsbError::EndpointOverflow)
        );
    }

    #[test]
    fn an_address_is_honoured_or_invalid() {
        let mut allocation = Allocation::new(Udc::dummy_hcd());
        let at = |byte: u8| EndpointAddress::try_from(byte).ok();
        assert_eq!(byte(allocation.allocate(In, Bulk, 64, at(0x86))), 0x86);
        let again = allocation.allocate(In, Bulk, 64, at(0x86));
        // A generic endpoint could have the number, but it is taken.
        assert_eq!(again, Err(UsbError::InvalidEndpoint));
        assert_eq!(byte(allocation.allocate(In, Interrupt, 64, at(0x84))), 0x84);
        assert!(allocation.take_refused().is_none());
    }
}
