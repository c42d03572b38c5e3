//! What every HID function has (HID 1.11): reports that wait for the host, requests, idle rates.
//!
//! [`Hid`] is a device with any report descriptor. [`Keyboard`](super::Keyboard), [`Mouse`](super::Mouse),
//! [`Tablet`](super::Tablet), [`Gamepad`](super::Gamepad) and [`ConsumerControl`](super::ConsumerControl) are the
//! same with controls of their own.

mod error;
mod function;
mod options;
mod queue;
mod raw;
mod ready_made;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use usbfs2_protocol::hid::{IdleRate, Protocol, ReportDescriptor, ReportType};

pub use self::error::{NoSuchReport, NotDrained};
pub use self::options::{DEFAULT_POLL_INTERVAL, HidOptions};
pub use self::raw::{Hid, RawReports};
pub use self::ready_made::ReadyMade;
use self::state::State;

/// What a kind of device adds to a HID function: its controls, and what becomes of them.
pub trait Controls: fmt::Debug + Send + 'static {
    /// A short name for messages, such as `keyboard`.
    const NAME: &'static str;

    /// The host is gone and no report is waiting: the next host knows of nothing that is held, so nothing is.
    fn release(&mut self);

    /// Whether a report of zeroes says that nothing is held and nothing moves. A process that goes on in the place of one
    /// that was killed begins with it, since nobody knows what was held.
    const RESTS_AT_ZERO: bool = true;

    /// The form of a report in the boot protocol; `None` for one that is not part of it.
    fn boot_report(&self, report: &[u8]) -> Option<Vec<u8>> {
        Some(report.to_vec())
    }

    /// The output report that one of the boot protocol stands for.
    fn described_output(&self, data: &[u8]) -> Vec<u8> {
        data.to_vec()
    }
}

/// A HID interface with controls of some kind.
///
/// What the controls do becomes reports, which wait in order until the host takes them, however long it is
/// slow or away. No call blocks but those named `wait`.
///
/// When the host goes away - the cable is pulled, the bus reset, the device deconfigured - it forgets what
/// is held, and so does the device once no report is waiting. A report that was not taken is sent to the
/// next host as it is: nothing is lost and nothing comes twice. A report counts as taken when the
/// controller says so; some (dummy_hcd is one) say so up to one report before the host reads it, and that
/// one is lost if the cable comes out just then.
pub struct HidFunction<C> {
    options: HidOptions,
    descriptor: ReportDescriptor,
    state: Mutex<State<C>>,
    /// Anything in the state has changed, or the host is gone.
    changed: Condvar,
}

impl<C: Controls> HidFunction<C> {
    /// Of a report descriptor of this crate's own, which a test knows to be right.
    pub(super) fn ready_made(options: HidOptions, controls: C) -> Arc<Self> {
        let descriptor = ReportDescriptor::parse(&options.report_descriptor).unwrap_or_default();
        Self::with_controls(options, descriptor, controls)
    }

