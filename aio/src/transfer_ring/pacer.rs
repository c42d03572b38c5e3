//! For how many answers a sleep is worth it.

/// Learns from sleep to sleep how many answers come in a row.
///
/// A stream of transfers wakes its reader once for half of them. A device that answers one at a time, each after the
/// host has done something about the one before, wakes it for each: a sleep that ended without the answers it was for has
/// cost time, so the next one is for one answer, and the longer it takes until more are tried again.
#[derive(Debug)]
pub(super) struct Pacer {
    goal: u32,
    /// Sleeps in a row that ended with all they were for.
    streak: u32,
    /// How many of those it takes to try for more.
    needed: u32,
    /// Whether to try at all.
    enabled: bool,
}

impl Pacer {
    const MOST_NEEDED: u32 = 64;

    pub(super) fn new() -> Self {
        Self {
            goal: 1,
            streak: 0,
            needed: 1,
            enabled: true,
        }
    }

    pub(super) fn set_enabled(&mut self, enabled: bool) {
        *self = Self {
            enabled,
            ..Self::new()
        };
    }

    /// Answers the next sleep is for, with so many transfers in flight.
    pub(super) fn goal(&self, in_flight: u32) -> u32 {
        if in_flight < 4 {
            1
        } else {
            self.goal.min(in_flight / 2)
        }
    }

    /// A sleep for `goal` answers, with so many transfers in flight, ended with `arrived` of them.
    pub(super) fn woken(&mut self, goal: u32, in_flight: u32, arrived: u32) {
        if arrived >= goal {
            self.streak += 1;
            let most = in_flight / 2;
            if self.enabled && self.streak >= self.needed && goal == self.goal && goal < most {
                self.goal = (goal * 2).min(most);
                self.streak = 0;
            } else if self.streak >= Self::MOST_NEEDED {
                self.needed = (self.needed / 2).max(1);
                self.streak = 0;
            }
        } else if arrived > 0 {
            self.goal = 1;
            self.streak = 0;
            self.needed = (self.needed * 2).min(Self::MOST_NEEDED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_waited_for_by_halves() {
        let mut pacer = Pacer::new();
        let mut goals = Vec::new();
        for _ in 0..6 {
            let goal = pacer.goal(16);
            goals.push(goal);
            pacer.woken(goal, 16, goal);
        }
        assert_eq!(goals, [1, 2, 4, 8, 8, 8]);
        assert_eq!(pacer.goal(3), 1);
        assert_eq!(pacer.goal(6), 3);
    }

    #[test]
    fn a_device_that_answers_one_by_one_is_rarely_made_to_wait() {
        let mut pacer = Pacer::new();
        let mut late = 0;
        for _ in 0..1000 {
            let goal = pacer.goal(16);
            // One answer comes, whatever is waited for.
            pacer.woken(goal, 16, 1);
            late += u32::from(goal > 1);
        }
        assert!(late < 25, "{late} of 1000");
    }

    #[test]
    fn a_stream_after_that_is_soon_waited_for_by_halves_again() {
        let mut pacer = Pacer::new();
        for _ in 0..1000 {
            let goal = pacer.goal(16);
            pacer.woken(goal, 16, 1);
        }
        let sleeps = (1..)
            .find(|_| {
                let goal = pacer.goal(16);
                pacer.woken(goal, 16, goal);
                pacer.goal(16) == 8
            })
            .unwrap();
        assert!(sleeps <= 4 * 64, "{sleeps}");
    }

    #[test]
    fn disabled_it_waits_for_one() {
        let mut pacer = Pacer::new();
        pacer.set_enabled(false);
        for _ in 0..100 {
            assert_eq!(pacer.goal(64), 1);
            pacer.woken(1, 64, 64);
        }
    }
}
