//! The controllers, read from the drivers and device trees of Linux 6.12. What a driver reads from the hardware
//! instead is said with the entry.

mod designware;
mod musb;
mod others;

use usbfs2_protocol::Speed;

use super::endpoint::Types;
use super::known::{Group, KnownUdc, Names};

/// What `Udc::known` and `usbfs2 gadget check` know. Of variants that go by the same names of the kernel's, the
/// first that has all the endpoints seen is taken.
pub(super) const ALL: &[&KnownUdc] = &[
    &designware::DWC2,
    &designware::DWC2_STM32MP1,
    &designware::DWC3,
    &designware::DWC3_32,
    &musb::AM335X,
    &musb::SUNXI,
    &musb::SUNXI_H3,
    &musb::MODE_2,
    &others::CHIPIDEA,
    &others::CDNS3,
    &others::RENESAS_USBHS_SH,
    &others::RENESAS_USBHS,
    &others::RENESAS_USB3,
    &others::ATMEL_USBA_SAM9,
    &others::ATMEL_USBA,
    &others::AT91,
    &others::TEGRA_XUDC,
    &others::ASPEED,
    &DUMMY,
    &DUMMY_ISOCHRONOUS,
];

/// dummy_hcd (drivers/usb/gadget/udc/dummy_hcd.c). The isochronous endpoints of its table are commented out in the
/// kernel: as it comes, it carries no isochronous transfer, though its generic endpoints would accept the descriptor.
pub(super) const DUMMY: KnownUdc = KnownUdc {
    name: "dummy_udc",
    kernel_names: &["dummy", "dummy_hcd"],
    compatible: &[],
    boards: "any machine: modprobe dummy_hcd joins it to a host controller of the same machine",
    varies: None,
    notes: &[
        "IN packets of 64 bytes or less count as sent before the host has collected them",
        "no isochronous transfers, unless it is built with a patch (dummy-hcd-tests/dummy-hcd)",
    ],
    fastest: Speed::Super,
    is_fixed: true,
    endpoints: &[DUMMY_TYPED, DUMMY_GENERIC],
    in_fifos: &[],
};

/// The same with our patch.
pub(super) const DUMMY_ISOCHRONOUS: KnownUdc = KnownUdc {
    name: "dummy_udc-isochronous",
    kernel_names: &["dummy_udc", "dummy", "dummy_hcd"],
    boards: "the virtual machines of `cargo xtask vm --isochronous`",
    notes: &["IN packets of 64 bytes or less count as sent before the host has collected them"],
    endpoints: &[
        DUMMY_TYPED,
        DUMMY_GENERIC,
        Group::new(
            Names::These(&[
                "ep3in-iso",
                "ep4out-iso",
                "ep8in-iso",
                "ep9out-iso",
                "ep13in-iso",
                "ep14out-iso",
            ]),
            None,
            None,
        ),
    ],
    ..DUMMY
};

const DUMMY_TYPED: Group = Group::new(
    Names::These(&[
        "ep1in-bulk",
        "ep2out-bulk",
        "ep5in-int",
        "ep6in-bulk",
        "ep7out-bulk",
        "ep10in-int",
        "ep11in-bulk",
        "ep12out-bulk",
        "ep15in-int",
        "ep1out-bulk",
        "ep2in-bulk",
    ]),
    None,
    None,
);
const DUMMY_GENERIC: Group = Group::new(
    Names::These(&[
        "ep-aout", "ep-bin", "ep-cout", "ep-dout", "ep-ein", "ep-fout", "ep-gin", "ep-hout",
        "ep-iout", "ep-jin", "ep-kout", "ep-lin", "ep-mout",
    ]),
    Some(Types::BULK_OR_INTERRUPT),
    None,
);
