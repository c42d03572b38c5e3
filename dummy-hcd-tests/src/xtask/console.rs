//! The sockets between the guest and this process: the console and the command's three streams.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};

/// How much of the console is kept: enough for a few oopses.
const CONSOLE_LIMIT: usize = 1 << 20;

/// One guest stream; the guest's end appears once QEMU runs.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) path: PathBuf,
    listener: UnixListener,
}

impl Port {
    pub(crate) fn listen(directory: &Path, name: &str) -> Result<Self> {
        let path = directory.join(format!("{name}.sock"));
        let listener =
            UnixListener::bind(&path).with_context(|| format!("listen on {}", path.display()))?;
        Ok(Self { path, listener })
    }

    /// Copies what the guest writes to `sink` until QEMU ends. Join the thread to have everything.
    pub(crate) fn copy_to(self, mut sink: impl Write + Send + 'static) -> JoinHandle<()> {
        thread::spawn(move || {
            let Ok((mut stream, _)) = self.listener.accept() else {
                return;
            };
            let mut buffer = [0; 16384];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                // A reader that has gone away, as `| head` does, is no reason to stop the guest.
                let _ = sink.write_all(&buffer[..count]).and_then(|()| sink.flush());
            }
        })
    }

    /// Copies this process's standard input to the guest. The thread ends with the process.
    pub(crate) fn copy_from_stdin(self) {
        thread::spawn(move || {
            let Ok((mut stream, _)) = self.listener.accept() else {
                return;
            };
            let _ = io::copy(&mut io::stdin().lock(), &mut stream);
            // Closing both ways would make QEMU drop what the guest has not read yet.
            let _ = stream.shutdown(Shutdown::Write);
            let _ = io::copy(&mut stream, &mut io::sink());
        });
    }
}

/// Wakes the threads of ports that QEMU never connected to, so that they can be joined.
pub(crate) fn release(paths: &[PathBuf]) {
    for path in paths {
        let _ = UnixStream::connect(path);
    }
}

/// The console so far, shown as it comes if asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Console {
    text: Arc<Mutex<Vec<u8>>>,
    shown: bool,
}

impl Console {
    pub(crate) fn new(shown: bool) -> Self {
        Self {
            text: Arc::default(),
            shown,
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock()).into_owned()
    }

    /// The last lines, for an error message.
    pub(crate) fn tail(&self, lines: usize) -> String {
        let text = self.text();
        let all = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect::<Vec<_>>();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.shown {
            io::stderr().write_all(bytes)?;
        }
        let mut text = self.lock();
        text.extend_from_slice(bytes);
        let surplus = text.len().saturating_sub(CONSOLE_LIMIT);
        text.drain(..surplus);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
