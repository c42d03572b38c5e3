//! The rules of the specification and of every host, whatever the target.

use usbfs2_protocol::standard::descriptor_type;
use usbfs2_protocol::{Speed, TransferType};

use super::{Place, Problem, ProblemKind};
use crate::describe::{EndpointModel, EndpointRequest, FunctionModel, InterfaceClass};
use crate::gadget::GadgetModel;

/// Linux's USB_MAXINTERFACES.
const INTERFACES: usize = 32;
const ALTERNATE_SETTINGS: usize = 256;
const STRINGS: usize = 255;
/// bLength is at most 255, two bytes of which are the header.
const STRING_UNITS: usize = 126;

/// Everything wrong with the gadget that does not depend on the target.
pub(crate) fn check_everywhere(model: &GadgetModel) -> Vec<Problem> {
    let mut problems = Vec::new();
    gadget(model, &mut |kind| {
        problems.push(Problem {
            place: Place::Gadget,
            kind,
        });
    });
    for one in &model.functions {
        function(model, one, &mut problems);
    }
    problems
}

fn gadget(model: &GadgetModel, report: &mut dyn FnMut(ProblemKind)) {
    if model.functions.is_empty() {
        report(ProblemKind::NoFunction);
    }
    let (slowest, fastest) = (model.slowest, model.fastest);
    if slowest > fastest || slowest == Speed::Low {
        report(ProblemKind::Speeds { slowest, fastest });
    }
    let count = model.functions.iter().map(|one| one.interfaces.len()).sum();
    if count > INTERFACES {
        report(ProblemKind::TooManyInterfaces {
            count,
            limit: INTERFACES,
        });
    }
    let limit = if model.slowest >= Speed::Super {
        900
    } else {
        500
    };
    if model.max_power_milliamperes > limit {
        report(ProblemKind::TooMuchPower {
            milliamperes: model.max_power_milliamperes,
            limit,
        });
    }
    if model.strings.len() > STRINGS {
        report(ProblemKind::TooManyStrings {
            count: model.strings.len(),
            limit: STRINGS,
        });
    }
    for text in model.strings.iter() {
        let units = text.encode_utf16().count();
        if units > STRING_UNITS {
            report(ProblemKind::StringTooLong {
                text: text.to_owned(),
                units,
                limit: STRING_UNITS,
            });
        }
    }
}

fn function(model: &GadgetModel, one: &FunctionModel, problems: &mut Vec<Problem>) {
    let function = one.name.clone();
    let mut report = |kind| {
        let place = Place::Function {
            function: function.clone(),
        };
        problems.push(Problem { place, kind });
    };
    if one.interfaces.is_empty() {
        report(ProblemKind::NoInterface);
    }
    if one.association.is_some() && model.class != InterfaceClass::ASSOCIATIONS {
        report(ProblemKind::AssociationClass);
    }
    for interface in &one.interfaces {
        let count = interface.alternate_settings.len();
        for (alternate_setting, setting) in interface.alternate_settings.iter().enumerate() {
            let place = Place::Interface {
                function: one.name.clone(),
                number: interface.number,
                alternate_setting,
            };
            let descriptors = setting.class_descriptors.iter();
            problems.extend(class_descriptors(descriptors, &place));
            if alternate_setting == ALTERNATE_SETTINGS {
                problems.push(Problem {
                    place,
                    kind: ProblemKind::TooManyAlternateSettings {
                        count,
                        limit: ALTERNATE_SETTINGS,
                    },
                });
            }
        }
    }
    for model_endpoint in one.endpoints() {
        let place = endpoint_place(one, model_endpoint);
        let descriptors = model_endpoint.request.class_descriptors.iter();
        problems.extend(class_descriptors(descriptors, &place));
        for speed in [Speed::Full, Speed::High, Speed::Super] {
            if model.supports(speed) {
                let kinds = endpoint(&model_endpoint.request, speed);
                problems.extend(kinds.into_iter().map(|kind| Problem {
                    place: place.clone(),
                    kind,
                }));
            }
        }
    }
}

