//! A device that has a report in every microframe and room for one, and a reader that is away for seconds.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use usbfs2_gadget::{
    Buffer, ControlRequest, ControlResponse, DeviceIds, Direction, Endpoint, EndpointRequest,
    Endpoints, Function, FunctionBuilder, FunctionError, Gadget, InterfaceClass, PerSpeed, Running,
    Speed,
};
use usbfs2_hid::{HidDevice, InputReport, Reports};
use usbfs2_host::Host;
use usbfs2_loopback::Bus;
use usbfs2_protocol::hid::HidDescriptor;
use usbfs2_protocol::standard::descriptor_type;

const MICROFRAMES_A_SECOND: u32 = 8_000;

/// Four vendor-defined bytes.
const REPORT_DESCRIPTOR: [u8; 18] = [
    0x06, 0x00, 0xff, 0x09, 0x01, 0xa1, 0x01, 0x09, 0x02, 0x26, 0xff, 0x00, 0x75, 0x08, 0x95, 0x04,
    0x81, 0x02,
];

/// Hands its endpoint to the test, which is the device from then on.
struct Firmware(Mutex<Sender<Endpoint>>);

impl Function for Firmware {
    fn name(&self) -> &str {
        "counter"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let descriptor = [&REPORT_DESCRIPTOR[..], &[0xc0]].concat();
        let length = u16::try_from(descriptor.len()).unwrap();
        // At high speed 1 is a microframe (USB 2.0 9.6.6).
        let endpoint = EndpointRequest::interrupt(Direction::In, 4, Duration::from_millis(1));
        let endpoint = endpoint.intervals(PerSpeed::all(1));
        builder
            .interface(InterfaceClass::new(3, 0, 0))
            .class_descriptor(HidDescriptor::new(length).to_bytes())
            .descriptor(descriptor_type::HID_REPORT, descriptor)
            .endpoint(endpoint);
    }

    fn control(&self, _: &ControlRequest) -> ControlResponse {
        ControlResponse::Stall
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let endpoint = endpoints.take(0)?;
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sender.send(endpoint).map_err(FunctionError::other)?;
        drop(sender);
        endpoints.session().wait_disabled();
        Ok(())
    }
}

/// The device and its reader, in one thread: what happens is the same in every run.
struct Desk {
    bus: Bus,
    endpoint: Endpoint,
    hid: HidDevice,
    /// The number in the next report.
    next: u32,
    /// Numbers that were still waiting when the next was there.
    dropped: Vec<u32>,
    _running: Running,
}

impl Desk {
    fn new() -> Self {
        let bus = Bus::with_manual_clock();
        let (sender, receiver) = channel();
        let ids = DeviceIds {
            vendor: 0x1209,
            product: 1,
            release: 0x0100,
        };
        let gadget = Gadget::builder(ids)
            .function(Arc::new(Firmware(Mutex::new(sender))))
            .build()
            .unwrap();
        let running = gadget.start_on(&bus, Speed::High).unwrap();
        let host = Host::on(&bus);
        let device = host.devices().unwrap().remove(0);
        let hid = HidDevice::open_blocking(&host.open(device.id()).unwrap()).unwrap();
        Self {
            bus,
            endpoint: receiver.recv().unwrap(),
            hid,
            next: 0,
            dropped: Vec::new(),
            _running: running,
        }
    }

    /// A microframe: the device has a new report, and overwrites one that the host has not taken.
    fn microframe(&mut self) {
        if self.endpoint.wait(Some(Duration::ZERO)).is_none() && self.endpoint.pending() > 0 {
            self.endpoint.cancel_all();
            let completion = self.endpoint.wait(None).unwrap();
            assert!(completion.status.is_err());
            self.dropped.push(self.next - 1);
        }
        self.endpoint
            .submit(Buffer::from(self.next.to_le_bytes().to_vec()));
        self.next += 1;
        self.bus.step(1);
    }
}

fn read(reports: &mut Reports) -> Option<InputReport> {
    reports.next_timeout(Duration::ZERO).unwrap()
}

fn number(report: &InputReport) -> u32 {
    u32::from_le_bytes(report.bytes[..].try_into().unwrap())
}

#[test]
fn a_minute_of_reports_arrives_whole_though_the_reader_is_away_every_other_second() {
    const SECONDS: u32 = 60;
    let mut desk = Desk::new();
    let mut reports = desk.hid.reports().unwrap();
    let mut expected = 0;
    for second in 0..SECONDS {
        let is_away = second % 2 == 0;
        for _ in 0..MICROFRAMES_A_SECOND {
            desk.microframe();
            while !is_away && let Some(report) = read(&mut reports) {
                assert_eq!((number(&report), report.overflows_before), (expected, 0));
                expected += 1;
            }
        }
    }
    assert_eq!(expected, SECONDS * MICROFRAMES_A_SECOND);
    assert_eq!((desk.dropped.len(), reports.overflows()), (0, 0));
}

#[test]
fn what_is_beyond_the_bound_is_told_where_it_is_missing() {
    const DEPTH: u32 = 100;
    const AWAY: u32 = 150;
    let mut desk = Desk::new();
    let mut reports = desk.hid.reports_with_depth(DEPTH as usize).unwrap();
    (0..AWAY).for_each(|_| desk.microframe());
    // The last report of all is still in the device.
    let last = AWAY - 1;
    let kept = (0..DEPTH).chain([last]);
    for expected in kept {
        let report = read(&mut reports).unwrap();
        assert_eq!(number(&report), expected);
        assert_eq!(report.overflows_before, u64::from(expected == last));
    }
    assert_eq!(read(&mut reports), None);
    assert_eq!(desk.dropped, (DEPTH..last).collect::<Vec<_>>());
    assert_eq!(reports.overflows(), 1);
    // And it goes on as if nothing had happened.
    desk.microframe();
    let report = read(&mut reports).unwrap();
    assert_eq!((number(&report), report.overflows_before), (AWAY, 0));
}
