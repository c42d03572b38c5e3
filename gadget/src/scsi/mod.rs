//! A SCSI disk without a transport: logical units that answer commands (SAM-5, SPC-4, SBC-3).
//!
//! Nothing here knows about USB. A transport hands a command block to [`Target::start`] and gets a
//! [`Task`]: the task says how much data it wants to move and which way, the transport moves it in
//! pieces of its own choosing, and [`Task::finish`] gives the status. What went wrong is kept as sense
//! data until the next command, for REQUEST SENSE.
//!
//! ```
//! use usbfs2_gadget::scsi::{LogicalUnit, MemoryMedium, Status, Target, Transfer, DiskOptions};
//!
//! let unit = LogicalUnit::with_medium(MemoryMedium::new(1 << 20), DiskOptions::default())?;
//! let target = Target::new([unit]);
//!
//! // The first command learns that the unit was powered on, the second that it is ready.
//! let test_unit_ready = [0; 6];
//! assert_eq!(target.start(0, &test_unit_ready).finish(), Status::CheckCondition);
//! assert_eq!(target.start(0, &test_unit_ready).finish(), Status::Good);
//!
//! let mut task = target.start(0, &[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
//! assert_eq!(task.transfer(), Transfer::In(8));
//! let mut capacity = [0; 8];
//! assert_eq!(task.read(&mut capacity), 8);
//! assert_eq!(task.finish(), Status::Good);
//! assert_eq!(capacity, [0, 0, 0x07, 0xff, 0, 0, 0x02, 0]);
//! # Ok::<(), usbfs2_gadget::scsi::InsertError>(())
//! ```

mod answers;
mod commands;
mod extent;
mod medium;
mod options;
mod supported;
mod target;
mod task;
mod unit;

pub use usbfs2_protocol::scsi::Transfer;

pub use self::{
    medium::{FileMedium, Medium, MediumError, MemoryMedium},
    options::DiskOptions,
    target::Target,
    task::{Status, Task},
    unit::{EjectError, InsertError, LogicalUnit},
};
