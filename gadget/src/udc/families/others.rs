//! The controllers of which there are one or two variants.

use usbfs2_protocol::{Direction, Speed, TransferType};

use super::{Group, KnownUdc, Names, Types};

const ALL: Option<Types> = Some(Types::ALL);
const BULK: Option<Types> = Some(Types::only(TransferType::Bulk));
const INTERRUPT: Option<Types> = Some(Types::only(TransferType::Interrupt));
const ISOCHRONOUS: Option<Types> = Some(Types::only(TransferType::Isochronous));

/// drivers/usb/chipidea/udc.c: each number in both directions, of any type and packet size; DCCPARAMS says how many,
/// which is 8 with endpoint 0 on the i.MX chips (hw_device_init in core.c).
pub(super) const CHIPIDEA: KnownUdc = KnownUdc {
    name: "ci_hdrc",
    kernel_names: &["chipidea", "ci_hdrc_imx", "ci_hdrc_msm"],
    compatible: &[
        "fsl,imx27-usb",
        "fsl,imx6q-usb",
        "fsl,imx6ul-usb",
        "fsl,imx7d-usb",
        "fsl,imx8mm-usb",
    ],
    boards: "i.MX 6, 7, 8M Mini and Nano, and their like",
    varies: Some(
        "the driver reads the number of endpoints from DCCPARAMS: 16 with endpoint 0 at most",
    ),
    notes: &[],
    fastest: Speed::High,
    is_fixed: false,
    endpoints: &[
        Group::new(Names::In(1, 7), ALL, None),
        Group::new(Names::Out(1, 7), ALL, None),
    ],
    in_fifos: &[],
};

/// drivers/usb/cdns3/cdns3-gadget.c: USB_CAP3 says which endpoints there are, USB_CAP4 which are isochronous. Of the
/// memory on the chip (18 KiB on the i.MX 8QM: imx8-ss-conn.dtsi) endpoint 0 takes 2 KiB, all OUT endpoints
/// together one, and each IN endpoint one: enough for fifteen.
pub(super) const CDNS3: KnownUdc = KnownUdc {
    name: "cdns3",
    kernel_names: &["usb-ss-gadget", "cdns-usb3", "cdns-usb3-imx"],
    compatible: &["cdns,usb3"],
    boards: "i.MX 8QuadMax and 8QuadXPlus, TI J7",
    varies: Some("the driver reads from USB_CAP3 and 4 which endpoints there are"),
    notes: &[],
    fastest: Speed::Super,
    is_fixed: false,
    endpoints: &[
        Group::new(Names::In(1, 15), ALL, Some(1024)),
        Group::new(Names::Out(1, 15), ALL, Some(1024)),
    ],
    in_fifos: &[],
};

/// drivers/usb/renesas_usbhs/common.c: usbhsc_default_pipe.
pub(super) const RENESAS_USBHS_SH: KnownUdc = KnownUdc {
    name: "renesas_usbhs-sh",
    kernel_names: &["renesas_usbhs", "renesas_usbhs_udc"],
    compatible: &[],
    boards: "SH-Mobile and others without has_new_pipe_configs",
    varies: None,
    notes: &["an endpoint is of one type, which its name does not say"],
    fastest: Speed::High,
    is_fixed: true,
    endpoints: &[
        Group::new(Names::Either(1, 2), ISOCHRONOUS, Some(1024)),
        Group::new(Names::Either(3, 5), BULK, Some(512)),
        Group::new(Names::Either(6, 9), INTERRUPT, Some(64)),
    ],
    in_fifos: &[],
};

/// drivers/usb/renesas_usbhs/common.c: usbhsc_new_pipe.
pub(super) const RENESAS_USBHS: KnownUdc = KnownUdc {
    name: "renesas_usbhs",
    kernel_names: &["renesas_usbhs_udc"],
    compatible: &[
        "renesas,rcar-gen2-usbhs",
        "renesas,rcar-gen3-usbhs",
        "renesas,rza1-usbhs",
        "renesas,rza2-usbhs",
        "renesas,rzg2l-usbhs",
    ],
    boards: "R-Car generation 2 and 3, RZ/A and RZ/G",
    endpoints: &[
        Group::new(Names::Either(1, 2), ISOCHRONOUS, Some(1024)),
        Group::new(Names::Either(3, 5), BULK, Some(512)),
        Group::new(Names::Either(6, 8), INTERRUPT, Some(64)),
        Group::new(Names::Either(9, 15), BULK, Some(512)),
    ],
    ..RENESAS_USBHS_SH
};

