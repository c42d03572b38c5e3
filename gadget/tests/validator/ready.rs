//! Starting checks first.

use usbfs2_gadget::{Speed, StartError};
use usbfs2_loopback::Bus;

use crate::plain;

#[test]
fn a_gadget_that_cannot_run_is_not_plugged_in() {
    let gadget = plain().speeds(Speed::Full, Speed::Full).build().unwrap();
    let bus = Bus::new();
    let error = gadget.start_on(&bus, Speed::High).unwrap_err();
    assert!(matches!(error, StartError::Problems(_)), "{error}");
    assert_eq!(
        error.to_string(),
        "this gadget cannot run here: gadget: the target runs at high speed, \
         which speeds(..) excludes: widen it"
    );
    assert!(bus.devices().is_empty());
}
