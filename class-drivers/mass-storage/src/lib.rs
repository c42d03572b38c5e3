//! Mass storage host class driver: Bulk-Only Transport and SCSI disks.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use usbfs2_host::Host;
//! use usbfs2_mass_storage::MassStorage;
//!
//! let host = Host::system()?;
//! let device = host.open(&"1-1".into())?;
//! let mut disk = MassStorage::open_blocking(&device)?.block_device_blocking(0)?;
//! println!("{} bytes, blocks of {}", disk.size(), disk.block_size());
//! let mut sector = [0; 512];
//! disk.read_at_blocking(0, &mut sector)?;
//! # Ok(()) }
//! ```
//!
//! [`MassStorage`] is the claimed device, [`BlockDevice`] one of its logical units, [`DiskCursor`] a
//! disk where `std::io` wants a file. Every method has a blocking twin that runs the same code and
//! needs neither a runtime nor a helper thread.
//!
//! # A command
//! Command, data and status are submitted together and complete together, where most drivers take
//! three round trips. The status is checked for its signature, tag and residue, and the hazard of
//! sending all at once, a status that arrives in place of data, is looked for.
//!
//! # When something goes wrong
//! A halt within a command is cleared, and the status read once more (BOT 5.3.3, figure 2). Any other
//! failure of the transport is answered with reset recovery (BOT 5.3.4) and the command tried
//! again, three times in all; every command this driver sends may be repeated. A command that the
//! unit fails is explained by its sense. Nothing waits longer than 30 s.

mod block_device;
mod cursor;
mod device;
mod error;
mod statistics;
mod transport;
mod unit;

pub use block_device::BlockDevice;
pub use cursor::DiskCursor;
pub use device::MassStorage;
pub use error::{DiskError, InvalidAnswer, OpenError, Stage, TransportFault};
pub use statistics::Statistics;
