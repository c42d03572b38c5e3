//! Devices of ours on QEMU's controllers, through QEMU's `usb-redir`.
//!
//! QEMU's own sound card runs at full speed, so that EHCI, whose isochronous transfers are of high speed alone, has
//! none of its devices to show them with: `usb-audio` has only full-speed descriptors (hw/usb/dev-audio.c: each
//! `USBDesc`, that of `multi` too, has `.full` alone), and QEMU's hub, whose transaction
//! translator would speak for it, is a full-speed hub too (hw/usb/dev-hub.c). But a device may live elsewhere, and
//! `usb-redir` tell it what the controller does. Elsewhere is here, in the guest: any gadget on an in-process bus.
//!
//! | file | what it knows |
//! |---|---|
//! | `port.rs` | the way to QEMU |
//! | `describe.rs` | what QEMU is told of the device |
//! | `server.rs` | requests of QEMU's and the bus's answers |
//! | `streams.rs` | isochronous packets and the time of the bus |

mod describe;
mod port;
mod server;
mod streams;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::{self, DEADLINE};
use serde_json::json;
use usbfs2_gadget::{Gadget, Running};
use usbfs2_host::Speed;
use usbfs2_loopback::{Bus, BusDevice, Faults};

use self::port::Port;
use self::server::Server;
use super::Bench;
use super::bench::Plugged;

/// A gadget at the other end of a redirection. Pulled out when dropped.
pub(super) struct Redirected<'a> {
    // QEMU lets go first.
    pub(super) plugged: Plugged<'a>,
    threads: Threads,
    server: Arc<Mutex<Server>>,
    bus: Bus,
    device: BusDevice,
    _running: Running,
}

/// What reads from QEMU, and what waits for the device.
struct Threads {
    port: Arc<Port>,
    running: Vec<JoinHandle<()>>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.port.close();
        for thread in self.running.drain(..) {
            // It has said why it panicked.
            let _ = thread.join();
        }
    }
}

impl<'a> Redirected<'a> {
    /// Plugs the gadget into the bench's controller at high speed.
    ///
    /// Time on its bus passes with the isochronous packets that QEMU sends, one interval each, and
    /// when [`let_pass`](Self::let_pass) says so: how busy the machine is makes no difference to it.
    pub(super) fn plug(bench: &'a Bench, gadget: &Gadget) -> Result<Self> {
        let bus = Bus::with_manual_clock();
        let running = gadget.start_on(&bus, Speed::High)?;
        let device = wait::until("the gadget is on its bus", || bus.devices().pop())?;
        device.enumerate(DEADLINE)?;
        let port = Arc::new(Port::open()?);
        let server = Arc::new(Mutex::new(Server::new(Arc::clone(&port), device.clone())));
        let threads = Threads {
            running: server::start(&server, &port),
            port,
        };
        let plugged = bench.plug_redirection("1")?;
        Ok(Self {
            plugged,
            threads,
            server,
            bus,
            device,
            _running: running,
        })
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        // A thread that panicked has failed the test anyway.
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass on the gadget's bus: IN endpoints whose stream is open send a packet each interval.
    pub(super) fn let_pass(&self, microframes: u32) -> Result<()> {
        Ok(self.server().let_pass(microframes)?)
    }

    /// Packets that the IN endpoint has sent QEMU since its stream was opened; `None` while it is not.
    pub(super) fn sent(&self, address: u8) -> Option<u64> {
        self.server().sent(address)
    }

    /// What may go wrong on the way between the gadget and QEMU.
    pub(super) fn faults(&self) -> Result<Faults> {
        Ok(self.bus.faults(&self.device.name())?)
    }

    /// Tells QEMU that the device was pulled out of wherever it was.
    pub(super) fn pull_remotely(&self) -> Result<()> {
        Ok(self.server().disconnect()?)
    }

    /// Tells QEMU of it again.
    pub(super) fn plug_remotely(&self) -> Result<()> {
        Ok(self.server().connect()?)
    }

    /// Fails where something has ended the redirection: an error, or a thread's panic. Every test calls it at its end.
    pub(super) fn check(&self) -> Result<()> {
        let mut threads = self.threads.running.iter();
        // Looked at first: a thread leaves its error before it ends.
        let has_ended = threads.any(JoinHandle::is_finished);
        if let Some(error) = self.threads.port.take_failure() {
            return Err(error).context("the redirection");
        }
        ensure!(!has_ended, "a thread of the redirection panicked");
        Ok(())
    }
}

impl Drop for Redirected<'_> {
    fn drop(&mut self) {
        // While there is somebody who answers.
        if let Err(error) = self.plugged.pull() {
            eprintln!("pull the redirected device: {error:#}");
        }
        if let Some(error) = self.threads.port.take_failure() {
            eprintln!("the redirection: {error}");
        }
        self.threads.port.close();
    }
}

impl Bench {
    /// Plugs in what is at the other end of the guest's port.
    fn plug_redirection(&self, port: &str) -> Result<Plugged<'_>> {
        const CHARDEV: &str = "usbfs2-redirection";
        // One that was left behind by a test that ended before its device.
        let gone = json!({ "id": CHARDEV });
        let _ = self.monitor().execute("chardev-remove", gone);
        let address = json!({ "type": "unix", "data": { "path": "usbredir.sock" } });
        let backend = json!({ "type": "socket", "data": { "addr": address, "server": false } });
        let chardev = json!({ "id": CHARDEV, "backend": backend });
        self.monitor().execute("chardev-add", chardev)?;
        self.plug_with("usb-redir", port, json!({ "chardev": CHARDEV }))
    }
}
