//! Reports of every type, numbered, by request and by endpoint.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::functions::hid::{Hid, HidOptions};
use usbfs2_hid::{HidError, ReportType};
use usbfs2_host::TransferError;

use super::{Desk, Scenario};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "hid::numbered_reports_of_every_type_go_both_ways",
            numbered_reports,
        ),
        (
            "hid::output_reports_longer_than_a_packet_go_through_the_endpoint",
            long_output_reports,
        ),
        (
            "hid::reports_as_long_as_packets_are_told_apart",
            reports_as_long_as_packets,
        ),
        (
            "hid::a_reader_who_is_away_finds_two_thousand_reports_in_order",
            a_reader_who_is_away,
        ),
    ]
}

/// Vendor-defined: input 1 of 4 bytes, input 2 of 64, output 3 of 200, feature 4 of 8, all with their IDs.
#[rustfmt::skip]
const REPORT_DESCRIPTOR: [u8; 47] = [
    0x06, 0x00, 0xff, 0x09, 0x01, 0xa1, 0x01, 0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08,
    0x85, 1, 0x95, 3, 0x09, 1, 0x81, 2, 0x85, 2, 0x95, 63, 0x09, 2, 0x81, 2,
    0x85, 3, 0x95, 199, 0x09, 3, 0x91, 2, 0x85, 4, 0x95, 7,
    0x09, 4, 0xb1, 2, 0xc0,
];

pub(super) fn vendor_device(output_endpoint: bool) -> Result<Arc<Hid>> {
    let options = HidOptions {
        output_endpoint,
        ..HidOptions::new(REPORT_DESCRIPTOR)
    };
    Ok(Hid::new(options)?)
}

fn numbered_reports(world: &World) -> Result<()> {
    let vendor = vendor_device(false)?;
    let desk = Desk::new(world, vendor.clone())?;
    let hid = &desk.hid;

    let mut reports = hid.reports()?;
    let long = [&[2][..], &[7; 63]].concat();
    vendor.send(&[1, 2, 3, 4])?;
    vendor.send(&long)?;
    for expected in [&[1, 2, 3, 4][..], &long] {
        let report = reports.next_timeout(DEADLINE)?.context("silence")?;
        ensure!(report.bytes == expected, "{report:?}");
    }
    vendor.wait_until_drained(Some(DEADLINE))?;
    let asked = hid.get_report_blocking(ReportType::Input, 2, 64)?;
    ensure!(asked == long, "{asked:?}");

    vendor.set_feature(&[4, 1, 2, 3, 4, 5, 6, 7])?;
    let feature = hid.get_report_blocking(ReportType::Feature, 4, 8)?;
    ensure!(feature == [4, 1, 2, 3, 4, 5, 6, 7], "{feature:?}");
    hid.set_report_blocking(ReportType::Feature, 4, &[4, 9, 9, 9, 9, 9, 9, 9])?;
    let feature = hid.get_report_blocking(ReportType::Feature, 4, 8)?;
    ensure!(feature == [4, 9, 9, 9, 9, 9, 9, 9], "{feature:?}");

    let data = (0..199).collect::<Vec<u8>>();
    hid.send_output_blocking(3, &data)?;
    let whole = [&[3][..], &data].concat();
    let output = hid.get_report_blocking(ReportType::Output, 3, 200)?;
    ensure!(output == whole, "{output:?}");

    for (report_type, id) in [
        (ReportType::Input, 0),
        (ReportType::Feature, 1),
        (ReportType::Output, 9),
    ] {
        match hid.get_report_blocking(report_type, id, 8) {
            Err(HidError::Request {
                error: TransferError::Stall,
                ..
            }) => {}
            other => bail!("{other:?} for {report_type} report {id}, which is none"),
        }
    }
    Ok(())
}

fn long_output_reports(world: &World) -> Result<()> {
    let vendor = vendor_device(true)?;
    let desk = Desk::new(world, vendor.clone())?;
    for round in 1..=3 {
        desk.hid.send_output_blocking(3, &[round; 199])?;
        let output = vendor.wait_for_output(3, Some(DEADLINE), |report| report[1] == round);
        let output = output.context("the report did not arrive")?;
        ensure!(output == [&[3][..], &[round; 199]].concat(), "{output:?}");
    }
    Ok(())
}

fn reports_as_long_as_packets(world: &World) -> Result<()> {
    let vendor = vendor_device(false)?;
    let desk = Desk::new(world, vendor.clone())?;
    let mut reports = desk.hid.reports()?;
    // 64 bytes fill a packet, so that nothing but its length ends the transfer.
    for number in 0..50 {
        vendor.send(&[&[2, number][..], &[0xa5; 62]].concat())?;
        vendor.send(&[1, number, 0, 0])?;
    }
    for number in 0..50 {
        for (id, length) in [(2, 64), (1, 4)] {
            let report = reports.next_timeout(DEADLINE)?.context("silence")?;
            let told = (report.bytes[0], report.bytes[1], report.bytes.len());
            ensure!(
                told == (id, number, length),
                "{report:?} as number {number}"
            );
        }
    }
    Ok(())
}

fn a_reader_who_is_away(world: &World) -> Result<()> {
    const REPORTS: u16 = 2_000;
    // A second of reports has room, and some more.
    let options = HidOptions {
        poll_interval: Duration::from_micros(500),
        ..HidOptions::new(REPORT_DESCRIPTOR)
    };
    let vendor = Hid::new(options)?;
    let desk = Desk::new(world, vendor.clone())?;
    let mut reports = desk.hid.reports()?;
    for number in 0..REPORTS {
        let [low, high] = number.to_le_bytes();
        vendor.send(&[1, low, high, 0])?;
    }
    // Nobody reads until the device has sent them all.
    vendor.wait_until_drained(Some(2 * DEADLINE))?;
    for number in 0..REPORTS {
        let report = reports.next_timeout(DEADLINE)?.context("silence")?;
        let [low, high] = number.to_le_bytes();
        ensure!(report.bytes == [1, low, high, 0], "{report:?} as {number}");
        ensure!(report.overflows_before == 0, "{report:?}");
    }
    ensure!(
        reports.overflows() == 0,
        "{} overflows",
        reports.overflows()
    );
    Ok(())
}
