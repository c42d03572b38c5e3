//! One endpoint of a controller: what its name fixes, and what its driver allows.

use usbfs2_protocol::{Direction, TransferType};

/// One endpoint of a controller. Controllers say in the name what an endpoint can do; what neither the name nor
/// the driver's table fixes, the endpoint descriptor decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdcEndpoint {
    name: String,
    number: Option<u8>,
    direction: Option<Direction>,
    types: Types,
    packet_limit: Option<u16>,
}

/// The transfer types that an endpoint carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Types {
    bulk: bool,
    interrupt: bool,
    isochronous: bool,
}

impl Types {
    pub(super) const ALL: Self = Self {
        bulk: true,
        interrupt: true,
        isochronous: true,
    };
    pub(super) const BULK_OR_INTERRUPT: Self = Self {
        isochronous: false,
        ..Self::ALL
    };

    pub(super) const fn only(transfer_type: TransferType) -> Self {
        Self {
            bulk: matches!(transfer_type, TransferType::Bulk),
            interrupt: matches!(transfer_type, TransferType::Interrupt),
            isochronous: matches!(transfer_type, TransferType::Isochronous),
        }
    }

    const fn contain(self, transfer_type: TransferType) -> bool {
        match transfer_type {
            TransferType::Bulk => self.bulk,
            TransferType::Interrupt => self.interrupt,
            TransferType::Isochronous => self.isochronous,
            TransferType::Control => false,
        }
    }

    fn count(self) -> usize {
        [self.bulk, self.interrupt, self.isochronous]
            .into_iter()
            .filter(|&one| one)
            .count()
    }
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
        let types = match rest {
            "" => Types::ALL,
            "-bulk" => Types::only(TransferType::Bulk),
            "-int" => Types::only(TransferType::Interrupt),
            "-iso" => Types::only(TransferType::Isochronous),
            _ => return None,
        };
        Some(Self {
            name: name.to_owned(),
            number,
            direction,
            types,
            packet_limit: None,
        })
    }

    /// The endpoint of this name as a driver has it.
    pub(super) fn of_driver(
        name: &str,
        direction: Option<Direction>,
        types: Types,
        packet_limit: Option<u16>,
    ) -> Option<Self> {
        let parsed = Self::parse(name)?;
        Some(Self {
            direction: direction.or(parsed.direction),
            types,
            packet_limit,
            ..parsed
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
        let types = [
            TransferType::Bulk,
            TransferType::Interrupt,
            TransferType::Isochronous,
        ];
        let mut carried = types.into_iter().filter(|&one| self.types.contain(one));
        carried.next().filter(|_| self.types.count() == 1)
    }

    /// The most bytes of a service interval or packet that fit, where the driver says so.
    #[must_use]
    #[doc(alias = "maxpacket_limit")]
    pub fn packet_limit(&self) -> Option<u16> {
        self.packet_limit
    }

    /// Whether an endpoint of this direction and type can live here.
    #[must_use]
    pub fn suits(&self, direction: Direction, transfer_type: TransferType) -> bool {
        self.direction.is_none_or(|fixed| fixed == direction) && self.types.contain(transfer_type)
    }

    /// How many things are fixed. Endpoints that fix more are handed out first, since they suit fewer.
    pub(crate) fn specificity(&self) -> usize {
        (3 - self.types.count())
            + usize::from(self.direction.is_some())
            + usize::from(self.packet_limit.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_number_direction_and_type() {
        let parse = |name| {
            let endpoint = UdcEndpoint::parse(name)?;
            Some((
                endpoint.number,
                endpoint.direction,
                endpoint.transfer_type(),
            ))
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
}
