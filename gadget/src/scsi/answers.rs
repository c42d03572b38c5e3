//! Answers about a unit: INQUIRY, REQUEST SENSE, capacities and mode pages.

use usbfs2_protocol::scsi::{
    BlockDeviceCharacteristics, BlockLimits, Capacity, Designator, FormatCapacities,
    FormatCapacity, FormatCapacityKind, ModePage, ModePageControl, ModeParameters, PaddedText,
    Sense, StandardInquiry, VitalProductData, page_code, peripheral_type,
};

use super::{DiskOptions, unit::LogicalUnit};

/// Transfers of this size move at full speed: the cost of a command is small beside it.
const OPTIMAL_TRANSFER_BYTES: u32 = 1024 * 1024;

/// The standards the unit keeps to: SPC-3, SBC-3 and the Bulk-Only Transport (SPC-4 table 145). SBC-3 gives
/// the block limits their meaning.
const STANDARDS: [u16; 8] = [0x0300, 0x04c0, 0x1730, 0, 0, 0, 0, 0];

/// The pages of [`vital_product_data`], in ascending order as SPC-4 7.8.13 wants them.
const VITAL_PRODUCT_DATA_PAGES: [u8; 5] = [
    page_code::SUPPORTED_PAGES,
    page_code::UNIT_SERIAL_NUMBER,
    page_code::DEVICE_IDENTIFICATION,
    page_code::BLOCK_LIMITS,
    page_code::BLOCK_DEVICE_CHARACTERISTICS,
];

/// Standard INQUIRY data, or a page of vital product data (SPC-4 6.6).
pub(super) fn inquiry(options: &DiskOptions, page: Option<u8>) -> Result<Vec<u8>, Sense> {
    match page {
        None => {
            let DiskOptions {
                removable,
                vendor,
                product,
                revision,
                ..
            } = options;
            let inquiry = StandardInquiry {
                version_descriptors: STANDARDS,
                ..StandardInquiry::disk(*removable, vendor, product, revision)
            };
            Ok(inquiry.to_bytes())
        }
        Some(page) => vital_product_data(options, page).map(|data| data.to_bytes()),
    }
}

/// What INQUIRY says of a unit that is not there (SPC-4 6.6.2).
pub(super) fn absent_inquiry() -> Vec<u8> {
    let absent = StandardInquiry {
        peripheral_qualifier: 3,
        peripheral_type: peripheral_type::UNKNOWN,
        ..StandardInquiry::disk(false, "", "", "")
    };
    absent.to_bytes()
}

fn vital_product_data(options: &DiskOptions, page: u8) -> Result<VitalProductData, Sense> {
    Ok(match page {
        page_code::SUPPORTED_PAGES => {
            VitalProductData::SupportedPages(VITAL_PRODUCT_DATA_PAGES.to_vec())
        }
        page_code::UNIT_SERIAL_NUMBER => VitalProductData::UnitSerialNumber(serial_number(options)),
        page_code::DEVICE_IDENTIFICATION => {
            let product: PaddedText<16> = PaddedText::new(&options.product);
            // Product and serial number together are what SPC-4 7.8.5.4 suggests.
            let unique = [product.as_bytes(), serial_number(options).as_bytes()].concat();
            let unique = String::from_utf8_lossy(&unique);
            let name = Designator::t10_vendor(&PaddedText::new(&options.vendor), &unique);
            VitalProductData::DeviceIdentification(vec![name])
        }
        page_code::BLOCK_LIMITS => VitalProductData::BlockLimits(BlockLimits {
            optimal_transfer_length: OPTIMAL_TRANSFER_BYTES / options.block_size,
            ..BlockLimits::default()
        }),
        page_code::BLOCK_DEVICE_CHARACTERISTICS => {
            VitalProductData::BlockDeviceCharacteristics(BlockDeviceCharacteristics {
                rotation_rate: 1,
                ..BlockDeviceCharacteristics::default()
            })
        }
        _ => return Err(Sense::INVALID_FIELD_IN_COMMAND),
    })
}

fn serial_number(options: &DiskOptions) -> String {
    let printable = |character: char| {
        if matches!(character, ' '..='~') {
            character
        } else {
            '?'
        }
    };
    options.serial_number.chars().map(printable).collect()
}

/// Sense data in either format (SPC-4 6.39).
pub(super) fn sense(sense: Option<Sense>, descriptor_format: bool) -> Vec<u8> {
    let sense = sense.unwrap_or(Sense::NO_SENSE);
    if descriptor_format {
        sense.to_descriptor_bytes()
    } else {
        sense.to_fixed_bytes().to_vec()
    }
}

/// The size of the medium, or, without one, the largest there could be (UFI 4.10).
pub(super) fn format_capacities(capacity: Option<Capacity>, block_size: u32) -> Vec<u8> {
    let current = match capacity {
        Some(capacity) => FormatCapacity {
            block_count: u32::try_from(capacity.block_count()).unwrap_or(u32::MAX),
            kind: FormatCapacityKind::Formatted,
            block_size,
        },
        None => FormatCapacity {
            block_count: u32::MAX,
            kind: FormatCapacityKind::NoMedium,
            block_size,
        },
    };
    FormatCapacities {
        current,
        formattable: Vec::new(),
    }
    .to_bytes()
}

/// The mode pages asked for (SPC-4 6.11). There are no subpages, and no block descriptors.
pub(super) fn mode_parameters(
    unit: &LogicalUnit,
    control: ModePageControl,
    page: u8,
    subpage: u8,
) -> Result<ModeParameters, Sense> {
    const ALL_SUBPAGES: u8 = 0xff;
    if control == ModePageControl::Saved {
        return Err(Sense::SAVING_PARAMETERS_NOT_SUPPORTED);
    }
    if subpage != 0 && (subpage != ALL_SUBPAGES || page != ModePage::ALL) {
        return Err(Sense::INVALID_FIELD_IN_COMMAND);
    }
    let caching = ModePage::Caching {
        // Written blocks are in the medium's hands, which has them safe after a flush. Nothing of it can
        // be changed.
        write_cache_enabled: control != ModePageControl::Changeable,
        read_cache_disabled: false,
    };
    // The same whatever is asked about: nothing of it is on, nor can be changed.
    let plain = ModePage::Control {
        descriptor_sense: false,
        software_write_protect: false,
    };
    let pages = match page {
        ModePage::CACHING => vec![caching],
        ModePage::CONTROL => vec![plain],
        ModePage::ALL => vec![caching, plain],
        _ => return Err(Sense::INVALID_FIELD_IN_COMMAND),
    };
    Ok(ModeParameters {
        write_protected: unit.is_write_protected(),
        dpo_and_fua: true,
        pages,
        ..ModeParameters::default()
    })
}
