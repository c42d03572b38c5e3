//! Answers about the disk: INQUIRY, capacities, mode pages and the list of units.

use std::sync::Arc;

use usbfs2_gadget::scsi::{DiskOptions, LogicalUnit, MemoryMedium, Status, Target};
use usbfs2_protocol::scsi::{
    BlockLimits, Capacity, Command, FormatCapacities, FormatCapacityKind, LogicalUnits, ModePage,
    ModePageControl, ModeParameters, Sense, StandardInquiry, VitalProductData,
};

use crate::bench::{Bench, disk, fixed, removable_options};

fn page(bench: &Bench, page: u8) -> VitalProductData {
    let answer = bench.good(Command::Inquiry {
        page: Some(page),
        allocation_length: 255,
    });
    VitalProductData::parse(page, &answer).unwrap()
}

#[test]
fn inquiry_names_the_disk() {
    let options = DiskOptions {
        vendor: "ACME is far too long".to_owned(),
        product: "Drive €".to_owned(),
        revision: "2.0".to_owned(),
        ..removable_options()
    };
    let bench = disk(8, options);
    let answer = bench.good(Command::Inquiry {
        page: None,
        allocation_length: 96,
    });
    let inquiry = StandardInquiry::parse(&answer).unwrap();
    assert_eq!(answer.len(), 74);
    assert_eq!(inquiry.version_descriptors[..3], [0x0300, 0x04c0, 0x1730]);
    assert_eq!(inquiry.to_string(), "ACME is Drive ? 2.0");
    assert!(inquiry.removable);
    assert_eq!(
        (inquiry.peripheral_qualifier, inquiry.peripheral_type),
        (0, 0)
    );
}

#[test]
fn inquiry_pages_are_those_it_lists() {
    let bench = disk(
        8,
        DiskOptions {
            serial_number: "0123456789AB".to_owned(),
            ..DiskOptions::default()
        },
    );
    let VitalProductData::SupportedPages(pages) = page(&bench, 0x00) else {
        panic!("not the list of pages")
    };
    assert_eq!(pages, [0x00, 0x80, 0x83, 0xB0, 0xB1]);
    for code in pages {
        assert_eq!(page(&bench, code).page(), code);
    }
    assert_eq!(
        page(&bench, 0x80),
        VitalProductData::UnitSerialNumber("0123456789AB".to_owned())
    );
    let VitalProductData::DeviceIdentification(names) = page(&bench, 0x83) else {
        panic!("not a name")
    };
    assert!(
        names[0].to_string().ends_with("0123456789AB"),
        "{}",
        names[0]
    );
    let limits = BlockLimits {
        optimal_transfer_length: 2048,
        ..BlockLimits::default()
    };
    assert_eq!(page(&bench, 0xB0), VitalProductData::BlockLimits(limits));

    let unknown = Command::Inquiry {
        page: Some(0xC0),
        allocation_length: 255,
    };
    assert_eq!(bench.sense_of(unknown), Sense::INVALID_FIELD_IN_COMMAND);
    // A page code without EVPD.
    assert_eq!(
        bench.sense_of_bytes(&[0x12, 0, 0x80, 0, 255, 0]),
        Sense::INVALID_FIELD_IN_COMMAND
    );
}

#[test]
fn answers_are_cut_to_the_allocation_length() {
    let bench = fixed(8);
    let whole = bench.good(Command::Inquiry {
        page: None,
        allocation_length: 255,
    });
    for allocation_length in [0, 1, 5, 35, 36] {
        let cut = bench.good(Command::Inquiry {
            page: None,
            allocation_length,
        });
        assert_eq!(cut, whole[..allocation_length.into()]);
    }
    assert_eq!(
        bench
            .good(Command::ReadCapacity16 {
                allocation_length: 12
            })
            .len(),
        12
    );
    assert_eq!(
        bench
            .good(Command::RequestSense {
                descriptor_format: false,
                allocation_length: 4
            })
            .len(),
        4
    );
}

#[test]
fn capacity_counts_the_blocks() {
    let bench = fixed(8);
    let capacity = Capacity::new(8, 512).unwrap();
    assert_eq!(
        Capacity::parse_10(&bench.good(Command::ReadCapacity10)),
        Ok(Some(capacity))
    );
    let answer = bench.good(Command::ReadCapacity16 {
        allocation_length: 32,
    });
    assert_eq!(answer.len(), 32);
    assert_eq!(Capacity::parse_16(&answer), Ok(capacity));

    // Service actions other than READ CAPACITY, and the obsolete partial medium indicator.
    let mut service_action = [0; 16];
    service_action[..2].copy_from_slice(&[0x9E, 0x12]);
    assert_eq!(
        bench.sense_of_bytes(&service_action),
        Sense::INVALID_FIELD_IN_COMMAND
    );
    assert_eq!(
        bench.sense_of_bytes(&[0x25, 0, 0, 0, 0, 0, 0, 0, 1, 0]),
        Sense::INVALID_FIELD_IN_COMMAND
    );
}

