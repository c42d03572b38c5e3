//! Host, class drivers and faults on QEMU's host controllers, with QEMU's devices.
//!
//! `dummy_hcd` copies a transfer from one end's memory to the other's. These controllers are on a PCI bus
//! and reach memory by themselves, each with limits of its own on how it may lie, and each ends transfers in
//! its own way when they are cancelled, when an endpoint halts and when the cable is pulled.

mod bench;
mod bulk;
mod halts;
mod high_speed;
mod hub;
mod in_flight;
mod isochronous;
mod isochronous_faults;
mod keyboard;
mod listing;
mod our_gadgets;
mod pointers;
mod redirection;
mod speaker;
mod storage;
mod transfers;

use anyhow::Result;
use usbfs2_host::Speed;

use crate::runner::Test;
use crate::world::KernelHost;

pub(crate) use bench::Bench;

/// What a test does on a controller.
pub(crate) type Case = fn(&Bench) -> Result<()>;

/// QEMU's host controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Controller {
    /// USB 3.
    Xhci,
    /// USB 2, high speed alone.
    Ehci,
    /// USB 1.
    Uhci,
}

impl Controller {
    const ALL: [Self; 3] = [Self::Xhci, Self::Ehci, Self::Uhci];

    /// What the harness calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Xhci => "xhci",
            Self::Ehci => "ehci",
            Self::Uhci => "uhci",
        }
    }

    /// The speed of a device that can run at any.
    fn top_speed(self) -> Speed {
        match self {
            Self::Xhci => Speed::Super,
            Self::Ehci => Speed::High,
            Self::Uhci => Speed::Full,
        }
    }

    /// A disk size that takes this controller a second or two to move: 12 Mbit/s are about a megabyte.
    fn disk_bytes(self) -> usize {
        match self {
            Self::Xhci | Self::Ehci => 8 << 20,
            Self::Uhci => 1 << 20,
        }
    }
}

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for controller in Controller::ALL {
        for host in KernelHost::ALL {
            tests.extend(
                cases(controller, host)
                    .into_iter()
                    .map(|(name, run)| Test::on(controller, host, name, run)),
            );
        }
    }
    tests
}

fn cases(controller: Controller, host: KernelHost) -> Vec<(&'static str, Case)> {
    let mut cases = [
        listing::cases(),
        keyboard::cases(),
        pointers::cases(),
        storage::cases(),
        transfers::cases(),
    ]
    .concat();
    let of_files = host == KernelHost::Usbfs2;
    if of_files {
        cases.extend(in_flight::cases());
        cases.extend(transfers::cases_of_files());
        cases.extend(halts::cases_of_files());
    }
    // QEMU's EHCI and UHCI count bytes of a packet that was stalled, which usbfs passes on.
    if of_files || controller == Controller::Xhci {
        cases.extend(halts::cases());
    }
    // What runs at high speed comes from elsewhere than QEMU: redirection/mod.rs.
    if controller != Controller::Uhci {
        cases.extend(our_gadgets::cases());
        if of_files {
            cases.extend(our_gadgets::cases_of_files());
            cases.extend(high_speed::cases_of_files());
        }
    }
    // QEMU's hub and its sound card run at full speed, and EHCI leaves that to others.
    if controller != Controller::Ehci {
        cases.extend(hub::cases());
        if of_files {
            cases.extend(hub::cases_of_files());
            cases.extend(isochronous::cases_of_files());
            cases.extend(isochronous_faults::cases_of_files());
        }
    }
    cases
}
