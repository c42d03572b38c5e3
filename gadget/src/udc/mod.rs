//! What a device controller (UDC) has to offer: known by its driver, or read from the names of its endpoints.

mod endpoint;
mod families;
mod known;
mod machine;

use usbfs2_protocol::{Direction, Speed, TransferType};

pub use endpoint::UdcEndpoint;
pub use known::KnownUdc;
pub use machine::MachineUdc;

/// A device controller: its name, its speed and its endpoints besides 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Udc {
    name: String,
    fastest: Speed,
    endpoints: Vec<UdcEndpoint>,
    /// Bytes of each transmit FIFO, where IN endpoints are given one as they are enabled; empty where each has
    /// its own.
    in_fifos: Vec<u32>,
}

impl Udc {
    /// dummy_hcd's controller as Debian ships it: 12 IN and 12 OUT endpoints, none isochronous.
    #[must_use]
    pub fn dummy_hcd() -> Self {
        families::DUMMY.udc()
    }

    /// dummy_hcd's controller with isochronous transfers, as `cargo xtask vm --isochronous` builds it: three
    /// endpoints more in each direction.
    #[must_use]
    pub fn dummy_hcd_isochronous() -> Self {
        Self {
            // The same driver, so gadgetfs and sysfs tell no difference.
            name: families::DUMMY.name.to_owned(),
            ..families::DUMMY_ISOCHRONOUS.udc()
        }
    }

    /// The in-process bus: every number in both directions, of any type.
    #[must_use]
    pub fn loopback() -> Self {
        let names = (1..=15).flat_map(|number| [format!("ep{number}in"), format!("ep{number}out")]);
        Self {
            fastest: Speed::SuperPlus,
            ..Self::from_endpoint_names("the in-process bus", names)
        }
    }

    /// FunctionFS's endpoints, which stand for the controller's: every number in both directions, of any type.
    pub(crate) fn functionfs() -> Self {
        Self {
            name: "FunctionFS".to_owned(),
            ..Self::loopback()
        }
    }

    /// A controller of which only the endpoints' names are known, as gadgetfs lists them. Names that
    /// are no endpoint's are left out. Where the source of the kernel's driver says more of an endpoint than its
    /// name (its type, say), that counts.
    #[must_use]
    pub fn from_endpoint_names<N: AsRef<str>>(
        name: impl Into<String>,
        endpoints: impl IntoIterator<Item = N>,
    ) -> Self {
        let name = name.into();
        let endpoints: Vec<UdcEndpoint> = endpoints
            .into_iter()
            .filter_map(|endpoint| UdcEndpoint::parse(endpoint.as_ref()))
            .collect();
        let (fastest, endpoints) = match known::fixed_by_driver(&name, &endpoints) {
            Some(known) => (known.fastest, known.narrow(endpoints)),
            None => (Speed::High, endpoints),
        };
        Self {
            name,
            fastest,
            endpoints,
            in_fifos: Vec::new(),
        }
    }

    /// The controller that goes by this name: its driver's (`dwc2`), what gadgetfs calls it (`dummy_udc`), its entry
    /// in /sys/class/udc (`musb-hdrc.0`), or that of a board's variant (`dwc2-stm32mp1`). [`KnownUdc::ALL`] is the
    /// table, and says what varies from board to board.
    ///
    /// No machine is looked at: a name like `ff540000.usb`, which is an address, tells no driver;
    /// [`MachineUdc`] knows it on the machine that has it.
    #[must_use]
    pub fn known(name: &str) -> Option<Self> {
        KnownUdc::find(name).map(KnownUdc::udc)
    }

    /// The controller's name, which on gadgetfs is that of endpoint 0's file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fastest it runs at. High speed where nothing is known.
    #[must_use]
    pub fn fastest(&self) -> Speed {
        self.fastest
    }

    /// Whether isochronous transfers work at all.
    #[must_use]
    pub fn carries_isochronous(&self) -> bool {
        let mut endpoints = self.endpoints.iter();
        endpoints.any(|endpoint| {
            [Direction::In, Direction::Out]
                .into_iter()
                .any(|direction| endpoint.suits(direction, TransferType::Isochronous))
        })
    }

    /// The endpoints, in the controller's order.
    #[must_use]
    pub fn endpoints(&self) -> &[UdcEndpoint] {
        &self.endpoints
    }

    /// How many endpoints there are that could be of this direction.
    #[must_use]
    pub fn count(&self, direction: Direction) -> usize {
        let endpoints = self.endpoints.iter();
        endpoints
            .filter(|one| one.direction().is_none_or(|fixed| fixed == direction))
            .count()
    }

    /// The sizes of the transmit FIFOs in bytes, largest first, where IN endpoints share them out as they are enabled;
    /// empty where each has its own.
    #[must_use]
    pub fn in_fifos(&self) -> &[u32] {
        &self.in_fifos
    }
}

#[cfg(test)]
impl Udc {
    /// This controller with no endpoints but these.
    pub(crate) fn only(&self, names: &[&str]) -> Self {
        let mut udc = self.clone();
        udc.endpoints.retain(|one| names.contains(&one.name()));
        udc
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dummy_hcd_has_twelve_endpoints_each_way() {
        for direction in [Direction::In, Direction::Out] {
            assert_eq!(Udc::dummy_hcd().count(direction), 12, "{direction}");
            assert_eq!(Udc::dummy_hcd_isochronous().count(direction), 15);
        }
    }

    #[test]
    fn generic_endpoints_of_dummy_hcd_carry_nothing_isochronous() {
        assert!(!Udc::dummy_hcd().carries_isochronous());
        assert!(Udc::dummy_hcd_isochronous().carries_isochronous());
        assert!(Udc::loopback().carries_isochronous());
        assert!(Udc::from_endpoint_names("fsl-usb2-udc", ["ep1in"]).carries_isochronous());
        assert!(!Udc::from_endpoint_names("pl110", ["ep1in-bulk"]).carries_isochronous());
    }

    #[test]
    fn what_the_driver_says_of_a_name_counts() {
        // The file's name says nothing of its type; the driver's table does.
        let renesas = Udc::from_endpoint_names("renesas_usbhs_udc", ["ep1", "ep3", "ep6"]);
        let types = renesas.endpoints().iter().map(UdcEndpoint::transfer_type);
        let types: Vec<_> = types.collect();
        assert_eq!(
            types,
            [
                Some(TransferType::Isochronous),
                Some(TransferType::Bulk),
                Some(TransferType::Interrupt)
            ]
        );
        let dummy = Udc::dummy_hcd_isochronous();
        let names = dummy.endpoints().iter().map(UdcEndpoint::name);
        assert_eq!(Udc::from_endpoint_names("dummy_udc", names), dummy);
        // What the hardware decides is not taken from a table.
        let dwc2 = Udc::from_endpoint_names("fe980000.usb", ["ep1in", "ep1out"]);
        assert_eq!(dwc2.endpoints().len(), 2);
        assert!(dwc2.in_fifos().is_empty());
    }
}