#[test]
fn format_capacities_name_the_medium() {
    let bench = fixed(8);
    let answer = bench.good(Command::ReadFormatCapacities {
        allocation_length: 252,
    });
    let current = FormatCapacities::parse(&answer).unwrap().current;
    assert_eq!((current.block_count, current.block_size), (8, 512));
    assert_eq!(current.kind, FormatCapacityKind::Formatted);
}

#[test]
fn mode_sense_tells_of_the_cache_and_of_write_protection() {
    for read_only in [false, true] {
        let bench = disk(
            8,
            DiskOptions {
                read_only,
                ..DiskOptions::default()
            },
        );
        let long = bench.good(Command::ModeSense10 {
            disable_block_descriptors: true,
            page_control: ModePageControl::Current,
            page: ModePage::ALL,
            subpage: 0xFF,
            allocation_length: 1000,
        });
        let short = bench.good(Command::ModeSense6 {
            disable_block_descriptors: false,
            page_control: ModePageControl::Default,
            page: ModePage::CACHING,
            subpage: 0,
            allocation_length: 255,
        });
        let parameters = ModeParameters::parse_10(&long).unwrap();
        assert_eq!(parameters.write_protected, read_only);
        let control = ModePage::Control {
            descriptor_sense: false,
            software_write_protect: false,
        };
        let caching = ModePage::Caching {
            write_cache_enabled: true,
            read_cache_disabled: false,
        };
        assert_eq!(parameters.pages, [caching.clone(), control]);
        assert_eq!(ModeParameters::parse_6(&short).unwrap().pages, [caching]);
    }
}

#[test]
fn mode_sense_refuses_what_there_is_not() {
    let bench = fixed(8);
    let mode_sense = |page_control, page, subpage| Command::ModeSense6 {
        disable_block_descriptors: false,
        page_control,
        page,
        subpage,
        allocation_length: 192,
    };
    let refused = |command| bench.sense_of(command);
    assert_eq!(
        refused(mode_sense(ModePageControl::Saved, 0x3F, 0)),
        Sense::SAVING_PARAMETERS_NOT_SUPPORTED
    );
    assert_eq!(
        refused(mode_sense(ModePageControl::Current, 0x1C, 0)),
        Sense::INVALID_FIELD_IN_COMMAND
    );
    assert_eq!(
        refused(mode_sense(ModePageControl::Current, ModePage::CACHING, 1)),
        Sense::INVALID_FIELD_IN_COMMAND
    );
    let changeable = bench.good(mode_sense(
        ModePageControl::Changeable,
        ModePage::CACHING,
        0,
    ));
    let nothing = ModePage::Caching {
        write_cache_enabled: false,
        read_cache_disabled: false,
    };
    assert_eq!(
        ModeParameters::parse_6(&changeable).unwrap().pages,
        [nothing]
    );
    let select = Command::ModeSelect6 {
        save_pages: false,
        parameter_list_length: 24,
    };
    assert_eq!(refused(select), Sense::INVALID_COMMAND_OPERATION_CODE);
}

#[test]
fn report_luns_lists_the_units() {
    let unit =
        || LogicalUnit::with_medium(MemoryMedium::new(4096), DiskOptions::default()).unwrap();
    let target = Target::new([unit(), unit(), unit()]);
    let bench = Bench {
        unit: Arc::clone(&target.units()[0]),
        target,
    };
    let report = |select_report, allocation_length| Command::ReportLuns {
        select_report,
        allocation_length,
    };
    let units = |command| LogicalUnits::parse(&bench.good(command)).unwrap();
    assert_eq!(units(report(0, 4096)), LogicalUnits::up_to(2));
    assert_eq!(
        units(report(1, 4096)),
        LogicalUnits(vec![]),
        "there are no well-known units"
    );
    assert_eq!(bench.good(report(0, 16)).len(), 16);
    assert_eq!(
        bench.sense_of(report(0, 15)),
        Sense::INVALID_FIELD_IN_COMMAND
    );
    assert_eq!(
        bench.sense_of(report(3, 4096)),
        Sense::INVALID_FIELD_IN_COMMAND
    );
    assert_eq!(
        bench.request_sense(),
        Sense::RESET_OCCURRED,
        "it cleared no unit attention"
    );
}

#[test]
fn a_unit_that_is_not_there_says_so() {
    let bench = fixed(8);
    let run = |command: Command| bench.run_bytes(1, command.encode().as_bytes(), &[], 512);
    let (status, answer, _) = run(Command::Inquiry {
        page: None,
        allocation_length: 36,
    });
    assert_eq!((status, answer[0]), (Status::Good, 0x7F));
    let (status, answer, _) = run(Command::RequestSense {
        descriptor_format: false,
        allocation_length: 18,
    });
    assert_eq!(status, Status::Good);
    assert_eq!(Sense::parse(&answer), Ok(Sense::LOGICAL_UNIT_NOT_SUPPORTED));
    assert_eq!(run(Command::TestUnitReady).0, Status::CheckCondition);
    assert_eq!(run(Command::read(0, 1)).0, Status::CheckCondition);
    let luns = run(Command::ReportLuns {
        select_report: 0,
        allocation_length: 64,
    })
    .1;
    assert_eq!(LogicalUnits::parse(&luns), Ok(LogicalUnits::up_to(0)));
}
