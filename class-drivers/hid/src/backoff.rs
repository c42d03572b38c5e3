//! How long to leave an endpoint alone that fails.

use std::time::Duration;

use usbfs2_host::TransferError;

use crate::error::HidError;

/// The pauses of the kernel's HID driver: 13 ms, doubled up to 104 ms, for a second in all.
const FIRST_PAUSE: Duration = Duration::from_millis(13);
const LONGEST_PAUSE: Duration = Duration::from_millis(104);
const GIVE_UP_AFTER: Duration = Duration::from_secs(1);

/// Counts errors in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
    waited: Duration,
}

impl Backoff {
    /// A report came: the next error is a first one.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// How long to wait before the next try.
    ///
    /// # Errors
    /// When waiting has gone on long enough.
    pub(crate) fn failed(&mut self, error: TransferError) -> Result<Duration, HidError> {
        self.attempts += 1;
        if self.waited >= GIVE_UP_AFTER {
            let attempts = self.attempts;
            return Err(HidError::Input { attempts, error });
        }
        let doublings = (self.attempts - 1).min(8);
        let pause = (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE);
        self.waited += pause;
        Ok(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end_after_a_second() {
        let mut backoff = Backoff::default();
        let mut pauses = Vec::new();
        while let Ok(pause) = backoff.failed(TransferError::BusError) {
            pauses.push(pause.as_millis());
            assert!(pauses.len() < 100, "it never gives up");
        }
        assert_eq!(pauses[..5], [13, 26, 52, 104, 104]);
        assert!((1000..1200).contains(&pauses.iter().sum::<u128>()));
    }

    #[test]
    fn a_report_in_between_starts_over() {
        let mut backoff = Backoff::default();
        for _ in 0..50 {
            assert!(backoff.failed(TransferError::Stall).is_ok());
            backoff.succeeded();
        }
    }
}
