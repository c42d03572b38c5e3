//! Which of the controller's endpoints each declared endpoint gets, and at which address.

use usbfs2_protocol::{Direction, EndpointAddress, TransferType};

use crate::describe::{EndpointModel, FunctionModel, InterfaceModel};
use crate::udc::Udc;

/// A declared endpoint's place in the controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assigned {
    /// The index into [`Udc::endpoints`].
    pub(crate) udc_endpoint: usize,
    pub(crate) address: EndpointAddress,
}

/// The addresses of all declared endpoints: by function, then by endpoint index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Layout(Vec<Vec<Assigned>>);

/// A declared endpoint the controller has nothing for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoEndpointLeft {
    pub(crate) function: usize,
    pub(crate) index: usize,
    pub(crate) direction: Direction,
    pub(crate) transfer_type: TransferType,
}

impl Layout {
    /// Assigns every endpoint, or says which found no place.
    ///
    /// The alternate settings of an interface are never active together, so they share endpoints of the
    /// same direction and type. Endpoints that fix most are handed out first; since each fixes a subset
    /// of what the less specific ones suit, that never wastes one.
    pub(crate) fn assign(
        functions: &[FunctionModel],
        udc: &Udc,
    ) -> Result<Self, Vec<NoEndpointLeft>> {
        let mut chooser = Chooser {
            udc,
            taken: vec![None; udc.endpoints().len()],
        };
        let chosen: Vec<Vec<Option<usize>>> = functions
            .iter()
            .map(|function| chooser.function(function))
            .collect();
        let addresses = chooser.addresses();

        let mut missing = Vec::new();
        let mut layout = Vec::new();
        for (function, (model, chosen)) in functions.iter().zip(chosen).enumerate() {
            let mut places = Vec::new();
            for endpoint in model.endpoints() {
                let udc_endpoint = chosen.get(endpoint.index).copied().flatten();
                let address = udc_endpoint.and_then(|place| addresses[place]);
                match (udc_endpoint, address) {
                    (Some(udc_endpoint), Some(address)) => places.push(Assigned {
                        udc_endpoint,
                        address,
                    }),
                    _ => missing.push(NoEndpointLeft {
                        function,
                        index: endpoint.index,
                        direction: endpoint.request.direction,
                        transfer_type: endpoint.request.transfer_type,
                    }),
                }
            }
            layout.push(places);
        }
        if missing.is_empty() {
            Ok(Self(layout))
        } else {
            Err(missing)
        }
    }

    /// The place of a function's endpoint.
    pub(crate) fn get(&self, function: usize, index: usize) -> Option<&Assigned> {
        self.0.get(function)?.get(index)
    }

    /// Which function has an endpoint at this address, and the endpoint's index there. Alternate settings
    /// may share an address: then the first.
    pub(crate) fn find(&self, address: EndpointAddress) -> Option<(usize, usize)> {
        self.0.iter().enumerate().find_map(|(function, endpoints)| {
            let index = endpoints.iter().position(|one| one.address == address)?;
            Some((function, index))
        })
    }
}

struct Chooser<'a> {
    udc: &'a Udc,
    /// The direction each of the controller's endpoints was taken for.
    taken: Vec<Option<Direction>>,
}

impl Chooser<'_> {
    /// A place for each endpoint of the function, by endpoint index.
    fn function(&mut self, model: &FunctionModel) -> Vec<Option<usize>> {
        let mut chosen = vec![None; model.endpoint_count];
        for interface in &model.interfaces {
            self.interface(interface, &mut chosen);
        }
        chosen
    }

    fn interface(&mut self, interface: &InterfaceModel, chosen: &mut [Option<usize>]) {
        // What earlier alternate settings of this interface took: (controller endpoint, type).
        let mut shareable: Vec<(usize, TransferType)> = Vec::new();
        for setting in &interface.alternate_settings {
            let mut free = shareable.clone();
            for endpoint in &setting.endpoints {
                let place = self
                    .share(&mut free, endpoint)
                    .or_else(|| self.take(endpoint));
                let entry = place.map(|place| (place, endpoint.request.transfer_type));
                shareable.extend(entry.filter(|entry| !shareable.contains(entry)));
                chosen[endpoint.index] = place;
            }
        }
    }

    fn share(
        &self,
        free: &mut Vec<(usize, TransferType)>,
        endpoint: &EndpointModel,
    ) -> Option<usize> {
        let position = free.iter().position(|&(place, transfer_type)| {
            transfer_type == endpoint.request.transfer_type
                && self.taken[place] == Some(endpoint.request.direction)
        })?;
        Some(free.remove(position).0)
    }

    fn take(&mut self, endpoint: &EndpointModel) -> Option<usize> {
        let direction = endpoint.request.direction;
        let (place, _) = self
            .udc
            .endpoints()
            .iter()
            .enumerate()
            .filter(|&(place, candidate)| {
                self.taken[place].is_none()
                    && self
                        .udc
                        .suits(candidate, direction, endpoint.request.transfer_type)
            })
            // The first of the most specific ones.
            .min_by_key(|(_, candidate)| usize::MAX - candidate.specificity())?;
        self.taken[place] = Some(direction);
        Some(place)
    }

    /// Fixed numbers first, then the lowest free number for the others.
    fn addresses(&self) -> Vec<Option<EndpointAddress>> {
        let mut addresses: Vec<Option<EndpointAddress>> = vec![None; self.taken.len()];
        let places = || self.udc.endpoints().iter().zip(&self.taken).enumerate();
        for (place, (endpoint, taken)) in places() {
            if let (Some(number), &Some(direction)) = (endpoint.number(), taken) {
                addresses[place] = EndpointAddress::new(number, direction).ok();
            }
        }
        for (place, (endpoint, taken)) in places() {
            if let (None, &Some(direction)) = (endpoint.number(), taken) {
                addresses[place] = (1..=15)
                    .filter_map(|number| EndpointAddress::new(number, direction).ok())
                    .find(|address| !addresses.contains(&Some(*address)));
            }
        }
        addresses
    }
}