/// drivers/usb/gadget/udc/renesas_usb3.c: five pipes besides endpoint 0, the odd ones IN, the even ones OUT.
pub(super) const RENESAS_USB3: KnownUdc = KnownUdc {
    name: "renesas_usb3",
    kernel_names: &[],
    compatible: &["renesas,rcar-gen3-usb3-peri"],
    boards: "R-Car generation 3, the USB 3 port",
    varies: None,
    notes: &["no isochronous transfers"],
    fastest: Speed::Super,
    is_fixed: true,
    endpoints: &[
        Group {
            direction: Some(Direction::In),
            ..Group::new(
                Names::These(&["ep1", "ep3", "ep5"]),
                Some(Types::BULK_OR_INTERRUPT),
                None,
            )
        },
        Group {
            direction: Some(Direction::Out),
            ..Group::new(
                Names::These(&["ep2", "ep4"]),
                Some(Types::BULK_OR_INTERRUPT),
                None,
            )
        },
    ],
    in_fifos: &[],
};

/// drivers/usb/gadget/udc/atmel_usba_udc.c: ep_config_sam9.
pub(super) const ATMEL_USBA_SAM9: KnownUdc = KnownUdc {
    name: "atmel_usba-sam9",
    kernel_names: &["atmel_usba_udc"],
    compatible: &[
        "atmel,at91sam9rl-udc",
        "atmel,at91sam9g45-udc",
        "microchip,sam9x60-udc",
    ],
    boards: "AT91SAM9G45, SAM9X60",
    varies: None,
    notes: &[
        "the banks of all endpoints share the chip's memory: large packets on many do not fit together",
    ],
    fastest: Speed::High,
    is_fixed: true,
    endpoints: &[
        Group::new(Names::Either(1, 2), ALL, Some(1024)),
        Group::new(
            Names::Either(3, 4),
            Some(Types::BULK_OR_INTERRUPT),
            Some(1024),
        ),
        Group::new(Names::Either(5, 6), ALL, Some(1024)),
    ],
    in_fifos: &[],
};

/// drivers/usb/gadget/udc/atmel_usba_udc.c: ep_config_sama5.
pub(super) const ATMEL_USBA: KnownUdc = KnownUdc {
    name: "atmel_usba",
    kernel_names: &["atmel_usba_udc"],
    compatible: &["atmel,sama5d3-udc"],
    boards: "SAMA5D2, SAMA5D3, SAMA5D4",
    endpoints: &[Group::new(Names::Either(1, 15), ALL, Some(1024))],
    ..ATMEL_USBA_SAM9
};

/// drivers/usb/gadget/udc/at91_udc.c: ep_info, with the packet sizes of at91sam9261_udc_init, the smaller ones.
pub(super) const AT91: KnownUdc = KnownUdc {
    name: "at91_udc",
    kernel_names: &[],
    compatible: &[
        "atmel,at91rm9200-udc",
        "atmel,at91sam9260-udc",
        "atmel,at91sam9261-udc",
        "atmel,at91sam9263-udc",
    ],
    boards: "AT91SAM9260 to 9263",
    varies: Some("the AT91SAM9260 takes 512 bytes on ep4 and ep5, the AT91RM9200 8 on ep3"),
    notes: &[
        "full speed only",
        "cannot stall reliably (quirk_stall_not_supp), which a disk's recovery needs",
    ],
    fastest: Speed::Full,
    is_fixed: false,
    endpoints: &[
        Group::new(Names::Either(1, 2), ALL, Some(64)),
        Group::new(Names::These(&["ep3-int"]), INTERRUPT, Some(64)),
        Group::new(Names::Either(4, 5), ALL, Some(256)),
    ],
    in_fifos: &[],
};

/// drivers/usb/gadget/udc/tegra-xudc.c.
pub(super) const TEGRA_XUDC: KnownUdc = KnownUdc {
    name: "tegra-xudc",
    kernel_names: &[],
    compatible: &[
        "nvidia,tegra210-xudc",
        "nvidia,tegra186-xudc",
        "nvidia,tegra194-xudc",
        "nvidia,tegra234-xudc",
    ],
    boards: "Jetson",
    varies: None,
    notes: &["no isochronous transfers"],
    fastest: Speed::Super,
    is_fixed: true,
    endpoints: &[
        Group::new(Names::In(1, 15), Some(Types::BULK_OR_INTERRUPT), Some(1024)),
        Group::new(
            Names::Out(1, 15),
            Some(Types::BULK_OR_INTERRUPT),
            Some(1024),
        ),
    ],
    in_fifos: &[],
};

/// drivers/usb/gadget/udc/aspeed_udc.c.
pub(super) const ASPEED: KnownUdc = KnownUdc {
    name: "aspeed-udc",
    kernel_names: &["aspeed_udc"],
    compatible: &["aspeed,ast2600-udc"],
    boards: "AST2600 management controllers",
    varies: None,
    notes: &[],
    fastest: Speed::High,
    is_fixed: true,
    endpoints: &[Group::new(Names::Either(1, 4), ALL, Some(1024))],
    in_fifos: &[],
};
