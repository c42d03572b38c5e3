//! Checks of what the descriptors say (USB 2.0 9.5 and 9.6, USB 3.2 9.6). They look at bytes, and ask nothing.

mod classes;
mod configuration;
mod device;
mod endpoints;
mod model;
mod object_store;
mod other_speed;
mod strings;
#[cfg(test)]
mod tests;

pub(crate) use self::model::Model;
use crate::check::Check;

/// Every check of descriptors.
pub(crate) fn checks() -> Vec<Check> {
    [
        device::CHECKS,
        configuration::CHECKS,
        endpoints::CHECKS,
        classes::CHECKS,
        strings::CHECKS,
        other_speed::CHECKS,
        object_store::CHECKS,
    ]
    .concat()
}
