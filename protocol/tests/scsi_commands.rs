//! SCSI commands: their bytes, what is refused, and that any round-trips.

use proptest::prelude::*;
use usbfs2_protocol::scsi::{
    ByteCheck, Command, InvalidCommand, ModePageControl, Sense, SenseKey, Transfer,
};

fn page_control() -> impl Strategy<Value = ModePageControl> {
    prop::sample::select(vec![
        ModePageControl::Current,
        ModePageControl::Changeable,
        ModePageControl::Default,
        ModePageControl::Saved,
    ])
}

fn byte_check() -> impl Strategy<Value = ByteCheck> {
    prop::sample::select(vec![
        ByteCheck::MediumOnly,
        ByteCheck::EachBlock,
        ByteCheck::OneBlock,
    ])
}

/// Every command, with every value its fields can carry.
fn command() -> impl Strategy<Value = Command> {
    use Command as C;
    let small = prop_oneof![
        Just(C::TestUnitReady),
        Just(C::ReadCapacity10),
        any::<(bool, u8)>().prop_map(|(descriptor_format, allocation_length)| {
            C::RequestSense {
                descriptor_format,
                allocation_length,
            }
        }),
        any::<(Option<u8>, u16)>().prop_map(|(page, allocation_length)| C::Inquiry {
            page,
            allocation_length
        }),
        any::<(bool, u8)>().prop_map(|(save_pages, parameter_list_length)| {
            C::ModeSelect6 {
                save_pages,
                parameter_list_length,
            }
        }),
        any::<(bool, u16)>().prop_map(|(save_pages, parameter_list_length)| {
            C::ModeSelect10 {
                save_pages,
                parameter_list_length,
            }
        }),
        (any::<[bool; 3]>(), 0..16_u8).prop_map(
            |([immediate, load_eject, start], power_condition)| {
                C::StartStopUnit {
                    immediate,
                    load_eject,
                    start,
                    power_condition,
                }
            }
        ),
        any::<bool>().prop_map(|prevent| C::PreventAllowMediumRemoval { prevent }),
        any::<u16>().prop_map(|allocation_length| C::ReadFormatCapacities { allocation_length }),
        any::<u32>().prop_map(|allocation_length| C::ReadCapacity16 { allocation_length }),
        any::<(u8, u32)>().prop_map(|(select_report, allocation_length)| {
            C::ReportLuns {
                select_report,
                allocation_length,
            }
        }),
    ];
    let mode_sense = prop_oneof![
        (
            any::<bool>(),
            page_control(),
            0..64_u8,
            any::<u8>(),
            any::<u8>()
        )
            .prop_map(
                |(disable_block_descriptors, page_control, page, subpage, allocation_length)| {
                    C::ModeSense6 {
                        disable_block_descriptors,
                        page_control,
                        page,
                        subpage,
                        allocation_length,
                    }
                }
            ),
        (
            any::<bool>(),
            page_control(),
            0..64_u8,
            any::<u8>(),
            any::<u16>()
        )
            .prop_map(
                |(disable_block_descriptors, page_control, page, subpage, allocation_length)| {
                    C::ModeSense10 {
                        disable_block_descriptors,
                        page_control,
                        page,
                        subpage,
                        allocation_length,
                    }
                }
            ),
    ];
    let blocks_10 = any::<(u32, u16, bool)>().prop_flat_map(|(lba, blocks, flag)| {
        byte_check().prop_flat_map(move |byte_check| {
            prop::sample::select(vec![
                C::Read10 {
                    lba,
                    blocks,
                    force_unit_access: flag,
                },
                C::Write10 {
                    lba,
                    blocks,
                    force_unit_access: flag,
                },
                C::Verify10 {
                    lba,
                    blocks,
                    byte_check,
                },
                C::SynchronizeCache10 {
                    lba,
                    blocks,
                    immediate: flag,
                },
            ])
        })
    });
    let blocks_16 = any::<(u64, u32, bool)>().prop_flat_map(|(lba, blocks, flag)| {
        byte_check().prop_flat_map(move |byte_check| {
            prop::sample::select(vec![
                C::Read16 {
                    lba,
                    blocks,
                    force_unit_access: flag,
                },
                C::Write16 {
                    lba,
                    blocks,
                    force_unit_access: flag,
                },
                C::Verify16 {
                    lba,
                    blocks,
                    byte_check,
                },
                C::SynchronizeCache16 {
                    lba,
                    blocks,
                    immediate: flag,
                },
            ])
        })
    });
    let blocks_6 =
        (0..1_u32 << 21, any::<u8>(), any::<bool>()).prop_map(|(lba, blocks, write)| match write {
            true => C::Write6 { lba, blocks },
            false => C::Read6 { lba, blocks },
        });
    let blocks_12 = any::<(u32, u32, bool)>().prop_flat_map(|(lba, blocks, force_unit_access)| {
        byte_check().prop_flat_map(move |byte_check| {
            prop::sample::select(vec![
                C::Read12 {
                    lba,
                    blocks,
                    force_unit_access,
                },
                C::Write12 {
                    lba,
                    blocks,
                    force_unit_access,
                },
                C::Verify12 {
                    lba,
                    blocks,
                    byte_check,
                },
            ])
        })
    });
    let about_itself = prop_oneof![
        (any::<(bool, u16)>(), 0..8_u8).prop_map(
            |((self_test, parameter_list_length), self_test_code)| C::SendDiagnostic {
                self_test,
                self_test_code,
                parameter_list_length,
            }
        ),
        (any::<(bool, u8, u16, u32)>(), 0..8_u8).prop_map(
            |((timeouts, operation_code, service_action, allocation_length), reporting_options)| {
                C::ReportSupportedOperationCodes {
                    timeouts,
                    reporting_options,
                    operation_code,
                    service_action,
                    allocation_length,
                }
            }
        ),
    ];
    prop_oneof![
        small,
        mode_sense,
        blocks_6,
        blocks_10,
        blocks_12,
        blocks_16,
        about_itself
    ]
}

