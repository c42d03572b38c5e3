//! The table of controllers, and finding one in it.

use usbfs2_protocol::{Direction, Speed};

use super::endpoint::{Types, UdcEndpoint};
use super::{Udc, families};

/// A controller as the kernel's driver, or a board's device tree, makes it.
#[derive(Debug)]
pub struct KnownUdc {
    pub(super) name: &'static str,
    /// What the kernel calls it: the driver's name, the gadget's (`usb_gadget.name`, gadgetfs's file for endpoint 0)
    /// and the device's in /sys/class/udc, without its number.
    pub(super) kernel_names: &'static [&'static str],
    /// The device tree's words for it.
    pub(super) compatible: &'static [&'static str],
    pub(super) boards: &'static str,
    pub(super) varies: Option<&'static str>,
    pub(super) notes: &'static [&'static str],
    pub(super) fastest: Speed,
    /// The driver's source says what each endpoint is, whatever the hardware.
    pub(super) is_fixed: bool,
    pub(super) endpoints: &'static [Group],
    pub(super) in_fifos: &'static [u32],
}

/// Endpoints that are alike.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) names: Names,
    /// Where the name does not say it.
    pub(super) direction: Option<Direction>,
    /// `None`: as the name says.
    pub(super) types: Option<Types>,
    pub(super) packet_limit: Option<u16>,
}

/// How the endpoints of a group are called; numbers are the first and the last.
#[derive(Debug)]
pub(super) enum Names {
    These(&'static [&'static str]),
    In(u8, u8),
    Out(u8, u8),
    /// One of both directions.
    Either(u8, u8),
}

impl Group {
    pub(super) const fn new(names: Names, types: Option<Types>, packet_limit: Option<u16>) -> Self {
        Self {
            names,
            direction: None,
            types,
            packet_limit,
        }
    }

    fn names(&self) -> Vec<String> {
        let numbered = |first: u8, last: u8, end: &str| {
            (first..=last)
                .map(|number| format!("ep{number}{end}"))
                .collect()
        };
        match self.names {
            Names::These(names) => names.iter().map(|&name| name.to_owned()).collect(),
            Names::In(first, last) => numbered(first, last, "in"),
            Names::Out(first, last) => numbered(first, last, "out"),
            Names::Either(first, last) => numbered(first, last, ""),
        }
    }

    fn endpoints(&self) -> Vec<UdcEndpoint> {
        let names = self.names();
        let endpoints = names.iter().filter_map(|name| match self.types {
            Some(types) => UdcEndpoint::of_driver(name, self.direction, types, self.packet_limit),
            None => UdcEndpoint::parse(name),
        });
        endpoints.collect()
    }
}

impl KnownUdc {
    /// The whole table.
    pub const ALL: &'static [&'static Self] = families::ALL;

    /// The entry that goes by this name, as for [`Udc::known`].
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        let stem = without_number(name);
        let mut entries = Self::ALL.iter();
        let by_name = entries.find(|one| one.name == name || one.name == stem);
        let mut entries = Self::ALL.iter();
        let found = by_name.or_else(|| {
            entries.find(|one| {
                let mut names = one.kernel_names.iter();
                names.any(|&known| known == name || known == stem)
            })
        });
        found.copied()
    }

    /// The entry for a device that the device tree calls so.
    pub(super) fn of_compatible(compatible: &str) -> Option<&'static Self> {
        let mut entries = Self::ALL.iter();
        let found = entries.find(|one| one.compatible.contains(&compatible));
        found.copied()
    }

    /// The name in the table: the driver's, or that of a variant of it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where it is found.
    #[must_use]
    pub fn boards(&self) -> &'static str {
        self.boards
    }

    /// What other boards with the same driver may have otherwise.
    #[must_use]
    pub fn varies(&self) -> Option<&'static str> {
        self.varies
    }

    /// What the controller or its driver cannot do besides.
    #[must_use]
    pub fn notes(&self) -> &'static [&'static str] {
        self.notes
    }

    /// The controller.
    #[must_use]
    pub fn udc(&self) -> Udc {
        let endpoints = self.endpoints.iter().flat_map(Group::endpoints);
        let mut in_fifos = self.in_fifos.to_vec();
        in_fifos.sort_unstable_by(|a, b| b.cmp(a));
        Udc {
            name: self.name.to_owned(),
            fastest: self.fastest,
            endpoints: endpoints.collect(),
            in_fifos,
        }
    }

    /// These endpoints, with what the driver says of each name.
    pub(super) fn narrow(&self, endpoints: Vec<UdcEndpoint>) -> Vec<UdcEndpoint> {
        let known = self.udc().endpoints;
        let narrowed = endpoints.into_iter().map(|endpoint| {
            let mut known = known.iter();
            let same = known.find(|known| known.name() == endpoint.name());
            same.cloned().unwrap_or(endpoint)
        });
        narrowed.collect()
    }
}

