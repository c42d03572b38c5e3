//! Answers to SCSI commands, as a host receives them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use usbfs2_protocol::scsi::{
    Capacity, FormatCapacities, LogicalUnits, ModeParameters, Sense, StandardInquiry,
    VitalProductData,
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(sense) = Sense::parse(bytes) {
        assert!(!sense.to_string().is_empty());
        assert_eq!(Sense::parse(&sense.to_descriptor_bytes()), Ok(sense));
    }
    if let Ok(inquiry) = StandardInquiry::parse(bytes) {
        assert_eq!(StandardInquiry::parse(&inquiry.to_bytes()), Ok(inquiry));
    }
    if let Some(&page) = bytes.get(1)
        && let Ok(data) = VitalProductData::parse(page, bytes)
    {
        assert_eq!(VitalProductData::parse(page, &data.to_bytes()), Ok(data));
    }
    if let Ok(Some(capacity)) = Capacity::parse_10(bytes) {
        assert_eq!(
            Capacity::parse_10(&capacity.to_bytes_10()),
            Ok(Some(capacity))
        );
    }
    if let Ok(capacity) = Capacity::parse_16(bytes) {
        assert_eq!(Capacity::parse_16(&capacity.to_bytes_16()), Ok(capacity));
    }
    if let Ok(capacities) = FormatCapacities::parse(bytes) {
        assert_eq!(
            FormatCapacities::parse(&capacities.to_bytes()),
            Ok(capacities)
        );
    }
    if let Ok(parameters) = ModeParameters::parse_6(bytes) {
        assert_eq!(
            ModeParameters::parse_10(&parameters.to_bytes_10()),
            Ok(parameters)
        );
    }
    if let Ok(parameters) = ModeParameters::parse_10(bytes) {
        assert_eq!(
            ModeParameters::parse_10(&parameters.to_bytes_10()),
            Ok(parameters)
        );
    }
    if let Ok(units) = LogicalUnits::parse(bytes) {
        assert_eq!(LogicalUnits::parse(&units.to_bytes()), Ok(units));
    }
});
