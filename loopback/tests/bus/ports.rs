//! Ports, cables and those who watch them.

use usbfs2_loopback::{Bus, BusFull, DeviceEvent, PortOptions, WatchEvent};
use usbfs2_protocol::Speed;

fn options() -> PortOptions {
    PortOptions::new(Speed::High)
}

fn names(bus: &Bus) -> Vec<String> {
    bus.devices().iter().map(|device| device.name()).collect()
}

#[test]
fn ports_are_named_as_in_sysfs_and_used_again() {
    let bus = Bus::new();
    let first = bus.plug(options()).unwrap();
    let second = bus.plug(PortOptions::new(Speed::Full)).unwrap();
    assert_eq!((first.name(), second.name()), ("1-1".into(), "1-2".into()));
    assert_eq!(bus.devices()[1].speed(), Speed::Full);
    drop(first);
    assert_eq!(names(&bus), ["1-2"]);
    let again = bus.plug(options()).unwrap();
    assert_eq!(again.name(), "1-1");
}

#[test]
fn a_full_bus_says_so() {
    let bus = Bus::new();
    let ports: Vec<_> = (0..Bus::PORTS)
        .map(|_| bus.plug(options()).unwrap())
        .collect();
    assert_eq!(bus.plug(options()).unwrap_err(), BusFull);
    drop(ports);
    bus.plug(options()).unwrap();
}

#[test]
fn only_existing_ports_have_cables_faults_and_counters() {
    let bus = Bus::new();
    let _port = bus.plug(options()).unwrap();
    assert!(bus.cable("1-1").is_ok() && bus.faults("1-1").is_ok() && bus.counters("1-1").is_ok());
    for name in ["1-2", "1-01", "2-1", ""] {
        assert_eq!(bus.cable(name).unwrap_err().name, name);
        assert!(bus.faults(name).is_err() && bus.counters(name).is_err());
    }
}

#[test]
fn the_device_sees_resets_and_disconnects() {
    let bus = Bus::new();
    let port = bus.plug(options().plugged(false)).unwrap();
    assert_eq!(bus.devices().len(), 0);
    let cable = bus.cable("1-1").unwrap();
    cable.pull();
    for _ in 0..2 {
        cable.plug();
        cable.plug();
        assert!(cable.is_plugged());
        cable.pull();
        cable.pull();
        assert!(!cable.is_plugged());
    }
    let events: Vec<_> =
        std::iter::from_fn(|| port.next_event(Some(std::time::Duration::ZERO))).collect();
    use DeviceEvent::{Disconnect, Reset};
    assert_eq!(events, [Reset, Disconnect, Reset, Disconnect]);
}

#[test]
fn a_watch_starts_with_the_devices_present_and_sees_the_rest() {
    let bus = Bus::new();
    let first = bus.plug(options()).unwrap();
    let watch = bus.watch();
    let second = bus.plug(options()).unwrap();
    let plug = bus.devices()[0].plug_id();
    first.cable().pull();
    drop(first);
    second.cable().pull();
    second.cable().plug();
    let events: Vec<_> = std::iter::from_fn(|| watch.try_next())
        .map(|event| match event {
            WatchEvent::Arrived(device) => format!("+{}", device.name()),
            WatchEvent::Left { name, plug: left } => {
                assert_eq!(left == plug, name == "1-1");
                format!("-{name}")
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(events, ["+1-1", "+1-2", "-1-1", "-1-2", "+1-2"]);
}
