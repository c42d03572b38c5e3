//! Parsers of what came over a wire: no panic, and what parses writes itself back.

use usbfs2_capture::{Header, IsochronousDescriptor};
use usbfs2_protocol::SetupPacket;
use usbfs2_protocol::bot::{CommandBlockWrapper, CommandStatusWrapper};
use usbfs2_protocol::descriptor::{
    Bos, Configuration, DescriptorSet, DeviceDescriptor, DeviceQualifier, Languages,
    StringDescriptor,
};
use usbfs2_protocol::hid::{BootKeyboardReport, HidDescriptor, Keyboard, Leds, Request, us_layout};
use usbfs2_protocol::scsi::{
    Capacity, Command, FormatCapacities, LogicalUnits, ModeParameters, Sense, StandardInquiry,
    VitalProductData,
};

/// Setup packets, and the HID requests they carry.
pub(crate) fn setup(bytes: &[u8]) {
    let Some(&bytes) = bytes.first_chunk::<8>() else {
        return;
    };
    let setup = SetupPacket::from_bytes(bytes);
    assert_eq!(setup.to_bytes(), bytes);
    if let (Some(request), Some(interface)) = (Request::decode(&setup), setup.interface()) {
        assert_eq!(Request::decode(&request.setup(interface)), Some(request));
    }
}

/// A device descriptor with its configurations; each part on its own.
pub(crate) fn descriptors(bytes: &[u8]) {
    let set = DescriptorSet::parse(bytes);
    for configuration in set.configurations.iter().flatten() {
        assert_eq!(
            Configuration::parse(&configuration.to_bytes()).as_ref(),
            Ok(configuration)
        );
    }
    if let Ok((salvaged, _)) = Configuration::salvage(bytes) {
        let again = Configuration::salvage(&salvaged.to_bytes());
        assert_eq!(again.map(|(salvaged, _)| salvaged), Ok(salvaged));
    }
    if let Ok(device) = DeviceDescriptor::parse(bytes) {
        assert_eq!(DeviceDescriptor::parse(&device.to_bytes()), Ok(device));
    }
    if let Ok(qualifier) = DeviceQualifier::parse(bytes) {
        assert_eq!(DeviceQualifier::parse(&qualifier.to_bytes()), Ok(qualifier));
    }
    if let Ok(bos) = Bos::parse(bytes) {
        assert_eq!(Bos::parse(&bos.to_bytes()), Ok(bos));
    }
    if let Ok(text) = StringDescriptor::parse(bytes) {
        assert_eq!(StringDescriptor::parse(&text.to_bytes()), Ok(text));
    }
    if let Ok(languages) = Languages::parse(bytes) {
        assert_eq!(Languages::parse(&languages.to_bytes()), Ok(languages));
    }
    if let Ok(hid) = HidDescriptor::parse(bytes) {
        assert_eq!(HidDescriptor::parse(&hid.to_bytes()), Ok(hid));
    }
}

/// Bulk-Only wrappers, and the command inside.
pub(crate) fn bot(bytes: &[u8]) {
    if let Ok(wrapper) = CommandBlockWrapper::parse(bytes) {
        assert_eq!(CommandBlockWrapper::parse(&wrapper.to_bytes()), Ok(wrapper));
        let _ = Command::decode(wrapper.command.as_bytes());
    }
    if let Ok(wrapper) = CommandStatusWrapper::parse(bytes) {
        assert_eq!(wrapper.to_bytes(), bytes);
    }
}

/// SCSI commands, as a device receives them.
pub(crate) fn scsi_commands(bytes: &[u8]) {
    match Command::decode(bytes) {
        Ok(command) => {
            assert_eq!(Command::decode(command.encode().as_bytes()), Ok(command));
            let _ = command.transfer(u32::MAX);
        }
        Err(error) => assert!(!error.sense().to_string().is_empty()),
    }
}

/// Answers to SCSI commands, as a host receives them.
pub(crate) fn scsi_responses(bytes: &[u8]) {
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
}

/// A stream of boot keyboard reports.
pub(crate) fn keyboard(bytes: &[u8]) {
    let mut keyboard = Keyboard::new();
    for bytes in bytes.chunks(BootKeyboardReport::LENGTH) {
        let Ok(report) = BootKeyboardReport::parse(bytes) else {
            continue;
        };
        for change in keyboard.update(&report) {
            let locks = Leds::from_bits_truncate(bytes[1]);
            let _ = us_layout::character(change.usage, keyboard.modifiers(), locks);
        }
        assert_eq!(keyboard.update(&report), []);
    }
}

/// Packets of usbmon.
pub(crate) fn usbmon(bytes: &[u8]) {
    if let Ok(header) = Header::parse(bytes) {
        assert_eq!(Header::parse(&header.to_bytes()), Ok(header));
        if let Some(counts) = header.isochronous {
            let rest = &bytes[Header::LENGTH..];
            let (descriptors, data) = IsochronousDescriptor::split(counts, rest);
            let described = descriptors.len() * IsochronousDescriptor::LENGTH;
            assert!(data.is_empty() || described + data.len() == rest.len());
            for (descriptor, bytes) in descriptors.iter().zip(rest.chunks(16)) {
                // The last four bytes are padding.
                assert_eq!(descriptor.to_bytes()[..12], bytes[..12]);
            }
        }
    }
}
