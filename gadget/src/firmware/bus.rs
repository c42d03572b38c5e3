//! What usb-device asks of a peripheral driver.

use std::sync::Arc;

use usb_device::bus::{PollResult, UsbBus};
use usb_device::endpoint::{EndpointAddress as UsbAddress, EndpointType};
use usb_device::{UsbDirection, UsbError};
use usbfs2_protocol::{Direction, EndpointAddress, TransferType};

use super::FirmwareBus;
use super::data::DataEndpoint;

/// Both are the byte of a descriptor.
fn address(address: UsbAddress) -> Result<EndpointAddress, UsbError> {
    EndpointAddress::try_from(u8::from(address)).map_err(|_| UsbError::InvalidEndpoint)
}

impl UsbBus for FirmwareBus {
    fn alloc_ep(
        &mut self,
        direction: UsbDirection,
        wanted: Option<UsbAddress>,
        kind: EndpointType,
        max_packet_size: u16,
        _interval: u8,
    ) -> Result<UsbAddress, UsbError> {
        let mut state = self.shared.lock();
        let state = &mut *state;
        let wanted = wanted.map(address).transpose()?;
        let transfer_type = TransferType::from_attributes(kind.to_bm_attributes());
        if transfer_type == TransferType::Control {
            // Endpoint 0 in both directions is asked for by its number. Control endpoints besides no host uses.
            return match wanted {
                Some(zero) if zero.number() == 0 => {
                    state.add_control(max_packet_size);
                    Ok(UsbAddress::from(zero.to_byte()))
                }
                _ => Err(UsbError::Unsupported),
            };
        }
        if transfer_type == TransferType::Isochronous
            && let Err(error) = state.target.look_for_isochronous(&mut state.allocation)
        {
            log::warn!("looking for isochronous endpoints: {error}");
        }
        let direction = match direction {
            UsbDirection::Out => Direction::Out,
            UsbDirection::In => Direction::In,
        };
        let allocation = &mut state.allocation;
        let allocated = allocation.allocate(direction, transfer_type, max_packet_size, wanted);
        let address = match allocated {
            Err(UsbError::EndpointOverflow) if state.target.is_check() => {
                let feigned = allocation.feign(direction);
                feigned.ok_or(UsbError::EndpointOverflow)?
            }
            allocated => allocated?,
        };
        state.add_endpoint(DataEndpoint::new(address, transfer_type, max_packet_size));
        Ok(UsbAddress::from(address.to_byte()))
    }

    fn enable(&mut self) {
        self.shared.lock().built();
        self.shared.signal.notify();
    }

    /// Endpoint 0's thread has disabled what was enabled before it told of the reset.
    fn reset(&self) {}

    /// The controller has answered SET_ADDRESS itself.
    fn set_device_address(&self, _address: u8) {}

    fn write(&self, to: UsbAddress, packet: &[u8]) -> Result<usize, UsbError> {
        self.shared.lock().write(address(to)?, packet, &self.shared)
    }

    fn read(&self, from: UsbAddress, buffer: &mut [u8]) -> Result<usize, UsbError> {
        self.shared.lock().read(address(from)?, buffer)
    }

    fn set_stalled(&self, of: UsbAddress, stalled: bool) {
        if let Ok(of) = address(of) {
            self.shared.lock().set_stalled(of, stalled, &self.shared);
        }
    }

    fn is_stalled(&self, of: UsbAddress) -> bool {
        address(of).is_ok_and(|of| self.shared.lock().is_stalled(of))
    }

    /// The controller's driver saves what power it can.
    fn suspend(&self) {}

    fn resume(&self) {}

    fn poll(&self) -> PollResult {
        let shared = Arc::clone(&self.shared);
        self.shared.lock().poll(&shared)
    }

    /// Not possible: a gadget on Linux leaves the bus for good.
    fn force_reset(&self) -> Result<(), UsbError> {
        log::warn!("force_reset: Linux has no such thing; stop the firmware and start it again");
        self.shared.lock().counters.force_resets_refused += 1;
        Err(UsbError::Unsupported)
    }
}
