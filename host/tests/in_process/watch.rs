//! Devices that come and go.

use crate::rig::{Echo, SHORT, SOON};
use futures::StreamExt;
use usbfs2_host::{Host, HotplugEvent, Watch};
use usbfs2_loopback::Bus;

fn next(watch: &mut Watch) -> HotplugEvent {
    let event = watch.next_timeout(SOON).unwrap();
    event.expect("nothing happened on the bus")
}

fn assert_arrived(event: &HotplugEvent, name: &str) {
    assert!(
        matches!(event, HotplugEvent::Arrived(info) if info.id().as_str() == name),
        "{event:?}"
    );
}

fn assert_left(event: &HotplugEvent, name: &str) {
    assert!(
        matches!(event, HotplugEvent::Left(id) if id.as_str() == name),
        "{event:?}"
    );
}

#[test]
fn devices_present_come_first() {
    let bus = Bus::new();
    let _echoes = [Echo::plug(&bus), Echo::plug(&bus)];
    let mut watch = Host::on(&bus).watch().unwrap();
    assert_arrived(&next(&mut watch), "1-1");
    assert_arrived(&next(&mut watch), "1-2");
    assert!(watch.next_timeout(SHORT).unwrap().is_none());
}

#[test]
fn arriving_and_leaving_are_seen_and_what_arrived_can_be_opened() {
    let bus = Bus::new();
    let host = Host::on(&bus);
    let mut watch = host.watch().unwrap();
    assert!(watch.next_timeout(SHORT).unwrap().is_none());

    let echo = Echo::plug(&bus);
    assert_arrived(&next(&mut watch), "1-1");
    host.open(&"1-1".into()).unwrap().claim(0).unwrap();

    echo.port().cable().pull();
    assert_left(&next(&mut watch), "1-1");
    echo.port().cable().plug();
    assert_arrived(&next(&mut watch), "1-1");
}

#[test]
fn a_watch_is_iterated_over_and_is_a_stream() {
    let bus = Bus::new();
    let echo = Echo::plug(&bus);
    let host = Host::on(&bus);
    let mut watch = host.watch().unwrap();
    let first = (&mut watch).into_iter().next().unwrap().unwrap();
    assert_arrived(&first, "1-1");

    let mut watch = host.watch().unwrap();
    futures::executor::block_on(async {
        assert_arrived(&watch.next().await.unwrap().unwrap(), "1-1");
        let cable = echo.port().cable();
        let (event, ()) = futures::join!(watch.next(), async { cable.pull() });
        assert_left(&event.unwrap().unwrap(), "1-1");
    });
}
