//! The descriptors of a gadget at each speed (USB 2.0 9.6, USB 3.2 9.6).

use usbfs2_protocol::standard::descriptor_type;
use usbfs2_protocol::{Speed, TransferType};

use crate::describe::{AlternateSettingModel, EndpointRequest, FunctionModel, InterfaceClass};
use crate::gadget::GadgetModel;
use crate::layout::Layout;

/// US English, the only language of the strings (USB 2.0 9.6.7).
pub(crate) const LANGUAGE: u16 = 0x0409;

/// bmAttributes, bit 7: reserved and one (USB 2.0 9.6.3).
const ATTRIBUTE_ONE: u8 = 0x80;
const ATTRIBUTE_SELF_POWERED: u8 = 0x40;
const ATTRIBUTE_REMOTE_WAKEUP: u8 = 0x20;

/// The device descriptor (USB 2.0 9.6.1). gadgetfs puts in its own bMaxPacketSize0.
pub(crate) fn device(model: &GadgetModel, speed: Speed) -> Vec<u8> {
    let (usb, max_packet_size): (u16, u8) = match speed {
        Speed::Low => (0x0200, 8),
        Speed::Full | Speed::High => (0x0200, 64),
        // At super speed the field is an exponent: 2^9 = 512 bytes (USB 3.2 9.6.1).
        Speed::Super | Speed::SuperPlus => (0x0300, 9),
    };
    let mut bytes = vec![18, descriptor_type::DEVICE];
    bytes.extend(usb.to_le_bytes());
    push_class(&mut bytes, model.class);
    bytes.push(max_packet_size);
    bytes.extend(model.ids.vendor.to_le_bytes());
    bytes.extend(model.ids.product.to_le_bytes());
    bytes.extend(model.ids.release.to_le_bytes());
    bytes.extend([model.manufacturer, model.product, model.serial_number, 1]);
    bytes
}

/// The device qualifier: what the device descriptor says at the other of full and high speed (USB 2.0
/// 9.6.2).
pub(crate) fn qualifier(model: &GadgetModel) -> Vec<u8> {
    let mut bytes = vec![10, descriptor_type::DEVICE_QUALIFIER];
    bytes.extend(0x0200_u16.to_le_bytes());
    push_class(&mut bytes, model.class);
    bytes.extend([64, 1, 0]);
    bytes
}

/// The configuration with everything in it (USB 2.0 9.6.3).
pub(crate) fn configuration(model: &GadgetModel, layout: &Layout, speed: Speed) -> Vec<u8> {
    let mut body = functions(model, layout, speed);
    let mut attributes = ATTRIBUTE_ONE;
    if model.self_powered {
        attributes |= ATTRIBUTE_SELF_POWERED;
    }
    if model.remote_wakeup {
        attributes |= ATTRIBUTE_REMOTE_WAKEUP;
    }
    let milliamperes_per_unit = if speed >= Speed::Super { 8 } else { 2 };
    let units = model.max_power_milliamperes.div_ceil(milliamperes_per_unit);
    let interfaces: usize = model.functions.iter().map(|one| one.interfaces.len()).sum();

    let mut bytes = vec![9, descriptor_type::CONFIGURATION];
    let total = u16::try_from(9 + body.len()).unwrap_or(u16::MAX);
    bytes.extend(total.to_le_bytes());
    bytes.extend([
        saturated(interfaces),
        GadgetModel::CONFIGURATION,
        0,
        attributes,
        u8::try_from(units).unwrap_or(u8::MAX),
    ]);
    bytes.append(&mut body);
    bytes
}

/// What a configuration holds besides its own descriptor: interfaces, endpoints and what belongs to them.
pub(crate) fn functions(model: &GadgetModel, layout: &Layout, speed: Speed) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, function) in model.functions.iter().enumerate() {
        push_function(&mut bytes, function, index, layout, speed);
    }
    bytes
}

/// The configuration of the other of full and high speed (USB 2.0 9.6.4).
pub(crate) fn other_speed_configuration(
    model: &GadgetModel,
    layout: &Layout,
    speed: Speed,
) -> Vec<u8> {
    let other = if speed == Speed::High {
        Speed::Full
    } else {
        Speed::High
    };
    let mut bytes = configuration(model, layout, other);
    bytes[1] = descriptor_type::OTHER_SPEED_CONFIGURATION;
    bytes
}

