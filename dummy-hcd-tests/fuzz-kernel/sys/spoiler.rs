//! A second thread that writes garbage into a mapping while the first makes calls.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use dummy_hcd_tests::random::Random;

/// Words written at a time.
const WORDS: usize = 16;
const PAUSE: Duration = Duration::from_micros(200);

/// Where, and how many bytes. Whoever unmaps that takes the aim away before.
type Target = Arc<Mutex<Option<(usize, usize)>>>;

#[derive(Debug)]
pub(super) struct Spoiler(Target);

impl Spoiler {
    /// Starts the thread, which lives as long as the process.
    pub(super) fn start() -> io::Result<Self> {
        let target = Target::default();
        let aimed = Arc::clone(&target);
        let spoil = move || {
            let mut random = Random::new(1);
            loop {
                spoil(&aimed, &mut random);
                thread::sleep(PAUSE);
            }
        };
        thread::Builder::new().spawn(spoil)?;
        Ok(Self(target))
    }

    /// Writes there from now on, and nowhere else any more.
    pub(super) fn aim(&self, target: Option<(usize, usize)>) {
        *locked(&self.0) = target;
    }
}

fn spoil(target: &Target, random: &mut Random) {
    let target = locked(target);
    let Some((start, length)) = *target else {
        return;
    };
    for _ in 0..WORDS.min(length / 8) {
        // Mostly where the ring has its head and its first transfers.
        let most = if random.below(2) == 0 {
            length.min(256)
        } else {
            length
        };
        let place = (start + random.below(most / 8) * 8) as *mut u64;
        let word = match random.below(4) {
            0 => u64::MAX,
            1 => 0,
            _ => random.below(1 << 40) as u64,
        };
        // SAFETY: an aligned place in a file's mapping that can be written to, which no reference leads to; it is not
        // unmapped while `target` is locked.
        unsafe { place.write_volatile(word) };
    }
}

fn locked(target: &Target) -> MutexGuard<'_, Option<(usize, usize)>> {
    target.lock().unwrap_or_else(PoisonError::into_inner)
}
