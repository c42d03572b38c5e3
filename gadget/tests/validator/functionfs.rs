//! What FunctionFS refuses or would change: check() tells.

use std::time::Duration;

use usbfs2_gadget::functions::{Disk, Keyboard, mass_storage::DiskOptions};
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_gadget::{
    Direction, EndpointRequest, FunctionBuilder, FunctionfsOptions, Gadget, GadgetBuilder,
    InterfaceClass, Speed, StartError, Target,
};

use crate::{IDS, described, plain};

const HID: InterfaceClass = InterfaceClass::new(3, 0, 0);

fn on_functionfs(builder: GadgetBuilder) -> Vec<String> {
    let gadget = builder.build().expect("sound but for the target");
    let problems = gadget.check(&Target::Functionfs);
    problems.iter().map(ToString::to_string).collect()
}

/// A gadget of one interface of `class` with a class-specific descriptor of `length` bytes.
fn with_class_descriptor(class: InterfaceClass, descriptor_type: u8, length: u8) -> GadgetBuilder {
    described(move |builder| {
        let mut bytes = vec![0; usize::from(length)];
        bytes[..2].copy_from_slice(&[length, descriptor_type]);
        builder.interface(class).class_descriptor(bytes);
    })
}

fn interfaces(builder: &mut FunctionBuilder<'_>, count: usize) {
    for _ in 0..count {
        builder.interface(InterfaceClass::VENDOR);
    }
}

#[test]
fn keyboard_and_disk_run_on_functionfs() {
    let disk = Disk::new(MemoryMedium::new(1 << 20), DiskOptions::default()).unwrap();
    let gadget = Gadget::builder(IDS)
        .function(Keyboard::new())
        .function(disk)
        .remote_wakeup(true);
    assert_eq!(on_functionfs(gadget), [""; 0]);
}

#[test]
fn class_descriptors_are_those_of_hid_ccid_and_dfu() {
    for (class, length) in [
        (HID, 9),
        (InterfaceClass::new(0x0b, 0, 0), 54),
        (InterfaceClass::new(0xfe, 1, 1), 9),
    ] {
        assert_eq!(
            on_functionfs(with_class_descriptor(class, 0x21, length)),
            [""; 0]
        );
    }
    assert_eq!(
        on_functionfs(with_class_descriptor(HID, 0x21, 12)),
        [
            "function described, interface 0, alternate setting 0: FunctionFS refuses the \
          class-specific descriptor: it has 12 bytes, not 9"
        ]
    );
    // CDC's and audio's, and HID's where it does not belong.
    for (class, descriptor_type) in [
        (InterfaceClass::new(2, 2, 1), 0x24),
        (InterfaceClass::new(1, 2, 0), 0x25),
        (InterfaceClass::VENDOR, 0x21),
        (InterfaceClass::new(0xfe, 2, 1), 0x21),
    ] {
        let refused = on_functionfs(with_class_descriptor(class, descriptor_type, 9));
        assert_eq!(
            refused,
            [format!(
                "function described, interface 0, alternate setting 0: FunctionFS refuses a descriptor \
                 of type {descriptor_type:#04x} here: it takes type 0x21 of HID, CCID and DFU alone; \
                 use gadgetfs"
            )]
        );
    }
}

#[test]
fn class_descriptors_of_endpoints_are_refused_too() {
    let refused = on_functionfs(described(|builder| {
        let request =
            EndpointRequest::bulk(Direction::In).class_descriptor([7, 0x25, 1, 0, 0, 0, 0]);
        builder
            .interface(InterfaceClass::new(1, 3, 0))
            .endpoint(request);
    }));
    assert_eq!(refused.len(), 1);
    assert!(
        refused[0].starts_with("function described, endpoint 0 (bulk IN): FunctionFS refuses"),
        "{refused:?}"
    );
}

#[test]
fn alternate_settings_and_associations_need_gadgetfs() {
    let settings = described(|builder| {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.alternate_setting(InterfaceClass::VENDOR);
    });
    assert_eq!(
        on_functionfs(settings),
        [
            "function described, interface 0, alternate setting 1: FunctionFS has no alternate \
          settings: declare one, or use gadgetfs"
        ]
    );
    let association = described(|builder| {
        interfaces(builder, 2);
        builder.association(InterfaceClass::VENDOR, None);
    });
    assert_eq!(
        on_functionfs(association),
        ["function described: FunctionFS does not renumber an interface association: use gadgetfs"]
    );
}

#[test]
fn interfaces_and_endpoints_have_an_end() {
    assert_eq!(
        on_functionfs(described(|builder| interfaces(builder, 16))),
        [""; 0]
    );
    assert_eq!(
        on_functionfs(described(|builder| interfaces(builder, 17))),
        ["gadget: 17 interfaces, 16 is the most: split the functions over several gadgets"]
    );
    let endpoints = |count: usize| {
        described(move |builder| {
            let mut interface = builder.interface(InterfaceClass::VENDOR);
            for _ in 0..count {
                interface.endpoint(EndpointRequest::bulk(Direction::In));
            }
        })
    };
    assert_eq!(on_functionfs(endpoints(15)), [""; 0]);
    assert_eq!(
        on_functionfs(endpoints(16)),
        [
            "function described, endpoint 15 (bulk IN): FunctionFS has no free endpoint for it \
          (15 suit, all taken): use fewer endpoints of this direction and type"
        ]
    );
}

#[test]
fn the_composite_chooses_the_speed() {
    for (slowest, fastest) in [
        (Speed::Full, Speed::High),
        (Speed::High, Speed::Super),
        (Speed::Super, Speed::Super),
    ] {
        assert_eq!(
            on_functionfs(plain().speeds(slowest, fastest)),
            ["gadget: FunctionFS needs every speed: let speeds(..) go from full to super speed"]
        );
    }
    assert_eq!(
        on_functionfs(plain().speeds(Speed::Full, Speed::SuperPlus)),
        [""; 0]
    );
}

#[test]
fn strings_have_no_nul() {
    let named = described(|builder| {
        builder.interface(InterfaceClass::VENDOR).name("a\0b");
    });
    assert_eq!(
        on_functionfs(named),
        [r#"gadget: FunctionFS cannot take the string "a\0b": remove the NUL in it"#]
    );
}

#[test]
fn a_descriptor_beside_the_configuration_may_have_any_length() {
    let every = Duration::from_millis(1);
    let long = described(move |builder| {
        let mut interface = builder.interface(HID);
        interface.descriptor(0x22, vec![0; 4000]);
        interface.endpoint(EndpointRequest::interrupt(Direction::In, 8, every));
    });
    assert_eq!(on_functionfs(long), [""; 0]);
}

#[test]
fn a_directory_of_something_else_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let options = FunctionfsOptions::new(directory.path());
    let error = plain().build().unwrap().start_functionfs(&options);
    let error = error.expect_err("there is nothing to start on");
    assert!(matches!(error, StartError::NotFunctionfs { .. }), "{error}");
    let path = directory.path().display();
    assert_eq!(
        error.to_string(),
        format!(
            "{path} is not FunctionFS: make a function ffs.NAME in configfs, and mount -t functionfs NAME {path}"
        )
    );
}
