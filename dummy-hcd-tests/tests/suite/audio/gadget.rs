//! The kernel's audio functions, at any speed of the bus.

use anyhow::Result;
use dummy_hcd_tests::composite::KernelFunction;

use crate::setup::{self, Plugged};

/// Which class they are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Uac1,
    Uac2,
}

impl Function {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uac1 => "uac1",
            Self::Uac2 => "uac2",
        }
    }

    /// Plugs in a gadget with one rate for both directions, 16-bit stereo, and waits for `snd-usb-audio`.
    pub(crate) fn plug(self, speed: Speed, rate: u32) -> Result<Plugged> {
        let mut function = KernelFunction::new(self.name());
        for rates in ["c_srate", "p_srate"] {
            function = function.with(rates, rate.to_string());
        }
        setup::with_driver_at(function, "snd-usb-audio", speed.udc_name())
    }
}

/// The speed of the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speed {
    Full,
    High,
    Super,
}

impl Speed {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::High => "high",
            // Not "super": the part of the suite that is named so selects by what a name contains.
            Self::Super => "super_speed",
        }
    }

    /// As a gadget's `max_speed` has it.
    pub(crate) fn udc_name(self) -> &'static str {
        match self {
            Self::Full => "full-speed",
            Self::High => "high-speed",
            Self::Super => "super-speed",
        }
    }
}