/// The binary object store of a device at super speed (USB 3.2 9.6.2): link power management is on
/// offer, as super speed demands, with no exit latency.
pub(crate) fn binary_object_store() -> Vec<u8> {
    let usb2_extension = [7, descriptor_type::DEVICE_CAPABILITY, 2, 2, 0, 0, 0];
    // Works at full, high and super speed, fully from full speed on.
    let super_speed = [
        10,
        descriptor_type::DEVICE_CAPABILITY,
        3,
        0,
        0x0e,
        0,
        1,
        0,
        0,
        0,
    ];
    let total = 5 + usb2_extension.len() + super_speed.len();
    let mut bytes = vec![5, descriptor_type::BOS, saturated(total), 0, 2];
    bytes.extend(usb2_extension);
    bytes.extend(super_speed);
    bytes
}

/// A string descriptor, or with index 0 the list of languages (USB 2.0 9.6.7). `None` for an index or
/// a language that is not there.
pub(crate) fn string(model: &GadgetModel, index: u8, language: u16) -> Option<Vec<u8>> {
    let units: Vec<u16> = if index == 0 {
        vec![LANGUAGE]
    } else if language == LANGUAGE {
        model.strings.get(index)?.encode_utf16().collect()
    } else {
        return None;
    };
    let mut bytes = vec![saturated(2 + 2 * units.len()), descriptor_type::STRING];
    bytes.extend(units.into_iter().flat_map(u16::to_le_bytes));
    Some(bytes)
}

/// The seven bytes all endpoint descriptors have (USB 2.0 9.6.6); gadgetfs takes no more of them.
pub(crate) fn endpoint(request: &EndpointRequest, address: u8, speed: Speed) -> [u8; 7] {
    let [low, high] = request.max_packet_size.at(speed).to_le_bytes();
    [
        7,
        descriptor_type::ENDPOINT,
        address,
        request.transfer_type.to_attributes() | request.synchronization,
        low,
        high,
        *request.interval.at(speed),
    ]
}

fn push_function(
    bytes: &mut Vec<u8>,
    function: &FunctionModel,
    index: usize,
    layout: &Layout,
    speed: Speed,
) {
    if let (Some(association), Some(first)) = (&function.association, function.interfaces.first()) {
        bytes.extend([
            8,
            descriptor_type::INTERFACE_ASSOCIATION,
            saturated(first.number),
            saturated(function.interfaces.len()),
        ]);
        push_class(bytes, association.class);
        bytes.push(association.string_index);
    }
    for interface in &function.interfaces {
        for (number, setting) in interface.alternate_settings.iter().enumerate() {
            bytes.extend([
                9,
                descriptor_type::INTERFACE,
                saturated(interface.number),
                saturated(number),
                saturated(setting.endpoints.len()),
            ]);
            push_class(bytes, setting.class);
            bytes.push(setting.string_index);
            push_setting(bytes, setting, index, layout, speed);
        }
    }
}

fn push_setting(
    bytes: &mut Vec<u8>,
    setting: &AlternateSettingModel,
    function: usize,
    layout: &Layout,
    speed: Speed,
) {
    bytes.extend(setting.class_descriptors.iter().flatten());
    for one in &setting.endpoints {
        let address = |index| {
            let assigned = layout.get(function, index);
            assigned.map_or(0, |assigned| assigned.address.to_byte())
        };
        let mut descriptor = endpoint(&one.request, address(one.index), speed).to_vec();
        if let Some(audio) = one.request.audio {
            descriptor.extend([audio.refresh, audio.synch_endpoint.map_or(0, address)]);
            descriptor[0] = saturated(descriptor.len());
        }
        bytes.append(&mut descriptor);
        if speed >= Speed::Super {
            bytes.extend(companion(&one.request, speed));
        }
        bytes.extend(one.request.class_descriptors.iter().flatten());
    }
}

/// The SuperSpeed endpoint companion: no bursts, no streams (USB 3.2 9.6.7).
fn companion(request: &EndpointRequest, speed: Speed) -> [u8; 6] {
    let bytes_per_interval = match request.transfer_type {
        TransferType::Interrupt | TransferType::Isochronous => *request.max_packet_size.at(speed),
        TransferType::Bulk | TransferType::Control => 0,
    };
    let [low, high] = bytes_per_interval.to_le_bytes();
    [
        6,
        descriptor_type::SUPERSPEED_ENDPOINT_COMPANION,
        0,
        0,
        low,
        high,
    ]
}

fn push_class(bytes: &mut Vec<u8>, class: InterfaceClass) {
    bytes.extend([class.class, class.subclass, class.protocol]);
}

/// Counts that check() has bounded.
fn saturated(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(u8::MAX)
}
