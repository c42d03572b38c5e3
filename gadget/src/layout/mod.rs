//! Which of the controller's endpoints each declared endpoint gets, and at which address.

mod matching;

use usbfs2_protocol::{Direction, EndpointAddress, Speed, TransferType};

use crate::describe::{EndpointModel, FunctionModel, InterfaceModel};
use crate::udc::{Udc, UdcEndpoint};
use matching::Matching;

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
    pub(crate) need: Need,
    /// There is an endpoint, but no transmit FIFO that holds the need.
    pub(crate) is_for_fifo: bool,
}

/// What an endpoint asks of the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) direction: Direction,
    pub(crate) transfer_type: TransferType,
    /// The largest at the speeds in question.
    pub(crate) packet_size: u16,
    /// All that moves in a service interval, which may be several packets.
    pub(crate) interval_size: u16,
}

impl Need {
    pub(crate) fn fits(&self, endpoint: &UdcEndpoint) -> bool {
        let limit = endpoint.packet_limit();
        endpoint.suits(self.direction, self.transfer_type)
            && limit.is_none_or(|limit| self.packet_size <= limit)
    }
}

impl Layout {
    /// Assigns every endpoint, or says which found no place. At `speeds` their packets have to fit.
    ///
    /// The alternate settings of an interface are never active together, so they share endpoints of the
    /// same direction and type. Whatever assignment there is is found: an endpoint that is in the way moves to another
    /// of the controller's that suits it.
    pub(crate) fn assign(
        functions: &[FunctionModel],
        udc: &Udc,
        speeds: &[Speed],
    ) -> Result<Self, Vec<NoEndpointLeft>> {
        let mut needs = Needs {
            speeds,
            all: Vec::new(),
        };
        let chosen: Vec<Vec<Option<usize>>> = functions
            .iter()
            .map(|function| needs.function(function))
            .collect();
        let matching = Matching::of(udc, &needs.all);
        let addresses = matching.addresses();

        let mut missing = Vec::new();
        let mut layout = Vec::new();
        for (function, (model, chosen)) in functions.iter().zip(chosen).enumerate() {
            let mut places = Vec::new();
            for endpoint in model.endpoints() {
                let need = chosen.get(endpoint.index).copied().flatten();
                let udc_endpoint = need.and_then(|need| matching.place(need));
                let address = udc_endpoint.and_then(|place| addresses[place]);
                match (udc_endpoint, address) {
                    (Some(udc_endpoint), Some(address)) => places.push(Assigned {
                        udc_endpoint,
                        address,
                    }),
                    _ => missing.push(NoEndpointLeft {
                        function,
                        index: endpoint.index,
                        need: needs.of(endpoint),
                        is_for_fifo: false,
                    }),
                }
            }
            layout.push(places);
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        let layout = Self(layout);
        let without = matching.without_fifo();
        for (function, model) in functions.iter().enumerate() {
            for endpoint in model.endpoints() {
                let place = layout.get(function, endpoint.index);
                if place.is_some_and(|place| without.contains(&place.udc_endpoint)) {
                    missing.push(NoEndpointLeft {
                        function,
                        index: endpoint.index,
                        need: needs.of(endpoint),
                        is_for_fifo: true,
                    });
                }
            }
        }
        if missing.is_empty() {
            Ok(layout)
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

/// What the declared endpoints need, those counted once that are never active together.
struct Needs<'a> {
    speeds: &'a [Speed],
    all: Vec<Need>,
}

impl Needs<'_> {
    fn of(&self, endpoint: &EndpointModel) -> Need {
        let request = &endpoint.request;
        let largest = |size: &dyn Fn(Speed) -> u16| {
            let sizes = self.speeds.iter().map(|&speed| size(speed));
            sizes.max().unwrap_or_default()
        };
        Need {
            direction: request.direction,
            transfer_type: request.transfer_type,
            packet_size: largest(&|speed| request.transaction_size_at(speed)),
            interval_size: largest(&|speed| request.packet_size_at(speed)),
        }
    }

    /// The need of each of the function's endpoints, by endpoint index.
    fn function(&mut self, model: &FunctionModel) -> Vec<Option<usize>> {
        let mut chosen = vec![None; model.endpoint_count];
        for interface in &model.interfaces {
            self.interface(interface, &mut chosen);
        }
        chosen
    }

    fn interface(&mut self, interface: &InterfaceModel, chosen: &mut [Option<usize>]) {
        // The needs of earlier alternate settings of this interface.
        let mut shareable: Vec<usize> = Vec::new();
        for setting in &interface.alternate_settings {
            let mut free = shareable.clone();
            for endpoint in &setting.endpoints {
                let need = self.of(endpoint);
                let shared = free.iter().position(|&one| {
                    let one = &self.all[one];
                    (one.direction, one.transfer_type) == (need.direction, need.transfer_type)
                });
                let place = match shared {
                    Some(position) => {
                        let place = free.remove(position);
                        let shared = &mut self.all[place];
                        shared.packet_size = need.packet_size.max(shared.packet_size);
                        shared.interval_size = need.interval_size.max(shared.interval_size);
                        place
                    }
                    None => {
                        self.all.push(need);
                        shareable.push(self.all.len() - 1);
                        self.all.len() - 1
                    }
                };
                chosen[endpoint.index] = Some(place);
            }
        }
    }
}
