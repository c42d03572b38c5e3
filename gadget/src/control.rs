//! Answers to control requests (USB 2.0 9.4, USB 3.2 9.4). A backend keeps back what its controller or
//! the kernel answers itself.

use usbfs2_protocol::standard::{descriptor_type, feature, request};
use usbfs2_protocol::{Recipient, SetupPacket, Speed};

use crate::controller::Controller;
use crate::describe::{EndpointHandle, InterfaceHandle};
use crate::descriptors;
use crate::device::Device;
use crate::function::{ControlRequest, ControlResponse, ControlTarget};

/// Features of super speed that gadgets acknowledge without effect (USB 3.2 table 9-7).
const FUNCTION_SUSPEND: u16 = 0;
const U1_ENABLE: u16 = 48;
const U2_ENABLE: u16 = 49;
const LTM_ENABLE: u16 = 50;

impl<C: Controller> Device<C> {
    pub(super) fn standard_request(&mut self, setup: &SetupPacket) -> ControlResponse {
        let [value_low, _] = setup.value.to_le_bytes();
        if self.controller.is_composed() && setup.request_type.recipient != Recipient::Interface {
            return ControlResponse::Stall;
        }
        match (setup.request_type.recipient, setup.request) {
            (Recipient::Device, request::GET_DESCRIPTOR) => self.device_descriptor(setup),
            (Recipient::Interface, request::GET_DESCRIPTOR) => self.interface_descriptor(setup),
            (Recipient::Device, request::GET_CONFIGURATION) => {
                ControlResponse::Data(vec![self.configuration])
            }
            (Recipient::Device, request::SET_CONFIGURATION) => self.set_configuration(value_low),
            (Recipient::Interface, request::GET_INTERFACE) => self.get_interface(setup),
            (Recipient::Interface, request::SET_INTERFACE) => match setup.interface() {
                Some(number) => self.set_interface(number, value_low),
                None => ControlResponse::Stall,
            },
            (recipient, request::GET_STATUS) => self.status_of(recipient, setup),
            (recipient, request::SET_FEATURE) => self.feature(recipient, setup.value, true),
            (recipient, request::CLEAR_FEATURE) => self.feature(recipient, setup.value, false),
            (Recipient::Device, request::SET_SEL | request::SET_ISOCH_DELAY)
                if self.controller.speed() >= Speed::Super =>
            {
                ControlResponse::Acknowledge
            }
            _ => ControlResponse::Stall,
        }
    }

    fn device_descriptor(&self, setup: &SetupPacket) -> ControlResponse {
        let model = &*self.gadget.model;
        let speed = self.controller.speed();
        let [index, kind] = setup.value.to_le_bytes();
        let has_other_speed = matches!(speed, Speed::Full | Speed::High)
            && model.supports(Speed::Full)
            && model.supports(Speed::High);
        let bytes = match (kind, index) {
            (descriptor_type::DEVICE, 0) => Some(descriptors::device(model, speed)),
            (descriptor_type::CONFIGURATION, 0) => {
                Some(descriptors::configuration(model, &self.layout, speed))
            }
            (descriptor_type::DEVICE_QUALIFIER, 0) if has_other_speed => {
                Some(descriptors::qualifier(model))
            }
            (descriptor_type::OTHER_SPEED_CONFIGURATION, 0) if has_other_speed => Some(
                descriptors::other_speed_configuration(model, &self.layout, speed),
            ),
            (descriptor_type::BOS, 0) if speed >= Speed::Super => {
                Some(descriptors::binary_object_store())
            }
            (descriptor_type::STRING, index) => descriptors::string(model, index, setup.index),
            _ => None,
        };
        bytes.map_or(ControlResponse::Stall, ControlResponse::Data)
    }

