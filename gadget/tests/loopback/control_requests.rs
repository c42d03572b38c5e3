//! Requests to endpoint 0 (USB 2.0 9.4).

use std::sync::Arc;

use usbfs2_gadget::{
    ControlRequest, ControlResponse, ControlTarget, Direction, EndpointAddress, EndpointRequest,
    Endpoints, Function, FunctionBuilder, FunctionError, InterfaceClass, Recipient, RequestKind,
    RequestType, SetupPacket, Speed,
};
use usbfs2_loopback::{BusDevice, BusError};

use crate::echo::{FETCH, PATIENCE, STORE, Setting, gadget};

fn read(host: &BusDevice, setup: SetupPacket) -> Result<Vec<u8>, BusError> {
    host.control(setup, &[], PATIENCE)
}

fn write(host: &BusDevice, setup: SetupPacket, data: &[u8]) -> Result<(), BusError> {
    host.control(setup, data, PATIENCE).map(drop)
}

#[test]
fn vendor_requests_carry_data_both_ways() {
    let setting = Setting::new(gadget().1, Speed::High);
    let host = &setting.host;
    let store = SetupPacket::device_out(RequestKind::Vendor, STORE, 0, 0, 5);
    write(host, store, b"bytes").unwrap();
    let fetch = |length| SetupPacket::device_in(RequestKind::Vendor, FETCH, 0, 0, length);
    assert_eq!(read(host, fetch(64)).unwrap(), b"bytes");
    // The host gets no more than it asked for.
    assert_eq!(read(host, fetch(2)).unwrap(), b"by");
    // OUT requests cannot be answered with data.
    let fetch_out = SetupPacket::device_out(RequestKind::Vendor, FETCH, 0, 0, 0);
    assert_eq!(write(host, fetch_out, &[]), Err(BusError::Stall));
    // An IN request that is merely acknowledged has an empty data stage.
    let store_in = SetupPacket::device_in(RequestKind::Vendor, STORE, 0, 0, 8);
    assert_eq!(read(host, store_in).unwrap(), b"");
}

#[test]
fn unknown_requests_stall_and_the_next_one_works() {
    let setting = Setting::new(gadget().1, Speed::High);
    let host = &setting.host;
    let unknown = [
        SetupPacket::device_in(RequestKind::Vendor, 0x99, 0, 0, 8),
        SetupPacket::device_in(RequestKind::Standard, 0x77, 0, 0, 8),
        // No such interface, string, descriptor, language.
        SetupPacket::class_interface_in(1, 0, 9, 8),
        SetupPacket::get_interface(9),
        SetupPacket::get_interface_status(9),
        SetupPacket::get_descriptor(3, 200, 0x0409, 255),
        SetupPacket::get_descriptor(3, 1, 0x0407, 255),
        SetupPacket::get_descriptor(2, 1, 0, 255),
        SetupPacket::get_descriptor(15, 0, 0, 255),
        SetupPacket::get_interface_descriptor(0x23, 0, 0, 255),
        SetupPacket::get_interface_descriptor(0x22, 1, 0, 255),
    ];
    for setup in unknown {
        assert_eq!(read(host, setup), Err(BusError::Stall), "{setup}");
        assert_eq!(read(host, SetupPacket::get_configuration()), Ok(vec![1]));
    }
    for setup in [
        SetupPacket::set_configuration(2),
        SetupPacket::set_interface(0, 1),
        SetupPacket::set_interface(9, 0),
    ] {
        assert_eq!(write(host, setup, &[]), Err(BusError::Stall), "{setup}");
    }
    assert_eq!(read(host, SetupPacket::get_configuration()), Ok(vec![1]));
}

