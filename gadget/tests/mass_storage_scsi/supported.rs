//! What a unit says it supports is what it does.

use usbfs2_protocol::scsi::{Command, Sense};

use crate::bench::{Bench, disk, fixed, removable_options};

fn ask(options: u8, operation_code: u8, service_action: u16) -> Command {
    Command::ReportSupportedOperationCodes {
        timeouts: false,
        reporting_options: options,
        operation_code,
        service_action,
        allocation_length: 4096,
    }
}

/// Operation codes, whether they have a service action, and the action.
fn listed(bench: &Bench) -> Vec<(u8, bool, u16)> {
    let answer = bench.good(ask(0, 0, 0));
    let (header, commands) = answer.split_at(4);
    assert_eq!(
        u32::from_be_bytes(header.try_into().unwrap()) as usize,
        commands.len()
    );
    let (commands, []) = commands.as_chunks::<8>() else {
        panic!("half a command in {} bytes", commands.len());
    };
    commands
        .iter()
        .map(|it| (it[0], it[5] & 1 != 0, u16::from_be_bytes([it[2], it[3]])))
        .collect()
}

#[test]
fn every_operation_code_is_listed_or_refused() {
    for bench in [fixed(8), disk(8, removable_options())] {
        let listed = listed(&bench);
        for code in 0..=u8::MAX {
            let mut command = [0; 16];
            command[0] = code;
            let found = listed.iter().find(|it| it.0 == code);
            if let Some(&(_, true, action)) = found {
                command[1] = action as u8;
            }
            let _ = bench.target.start(0, &command).finish();
            let sense = bench.request_sense();
            let refused = sense == Sense::INVALID_COMMAND_OPERATION_CODE;
            assert_eq!(refused, found.is_none(), "{code:#04x}: {sense}");
            let one = bench.good(ask(3, code, found.map_or(0, |it| it.2)));
            match found {
                None => assert_eq!(one, [0, 1, 0, 0]),
                Some(_) => {
                    assert_eq!((one[1], one[4]), (3, code));
                    assert_eq!(one.len(), 4 + usize::from(one[3]));
                }
            }
        }
    }
}

#[test]
fn a_service_action_is_asked_for_where_there_is_one() {
    let bench = fixed(8);
    let refused = |command| assert_eq!(bench.sense_of(command), Sense::INVALID_FIELD_IN_COMMAND);
    refused(ask(1, 0x9e, 0));
    refused(ask(2, 0x12, 0));
    refused(ask(4, 0x12, 0));
    assert_eq!(bench.good(ask(2, 0x9e, 0x10))[4..6], [0x9e, 0x10]);
    assert_eq!(bench.good(ask(2, 0x9e, 0x12)), [0, 1, 0, 0]);
    assert_eq!(bench.good(ask(1, 0x12, 0))[1], 3);
}

#[test]
fn timeouts_are_told_when_asked_for() {
    let bench = fixed(8);
    let one = bench.good(Command::ReportSupportedOperationCodes {
        timeouts: true,
        reporting_options: 1,
        operation_code: 0,
        service_action: 0,
        allocation_length: 4096,
    });
    assert_eq!((one[1], one.len()), (0x83, 4 + 6 + 12));
    assert_eq!(one[10..12], [0, 10]);
}

#[test]
fn the_default_self_test_passes_and_there_is_no_other() {
    let bench = fixed(8);
    let test = |self_test_code, parameter_list_length| Command::SendDiagnostic {
        self_test: true,
        self_test_code,
        parameter_list_length,
    };
    assert_eq!(bench.good(test(0, 0)), []);
    for command in [test(1, 0), test(0, 4)] {
        assert_eq!(bench.sense_of(command), Sense::INVALID_FIELD_IN_COMMAND);
    }
}
