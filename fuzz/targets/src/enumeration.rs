//! The host library, with a device that says anything of itself.

use usbfs2_host::{
    Buffer, Bulk, EndpointDirection, Host, In, Interface, Interrupt, IsochronousTransfer, Out,
};
use usbfs2_loopback::Bus;
use usbfs2_protocol::Direction;

use crate::HANG;
use crate::puppet::{Lines, Puppet};
use crate::script::Script;

/// A device is listed, opened and claimed, or refused with an error.
pub(crate) fn enumeration(input: &[u8]) {
    let mut script = Script::new(input);
    let lines = Lines {
        device: script.counted().to_vec(),
        configuration: {
            let length = usize::from(script.word() % 1024);
            script.some(length).to_vec()
        },
        endpoints: Vec::new(),
        control: script.some(usize::MAX).to_vec(),
        data: Vec::new(),
    };
    let bus = Bus::new();
    let _puppet = Puppet::plug(&bus, lines);
    let host = Host::on(&bus);
    for info in host
        .devices()
        .expect("the in-process bus lists its devices")
    {
        let _ = (info.product(), info.speed(), info.vendor_id());
        for index in 0..4 {
            let _ = info.driver(index);
        }
    }
    let Ok(device) = host.open(&"1-1".into()) else {
        return;
    };
    let _ = device.string_blocking(1);
    let Ok(configuration) = device.configuration().cloned() else {
        return;
    };
    for interface in &configuration.interfaces {
        for setting in &interface.alternate_settings {
            let Ok(claimed) = device.claim(setting.interface_number) else {
                continue;
            };
            let _ = claimed.set_alternate_setting(setting.alternate_setting);
            for endpoint in &setting.endpoints {
                let address = u8::from(endpoint.address);
                // One of each kind fits at most; the others say so.
                match endpoint.address.direction() {
                    Direction::In => {
                        drop(claimed.endpoint::<Bulk, In>(address));
                        drop(claimed.endpoint::<Interrupt, In>(address));
                        let receive = IsochronousTransfer::receive;
                        packet::<In>(&claimed, address, |size| {
                            receive(Buffer::with_capacity(size as usize), vec![size])
                        });
                    }
                    Direction::Out => {
                        drop(claimed.endpoint::<Bulk, Out>(address));
                        drop(claimed.endpoint::<Interrupt, Out>(address));
                        packet::<Out>(&claimed, address, |size| {
                            IsochronousTransfer::send(vec![0; size as usize].into(), vec![size])
                        });
                    }
                }
            }
        }
    }
}

/// A packet as large as the endpoint says it takes ends, though the device never enables the endpoint.
fn packet<D: EndpointDirection>(
    claimed: &Interface,
    address: u8,
    transfer: impl FnOnce(u32) -> IsochronousTransfer,
) {
    let Ok(mut endpoint) = claimed.isochronous_endpoint::<D>(address) else {
        return;
    };
    let _ = endpoint.service_interval();
    let size = u32::try_from(endpoint.max_packet_size()).expect("a packet is not as long");
    endpoint.submit(transfer(size));
    let done = endpoint.wait(Some(HANG)).expect("it ends");
    assert!(done.status.is_err());
}
