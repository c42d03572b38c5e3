//! What a device controller (UDC) has to offer, read from the names of its endpoints.

use usbfs2_protocol::{Direction, TransferType};

/// The controller dummy_hcd makes.
const DUMMY_UDC: &str = "dummy_udc";

/// dummy_hcd's endpoints, read from 6.12, in its own order. The isochronous ones of its table
/// are commented out in the kernel: as it comes, dummy_hcd carries no isochronous transfer.
const DUMMY_HCD: [&str; 24] = [
    "ep1in-bulk",
    "ep2out-bulk",
    "ep5in-int",
    "ep6in-bulk",
    "ep7out-bulk",
    "ep10in-int",
    "ep11in-bulk",
    "ep12out-bulk",
    "ep15in-int",
    "ep1out-bulk",
    "ep2in-bulk",
    "ep-aout",
    "ep-bin",
    "ep-cout",
    "ep-dout",
    "ep-ein",
    "ep-fout",
    "ep-gin",
    "ep-hout",
    "ep-iout",
    "ep-jin",
    "ep-kout",
    "ep-lin",
    "ep-mout",
];

/// What dummy_hcd has besides where isochronous transfers were added to it.
const DUMMY_HCD_ISOCHRONOUS: [&str; 6] = [
    "ep3in-iso",
    "ep4out-iso",
    "ep8in-iso",
    "ep9out-iso",
    "ep13in-iso",
    "ep14out-iso",
];

/// A device controller: its name, its speed and its endpoints besides 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Udc {
    name: String,
    endpoints: Vec<UdcEndpoint>,
}

/// One endpoint of a controller. Controllers say in the name what an endpoint can do; what the name
/// does not fix, the endpoint descriptor decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdcEndpoint {
    name: String,
    number: Option<u8>,
    direction: Option<Direction>,
    transfer_type: Option<TransferType>,
}

impl UdcEndpoint {
    /// Reads an endpoint's name by the kernel's convention (include/linux/usb/gadget.h): `ep3`, `ep3in`,
    /// `ep3in-bulk`, or with a letter for a free number, `ep-a`, `ep-bin`. `None` for endpoint 0 and for
    /// other names.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("ep")?;
        let (number, rest) = match rest.strip_prefix('-') {
            Some(letter) => {
                let mut characters = letter.chars();
                characters.next().filter(char::is_ascii_lowercase)?;
                (None, characters.as_str())
            }
            None => {
                let digits =
                    rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                let (number, rest) = rest.split_at(digits);
                let number = number.parse().ok().filter(|n| (1..=15).contains(n))?;
                (Some(number), rest)
            }
        };
        let (direction, rest) = if let Some(rest) = rest.strip_prefix("in") {
            (Some(Direction::In), rest)
        } else if let Some(rest) = rest.strip_prefix("out") {
            (Some(Direction::Out), rest)
        } else {
            (None, rest)
        };
        let transfer_type = match rest {
            "" => None,
            "-bulk" => Some(TransferType::Bulk),
            "-int" => Some(TransferType::Interrupt),
            "-iso" => Some(TransferType::Isochronous),
            _ => return None,
        };
        Some(Self {
            name: name.to_owned(),
            number,
            direction,
            transfer_type,
        })
    }

    /// The name, which is also that of the endpoint's file on gadgetfs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fixed endpoint number, or `None` where the descriptor decides.
    #[must_use]
    pub fn number(&self) -> Option<u8> {
        self.number
    }

    /// The fixed direction, if any.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        self.direction
    }

    /// The fixed transfer type, if any.
    #[must_use]
    pub fn transfer_type(&self) -> Option<TransferType> {
        self.transfer_type
    }

    /// Whether an endpoint of this direction and type can live here.
    #[must_use]
    pub fn suits(&self, direction: Direction, transfer_type: TransferType) -> bool {
        self.direction.is_none_or(|fixed| fixed == direction)
            && self
                .transfer_type
                .is_none_or(|fixed| fixed == transfer_type)
    }

    /// How many things the name fixes. Endpoints that fix more are handed out first, since they suit
    /// fewer.
    pub(crate) fn specificity(&self) -> usize {
        usize::from(self.transfer_type.is_some()) + usize::from(self.direction.is_some())
    }
}

impl Udc {
    /// dummy_hcd's controller as Debian ships it: 12 IN and 12 OUT endpoints, none isochronous.
    #[must_use]
    pub fn dummy_hcd() -> Self {
        Self::from_endpoint_names(DUMMY_UDC, DUMMY_HCD)
    }

    /// dummy_hcd's controller with isochronous transfers, as `cargo xtask vm --isochronous` builds it: three
    /// endpoints more in each direction.
    #[must_use]
    pub fn dummy_hcd_isochronous() -> Self {
        let names = DUMMY_HCD.into_iter().chain(DUMMY_HCD_ISOCHRONOUS);
        Self::from_endpoint_names(DUMMY_UDC, names)
    }

