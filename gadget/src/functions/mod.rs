//! Functions ready to be put into a gadget.

pub mod mass_storage;

pub use self::mass_storage::Disk;