/// The entry whose driver fixes what these endpoints are.
pub(super) fn fixed_by_driver(name: &str, endpoints: &[UdcEndpoint]) -> Option<&'static KnownUdc> {
    let stem = without_number(name);
    let mut entries = KnownUdc::ALL.iter().copied();
    entries.find(|entry| {
        let is_meant = entry.name == stem || entry.kernel_names.contains(&stem);
        if !(entry.is_fixed && is_meant) {
            return false;
        }
        let names: Vec<String> = entry.endpoints.iter().flat_map(Group::names).collect();
        let mut endpoints = endpoints.iter();
        endpoints.all(|endpoint| names.iter().any(|name| name == endpoint.name()))
    })
}

/// `musb-hdrc` of `musb-hdrc.1.auto`, `dummy_udc` of `dummy_udc.0`.
fn without_number(name: &str) -> &str {
    let name = name.strip_suffix(".auto").unwrap_or(name);
    match name.rsplit_once('.') {
        Some((stem, number)) if number.parse::<u16>().is_ok() => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use usbfs2_protocol::TransferType;

    use super::*;

    #[test]
    fn names_of_the_kernel_find_their_controller() {
        for (name, entry) in [
            ("dwc2", "dwc2"),
            ("fe980000.usb", "dwc2"),
            ("20980000.usb", "dwc2"),
            ("dwc2-stm32mp1", "dwc2-stm32mp1"),
            ("dwc3-gadget", "dwc3"),
            ("musb-hdrc.0", "musb"),
            ("musb-hdrc.1.auto", "musb"),
            ("ci_hdrc.0", "ci_hdrc"),
            ("usb-ss-gadget", "cdns3"),
            ("dummy_udc.31", "dummy_udc"),
            ("dummy_hcd", "dummy_udc"),
            ("renesas_usbhs_udc", "renesas_usbhs-sh"),
            ("renesas_usbhs", "renesas_usbhs"),
        ] {
            assert_eq!(
                KnownUdc::find(name).map(|one| one.name),
                Some(entry),
                "{name}"
            );
        }
        for name in ["", ".", "ff540000.usb", "dwc", "dwc2.usb", "ep0"] {
            assert!(KnownUdc::find(name).is_none(), "{name}");
        }
    }

    #[test]
    fn every_entry_is_sound() {
        let mut names = HashSet::new();
        let mut compatible = HashSet::new();
        for entry in KnownUdc::ALL {
            let name = entry.name;
            assert!(names.insert(name), "{name} is there twice");
            for word in entry.compatible {
                assert!(compatible.insert(word), "{word} is there twice");
            }
            let udc = entry.udc();
            let declared: usize = entry
                .endpoints
                .iter()
                .map(|group| group.names().len())
                .sum();
            assert_eq!(
                udc.endpoints.len(),
                declared,
                "{name}: a name is no endpoint's"
            );
            let unique: HashSet<&str> = udc.endpoints.iter().map(UdcEndpoint::name).collect();
            assert_eq!(unique.len(), declared, "{name}: an endpoint is there twice");
            for direction in [Direction::In, Direction::Out] {
                let mut endpoints = udc.endpoints.iter();
                let bulk = endpoints.any(|one| one.suits(direction, TransferType::Bulk));
                assert!(bulk, "{name} carries nothing {direction}");
            }
            assert!(!entry.boards.is_empty(), "{name}");
            assert!(
                entry.is_fixed || entry.varies.is_some(),
                "{name}: what varies?"
            );
            if !udc.in_fifos.is_empty() {
                assert_eq!(udc.in_fifos.len(), udc.count(Direction::In), "{name}");
            }
        }
    }
}
