//! How a stream went, moment by moment, for the plot and for the report.

use std::time::Duration;

use super::level::Level;

/// Moments that are kept at most: more than a plot has columns.
const MOST: usize = 4096;

/// One moment, or several that were put together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moment {
    /// Since the stream began.
    pub(crate) at: Duration,
    /// The loudest channel, as a part of full scale.
    pub(crate) peak: f64,
    pub(crate) rms: f64,
    /// The emptiest and the fullest the buffer was, in milliseconds of sound.
    pub(crate) fill: (f64, f64),
    /// Frames in a second that the device asks for, or sends.
    pub(crate) rate: Option<f64>,
    /// Breaks in the stream since it began.
    pub(crate) xruns: u64,
}

impl Moment {
    /// A moment at which the buffer had so many milliseconds of sound.
    pub(crate) fn new(at: Duration, levels: &[Level], fill_ms: f64) -> Self {
        let loudest = |of: fn(&Level) -> f64| levels.iter().map(of).fold(0.0, f64::max);
        Self {
            at,
            peak: loudest(|level| level.peak),
            rms: loudest(|level| level.rms),
            fill: (fill_ms, fill_ms),
            rate: None,
            xruns: 0,
        }
    }

    /// What both say: the worse of it, and the later.
    fn with(self, later: Self) -> Self {
        Self {
            at: later.at,
            peak: self.peak.max(later.peak),
            rms: self.rms.max(later.rms),
            fill: (self.fill.0.min(later.fill.0), self.fill.1.max(later.fill.1)),
            rate: later.rate.or(self.rate),
            xruns: later.xruns,
        }
    }
}

/// The moments of a stream. However long it lasts, no more than a few thousand are kept.
#[derive(Debug)]
pub(crate) struct Trace {
    moments: Vec<Moment>,
    /// How many moments are put together to one.
    together: usize,
    /// Those of them that are there.
    partial: Option<(Moment, usize)>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            moments: Vec::new(),
            together: 1,
            partial: None,
        }
    }

    pub(crate) fn add(&mut self, moment: Moment) {
        let (sum, count) = match self.partial.take() {
            Some((sum, count)) => (sum.with(moment), count + 1),
            None => (moment, 1),
        };
        if count < self.together {
            self.partial = Some((sum, count));
            return;
        }
        self.moments.push(sum);
        if self.moments.len() == MOST {
            let pairs = self.moments.chunks_exact(2);
            self.moments = pairs.map(|pair| pair[0].with(pair[1])).collect();
            self.together *= 2;
        }
    }

    /// The moments, in order.
    pub(crate) fn moments(&self) -> impl Iterator<Item = &Moment> {
        self.moments
            .iter()
            .chain(self.partial.as_ref().map(|(moment, _)| moment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_stream_keeps_its_extremes_in_little_room() {
        let mut trace = Trace::new();
        for step in 0..100_000_u32 {
            let level = Level {
                peak: if step == 77_777 { 1.0 } else { 0.1 },
                ..Level::default()
            };
            let fill = if step == 33_333 { 1.0 } else { 20.0 };
            let at = Duration::from_millis(50) * step;
            trace.add(Moment {
                xruns: u64::from(step > 50_000),
                ..Moment::new(at, &[level], fill)
            });
        }
        let moments: Vec<&Moment> = trace.moments().collect();
        assert!(moments.len() <= MOST);
        assert!(moments.is_sorted_by_key(|moment| moment.at));
        let loudest = moments.iter().map(|moment| moment.peak).fold(0.0, f64::max);
        let emptiest = moments
            .iter()
            .map(|moment| moment.fill.0)
            .fold(9.0, f64::min);
        assert_eq!((loudest, emptiest), (1.0, 1.0));
        let last = moments.last().unwrap();
        assert_eq!(
            (last.at, last.xruns),
            (Duration::from_millis(50) * 99_999, 1)
        );
    }
}
