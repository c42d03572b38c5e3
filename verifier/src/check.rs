//! Checks and the lists they stand in.

use crate::finding::{Checked, Outcome};
use crate::reading::Reading;
use crate::subject::Subject;

/// Groups of checks, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Group {
    /// What the descriptors say, and whether they agree with each other.
    Descriptors,
    /// Descriptors asked for at every length.
    Lengths,
    /// What a device must refuse.
    InvalidRequests,
    /// Status and features of device, interfaces and endpoints.
    StatusAndFeatures,
    /// Alternate settings.
    Interfaces,
    /// Bulk-Only Transport and the commands every disk has.
    MassStorage,
    /// Configurations, suspend and being plugged in again.
    Configurations,
}

impl Group {
    /// The group's name, as headings have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Descriptors => "Descriptors",
            Self::Lengths => "Descriptors at every length",
            Self::InvalidRequests => "Invalid requests",
            Self::StatusAndFeatures => "Status and features",
            Self::Interfaces => "Interfaces",
            Self::MassStorage => "Mass storage",
            Self::Configurations => "Configurations and the bus",
        }
    }
}

/// One check and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// The group it is in.
    pub group: Group,
    /// What it checks. No two checks have the same name.
    pub name: &'static str,
    /// Where the rule is: `USB 2.0 9.6.1`.
    pub section: &'static str,
    /// How it ended.
    pub outcome: Outcome,
}

/// What must hold for a check to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Every interface is claimed: requests to it reach the device, and no driver of the system's speaks between.
    Claimed,
    /// None is, so that the configuration may change.
    Released,
}

pub(crate) type OfDescriptors = fn(&Reading) -> Checked;
pub(crate) type OfDevice = fn(&mut Subject<'_>) -> Checked;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    /// Looks at what has been read.
    Descriptors(OfDescriptors),
    /// Asks the device.
    Device(Hold, OfDevice),
}

/// A check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Check {
    pub(crate) group: Group,
    pub(crate) name: &'static str,
    pub(crate) section: &'static str,
    pub(crate) body: Body,
}

impl Check {
    pub(crate) const fn of_descriptors(
        name: &'static str,
        section: &'static str,
        run: OfDescriptors,
    ) -> Self {
        Self {
            group: Group::Descriptors,
            name,
            section,
            body: Body::Descriptors(run),
        }
    }

    pub(crate) const fn claimed(
        group: Group,
        name: &'static str,
        section: &'static str,
        run: OfDevice,
    ) -> Self {
        Self {
            group,
            name,
            section,
            body: Body::Device(Hold::Claimed, run),
        }
    }

    pub(crate) const fn released(
        group: Group,
        name: &'static str,
        section: &'static str,
        run: OfDevice,
    ) -> Self {
        Self {
            group,
            name,
            section,
            body: Body::Device(Hold::Released, run),
        }
    }
}
