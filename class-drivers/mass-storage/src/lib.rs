//! Mass storage host class driver (Bulk-Only Transport, SCSI)
