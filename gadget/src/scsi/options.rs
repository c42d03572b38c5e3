//! What a logical unit says about itself.

/// How a logical unit presents itself and its medium.
///
/// The texts are sent as ASCII and cut to the width of their field; other characters become `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskOptions {
    /// The maker, 8 characters (SPC-4 6.6.2).
    pub vendor: String,
    /// The product, 16 characters (SPC-4 6.6.2).
    pub product: String,
    /// The product's revision, 4 characters (SPC-4 6.6.2).
    pub revision: String,
    /// This unit's serial number (SPC-4 7.8.15). Hosts tell units apart by it: make it unique.
    pub serial_number: String,
    /// Bytes of a logical block: 512, 1024, 2048 or 4096.
    pub block_size: u32,
    /// Refuses writes, also to a medium that could take them.
    pub read_only: bool,
    /// The medium can be taken out and put in; without this it is in the unit for good.
    pub removable: bool,
}

impl Default for DiskOptions {
    /// A fixed, writable disk with blocks of 512 bytes.
    fn default() -> Self {
        Self {
            vendor: "usbfs2".to_owned(),
            product: "Disk".to_owned(),
            revision: "1".to_owned(),
            serial_number: "000000000001".to_owned(),
            block_size: 512,
            read_only: false,
            removable: false,
        }
    }
}
