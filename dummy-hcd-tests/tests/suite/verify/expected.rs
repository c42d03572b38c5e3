//! How a verification ends in the VM: what fails, what cannot be asked, and why that is not the device's doing.

use anyhow::{Result, ensure};
use usbfs2_verifier::{CheckResult, Outcome, Report};

use crate::world::KernelHost;

/// What fails, whatever the device: `dummy_hcd` answers these requests in its place.
const DUMMY_HCD: &[&str] = &["remote wake-up is refused where there is none"];
/// It takes every feature of an endpoint for the halt: what fails of a device that has one besides 0 before any setting
/// but the first is selected.
pub(super) const FIRST_ENDPOINT: &[&str] = &["unknown features of an endpoint"];
/// What besides can be asked through usbfs2, and not through usbfs.
const DUMMY_HCD_THROUGH_USBFS2: &[&str] = &[
    "GET_STATUS of an interface that is none",
    "not configured: GET_STATUS of an interface is refused",
];
/// It takes what fits and says nothing of the rest.
pub(super) const F_MASS_STORAGE: &[&str] = &[FIRST_ENDPOINT[0], "WRITE: beyond the end"];
/// It has its bulk endpoints in whatever setting.
pub(super) const F_SOURCE_SINK: &[&str] = &[FIRST_ENDPOINT[0], "an alternate setting that is none"];

/// usbcore resets and configures a device that lost its configuration, before anybody can look.
const USBCORE: &[&str] = &["suspended: the configuration is kept"];
/// What goes through usbcore, which refuses what it does not know.
const USBFS2: &[&str] = &[
    "a configuration that is none",
    "SET_INTERFACE of an interface that is none",
    "an alternate setting that is none",
    "not configured: SET_INTERFACE is refused",
];
/// What `check_ctrlrecip` refuses, and what nusb has no requests for.
const USBFS: &[&str] = &[
    "requests of the reserved kind",
    "requests to reserved recipients",
    "GET_STATUS of an interface that is none",
    "GET_STATUS of an endpoint that is none",
    "halting an endpoint that is none",
    "GET_INTERFACE of an interface that is none",
    "SET_INTERFACE of an interface that is none",
    "not configured: GET_INTERFACE is refused",
    "not configured: SET_INTERFACE is refused",
    "not configured: GET_STATUS of an interface is refused",
];

/// Fails unless `of_device` failed besides what `dummy_hcd` does, and all was asked that this way to it can ask.
pub(super) fn expect(report: &Report, host: KernelHost, of_device: &[&str]) -> Result<()> {
    let (known, unasked) = match host {
        KernelHost::Usbfs2 => (
            [DUMMY_HCD, DUMMY_HCD_THROUGH_USBFS2, of_device].concat(),
            USBFS2,
        ),
        KernelHost::Usbfs => ([DUMMY_HCD, of_device].concat(), USBFS),
    };
    same("fail", report, known, Outcome::is_failure)?;
    same(
        "cannot be asked",
        report,
        [USBCORE, unasked].concat(),
        |one| matches!(one, Outcome::NotPossible(_)),
    )
}

fn same(what: &str, report: &Report, known: Vec<&str>, ended: fn(&Outcome) -> bool) -> Result<()> {
    let (seen, others): (Vec<_>, Vec<_>) =
        (report.results.iter()).partition(|result| ended(&result.outcome));
    let has = |all: &[&CheckResult], name: &str| all.iter().any(|result| result.name == name);
    let surprises: Vec<_> = seen
        .iter()
        .filter(|one| !known.contains(&one.name))
        .collect();
    let missed: Vec<_> = known.iter().filter(|name| !has(&seen, name)).collect();
    let instead: Vec<_> = others
        .iter()
        .filter(|one| missed.contains(&&one.name))
        .collect();
    ensure!(
        surprises.is_empty() && missed.is_empty(),
        "these {what}, and were not expected to: {surprises:#?}\nthese were, and did not: {missed:?}: {instead:#?}"
    );
    Ok(())
}

/// What fails for a device with [`FIRST_ENDPOINT`] that is verified through usbfs2.
pub(super) fn through_usbfs2() -> Vec<&'static str> {
    let mut names = [DUMMY_HCD, DUMMY_HCD_THROUGH_USBFS2, FIRST_ENDPOINT].concat();
    names.sort_unstable();
    names
}
