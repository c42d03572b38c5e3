//! The rules of the backends and controllers.

use usbfs2_protocol::{Speed, TransferType};

use super::functionfs::functionfs;
use super::{Place, Problem, ProblemKind, check_everywhere};
use crate::descriptors;
use crate::gadget::GadgetModel;
use crate::layout::{Layout, NoEndpointLeft};
use crate::udc::{Udc, UdcEndpoint};

/// Where a gadget is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// The in-process bus, at this speed.
    Loopback(Speed),
    /// gadgetfs on this controller.
    Gadgetfs(Udc),
    /// FunctionFS, in a composite on any controller. Which endpoints the controller has is seen when the
    /// composite is put on it.
    Functionfs,
    /// FunctionFS, in a composite on this controller that has nothing else in it.
    FunctionfsOn(Udc),
}

/// gadgetfs's buffer for endpoint 0, the most it sends for one request.
pub(crate) const GADGETFS_CONTROL_BUFFER: usize = 256;

/// Everything wrong with the gadget on this target.
pub(crate) fn check(model: &GadgetModel, target: &Target) -> Vec<Problem> {
    let mut problems = check_everywhere(model);
    match target {
        Target::Loopback(speed) => {
            if !model.supports(*speed) {
                problems.push(Problem {
                    place: Place::Gadget,
                    kind: ProblemKind::SpeedNotOffered { speed: *speed },
                });
            }
            let udc = Udc::loopback();
            problems.extend(endpoints(model, &udc).err().unwrap_or_default());
        }
        Target::Gadgetfs(udc) => gadgetfs(model, udc, &mut problems),
        Target::Functionfs => functionfs(model, &mut problems),
        Target::FunctionfsOn(udc) => {
            functionfs(model, &mut problems);
            problems.extend(endpoints(model, udc).err().unwrap_or_default());
        }
    }
    problems
}

/// Assigns the controller's endpoints, or says for which ones it has none.
pub(crate) fn endpoints(model: &GadgetModel, udc: &Udc) -> Result<Layout, Vec<Problem>> {
    let mut speeds = vec![Speed::Full, Speed::High, Speed::Super];
    speeds.retain(|&speed| model.supports(speed) && speed <= udc.fastest());
    Layout::assign(&model.functions, udc, &speeds).map_err(|missing| {
        let problems = missing.iter().map(|one| Problem {
            place: Place::Endpoint {
                function: model.functions[one.function].name.clone(),
                index: one.index,
                direction: one.need.direction,
                transfer_type: one.need.transfer_type,
            },
            kind: no_endpoint(udc, one),
        });
        problems.collect()
    })
}

/// Why the controller has nothing for an endpoint.
fn no_endpoint(udc: &Udc, missing: &NoEndpointLeft) -> ProblemKind {
    let NoEndpointLeft {
        need, is_for_fifo, ..
    } = missing;
    let name = udc.name().to_owned();
    if *is_for_fifo {
        return ProblemKind::NoFifoLeft {
            udc: name,
            size: need.interval_size,
            fifos: udc.in_fifos().to_vec(),
        };
    }
    let of_type: Vec<&UdcEndpoint> = udc
        .endpoints()
        .iter()
        .filter(|endpoint| endpoint.suits(need.direction, need.transfer_type))
        .collect();
    let limits = of_type.iter().map(|one| one.packet_limit());
    // Those that say none take any packet.
    let largest = limits.map(|limit| limit.unwrap_or(u16::MAX)).max();
    match (need.transfer_type, largest) {
        (TransferType::Isochronous, None) if !udc.carries_isochronous() => {
            ProblemKind::NoIsochronous { udc: name }
        }
        (_, None) => ProblemKind::NoSuchEndpoint { udc: name },
        (_, Some(largest)) if largest < need.packet_size => ProblemKind::PacketBeyondController {
            udc: name,
            size: need.packet_size,
            largest,
        },
        _ => ProblemKind::NoEndpointLeft {
            udc: name,
            suitable: of_type.iter().filter(|one| need.fits(one)).count(),
        },
    }
}

fn gadgetfs(model: &GadgetModel, udc: &Udc, problems: &mut Vec<Problem>) {
    let mut gadget = |kind| {
        problems.push(Problem {
            place: Place::Gadget,
            kind,
        });
    };
    if model.slowest > Speed::High {
        gadget(ProblemKind::NoSuperSpeed);
    } else if model.slowest > Speed::Full {
        gadget(ProblemKind::FullSpeedRequired);
    }
    if model.remote_wakeup {
        gadget(ProblemKind::NoRemoteWakeup);
    }

    match endpoints(model, udc) {
        Err(missing) => problems.extend(missing),
        Ok(layout) => {
            for speed in [Speed::Full, Speed::High] {
                let length = descriptors::configuration(model, &layout, speed).len();
                if model.supports(speed) && length > GADGETFS_CONTROL_BUFFER {
                    problems.push(Problem {
                        place: Place::Gadget,
                        kind: ProblemKind::ConfigurationTooLong {
                            speed,
                            length,
                            limit: GADGETFS_CONTROL_BUFFER,
                        },
                    });
                }
            }
        }
    }

    for function in &model.functions {
        for interface in &function.interfaces {
            for (descriptor_type, bytes) in &interface.descriptors {
                if bytes.len() > GADGETFS_CONTROL_BUFFER {
                    problems.push(Problem {
                        place: Place::Interface {
                            function: function.name.clone(),
                            number: interface.number,
                            alternate_setting: 0,
                        },
                        kind: ProblemKind::InterfaceDescriptorTooLong {
                            descriptor_type: *descriptor_type,
                            length: bytes.len(),
                            limit: GADGETFS_CONTROL_BUFFER,
                        },
                    });
                }
            }
        }
    }
}