proptest! {
    #[test]
    fn any_command_round_trips(command in command()) {
        prop_assert_eq!(Command::decode(command.encode().as_bytes()), Ok(command));
    }

    #[test]
    fn padding_after_a_command_is_ignored(command in command()) {
        prop_assert_eq!(Command::decode(command.encode().padded()), Ok(command));
    }

    #[test]
    fn a_cut_command_is_an_error(command in command(), cut in 1..16_usize) {
        let block = command.encode();
        let length = block.as_bytes().len().saturating_sub(cut);
        let error = Command::decode(&block.as_bytes()[..length]).unwrap_err();
        let too_short = matches!(error, InvalidCommand::TooShort { .. });
        prop_assert!(too_short, "{error}");
    }

    #[test]
    fn any_bytes_are_a_command_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        match Command::decode(&bytes) {
            Ok(command) => {
                prop_assert_eq!(Command::decode(command.encode().as_bytes()), Ok(command));
            }
            Err(error) => {
                prop_assert_eq!(error.sense().key, SenseKey::IllegalRequest);
            }
        }
    }
}

#[test]
fn commands_have_the_bytes_of_their_tables() {
    let cases: [(Command, &[u8]); 16] = [
        (Command::TestUnitReady, &[0; 6]),
        (
            Command::Inquiry {
                page: Some(0x83),
                allocation_length: 255,
            },
            &[0x12, 1, 0x83, 0, 255, 0],
        ),
        (
            Command::RequestSense {
                descriptor_format: false,
                allocation_length: 18,
            },
            &[3, 0, 0, 0, 18, 0],
        ),
        (
            Command::ModeSense6 {
                disable_block_descriptors: true,
                page_control: ModePageControl::Changeable,
                page: 0x3f,
                subpage: 0,
                allocation_length: 192,
            },
            &[0x1a, 8, 0x7f, 0, 192, 0],
        ),
        (
            Command::StartStopUnit {
                immediate: true,
                load_eject: true,
                start: false,
                power_condition: 0,
            },
            &[0x1b, 1, 0, 0, 2, 0],
        ),
        (
            Command::ReadFormatCapacities {
                allocation_length: 252,
            },
            &[0x23, 0, 0, 0, 0, 0, 0, 0, 252, 0],
        ),
        (Command::ReadCapacity10, &[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (
            Command::ReadCapacity16 {
                allocation_length: 32,
            },
            &[0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0],
        ),
        (
            Command::Write10 {
                lba: 0x0102_0304,
                blocks: 0x0506,
                force_unit_access: true,
            },
            &[0x2a, 8, 1, 2, 3, 4, 0, 5, 6, 0],
        ),
        (
            Command::Read16 {
                lba: 0x0102_0304_0506_0708,
                blocks: 9,
                force_unit_access: false,
            },
            &[0x88, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9, 0, 0],
        ),
        (
            Command::SynchronizeCache10 {
                lba: 0,
                blocks: 0,
                immediate: true,
            },
            &[0x35, 2, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
        (
            Command::Read6 {
                lba: 0x0001_0203,
                blocks: 0,
            },
            &[0x08, 1, 2, 3, 0, 0],
        ),
        (
            Command::Write12 {
                lba: 0x0102_0304,
                blocks: 9,
                force_unit_access: true,
            },
            &[0xaa, 8, 1, 2, 3, 4, 0, 0, 0, 9, 0, 0],
        ),
        (
            Command::SendDiagnostic {
                self_test: true,
                self_test_code: 0,
                parameter_list_length: 0,
            },
            &[0x1d, 4, 0, 0, 0, 0],
        ),
        (
            Command::ReportSupportedOperationCodes {
                timeouts: true,
                reporting_options: 1,
                operation_code: 0x12,
                service_action: 0,
                allocation_length: 255,
            },
            &[0xa3, 0x0c, 0x81, 0x12, 0, 0, 0, 0, 0, 255, 0, 0],
        ),
        (
            Command::ReportLuns {
                select_report: 0,
                allocation_length: 16,
            },
            &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0],
        ),
    ];
    for (command, bytes) in cases {
        assert_eq!(command.encode().as_bytes(), bytes, "{command}");
    }
}

#[test]
fn what_cannot_be_honoured_is_refused_with_the_sense_that_says_so() {
    let unknown = Command::decode(&[0xc0; 16]).unwrap_err();
    assert_eq!(unknown, InvalidCommand::OperationCode(0xc0));
    assert_eq!(unknown.sense(), Sense::INVALID_COMMAND_OPERATION_CODE);
    let cases: [&[u8]; 8] = [
        &[0x12, 0, 0x80, 0, 36, 0],                  // page without EVPD
        &[0x12, 0, 0, 0, 36, 4],                     // NACA
        &[0x1e, 0, 0, 0, 2, 0],                      // PREVENT 10b
        &[0x25, 0, 0, 0, 0, 0, 0, 0, 1, 0],          // PMI
        &[0xa3, 0x0a, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0], // REPORT TARGET PORT GROUPS
        &[0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0],       // RDPROTECT
        &[0x2f, 0x04, 0, 0, 0, 0, 0, 0, 1, 0],       // BYTCHK 10b
        &[0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0], // GET LBA STATUS
    ];
    for bytes in cases {
        let error = Command::decode(bytes).unwrap_err();
        assert!(matches!(error, InvalidCommand::Field { .. }), "{error}");
        assert_eq!(error.sense(), Sense::INVALID_FIELD_IN_COMMAND);
    }
}

#[test]
fn large_addresses_take_the_long_form() {
    let short = Command::read(u64::from(u32::MAX), u32::from(u16::MAX));
    assert_eq!(short.encode().length(), 10);
    assert_eq!(Command::read(1 << 32, 1).encode().length(), 16);
    assert_eq!(Command::write(0, 0x1_0000).encode().length(), 16);
    assert_eq!(
        Command::verify(1 << 32, 1, ByteCheck::MediumOnly)
            .encode()
            .length(),
        16
    );
}

#[test]
fn a_transfer_is_what_the_data_stage_carries() {
    assert_eq!(Command::read(0, 8).transfer(512), Transfer::In(4096));
    assert_eq!(Command::write(0, u32::MAX).transfer(u32::MAX), {
        Transfer::Out(u64::from(u32::MAX) * u64::from(u32::MAX))
    });
    assert_eq!(
        Command::verify(0, 9, ByteCheck::OneBlock).transfer(512),
        Transfer::Out(512)
    );
    assert_eq!(
        Command::verify(0, 9, ByteCheck::MediumOnly).transfer(512),
        Transfer::None
    );
    let all = Command::Read6 { lba: 0, blocks: 0 };
    assert_eq!(all.transfer(512), Transfer::In(256 * 512));
    assert_eq!(Command::ReadCapacity10.transfer(512), Transfer::In(8));
}