    fn with_controls(options: HidOptions, descriptor: ReportDescriptor, controls: C) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::new(&descriptor, controls)),
            options,
            descriptor,
            changed: Condvar::new(),
        })
    }

    /// How many reports the host has yet to take.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.lock().queue.len()
    }

    /// Waits until the host has taken every report, without end for `None`.
    ///
    /// # Errors
    /// [`NotDrained`] after `timeout`.
    pub fn wait_until_drained(&self, timeout: Option<Duration>) -> Result<(), NotDrained> {
        self.wait_for(timeout, |state| (state.queue.len() == 0).then_some(()))
            .ok_or_else(|| NotDrained {
                pending: self.pending(),
            })
    }

    /// How often an unchanged report is repeated, as the host has set it for the first input report; never
    /// after a reset (HID 1.11 7.2.4).
    ///
    /// HID recommends half a second for keyboards, for hosts that know a held key by its repeated reports;
    /// hosts have counted the time themselves for long, and a device that says nothing when nothing happens
    /// lets the bus rest.
    #[must_use]
    pub fn idle_rate(&self) -> IdleRate {
        let first = self.descriptor.reports_of(ReportType::Input).next();
        self.idle_rate_of(first.map_or(0, |report| report.id))
    }

    /// [`idle_rate`](Self::idle_rate) of the input report with this ID.
    #[must_use]
    pub fn idle_rate_of(&self, report_id: u8) -> IdleRate {
        self.lock().idle_rate(report_id)
    }

    /// The protocol the host has selected (HID 1.11 7.2.6).
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.lock().protocol
    }

    /// The output report with this ID as the host has set it, the ID first where there are any; all zero
    /// after a reset. `None` where the descriptor has no such report.
    #[must_use]
    pub fn output(&self, report_id: u8) -> Option<Vec<u8>> {
        self.lock().outputs.get(&report_id).cloned()
    }

    /// Waits until the output report with this ID is as wanted, without end for `None`; `None` after
    /// `timeout`.
    pub fn wait_for_output(
        &self,
        report_id: u8,
        timeout: Option<Duration>,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Option<Vec<u8>> {
        self.wait_for(timeout, |state| {
            let output = state.outputs.get(&report_id)?;
            wanted(output).then(|| output.clone())
        })
    }

    /// The feature report with this ID, the ID first where there are any, as the host or
    /// [`set_feature`](Self::set_feature) has set it; all zero at first. `None` where the descriptor has no
    /// such report.
    #[must_use]
    pub fn feature(&self, report_id: u8) -> Option<Vec<u8>> {
        self.lock().features.get(&report_id).cloned()
    }

    /// Sets the feature report that the host is told, its ID first where there are any.
    ///
    /// # Errors
    /// The descriptor has no feature report of this ID and length.
    pub fn set_feature(&self, report: &[u8]) -> Result<(), NoSuchReport> {
        let id = self.check(ReportType::Feature, report)?;
        self.update(|state| state.features.insert(id, report.to_vec()));
        Ok(())
    }

    /// The ID of a report that is as long as the descriptor says.
    fn check(&self, report_type: ReportType, report: &[u8]) -> Result<u8, NoSuchReport> {
        match self.descriptor.report_of(report_type, report) {
            Some(form) if form.length() == report.len() => Ok(form.id),
            _ => Err(NoSuchReport {
                report_type,
                report: report.to_vec(),
            }),
        }
    }

    /// Changes the controls, and queues the report that makes, unless the last one says the same.
    pub(super) fn change(&self, change: impl FnOnce(&mut C) -> Vec<u8>) {
        self.changes(|controls| vec![change(controls)]);
    }

    /// Changes the controls, and queues the reports that makes, each unless the one before says the same.
    pub(super) fn changes(&self, change: impl FnOnce(&mut C) -> Vec<Vec<u8>>) {
        self.update(|state| {
            for report in change(&mut state.controls) {
                state.queue.note(&self.descriptor, report);
            }
        });
    }

    /// Changes the controls, and queues the reports that makes, whatever the last one says.
    pub(super) fn happen(&self, change: impl FnOnce(&mut C) -> Vec<Vec<u8>>) {
        self.update(|state| {
            for report in change(&mut state.controls) {
                state.queue.push(report);
            }
        });
    }

    pub(super) fn update<R>(&self, change: impl FnOnce(&mut State<C>) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    pub(super) fn wait_for<R>(
        &self,
        timeout: Option<Duration>,
        mut wanted: impl FnMut(&State<C>) -> Option<R>,
    ) -> Option<R> {
        // A timeout too long for the clock is no deadline.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.lock();
        loop {
            if let Some(result) = wanted(&state) {
                return Some(result);
            }
            state = self.wait_until(state, deadline)?;
        }
    }

    /// Waits for a change; `None` at the deadline.
    fn wait_until<'a>(
        &self,
        state: MutexGuard<'a, State<C>>,
        deadline: Option<Instant>,
    ) -> Option<MutexGuard<'a, State<C>>> {
        let Some(deadline) = deadline else {
            let state = self.changed.wait(state);
            return Some(state.unwrap_or_else(PoisonError::into_inner));
        };
        let left = deadline.checked_duration_since(Instant::now())?;
        let (state, _) = self
            .changed
            .wait_timeout(state, left)
            .unwrap_or_else(PoisonError::into_inner);
        Some(state)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<C>> {
        // Nothing panics between the parts of an update.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Controls> fmt::Debug for HidFunction<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("HidFunction")
            .field("options", &self.options)
            .field("controls", &state.controls)
            .field("pending", &state.queue.len())
            .finish_non_exhaustive()
    }
}
