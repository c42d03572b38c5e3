//! A gadget from start to Ctrl-C.

use std::time::Duration;

use anyhow::{Result, bail};
use usbfs2_gadget::{Gadget, State};

use super::Identity;
use super::counters::CounterLine;
use super::place::Place;
use crate::args::Backend;
use crate::interrupt;
use crate::output::note;

/// How often the state is looked at, and Ctrl-C.
pub(super) const GLANCE: Duration = Duration::from_millis(100);

type OnState<'a> = Box<dyn FnMut(Option<State>, State) -> Result<()> + 'a>;
type OnGlance<'a> = Box<dyn FnMut() -> Result<()> + 'a>;

/// What to run, where, and what to do meanwhile.
pub(super) struct Attendance<'a> {
    gadget: &'a Gadget,
    identity: &'static Identity,
    backend: Backend,
    glance: Duration,
    on_state: OnState<'a>,
    on_glance: OnGlance<'a>,
    counts: bool,
}

impl<'a> Attendance<'a> {
    pub(super) fn of(gadget: &'a Gadget, identity: &'static Identity, backend: Backend) -> Self {
        Self {
            gadget,
            identity,
            backend,
            glance: GLANCE,
            on_state: Box::new(|_, _| Ok(())),
            on_glance: Box::new(|| Ok(())),
            counts: true,
        }
    }

    /// Calls this at each change, with the state before and the one now.
    pub(super) fn on_state(
        mut self,
        on_state: impl FnMut(Option<State>, State) -> Result<()> + 'a,
    ) -> Self {
        self.on_state = Box::new(on_state);
        self
    }

    /// Calls this as often; whoever asks for it shows counters of its own.
    pub(super) fn every(
        mut self,
        glance: Duration,
        on_glance: impl FnMut() -> Result<()> + 'a,
    ) -> Self {
        self.glance = glance;
        self.on_glance = Box::new(on_glance);
        self.counts = false;
        self
    }

    /// Runs the gadget until Ctrl-C, says what its state is, and takes it away whatever happens.
    pub(super) fn run(mut self) -> Result<()> {
        interrupt::catch()?;
        let mut place = Place::start(self.gadget, self.identity, self.backend)?;
        note!("on {}; Ctrl-C unplugs", place.name());
        let line = CounterLine::new(self.counts);
        let attended = self.attend(&mut place, &line);
        let counters = place.running().counters();
        line.finish(&counters);
        // Whatever went wrong, what was made is unmade, and what went wrong first is told.
        let removed = place.remove();
        attended.and(removed)
    }

    fn attend(&mut self, place: &mut Place, line: &CounterLine) -> Result<()> {
        let mut last = None;
        let mut reported = 0;
        while !interrupt::requested() {
            let state = place.running().state();
            if last != Some(state) {
                line.above(|| note!("{state}"));
                (self.on_state)(last, state)?;
                last = Some(state);
            }
            let failures = place.running().failures();
            for failure in &failures[reported.min(failures.len())..] {
                line.above(|| note!("usbfs2: {failure}"));
            }
            reported = failures.len();
            if state == State::Stopped {
                bail!("the gadget stopped by itself");
            }
            place.look()?;
            (self.on_glance)()?;
            line.show(state, &place.running().counters());
            interrupt::wait(self.glance);
        }
        Ok(())
    }
}
