//! The rules of FunctionFS (drivers/usb/gadget/function/f_fs.c) and of the composite around it.

use usbfs2_protocol::Speed;
use usbfs2_protocol::standard::class;

use super::everywhere::endpoint_place;
use super::target::endpoints;
use super::{Place, Problem, ProblemKind};
use crate::describe::{FunctionModel, InterfaceClass};
use crate::gadget::GadgetModel;
use crate::udc::Udc;

/// MAX_CONFIG_INTERFACES of linux/usb/composite.h, for all functions of the composite together.
const INTERFACES: usize = 16;

/// The one type of class-specific descriptors the kernel knows: HID's, CCID's or DFU's, by the interface's class.
const CLASS_DESCRIPTOR: u8 = 0x21;

/// Everything that FunctionFS would refuse or silently change.
pub(super) fn functionfs(model: &GadgetModel, problems: &mut Vec<Problem>) {
    let mut gadget = |kind| {
        problems.push(Problem {
            place: Place::Gadget,
            kind,
        });
    };
    if !(model.supports(Speed::Full) && model.supports(Speed::Super)) {
        gadget(ProblemKind::EverySpeedRequired);
    }
    let count = model.functions.iter().map(|one| one.interfaces.len()).sum();
    if count > INTERFACES {
        gadget(ProblemKind::TooManyInterfaces {
            count,
            limit: INTERFACES,
        });
    }
    for text in model.strings.iter().filter(|text| text.contains('\0')) {
        gadget(ProblemKind::StringWithNul {
            text: text.to_owned(),
        });
    }
    for one in &model.functions {
        function(one, problems);
    }
    problems.extend(
        endpoints(model, &Udc::functionfs())
            .err()
            .unwrap_or_default(),
    );
}

fn function(model: &FunctionModel, problems: &mut Vec<Problem>) {
    if model.association.is_some() {
        problems.push(Problem {
            place: Place::Function {
                function: model.name.clone(),
            },
            kind: ProblemKind::NoAssociation,
        });
    }
    for interface in &model.interfaces {
        let place = |alternate_setting| Place::Interface {
            function: model.name.clone(),
            number: interface.number,
            alternate_setting,
        };
        if interface.alternate_settings.len() > 1 {
            problems.push(Problem {
                place: place(1),
                kind: ProblemKind::NoAlternateSettings,
            });
        }
        for (number, setting) in interface.alternate_settings.iter().enumerate() {
            let refused = setting.class_descriptors.iter();
            let refused = refused.filter_map(|bytes| class_descriptor(bytes, setting.class));
            problems.extend(refused.map(|kind| Problem {
                place: place(number),
                kind,
            }));
            for endpoint in &setting.endpoints {
                let refused = endpoint.request.class_descriptors.iter();
                let refused = refused.filter_map(|bytes| class_descriptor(bytes, setting.class));
                problems.extend(refused.map(|kind| Problem {
                    place: endpoint_place(model, endpoint),
                    kind,
                }));
            }
        }
    }
}

/// What is wrong with a class-specific descriptor of an interface of this class.
fn class_descriptor(bytes: &[u8], of: InterfaceClass) -> Option<ProblemKind> {
    let descriptor_type = *bytes.get(1)?;
    let known_length = match (of.class, of.subclass) {
        (class::HID, _) => Some(9),
        (CCID, _) => Some(54),
        (APPLICATION_SPECIFIC, DFU) => Some(9),
        _ => None,
    };
    match known_length {
        Some(length) if descriptor_type == CLASS_DESCRIPTOR && bytes.len() == length => None,
        Some(length) if descriptor_type == CLASS_DESCRIPTOR => {
            Some(ProblemKind::FunctionfsDescriptorLength {
                length: bytes.len(),
                expected: length,
            })
        }
        _ => Some(ProblemKind::NoClassDescriptor { descriptor_type }),
    }
}

/// Smart card readers (CCID 1.1).
const CCID: u8 = 0x0b;
/// Device firmware upgrade (DFU 1.1 4.2.1).
const APPLICATION_SPECIFIC: u8 = 0xfe;
const DFU: u8 = 0x01;
