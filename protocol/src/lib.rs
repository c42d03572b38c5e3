//! USB wire formats: chapter 9, Bulk-Only Transport and SCSI, HID
