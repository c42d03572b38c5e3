//! The data endpoints of the device that lies: random bytes, halts, pauses, and endpoints that go away.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::thread::JoinHandleExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use dummy_hcd_tests::random::Random;
use dummy_hcd_tests::stress::counts::Counts;

use crate::sys;

/// `dummy_hcd` treats packets of up to 64 bytes in a way that two processors do not survive.
const SHORTEST: usize = 65;
const LONGEST: usize = 8192;
const MOST: usize = 4;
/// A thread that was told to end and interrupted ends in this time.
const END: Duration = Duration::from_secs(20);

/// Threads that serve an endpoint each.
#[derive(Debug)]
pub(crate) struct Served {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Counts>>,
}

impl Served {
    /// Serves endpoints with these addresses, as far as the controller has any like them.
    pub(crate) fn start(directory: &Path, addresses: &[u8], random: &mut Random) -> Result<Self> {
        let mut free: Vec<PathBuf> = fs::read_dir(directory)?
            .flatten()
            .map(|entry| entry.path())
            .collect();
        free.sort();
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for address in addresses.iter().take(MOST) {
            let is_in = address & 0x80 != 0;
            let Some(index) = free.iter().position(|path| fits(path, is_in)) else {
                continue;
            };
            let file = open(&free.remove(index), *address);
            let (stop, seed) = (Arc::clone(&stop), random.below(1 << 30) as u64);
            threads.push(thread::spawn(move || {
                let mut counts = Counts::default();
                counts.count("endpoints of devices that lie");
                if let Ok(file) = file {
                    counts.count("endpoints of devices that lie: succeeded");
                    serve(file, is_in, &mut Random::new(seed), &stop, &mut counts);
                }
                counts
            }));
        }
        Ok(Self { stop, threads })
    }

    /// Ends them all, wherever they wait.
    pub(crate) fn end(self, counts: &mut Counts) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let since = Instant::now();
        for thread in self.threads {
            while !thread.is_finished() {
                ensure!(
                    since.elapsed() < END,
                    "an endpoint of gadgetfs does not end"
                );
                sys::interrupt(thread.as_pthread_t());
                thread::sleep(Duration::from_millis(1));
            }
            let served = thread.join();
            counts.merge(&served.map_err(|_| anyhow!("an endpoint's thread panicked"))?);
        }
        Ok(())
    }
}

/// Whether it is an endpoint of the controller for bulk transfers in this direction.
fn fits(path: &Path, is_in: bool) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(rest) = name.and_then(|name| name.strip_prefix("ep")) else {
        return false;
    };
    let is_bulk = !rest.contains("-iso") && !rest.contains("-int");
    is_bulk && rest.contains(if is_in { "in" } else { "out" })
}

/// Opens and enables it: a tag, and an endpoint descriptor for each speed. What they say is right; what the
/// configuration says of the same endpoint need not be.
fn open(path: &Path, address: u8) -> std::io::Result<File> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut message = 1_u32.to_ne_bytes().to_vec();
    message.extend([7, 5, address, 2, 64, 0, 0]);
    message.extend([7, 5, address, 2, 0, 2, 0]);
    file.write_all(&message)?;
    Ok(file)
}

fn serve(mut file: File, is_in: bool, random: &mut Random, stop: &AtomicBool, counts: &mut Counts) {
    let mut bytes = vec![0; LONGEST];
    while !stop.load(Ordering::Relaxed) {
        match random.below(64) {
            0 => {
                counts.count("endpoints that halt");
                // I/O in the wrong direction.
                let _ = match is_in {
                    true => file.read(&mut bytes),
                    false => file.write(&bytes),
                };
                continue;
            }
            1 => thread::sleep(Duration::from_millis(random.below(50) as u64)),
            2 if random.below(4) == 0 => {
                counts.count("endpoints that disappear");
                return;
            }
            _ => {}
        }
        let length = SHORTEST + random.below(LONGEST - SHORTEST);
        let moved = match is_in {
            true => {
                random.fill(&mut bytes[..length]);
                file.write(&bytes[..length])
            }
            false => file.read(&mut bytes[..length.next_multiple_of(512).min(LONGEST)]),
        };
        counts.count("transfers of devices that lie");
        match moved {
            Ok(_) => counts.count("transfers of devices that lie: succeeded"),
            // Not connected, or interrupted.
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
}
