//! Operation codes, the first byte of a command (SPC-3 annex D).

/// TEST UNIT READY.
pub const TEST_UNIT_READY: u8 = 0x00;
/// REQUEST SENSE.
pub const REQUEST_SENSE: u8 = 0x03;
/// READ (6).
pub const READ_6: u8 = 0x08;
/// WRITE (6).
pub const WRITE_6: u8 = 0x0a;
/// INQUIRY.
pub const INQUIRY: u8 = 0x12;
/// MODE SELECT (6).
pub const MODE_SELECT_6: u8 = 0x15;
/// MODE SENSE (6).
pub const MODE_SENSE_6: u8 = 0x1a;
/// START STOP UNIT.
pub const START_STOP_UNIT: u8 = 0x1b;
/// SEND DIAGNOSTIC.
pub const SEND_DIAGNOSTIC: u8 = 0x1d;
/// PREVENT ALLOW MEDIUM REMOVAL.
pub const PREVENT_ALLOW_MEDIUM_REMOVAL: u8 = 0x1e;
/// READ FORMAT CAPACITIES.
pub const READ_FORMAT_CAPACITIES: u8 = 0x23;
/// READ CAPACITY (10).
pub const READ_CAPACITY_10: u8 = 0x25;
/// READ (10).
pub const READ_10: u8 = 0x28;
/// WRITE (10).
pub const WRITE_10: u8 = 0x2a;
/// VERIFY (10).
pub const VERIFY_10: u8 = 0x2f;
/// SYNCHRONIZE CACHE (10).
pub const SYNCHRONIZE_CACHE_10: u8 = 0x35;
/// MODE SELECT (10).
pub const MODE_SELECT_10: u8 = 0x55;
/// MODE SENSE (10).
pub const MODE_SENSE_10: u8 = 0x5a;
/// READ (16).
pub const READ_16: u8 = 0x88;
/// WRITE (16).
pub const WRITE_16: u8 = 0x8a;
/// VERIFY (16).
pub const VERIFY_16: u8 = 0x8f;
/// SYNCHRONIZE CACHE (16).
pub const SYNCHRONIZE_CACHE_16: u8 = 0x91;
/// SERVICE ACTION IN (16), of which READ CAPACITY (16) is one.
pub const SERVICE_ACTION_IN_16: u8 = 0x9e;
/// REPORT LUNS.
pub const REPORT_LUNS: u8 = 0xa0;
/// MAINTENANCE IN, of which REPORT SUPPORTED OPERATION CODES is one.
pub const MAINTENANCE_IN: u8 = 0xa3;
/// READ (12).
pub const READ_12: u8 = 0xa8;
/// WRITE (12).
pub const WRITE_12: u8 = 0xaa;
/// VERIFY (12).
pub const VERIFY_12: u8 = 0xaf;