    /// The in-process bus: every number in both directions, of any type.
    #[must_use]
    pub fn loopback() -> Self {
        let names = (1..=15).flat_map(|number| [format!("ep{number}in"), format!("ep{number}out")]);
        Self::from_endpoint_names("the in-process bus", names)
    }

    /// FunctionFS's endpoints, which stand for the controller's: every number in both directions, of any type.
    pub(crate) fn functionfs() -> Self {
        Self {
            name: "FunctionFS".to_owned(),
            ..Self::loopback()
        }
    }

    /// A controller of which only the endpoints' names are known, as gadgetfs lists them. Names that
    /// are no endpoint's are left out.
    #[must_use]
    pub fn from_endpoint_names<N: AsRef<str>>(
        name: impl Into<String>,
        endpoints: impl IntoIterator<Item = N>,
    ) -> Self {
        Self {
            name: name.into(),
            endpoints: endpoints
                .into_iter()
                .filter_map(|endpoint| UdcEndpoint::parse(endpoint.as_ref()))
                .collect(),
        }
    }

    /// The controller's endpoints where its name is enough to know them: `dummy_udc`, which may have isochronous
    /// ones besides ([`dummy_hcd_isochronous`](Self::dummy_hcd_isochronous)).
    #[must_use]
    pub fn known(name: &str) -> Option<Self> {
        (name == DUMMY_UDC).then(Self::dummy_hcd)
    }

    /// The controller's name, which on gadgetfs is that of endpoint 0's file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether isochronous transfers work at all.
    #[must_use]
    pub fn carries_isochronous(&self) -> bool {
        let mut endpoints = self.endpoints.iter();
        endpoints.any(|endpoint| {
            [Direction::In, Direction::Out]
                .into_iter()
                .any(|direction| self.suits(endpoint, direction, TransferType::Isochronous))
        })
    }

    /// Whether an endpoint of this direction and type can live on this one of the controller's.
    pub(crate) fn suits(
        &self,
        endpoint: &UdcEndpoint,
        direction: Direction,
        transfer_type: TransferType,
    ) -> bool {
        // dummy_hcd's generic endpoints would accept the descriptor and then carry nothing.
        let is_refused = transfer_type == TransferType::Isochronous
            && endpoint.transfer_type.is_none()
            && self.name == DUMMY_UDC;
        !is_refused && endpoint.suits(direction, transfer_type)
    }

    /// The endpoints, in the controller's order.
    #[must_use]
    pub fn endpoints(&self) -> &[UdcEndpoint] {
        &self.endpoints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_number_direction_and_type() {
        let parse = |name| {
            let endpoint = UdcEndpoint::parse(name)?;
            Some((endpoint.number, endpoint.direction, endpoint.transfer_type))
        };
        let bulk = Some(TransferType::Bulk);
        let interrupt = Some(TransferType::Interrupt);
        assert_eq!(
            parse("ep1in-bulk"),
            Some((Some(1), Some(Direction::In), bulk))
        );
        assert_eq!(
            parse("ep15in-int"),
            Some((Some(15), Some(Direction::In), interrupt))
        );
        assert_eq!(parse("ep-aout"), Some((None, Some(Direction::Out), None)));
        assert_eq!(parse("ep-b"), Some((None, None, None)));
        assert_eq!(parse("ep3"), Some((Some(3), None, None)));
        assert_eq!(
            parse("ep-e-iso"),
            Some((None, None, Some(TransferType::Isochronous)))
        );
    }

    #[test]
    fn other_names_are_no_endpoints() {
        for name in [
            "ep0",
            "ep16in",
            "ep",
            "ep-",
            "ep-1",
            "ep1sideways",
            "dummy_udc",
            "ep1in-x",
        ] {
            assert_eq!(UdcEndpoint::parse(name), None, "{name}");
        }
    }

    #[test]
    fn dummy_hcd_has_twelve_endpoints_each_way() {
        let udc = Udc::dummy_hcd();
        for direction in [Direction::In, Direction::Out] {
            assert_eq!(count(&udc, direction), 12, "{direction}");
            assert_eq!(count(&Udc::dummy_hcd_isochronous(), direction), 15);
        }
    }

    fn count(udc: &Udc, direction: Direction) -> usize {
        let endpoints = udc.endpoints().iter();
        endpoints
            .filter(|endpoint| endpoint.direction() == Some(direction))
            .count()
    }

    #[test]
    fn generic_endpoints_of_dummy_hcd_carry_nothing_isochronous() {
        assert!(!Udc::dummy_hcd().carries_isochronous());
        assert!(Udc::dummy_hcd_isochronous().carries_isochronous());
        assert!(Udc::loopback().carries_isochronous());
        assert!(Udc::from_endpoint_names("fsl-usb2-udc", ["ep1in"]).carries_isochronous());
        assert!(!Udc::from_endpoint_names("pl110", ["ep1in-bulk"]).carries_isochronous());
    }
}