pub(super) fn endpoint_place(function: &FunctionModel, endpoint: &EndpointModel) -> Place {
    Place::Endpoint {
        function: function.name.clone(),
        index: endpoint.index,
        direction: endpoint.request.direction,
        transfer_type: endpoint.request.transfer_type,
    }
}

fn class_descriptors<'a>(
    descriptors: impl Iterator<Item = &'a Vec<u8>>,
    place: &Place,
) -> Vec<Problem> {
    let standard = [
        descriptor_type::DEVICE,
        descriptor_type::CONFIGURATION,
        descriptor_type::INTERFACE,
        descriptor_type::ENDPOINT,
    ];
    let check = |bytes: &Vec<u8>| match bytes[..] {
        [length, descriptor_type, ..] if usize::from(length) == bytes.len() => standard
            .contains(&descriptor_type)
            .then_some(ProblemKind::StandardDescriptor { descriptor_type }),
        _ => Some(ProblemKind::ClassDescriptorLength {
            length: bytes.len(),
            claimed: bytes.first().copied(),
        }),
    };
    descriptors
        .filter_map(check)
        .map(|kind| Problem {
            place: place.clone(),
            kind,
        })
        .collect()
}

/// Everything wrong with an endpoint at this speed.
pub(crate) fn endpoint(request: &EndpointRequest, speed: Speed) -> Vec<ProblemKind> {
    let mut kinds = Vec::new();
    let size = *request.max_packet_size.at(speed);
    if let Err(legal) = max_packet_size(request.transfer_type, speed, size) {
        kinds.push(ProblemKind::MaxPacketSize { size, speed, legal });
    }
    let largest = match (request.transfer_type, speed) {
        (TransferType::Bulk | TransferType::Control, _) => return kinds,
        (TransferType::Interrupt, Speed::Low | Speed::Full) => 255,
        _ => 16,
    };
    let interval = *request.interval.at(speed);
    if !(1..=largest).contains(&interval) {
        kinds.push(ProblemKind::Interval {
            interval,
            speed,
            largest,
        });
    }
    kinds
}

/// Whether a wMaxPacketSize is legal, or what is (USB 2.0 5.6.3, 5.7.3, 5.8.3, 9.6.6).
fn max_packet_size(
    transfer_type: TransferType,
    speed: Speed,
    raw: u16,
) -> Result<(), &'static str> {
    let size = raw & 0x07ff;
    let extra_transactions = raw >> 11;
    let (is_legal, legal) = match (transfer_type, speed) {
        (TransferType::Control, _) => (true, ""),
        (TransferType::Bulk, Speed::Low | Speed::Full) => {
            (matches!(raw, 8 | 16 | 32 | 64), "use 8, 16, 32 or 64")
        }
        (TransferType::Bulk, Speed::High) => (raw == 512, "use 512"),
        (TransferType::Bulk, _) => (raw == 1024, "use 1024"),
        (TransferType::Interrupt, Speed::Low | Speed::Full) => {
            ((1..=64).contains(&raw), "use 1 to 64")
        }
        (TransferType::Isochronous, Speed::Low | Speed::Full) => (raw <= 1023, "use 0 to 1023"),
        (_, Speed::High) => {
            // Table 9-14: a second or third transaction only beyond what fewer could carry.
            let is_legal = match extra_transactions {
                0 => size <= 1024,
                1 => (513..=1024).contains(&size),
                2 => (683..=1024).contains(&size),
                _ => false,
            };
            let not_empty = size > 0 || transfer_type == TransferType::Isochronous;
            (
                is_legal && not_empty,
                "use 1 to 1024, with bits 11 and 12 as USB 2.0 table 9-14 has them",
            )
        }
        (TransferType::Interrupt, _) => ((1..=1024).contains(&raw), "use 1 to 1024"),
        (TransferType::Isochronous, _) => (raw <= 1024, "use 0 to 1024"),
    };
    if is_legal { Ok(()) } else { Err(legal) }
}
