//! Commands to bytes.

use super::operation_code as op;
use super::{Command, CommandBlock};

/// The service action that makes SERVICE ACTION IN (16) a READ CAPACITY (16) (SBC-2 5.11).
pub(super) const SERVICE_ACTION_READ_CAPACITY_16: u8 = 0x10;
/// The service action that makes MAINTENANCE IN a REPORT SUPPORTED OPERATION CODES (SPC-4 6.35).
pub(super) const SERVICE_ACTION_REPORT_OPERATION_CODES: u8 = 0x0c;
/// FUA, in byte 1 of READ and WRITE.
pub(super) const FORCE_UNIT_ACCESS: u8 = 0x08;
/// DBD, in byte 1 of MODE SENSE.
pub(super) const DISABLE_BLOCK_DESCRIPTORS: u8 = 0x08;
/// PF, in byte 1 of MODE SELECT: the parameters are in the standard's page format.
pub(super) const PAGE_FORMAT: u8 = 0x10;
/// IMMED, in byte 1 of SYNCHRONIZE CACHE. START STOP UNIT has it in bit 0.
pub(super) const SYNCHRONIZE_IMMEDIATE: u8 = 0x02;

/// SELFTEST, in byte 1 of SEND DIAGNOSTIC.
pub(super) const DEFAULT_SELF_TEST: u8 = 0x04;
/// RCTD, in byte 2 of REPORT SUPPORTED OPERATION CODES.
pub(super) const REPORT_TIMEOUTS: u8 = 0x80;