    /// Class-specific descriptors of an interface: those in the configuration and those beside it.
    fn interface_descriptor(&self, setup: &SetupPacket) -> ControlResponse {
        let [index, kind] = setup.value.to_le_bytes();
        let Some((function, interface)) = setup.interface().and_then(|n| self.interface(n)) else {
            return ControlResponse::Stall;
        };
        let interface = &self.gadget.model.functions[function].interfaces[interface];
        let setting = usize::from(self.alternate_settings[interface.number]);
        let beside = interface.descriptors.iter();
        let beside = beside.filter_map(|(of, bytes)| (*of == kind).then_some(bytes));
        let within = interface.alternate_settings.get(setting).into_iter();
        let within = within.flat_map(|setting| &setting.class_descriptors);
        let within = within.filter(|bytes| bytes.get(1) == Some(&kind));
        let found = beside.chain(within).nth(usize::from(index));
        found.map_or(ControlResponse::Stall, |bytes| {
            ControlResponse::Data(bytes.clone())
        })
    }

    fn get_interface(&self, setup: &SetupPacket) -> ControlResponse {
        let number = setup.interface().filter(|_| self.configuration != 0);
        let setting = number.and_then(|number| self.alternate_settings.get(usize::from(number)));
        setting.map_or(ControlResponse::Stall, |&setting| {
            ControlResponse::Data(vec![setting])
        })
    }

    fn status_of(&self, recipient: Recipient, setup: &SetupPacket) -> ControlResponse {
        let status = match recipient {
            Recipient::Device => {
                u8::from(self.gadget.model.self_powered) | u8::from(self.remote_wakeup_enabled) << 1
            }
            // A device that is not configured has no interface (USB 2.0 9.4.5).
            Recipient::Interface
                if self.configuration != 0
                    && setup
                        .interface()
                        .is_some_and(|n| self.interface(n).is_some()) =>
            {
                0
            }
            // Endpoints are the controller's.
            _ => return ControlResponse::Stall,
        };
        ControlResponse::Data(vec![status, 0])
    }

    fn feature(&mut self, recipient: Recipient, selector: u16, set: bool) -> ControlResponse {
        let is_super_speed = self.controller.speed() >= Speed::Super;
        match (recipient, selector) {
            (Recipient::Device, feature::DEVICE_REMOTE_WAKEUP)
                if self.gadget.model.remote_wakeup =>
            {
                self.remote_wakeup_enabled = set;
                ControlResponse::Acknowledge
            }
            (Recipient::Device, U1_ENABLE | U2_ENABLE | LTM_ENABLE)
            | (Recipient::Interface, FUNCTION_SUSPEND)
                if is_super_speed =>
            {
                ControlResponse::Acknowledge
            }
            _ => ControlResponse::Stall,
        }
    }

    /// Class and vendor requests go to the function that has the interface or endpoint; those to the device
    /// to each function in turn, until one takes it.
    pub(super) fn function_request(&self, setup: &SetupPacket, data: Vec<u8>) -> ControlResponse {
        let (functions, target) = match setup.request_type.recipient {
            Recipient::Interface => {
                let number = setup.interface().unwrap_or_default();
                let Some((function, index)) = self.interface(number) else {
                    return ControlResponse::Stall;
                };
                // An index below `number`, which is a byte.
                let index = u8::try_from(index).unwrap_or_default();
                let handle = InterfaceHandle::new(index, number);
                (function..function + 1, ControlTarget::Interface(handle))
            }
            Recipient::Endpoint => {
                let found = setup.endpoint().and_then(|one| self.layout.find(one));
                let Some((function, index)) = found else {
                    return ControlResponse::Stall;
                };
                let handle = EndpointHandle(index);
                (function..function + 1, ControlTarget::Endpoint(handle))
            }
            _ => (0..self.gadget.functions.len(), ControlTarget::Device),
        };
        let request = ControlRequest {
            setup: *setup,
            data,
            target,
        };
        for function in functions {
            let function = &self.gadget.functions[function];
            let call = || function.control(&request);
            match self.guard(function, "control", ControlResponse::Stall, call) {
                ControlResponse::Stall => {}
                response => return response,
            }
        }
        ControlResponse::Stall
    }
}
