//! Clocks of Audio 2.0 at work: which rates they have, and having one run (UAC2 5.2.5.1).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use async_io::Timer;
use usbfs2_host::Waiting;
use usbfs2_protocol::audio::{ClockPath, ClockSource, ControlInterface, Entity};

use crate::clock_lease::{ClockLease, ClockUses, Shared};
use crate::error::{ControlError, StreamError};
use crate::format::Rates;
use crate::requests::Requests;

/// How long a clock that was set may take to be valid: it may have to lock first.
const LOCK_TIME: Duration = Duration::from_millis(500);
/// How long to wait before a clock that is not valid is asked again.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A clock source that a terminal can run on, and the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clock {
    source: u8,
    /// On the way from the terminal to the source.
    selections: Vec<Selection>,
    /// What the multipliers on the way make of a rate: numerator and denominator.
    ratio: (u64, u64),
    /// Of the source.
    rates: Rates,
    can_set: bool,
    can_check: bool,
}

/// A pin of a selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Selection {
    selector: u8,
    pin: u8,
    /// It is wired: the selector has no other.
    is_only: bool,
    can_set: bool,
}

impl Selection {
    /// Whether the pin is selected; `None` where the selector did not tell.
    fn is_made(self, pins: &BTreeMap<u8, u8>) -> Option<bool> {
        if self.is_only {
            return Some(true);
        }
        pins.get(&self.selector).map(|&pin| pin == self.pin)
    }
}

impl Clock {
    fn new(control: &ControlInterface, path: &ClockPath, source: &ClockSource) -> Self {
        let selections = path.selectors.iter().map(|&(selector, pin)| {
            let described = match control.entity(selector) {
                Some(Entity::ClockSelector(described)) => Some(described),
                _ => None,
            };
            Selection {
                selector,
                pin,
                is_only: described.is_some_and(|selector| selector.clocks.len() == 1),
                can_set: described.is_some_and(|selector| selector.access().can_write()),
            }
        });
        Self {
            source: source.id,
            selections: selections.collect(),
            ratio: (1, 1),
            rates: Rates::default(),
            can_set: source.frequency_access().can_write(),
            can_check: source.validity_access().can_read(),
        }
    }

    fn is_selected(&self, pins: &BTreeMap<u8, u8>) -> bool {
        let mut selections = self.selections.iter();
        selections.all(|selection| selection.is_made(pins) == Some(true))
    }

    /// The rates that reach the terminal.
    pub(crate) fn rates(&self) -> impl Iterator<Item = RangeInclusive<u32>> {
        let (numerator, denominator) = self.ratio;
        let scaled = move |rate: u32| {
            u32::try_from(u64::from(rate) * numerator / denominator).unwrap_or(u32::MAX)
        };
        let ranges = self.rates.ranges().iter();
        ranges.map(move |range| scaled(*range.start())..=scaled(*range.end()))
    }

    /// What must stay as it is while a stream runs on this clock: the source's rate, and the pins of the selectors on
    /// the way that could be switched.
    fn wanted(&self, source_rate: u32) -> impl Iterator<Item = (Shared, u32)> {
        let selections = self.selections.iter();
        let switchable = selections.filter(|selection| selection.can_set && !selection.is_only);
        let pins = switchable
            .map(|&Selection { selector, pin, .. }| (Shared::Selector(selector), u32::from(pin)));
        pins.chain([(Shared::Source(self.source), source_rate)])
    }

    /// The source's rate that makes this one.
    fn source_rate(&self, rate: u32) -> Option<u32> {
        let (numerator, denominator) = self.ratio;
        let scaled = u64::from(rate) * denominator;
        let source = u32::try_from(scaled / numerator).ok()?;
        (scaled % numerator == 0 && self.rates.contains(source)).then_some(source)
    }
}

/// The clocks a terminal can run on, and what is wrong with others.
pub(crate) async fn clocks_of(
    waiting: Waiting,
    control: &ControlInterface,
    requests: &Requests,
    terminal_clock: u8,
) -> Result<(Vec<Clock>, Vec<String>), ControlError> {
    let (mut clocks, mut wrong) = (Vec::new(), Vec::new());
    for path in control.clock_paths(terminal_clock) {
        let Some(Entity::ClockSource(source)) = control.entity(path.source) else {
            continue;
        };
        let rates = match rates_of(waiting, requests, source.id).await {
            Err(ControlError::Disconnected) => return Err(ControlError::Disconnected),
            Err(error) => {
                wrong.push(format!(
                    "clock {} does not tell its rates: {error}",
                    source.id
                ));
                continue;
            }
            Ok(rates) => rates,
        };
        let mut ratio = (1, 1);
        for &multiplier in &path.multipliers {
            // One that does not tell is taken for a wire, as Linux takes it.
            let told = requests.multiplier(waiting, multiplier).await;
            let (numerator, denominator) = told.unwrap_or((1, 1));
            ratio = (
                ratio.0 * u64::from(numerator),
                ratio.1 * u64::from(denominator),
            );
            if ratio.0 > u64::from(u32::MAX) || ratio.1 > u64::from(u32::MAX) {
                ratio = (1, 1);
            }
        }
        clocks.push(Clock {
            ratio,
            rates,
            ..Clock::new(control, &path, source)
        });
    }
    Ok((clocks, wrong))
}

