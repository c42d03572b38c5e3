//! A device descriptor with its configurations; each part on its own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use usbfs2_protocol::descriptor::{
    Bos, Configuration, DescriptorSet, DeviceDescriptor, DeviceQualifier, Languages,
    StringDescriptor,
};
use usbfs2_protocol::hid::HidDescriptor;

fuzz_target!(|bytes: &[u8]| {
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
});
