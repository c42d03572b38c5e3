//! Commands that look at the machine, whatever it has.

use serde_json::Value;

use crate::outcome::{open_folder, usbfs2};

#[test]
fn doctor_says_how_to_get_what_is_missing() {
    let findings: Value = serde_json::from_str(&usbfs2(["doctor", "--json"]).printed()).unwrap();
    let findings = findings.as_array().unwrap();
    assert_eq!(findings.len(), 8);
    let text = usbfs2(["doctor"]).printed();
    for finding in findings {
        let present = finding["present"].as_bool().unwrap();
        assert_eq!(finding["remedy"].is_null(), present, "{finding}");
        let mark = if present { "ok     " } else { "missing" };
        let line = format!("  {mark}  {}", finding["what"].as_str().unwrap());
        assert!(text.contains(&line), "{line} is not in: {text}");
        if let Some(remedy) = finding["remedy"].as_str() {
            assert!(text.contains(remedy), "{remedy} is not in: {text}");
        }
    }
}

#[test]
fn list_prints_json_or_says_whom_to_ask() {
    let outcome = usbfs2(["list", "--json"]);
    if outcome.code == Some(0) {
        let devices: Value = serde_json::from_str(&outcome.printed()).unwrap();
        for device in devices.as_array().unwrap() {
            assert!(device["id"].is_string(), "{device}");
            assert!(device["configurations"].is_array(), "{device}");
        }
    } else {
        let complaint = outcome.complaint();
        assert!(complaint.contains("`usbfs2 doctor` says"), "{complaint}");
    }
}

#[test]
fn a_device_that_is_not_there_is_named_or_no_usb_is() {
    let folder = open_folder();
    let file = folder.path().join("backup.img");
    let file = file.to_str().unwrap();
    for arguments in [
        &["disk", "read", "nosuch", file][..],
        &["disk", "write", "nosuch", file],
        &["disk", "verify", "nosuch", file],
        &["disk", "info", "nosuch", "--json"],
        &["hid", "monitor", "nosuch"],
        &["audio", "info", "nosuch"],
        &["audio", "record", file, "nosuch"],
        &["audio", "meter", "nosuch"],
        &["hid", "send", "nosuch", "--leds", "caps"],
    ] {
        let complaint = usbfs2(arguments).complaint();
        let says = complaint.contains("no device `nosuch` is plugged in: `usbfs2 list` shows")
            || complaint.contains("no USB to programs: `usbfs2 doctor` says");
        assert!(says, "{complaint}");
    }
    let left: Vec<_> = folder.path().read_dir().unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
