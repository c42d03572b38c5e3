//! A device that is one isochronous IN endpoint and sends nothing, for tests.

use std::sync::Arc;
use std::time::Duration;

use usbfs2_gadget::{
    ControlRequest, ControlResponse, DeviceIds, Direction, EndpointRequest, Endpoints, Function,
    FunctionBuilder, FunctionError, Gadget, InterfaceClass, Running,
};
use usbfs2_host::{EndpointAddress, Host, In, Interface, IsochronousEndpoint, Speed};
use usbfs2_loopback::Bus;

struct Silent;

impl Function for Silent {
    fn name(&self) -> &str {
        "silent"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let request = EndpointRequest::isochronous(Direction::In, 4, Duration::from_millis(1));
        builder
            .interface(InterfaceClass::new(0xff, 0, 0))
            .endpoint(request);
    }

    fn control(&self, _: &ControlRequest) -> ControlResponse {
        ControlResponse::Stall
    }

    fn run(&self, endpoints: Endpoints) -> Result<(), FunctionError> {
        endpoints.session().wait_disabled();
        Ok(())
    }
}

/// The device at high speed, on a bus whose clock the test steps.
pub(crate) struct OneEndpoint {
    pub(crate) bus: Bus,
    interface: Interface,
    _running: Running,
}

impl OneEndpoint {
    pub(crate) fn plug() -> Self {
        let bus = Bus::with_manual_clock();
        let ids = DeviceIds {
            vendor: 0x1209,
            product: 1,
            release: 0x0100,
        };
        let gadget = Gadget::builder(ids).function(Arc::new(Silent)).build();
        let running = gadget.unwrap().start_on(&bus, Speed::High).unwrap();
        let host = Host::on(&bus);
        let info = host.devices().unwrap().remove(0);
        Self {
            interface: host.open(info.id()).unwrap().claim(0).unwrap(),
            bus,
            _running: running,
        }
    }

    pub(crate) fn open(&self) -> IsochronousEndpoint<In> {
        let address = EndpointAddress::new(1, Direction::In).unwrap();
        self.interface.isochronous_endpoint(address).unwrap()
    }
}
