//! What the tests share.

include!("../support/echo.rs");

use std::time::Duration;

use usbfs2_host::{Buffer, Bulk, Endpoint, Host, In, Interface, Out};

/// Long enough for anything that is to happen; it only stops hangs.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Short enough to wait for what must not happen.
pub(crate) const SHORT: Duration = Duration::from_millis(30);

/// A plugged echo device with its first interface claimed.
pub(crate) struct Rig {
    pub(crate) interface: Interface,
    pub(crate) device: usbfs2_host::Device,
    pub(crate) host: Host,
    pub(crate) echo: Echo,
    pub(crate) bus: Bus,
}

impl Rig {
    pub(crate) fn new() -> Self {
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

    pub(crate) fn output(&self) -> Endpoint<Bulk, Out> {
        self.interface.endpoint(0x01).unwrap()
    }

    /// Writes bytes for the device to send back; less than a whole packet ends a transfer of its own.
    pub(crate) fn write(&self, bytes: &[u8]) {
        let sent = self.output().transfer_blocking(Buffer::from(bytes), SOON);
        assert_eq!((sent.actual_length, sent.status), (bytes.len(), Ok(())));
    }

    pub(crate) fn input(&self) -> Endpoint<Bulk, In> {
        self.interface.endpoint(0x81).unwrap()
    }
}