/// What the source says it can do; where it does not say, what it does.
async fn rates_of(
    waiting: Waiting,
    requests: &Requests,
    source: u8,
) -> Result<Rates, ControlError> {
    let ranges = requests.clock_ranges(waiting, source).await;
    match ranges {
        Ok(ranges) if !Rates::new(ranges.iter().cloned()).ranges().is_empty() => {
            Ok(Rates::new(ranges))
        }
        Err(ControlError::Disconnected) => Err(ControlError::Disconnected),
        Ok(_) | Err(_) => {
            let rate = requests.clock_rate(waiting, source).await?;
            Ok(Rates::new([rate..=rate]))
        }
    }
}

/// Has one of the clocks run at the rate for the stream of an interface: the one selected now, if it can, else the
/// first that can. What another stream holds is left as it is.
pub(crate) async fn run_at(
    waiting: Waiting,
    requests: &Requests,
    uses: &ClockUses,
    clocks: &[Clock],
    (rate, holder): (u32, u8),
) -> Result<ClockLease, StreamError> {
    let pins = pins_of(
        waiting,
        requests,
        clocks.iter().flat_map(|clock| &clock.selections),
    )
    .await;
    let (selected, others): (Vec<_>, Vec<_>) =
        clocks.iter().partition(|clock| clock.is_selected(&pins));
    let mut reasons = Vec::new();
    for clock in selected.into_iter().chain(others) {
        let source = clock.source;
        let Some(source_rate) = clock.source_rate(rate) else {
            reasons.push(format!("clock {source} has {}", clock.rates));
            continue;
        };
        let lease = match uses.lease(holder, clock.wanted(source_rate)) {
            Ok(lease) => lease,
            Err(in_use) => {
                reasons.push(in_use);
                continue;
            }
        };
        // Until the lease another stream may have switched them; now none does.
        let pins = pins_of(waiting, requests, &clock.selections).await;
        match switch_to(waiting, requests, clock, &pins, source_rate).await {
            Ok(()) => return Ok(lease),
            Err(error @ StreamError::Control(ControlError::Disconnected)) => return Err(error),
            Err(error) => reasons.push(format!("clock {source}: {error}")),
        }
    }
    Err(StreamError::Clock(match reasons.is_empty() {
        true => "the terminal names none".to_owned(),
        false => reasons.join("; "),
    }))
}

/// What selectors have selected, of those that tell.
async fn pins_of(
    waiting: Waiting,
    requests: &Requests,
    selections: impl IntoIterator<Item = &Selection>,
) -> BTreeMap<u8, u8> {
    let mut pins = BTreeMap::new();
    for &Selection { selector, .. } in selections {
        if let Ok(pin) = requests.selected(waiting, selector).await {
            pins.insert(selector, pin);
        }
    }
    pins
}

async fn switch_to(
    waiting: Waiting,
    requests: &Requests,
    clock: &Clock,
    pins: &BTreeMap<u8, u8>,
    rate: u32,
) -> Result<(), StreamError> {
    let source = clock.source;
    for &selection in &clock.selections {
        let Selection { selector, pin, .. } = selection;
        match selection.is_made(pins) {
            Some(true) => {}
            Some(false) if !selection.can_set => {
                let why = format!("selector {selector} cannot be switched to pin {pin}");
                return Err(StreamError::Clock(why));
            }
            // What neither tells nor can be told may be right.
            None if !selection.can_set => {}
            Some(false) | None => {
                requests.select(waiting, selector, pin).await?;
            }
        }
    }
    // A clock that is set to what it has may start anew, which another stream on it would hear.
    if clock.can_set && requests.clock_rate(waiting, source).await.ok() != Some(rate) {
        requests.set_clock_rate(waiting, source, rate).await?;
    }
    match requests.clock_rate(waiting, source).await {
        Ok(actual) if actual != rate => {
            return Err(StreamError::Rate {
                asked: rate,
                actual,
            });
        }
        Err(ControlError::Disconnected) => return Err(ControlError::Disconnected.into()),
        // What was set and cannot be read is believed.
        Ok(_) | Err(_) => {}
    }
    if clock.can_check {
        let deadline = Instant::now() + LOCK_TIME;
        loop {
            match requests.is_clock_valid(waiting, source).await {
                Ok(false) => {}
                Err(ControlError::Disconnected) => return Err(ControlError::Disconnected.into()),
                Ok(true) | Err(_) => return Ok(()),
            }
            if Instant::now() >= deadline {
                break;
            }
            pause(waiting, LOCK_PAUSE).await;
        }
        let why = "its signal is not valid: connect what drives it, or choose another".to_owned();
        return Err(StreamError::Clock(why));
    }
    Ok(())
}

async fn pause(waiting: Waiting, time: Duration) {
    match waiting {
        Waiting::Blocking => thread::sleep(time),
        Waiting::Async => {
            Timer::after(time).await;
        }
    }
}
