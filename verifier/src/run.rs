//! Running the checks.

use thiserror::Error;
use usbfs2_host::{DeviceId, Host, OpenError};

use crate::check::{Body, Check, CheckResult, Hold};
use crate::finding::{Checked, Outcome};
use crate::subject::Subject;
use crate::{Options, Port, Report, chapter9, descriptors, mass_storage};

/// Why a device could not be verified at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Runs every check on a device, and tells each result as it comes.
///
/// Blocks. The drivers of the system get the device back at the end. [`Options::stop`] ends it early; checks that had
/// not begun are not in the report then.
///
/// # Errors
/// The device cannot be opened. What goes wrong later is in the results.
pub fn verify(
    host: &Host,
    device: &DeviceId,
    port: &dyn Port,
    options: &Options,
    mut on_result: impl FnMut(&CheckResult),
) -> Result<Report, VerifyError> {
    let mut subject = Subject::open(host, device, port, options)?;
    let mut results = Vec::new();
    for check in checks(options) {
        if options.stop.is_requested() {
            break;
        }
        let result = CheckResult {
            group: check.group,
            name: check.name,
            section: check.section,
            outcome: Outcome::from(run(&check, &mut subject)),
        };
        on_result(&result);
        results.push(result);
    }
    Ok(Report { results })
}

/// Every check, in order.
fn checks(options: &Options) -> Vec<Check> {
    let mass_storage = options.mass_storage.then(mass_storage::checks);
    [
        descriptors::checks(),
        chapter9::checks_of_requests(),
        mass_storage.unwrap_or_default(),
        chapter9::checks_of_the_bus(),
    ]
    .concat()
}

fn run(check: &Check, subject: &mut Subject<'_>) -> Checked {
    match check.body {
        Body::Descriptors(run) => run(subject.reading()),
        Body::Device(hold, run) => {
            subject.begin_check();
            subject.may_ask()?;
            match hold {
                Hold::Claimed => subject.claim()?,
                Hold::Released => subject.release(),
            }
            run(subject)
        }
    }
}