#[test]
fn states_and_features_are_read_and_written() {
    let builder = gadget().1.self_powered(true).remote_wakeup(true);
    let setting = Setting::new(builder, Speed::High);
    let host = &setting.host;
    let status = SetupPacket::get_device_status();
    assert_eq!(read(host, status), Ok(vec![1, 0]));
    let wakeup = |request| SetupPacket::device_out(RequestKind::Standard, request, 1, 0, 0);
    write(host, wakeup(3), &[]).unwrap();
    assert_eq!(read(host, status), Ok(vec![3, 0]));
    write(host, wakeup(1), &[]).unwrap();
    assert_eq!(read(host, status), Ok(vec![1, 0]));
    assert_eq!(read(host, SetupPacket::get_interface(0)), Ok(vec![0]));
    assert_eq!(
        read(host, SetupPacket::get_interface_status(0)),
        Ok(vec![0, 0])
    );
    write(host, SetupPacket::set_configuration(0), &[]).unwrap();
    assert_eq!(read(host, SetupPacket::get_configuration()), Ok(vec![0]));
    // A device that is not configured has no interfaces.
    for setup in [
        SetupPacket::get_interface(0),
        SetupPacket::get_interface_status(0),
    ] {
        assert_eq!(read(host, setup), Err(BusError::Stall), "{setup}");
    }
}

#[test]
fn strings_are_read_in_the_languages_listed() {
    let setting = Setting::new(gadget().1.product("Größe 🎹"), Speed::High);
    let string = |index, language| {
        let setup = SetupPacket::get_descriptor(3, index, language, 255);
        read(&setting.host, setup).unwrap()
    };
    assert_eq!(string(0, 0), [4, 3, 0x09, 0x04]);
    let product = string(2, 0x0409);
    assert_eq!((usize::from(product[0]), product[1]), (product.len(), 3));
    let units: Vec<u16> = product[2..]
        .chunks(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    assert_eq!(String::from_utf16(&units).unwrap(), "Größe 🎹");
}

#[test]
fn descriptors_of_an_interface_are_those_declared() {
    let setting = Setting::new(gadget().1, Speed::High);
    let get = |kind| {
        let setup = SetupPacket::get_interface_descriptor(kind, 0, 0, 255);
        read(&setting.host, setup)
    };
    assert_eq!(get(0x22).unwrap(), b"beside");
    assert_eq!(get(0x24).unwrap(), [4, 0x24, 0xaa, 0xbb]);
}

/// Answers every IN request with its name and what was addressed.
struct Namer(&'static str);

impl Function for Namer {
    fn name(&self) -> &str {
        self.0
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        builder.interface(InterfaceClass::VENDOR);
        let mut second = builder.interface(InterfaceClass::VENDOR);
        second.endpoint(EndpointRequest::bulk(Direction::In));
    }

    fn control(&self, request: &ControlRequest) -> ControlResponse {
        let target = match request.target {
            ControlTarget::Device if self.0 == "one" => return ControlResponse::Stall,
            ControlTarget::Device => "device".to_owned(),
            ControlTarget::Interface(handle) => format!("interface {}", handle.index()),
            ControlTarget::Endpoint(handle) => format!("endpoint {}", handle.index()),
        };
        ControlResponse::Data(format!("{} {target}", self.0).into_bytes())
    }

    fn run(&self, endpoints: Endpoints) -> Result<(), FunctionError> {
        endpoints.session().wait_disabled();
        Ok(())
    }
}

#[test]
fn requests_reach_the_function_they_are_addressed_to() {
    let builder = usbfs2_gadget::Gadget::builder(crate::echo::IDS)
        .function(Arc::new(Namer("one")))
        .function(Arc::new(Namer("two")));
    let setting = Setting::new(builder, Speed::High);
    let ask = |recipient, index| {
        let setup = SetupPacket {
            request_type: RequestType {
                direction: Direction::In,
                kind: RequestKind::Vendor,
                recipient,
            },
            request: 1,
            value: 0,
            index,
            length: 64,
        };
        String::from_utf8(read(&setting.host, setup).unwrap()).unwrap()
    };
    let endpoint = |number| {
        let address = EndpointAddress::new(number, Direction::In).unwrap();
        u16::from(address.to_byte())
    };
    assert_eq!(ask(Recipient::Interface, 0), "one interface 0");
    assert_eq!(ask(Recipient::Interface, 1), "one interface 1");
    assert_eq!(ask(Recipient::Interface, 3), "two interface 1");
    assert_eq!(ask(Recipient::Endpoint, endpoint(1)), "one endpoint 0");
    assert_eq!(ask(Recipient::Endpoint, endpoint(2)), "two endpoint 0");
    // The first function stalls it, so the second is asked.
    assert_eq!(ask(Recipient::Device, 0), "two device");
}
