//! Firmware's classes as `usbfs2 gadget check` sees them: their descriptors, which they show only to a host.

use std::sync::Arc;
use std::time::Duration;

use usbfs2_gadget::{
    Direction, EndpointRequest, Endpoints, Function, FunctionBuilder, FunctionError, InterfaceClass,
};

/// A function of which only the descriptors count.
struct Described {
    name: &'static str,
    describe: fn(&mut FunctionBuilder<'_>),
}

impl Function for Described {
    fn name(&self) -> &str {
        self.name
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        (self.describe)(builder);
    }

    fn run(&self, endpoints: Endpoints) -> Result<(), FunctionError> {
        endpoints.session().wait_disabled();
        Ok(())
    }
}

const CLASS_INTERFACE: u8 = 0x24;
const CLASS_ENDPOINT: u8 = 0x25;

const fn class(class: u8, subclass: u8) -> InterfaceClass {
    InterfaceClass {
        class,
        subclass,
        protocol: 0,
    }
}

/// CDC ACM as `usbd-serial` has it.
pub(super) fn serial() -> Arc<dyn Function> {
    Arc::new(Described {
        name: "serial",
        describe: |builder| {
            let mut control = builder.interface(class(0x02, 0x02));
            // Header, ACM, union and call management (CDC 1.2, 5.2.3; PSTN 1.2, 5.3).
            control.class_descriptor([5, CLASS_INTERFACE, 0x00, 0x10, 0x01]);
            control.class_descriptor([4, CLASS_INTERFACE, 0x02, 0x00]);
            control.class_descriptor([5, CLASS_INTERFACE, 0x06, 0, 1]);
            control.class_descriptor([5, CLASS_INTERFACE, 0x01, 0x00, 1]);
            let every = Duration::from_millis(255);
            control.endpoint(EndpointRequest::interrupt(Direction::In, 8, every));
            let mut data = builder.interface(class(0x0a, 0));
            data.endpoint(EndpointRequest::bulk(Direction::Out));
            data.endpoint(EndpointRequest::bulk(Direction::In));
        },
    })
}

/// One MIDI port each way, as `usbd-midi` has it (MIDI 1.0 class, appendix B).
pub(super) fn midi() -> Arc<dyn Function> {
    Arc::new(Described {
        name: "midi",
        describe: |builder| {
            let mut control = builder.interface(class(0x01, 0x01));
            control.class_descriptor([9, CLASS_INTERFACE, 0x01, 0, 1, 9, 0, 1, 1]);
            let mut streaming = builder.interface(class(0x01, 0x03));
            streaming.class_descriptor([7, CLASS_INTERFACE, 0x01, 0, 1, 0x41, 0]);
            // An external and an embedded jack each way.
            streaming.class_descriptor([6, CLASS_INTERFACE, 0x02, 0x02, 1, 0]);
            streaming.class_descriptor([6, CLASS_INTERFACE, 0x02, 0x01, 4, 0]);
            streaming.class_descriptor([9, CLASS_INTERFACE, 0x03, 0x02, 3, 1, 4, 1, 0]);
            streaming.class_descriptor([9, CLASS_INTERFACE, 0x03, 0x01, 2, 1, 1, 1, 0]);
            for (direction, jack) in [(Direction::Out, 4), (Direction::In, 2)] {
                let associated = [5, CLASS_ENDPOINT, 0x01, 1, jack];
                streaming.endpoint(EndpointRequest::bulk(direction).class_descriptor(associated));
            }
        },
    })
}
