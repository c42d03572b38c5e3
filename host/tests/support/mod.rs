//! What the tests share.

include!("echo.rs");

use std::time::Duration;

use usbfs2_host::{Buffer, Bulk, Endpoint, Host, In, Interface, Out};

/// Long enough for anything that is to happen; it only stops hangs.
#[allow(dead_code)]
pub const SOON: Duration = Duration::from_secs(10);

/// Short enough to wait for what must not happen.
#[allow(dead_code)]
pub const SHORT: Duration = Duration::from_millis(30);

/// A plugged echo device with its first interface claimed.
#[allow(dead_code)]
pub struct Rig {
    pub interface: Interface,
    pub device: usbfs2_host::Device,
    pub host: Host,
    pub echo: Echo,
    pub bus: Bus,
}

#[allow(dead_code)]
impl Rig {
    pub fn new() -> Self {
        let bus = Bus::new();
        let echo = Echo::plug(&bus);
        let host = Host::on(&bus);
        let device = host.open(&"1-1".into()).unwrap();
        let interface = device.claim(0).unwrap();
        Self {
            interface,
            device,
            host,
            echo,
            bus,
        }
    }

    pub fn output(&self) -> Endpoint<Bulk, Out> {
        self.interface.endpoint(0x01).unwrap()
    }

    /// Writes bytes for the device to send back; less than a whole packet ends a transfer of its own.
    pub fn write(&self, bytes: &[u8]) {
        let sent = self.output().transfer_blocking(Buffer::from(bytes), SOON);
        assert_eq!((sent.actual_length, sent.status), (bytes.len(), Ok(())));
    }

    pub fn input(&self) -> Endpoint<Bulk, In> {
        self.interface.endpoint(0x81).unwrap()
    }
}