const fn flag(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

/// The layout most ten-byte commands share: flags, block address, length.
fn block_10(operation_code: u8, flags: u8, lba: u32, length: u16) -> CommandBlock {
    let [l0, l1, l2, l3] = lba.to_be_bytes();
    let [n0, n1] = length.to_be_bytes();
    CommandBlock::fixed([operation_code, flags, l0, l1, l2, l3, 0, n0, n1, 0])
}

/// The layout of a six-byte READ or WRITE: an address of 21 bits, a count.
fn block_6(operation_code: u8, lba: u32, count: u8) -> CommandBlock {
    let [_, l1, l2, l3] = lba.to_be_bytes();
    CommandBlock::fixed([operation_code, l1 & 0x1f, l2, l3, count, 0])
}

/// The layout twelve-byte commands share: flags, block address, length.
fn block_12(operation_code: u8, flags: u8, lba: u32, length: u32) -> CommandBlock {
    let [l0, l1, l2, l3] = lba.to_be_bytes();
    let [n0, n1, n2, n3] = length.to_be_bytes();
    CommandBlock::fixed([operation_code, flags, l0, l1, l2, l3, n0, n1, n2, n3, 0, 0])
}

/// The layout sixteen-byte commands share: flags, block address, length.
fn block_16(operation_code: u8, flags: u8, lba: u64, length: u32) -> CommandBlock {
    let [l0, l1, l2, l3, l4, l5, l6, l7] = lba.to_be_bytes();
    let [n0, n1, n2, n3] = length.to_be_bytes();
    CommandBlock::fixed([
        operation_code,
        flags,
        l0,
        l1,
        l2,
        l3,
        l4,
        l5,
        l6,
        l7,
        n0,
        n1,
        n2,
        n3,
        0,
        0,
    ])
}

impl Command {
    /// The command's bytes. Fields narrower than their type are masked to their width.
    #[must_use]
    pub fn encode(&self) -> CommandBlock {
        let fua = |set: bool| flag(set, FORCE_UNIT_ACCESS);
        match *self {
            Self::TestUnitReady => CommandBlock::fixed([op::TEST_UNIT_READY, 0, 0, 0, 0, 0]),
            Self::RequestSense {
                descriptor_format,
                allocation_length,
            } => {
                let desc = flag(descriptor_format, 1);
                CommandBlock::fixed([op::REQUEST_SENSE, desc, 0, 0, allocation_length, 0])
            }
            Self::Inquiry {
                page,
                allocation_length,
            } => {
                let [a0, a1] = allocation_length.to_be_bytes();
                let evpd = flag(page.is_some(), 1);
                CommandBlock::fixed([op::INQUIRY, evpd, page.unwrap_or(0), a0, a1, 0])
            }
            Self::ModeSense6 {
                disable_block_descriptors,
                page_control,
                page,
                subpage,
                allocation_length,
            } => CommandBlock::fixed([
                op::MODE_SENSE_6,
                flag(disable_block_descriptors, DISABLE_BLOCK_DESCRIPTORS),
                page_control.to_byte() | page & 0x3f,
                subpage,
                allocation_length,
                0,
            ]),
            Self::ModeSense10 {
                disable_block_descriptors,
                page_control,
                page,
                subpage,
                allocation_length,
            } => {
                let [a0, a1] = allocation_length.to_be_bytes();
                let dbd = flag(disable_block_descriptors, DISABLE_BLOCK_DESCRIPTORS);
                let page = page_control.to_byte() | page & 0x3f;
                CommandBlock::fixed([op::MODE_SENSE_10, dbd, page, subpage, 0, 0, 0, a0, a1, 0])
            }
            Self::ModeSelect6 {
                save_pages,
                parameter_list_length,
            } => CommandBlock::fixed([
                op::MODE_SELECT_6,
                PAGE_FORMAT | flag(save_pages, 1),
                0,
                0,
                parameter_list_length,
                0,
            ]),
            Self::ModeSelect10 {
                save_pages,
                parameter_list_length,
            } => {
                let [p0, p1] = parameter_list_length.to_be_bytes();
                let flags = PAGE_FORMAT | flag(save_pages, 1);
                CommandBlock::fixed([op::MODE_SELECT_10, flags, 0, 0, 0, 0, 0, p0, p1, 0])
            }
            Self::StartStopUnit {
                immediate,
                load_eject,
                start,
                power_condition,
            } => {
                let action = power_condition << 4 | flag(load_eject, 2) | flag(start, 1);
                CommandBlock::fixed([op::START_STOP_UNIT, flag(immediate, 1), 0, 0, action, 0])
            }
            Self::PreventAllowMediumRemoval { prevent } => CommandBlock::fixed([
                op::PREVENT_ALLOW_MEDIUM_REMOVAL,
                0,
                0,
                0,
                flag(prevent, 1),
                0,
            ]),
            Self::ReadFormatCapacities { allocation_length } => {
                block_10(op::READ_FORMAT_CAPACITIES, 0, 0, allocation_length)
            }
            Self::ReadCapacity10 => block_10(op::READ_CAPACITY_10, 0, 0, 0),
            Self::ReadCapacity16 { allocation_length } => block_16(
                op::SERVICE_ACTION_IN_16,
                SERVICE_ACTION_READ_CAPACITY_16,
                0,
                allocation_length,
            ),
            Self::Read6 { lba, blocks } => block_6(op::READ_6, lba, blocks),
            Self::Read12 {
                lba,
                blocks,
                force_unit_access,
            } => block_12(op::READ_12, fua(force_unit_access), lba, blocks),
            Self::Read10 {
                lba,
                blocks,
                force_unit_access,
            } => block_10(op::READ_10, fua(force_unit_access), lba, blocks),
            Self::Read16 {
                lba,
                blocks,
                force_unit_access,
            } => block_16(op::READ_16, fua(force_unit_access), lba, blocks),
            Self::Write6 { lba, blocks } => block_6(op::WRITE_6, lba, blocks),
            Self::Write12 {
                lba,
                blocks,
                force_unit_access,
            } => block_12(op::WRITE_12, fua(force_unit_access), lba, blocks),
            Self::Write10 {
                lba,
                blocks,
                force_unit_access,
            } => block_10(op::WRITE_10, fua(force_unit_access), lba, blocks),
            Self::Write16 {
                lba,
                blocks,
                force_unit_access,
            } => block_16(op::WRITE_16, fua(force_unit_access), lba, blocks),
            Self::Verify10 {
                lba,
                blocks,
                byte_check,
            } => block_10(op::VERIFY_10, byte_check.to_byte(), lba, blocks),
            Self::Verify12 {
                lba,
                blocks,
                byte_check,
            } => block_12(op::VERIFY_12, byte_check.to_byte(), lba, blocks),
            Self::Verify16 {
                lba,
                blocks,
                byte_check,
            } => block_16(op::VERIFY_16, byte_check.to_byte(), lba, blocks),
            Self::SynchronizeCache10 {
                lba,
                blocks,
                immediate,
            } => block_10(
                op::SYNCHRONIZE_CACHE_10,
                flag(immediate, SYNCHRONIZE_IMMEDIATE),
                lba,
                blocks,
            ),
            Self::SynchronizeCache16 {
                lba,
                blocks,
                immediate,
            } => block_16(
                op::SYNCHRONIZE_CACHE_16,
                flag(immediate, SYNCHRONIZE_IMMEDIATE),
                lba,
                blocks,
            ),
            Self::SendDiagnostic {
                self_test,
                self_test_code,
                parameter_list_length,
            } => {
                let [p0, p1] = parameter_list_length.to_be_bytes();
                let test = self_test_code << 5 | flag(self_test, DEFAULT_SELF_TEST);
                CommandBlock::fixed([op::SEND_DIAGNOSTIC, test, 0, p0, p1, 0])
            }
            Self::ReportSupportedOperationCodes {
                timeouts,
                reporting_options,
                operation_code,
                service_action,
                allocation_length,
            } => {
                let [s0, s1] = service_action.to_be_bytes();
                let [a0, a1, a2, a3] = allocation_length.to_be_bytes();
                let options = flag(timeouts, REPORT_TIMEOUTS) | reporting_options & 0x07;
                let action = SERVICE_ACTION_REPORT_OPERATION_CODES;
                CommandBlock::fixed([
                    op::MAINTENANCE_IN,
                    action,
                    options,
                    operation_code,
                    s0,
                    s1,
                    a0,
                    a1,
                    a2,
                    a3,
                    0,
                    0,
                ])
            }
            Self::ReportLuns {
                select_report,
                allocation_length,
            } => {
                let [a0, a1, a2, a3] = allocation_length.to_be_bytes();
                CommandBlock::fixed([
                    op::REPORT_LUNS,
                    0,
                    select_report,
                    0,
                    0,
                    0,
                    a0,
                    a1,
                    a2,
                    a3,
                    0,
                    0,
                ])
            }
        }
    }
}
