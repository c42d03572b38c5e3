//! Functions ready to be put into a gadget.

pub mod keyboard;
pub mod mass_storage;

pub use self::keyboard::Keyboard;
pub use self::mass_storage::Disk;
