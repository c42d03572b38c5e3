//! The validator refuses what the kernel refuses, and takes what the kernel takes.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use usbfs2_gadget::{
    Direction, EndpointRequest, Endpoints, Function, FunctionBuilder, FunctionError,
    InterfaceClass, Target,
};

use crate::composition::Composition;
use crate::scenarios::Scenario;
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![(
        "refused::validator_and_kernel_agree",
        validator_and_kernel_agree,
    )]
}

/// An interface with a class-specific descriptor or none, and endpoints of each direction.
#[derive(Debug, Clone)]
struct Case {
    class: InterfaceClass,
    descriptor: Vec<u8>,
    inputs: u8,
    outputs: u8,
}

impl Case {
    fn with_descriptor(class: [u8; 3], descriptor_type: u8, length: u8) -> Self {
        let mut descriptor = vec![0; usize::from(length)];
        descriptor[..2].copy_from_slice(&[length, descriptor_type]);
        Self {
            class: InterfaceClass::new(class[0], class[1], class[2]),
            descriptor,
            inputs: 0,
            outputs: 0,
        }
    }

    fn with_endpoints(inputs: u8, outputs: u8) -> Self {
        Self {
            class: InterfaceClass::VENDOR,
            descriptor: Vec::new(),
            inputs,
            outputs,
        }
    }

    fn addresses(&self) -> impl Iterator<Item = u8> {
        let inputs = (1..=self.inputs).map(|number| 0x80 | number);
        inputs.chain(1..=self.outputs)
    }

    /// What the kernel is told, at full speed alone.
    fn message(&self) -> Vec<u8> {
        let InterfaceClass {
            class,
            subclass,
            protocol,
        } = self.class;
        let endpoints = self.inputs + self.outputs;
        let mut body = vec![9, 4, 0, 0, endpoints, class, subclass, protocol, 0];
        body.extend(&self.descriptor);
        for address in self.addresses() {
            body.extend([7, 5, address, 2, 64, 0, 0]);
        }
        let count = 1 + u32::from(!self.descriptor.is_empty()) + u32::from(endpoints);
        let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
        // Magic, length, full speed, its descriptors.
        let mut message = [3, length, 1, count].map(u32::to_le_bytes).concat();
        message.extend(body);
        message
    }
}

impl Function for Case {
    fn name(&self) -> &str {
        "case"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(self.class);
        if !self.descriptor.is_empty() {
            interface.class_descriptor(self.descriptor.as_slice());
        }
        for _ in 0..self.inputs {
            interface.endpoint(EndpointRequest::bulk(Direction::In));
        }
        for _ in 0..self.outputs {
            interface.endpoint(EndpointRequest::bulk(Direction::Out));
        }
    }

    fn run(&self, endpoints: Endpoints) -> Result<(), FunctionError> {
        endpoints.session().wait_disabled();
        Ok(())
    }
}

fn validator_and_kernel_agree(_world: &World) -> Result<()> {
    const HID: [u8; 3] = [3, 0, 0];
    const CCID: [u8; 3] = [0x0b, 0, 0];
    let composition = Composition::register([])?;
    let control = composition.directory().join("ep0");
    for (case, is_taken) in [
        (Case::with_descriptor(HID, 0x21, 9), true),
        (Case::with_descriptor(HID, 0x21, 12), false),
        (Case::with_descriptor(HID, 0x24, 9), false),
        (Case::with_descriptor(CCID, 0x21, 54), true),
        (Case::with_descriptor(CCID, 0x21, 9), false),
        (Case::with_descriptor([2, 2, 1], 0x24, 5), false),
        (Case::with_descriptor([1, 1, 0], 0x25, 7), false),
        (Case::with_descriptor([0xff, 0, 0], 0x21, 9), false),
        (Case::with_endpoints(15, 15), true),
        (Case::with_endpoints(15, 0), true),
    ] {
        let problems = World::gadget()
            .function(Arc::new(case.clone()))
            .build()?
            .check(&Target::Functionfs);
        ensure!(
            problems.is_empty() == is_taken,
            "the validator on {case:?}: {problems:?}"
        );
        // Closing the file makes the kernel forget what was written.
        let file = OpenOptions::new().read(true).write(true).open(&control);
        let mut file = file.with_context(|| format!("open {}", control.display()))?;
        let written = file.write(&case.message());
        let is_refused =
            matches!(&written, Err(error) if error.raw_os_error() == Some(libc::EINVAL));
        ensure!(
            if is_taken {
                written.is_ok()
            } else {
                is_refused
            },
            "the kernel on {case:?}: {written:?}"
        );
    }
    Ok(())
}
