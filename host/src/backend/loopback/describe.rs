//! What the host learns of a device at plug time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use usbfs2_loopback::{BusDevice, EnumerateError, Enumerated, PlugId};
use usbfs2_protocol::SetupPacket;
use usbfs2_protocol::descriptor::{DescriptorSet, Languages, StringDescriptor};
use usbfs2_protocol::standard::descriptor_type;

use super::ANSWER_TIMEOUT;
use crate::device_info::Facts;
use crate::{DeviceId, DeviceInfo};

/// Describes devices, and reads the strings of each plug once, as the kernel does.
#[derive(Debug, Clone, Default)]
pub(super) struct Describer {
    strings: Arc<Mutex<HashMap<PlugId, Strings>>>,
}

#[derive(Debug, Clone, Default)]
struct Strings {
    manufacturer: Option<String>,
    product: Option<String>,
    serial_number: Option<String>,
}

impl Describer {
    /// Blocks for as long as the device takes to answer.
    pub(super) fn describe(&self, device: &BusDevice) -> Result<DeviceInfo, EnumerateError> {
        let enumerated = device.enumerate(ANSWER_TIMEOUT)?;
        let descriptors = parse(&enumerated);
        let strings = self.strings(device, &descriptors);
        Ok(DeviceInfo::new(Facts {
            id: DeviceId::new(&device.name()),
            speed: Some(device.speed()),
            descriptors,
            active_configuration: device.active_configuration(),
            manufacturer: strings.manufacturer,
            product: strings.product,
            serial_number: strings.serial_number,
            drivers: BTreeMap::new(),
        }))
    }

    fn strings(&self, device: &BusDevice, descriptors: &DescriptorSet) -> Strings {
        let mut known = self.strings.lock().unwrap_or_else(PoisonError::into_inner);
        let plug = device.plug_id();
        let strings = known
            .entry(plug)
            .or_insert_with(|| read_strings(device, descriptors));
        strings.clone()
    }
}

/// As the kernel's `descriptors` file: the device descriptor, then every configuration.
fn parse(enumerated: &Enumerated) -> DescriptorSet {
    let mut bytes = enumerated.device.clone();
    bytes.extend(enumerated.configurations.iter().flatten());
    DescriptorSet::parse(&bytes)
}

fn read_strings(device: &BusDevice, descriptors: &DescriptorSet) -> Strings {
    let Ok(descriptor) = &descriptors.device else {
        return Strings::default();
    };
    let indexes = [
        descriptor.manufacturer_string,
        descriptor.product_string,
        descriptor.serial_number_string,
    ];
    if indexes == [0; 3] {
        return Strings::default();
    }
    let read = |index, language| {
        let setup = SetupPacket::get_descriptor(descriptor_type::STRING, index, language, 255);
        device.control(setup, &[], ANSWER_TIMEOUT).ok()
    };
    let languages = read(0, 0).and_then(|bytes| Languages::parse(&bytes).ok());
    let Some(language) = languages.and_then(|Languages(known)| known.first().copied()) else {
        return Strings::default();
    };
    let [manufacturer, product, serial_number] = indexes.map(|index| {
        let bytes = read(index, language).filter(|_| index != 0)?;
        Some(StringDescriptor::parse(&bytes).ok()?.into_string())
    });
    Strings {
        manufacturer,
        product,
        serial_number,
    }
}
