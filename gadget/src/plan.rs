//! How a gadget would lie on a target that takes it.

use usbfs2_protocol::{EndpointAddress, Speed, TransferType};

use crate::check::{self, DescriptorProblems, Target};
use crate::descriptors;
use crate::gadget::Gadget;
use crate::udc::Udc;

/// Which endpoints a gadget gets, and how long its configuration is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// Every endpoint, in the order of the functions. Those of alternate settings may share one of the controller's.
    pub endpoints: Vec<PlannedEndpoint>,
    /// The configuration's wTotalLength at the fastest speed of the gadget's that the target has.
    pub configuration_bytes: usize,
    /// That speed.
    pub speed: Speed,
    /// The most bytes that the target sends in answer to one control request, if it has a limit.
    pub control_limit: Option<usize>,
}

/// An endpoint and its place on the controller.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedEndpoint {
    /// The function's name.
    pub function: String,
    /// The endpoint's index in the function.
    pub index: usize,
    /// Its type.
    pub transfer_type: TransferType,
    /// Its address. FunctionFS may give another.
    pub address: EndpointAddress,
    /// What the controller calls it.
    pub controller_name: String,
    /// Bytes of a packet, or of all that an isochronous service interval moves, at the plan's speed.
    pub packet_size: u16,
}

impl Gadget {
    /// Says where everything would lie on the target, without touching it.
    ///
    /// # Errors
    /// What [`check`](Gadget::check) says.
    pub fn plan(&self, target: &Target) -> Result<Plan, DescriptorProblems> {
        DescriptorProblems::none_in(self.check(target))?;
        let (udc, fastest, control_limit) = match target {
            Target::Loopback(speed) => (Udc::loopback(), *speed, None),
            Target::Gadgetfs(udc) => {
                let limit = Some(check::GADGETFS_CONTROL_BUFFER);
                (udc.clone(), udc.fastest().min(Speed::High), limit)
            }
            Target::Functionfs => (Udc::functionfs(), Speed::Super, None),
            Target::FunctionfsOn(udc) => (udc.clone(), udc.fastest(), None),
        };
        let speed = fastest.min(self.model.fastest);
        let layout = check::endpoints(&self.model, &udc)?;
        let functions = self.model.functions.iter().enumerate();
        let endpoints = functions.flat_map(|(function, model)| {
            let (layout, udc) = (&layout, &udc);
            model.endpoints().filter_map(move |endpoint| {
                let place = layout.get(function, endpoint.index)?;
                Some(PlannedEndpoint {
                    function: model.name.clone(),
                    index: endpoint.index,
                    transfer_type: endpoint.request.transfer_type,
                    address: place.address,
                    controller_name: udc.endpoints()[place.udc_endpoint].name().to_owned(),
                    packet_size: endpoint.request.packet_size_at(speed),
                })
            })
        });
        Ok(Plan {
            endpoints: endpoints.collect(),
            configuration_bytes: descriptors::configuration(&self.model, &layout, speed).len(),
            speed,
            control_limit,
        })
    }
}
