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
//! unit fails is explained by its sense. Every kind of retry has a bound, and nothing waits longer than
//! [`Options`] says.
//!
//! # Devices that keep to their own rules
//! What is put up with, and how it is noticed; [`MassStorage::quirks`] tells what was.
//!
//! | the device | the driver |
//! |---|---|
//! | signs its statuses otherwise than "USBS" | takes the first status's signature, when all else in it is right |
//! | does not echo tags | sees the same wrong tag twice in succession, and expects it from then on |
//! | sends residues that mean nothing | sees one on an INQUIRY or READ CAPACITY that is whole, and looks only at what arrives |
//! | ends data short, with no residue or no stall | counts what arrived |
//! | sends its status in place of data | finds it by signature and tag |
//! | sends an empty packet after whole data | reads the status once more |
//! | answers READ CAPACITY with the number of blocks | where that is odd, reads the last block; a refused one is not counted |
//! | chokes on INQUIRY for more than 36 bytes | asks for 36; a page of product data only where SPC-3 is claimed, once, and never again when it chokes |
//! | chokes on MODE SENSE, or does not know it | takes the medium as writable |
//! | does not know SYNCHRONIZE CACHE | takes what is written as written |
//! | stalls Get Max LUN, or answers with no number | takes it for one unit |
//! | names units that are not there | leaves them out of [`MassStorage::units`] |
//! | has stopped its medium | starts it |
//! | is QEMU's disk, which before QEMU 10.1 chokes on stages in flight together | sends each when the one before is over |
//! | reports one unit attention after the other, or fails REQUEST SENSE | tries three times |

mod block_device;
mod conditions;
mod cursor;
mod device;
mod error;
mod medium;
mod options;
mod pace;
mod quirks;
mod statistics;
mod transport;
mod unit;
mod unit_info;

pub use block_device::BlockDevice;
pub use cursor::DiskCursor;
pub use device::MassStorage;
pub use error::{DiskError, InvalidAnswer, OpenError, Stage, TransportFault};
pub use medium::Medium;
pub use options::Options;
pub use quirks::Quirks;
pub use statistics::Statistics;
pub use unit_info::UnitInfo;
