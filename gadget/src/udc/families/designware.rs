//! The DesignWare controllers: dwc2 (USB 2.0) and dwc3 (USB 3).

use usbfs2_protocol::Speed;

use super::{Group, KnownUdc, Names, Types};

/// dwc2_hsotg_initep: 1024 bytes at most, every type, for each number that GHWCFG1 and 2 have.
const PACKET: Option<u16> = Some(1024);

/// drivers/usb/dwc2/gadget.c on a Raspberry Pi, where it reports `EPs: 8, dedicated fifos, 4080 entries in SPRAM`. An IN
/// endpoint is given the smallest free transmit FIFO that holds its packet (dwc2_hsotg_ep_enable); their sizes in
/// words are g-tx-fifo-size of the device tree: here those of the `dwc2` overlay. The mainline tree's
/// (bcm283x-rpi-usb-peripheral.dtsi: 256 256 512 512 512 768 768) hold any single packet too.
pub(super) const DWC2: KnownUdc = KnownUdc {
    name: "dwc2",
    // Where the boards have it, from the Zero to the 5: dwc2's gadget is named after its device.
    kernel_names: &[
        "20980000.usb",
        "3f980000.usb",
        "fe980000.usb",
        "1000480000.usb",
    ],
    compatible: &["brcm,bcm2835-usb", "brcm,bcm2708-usb"],
    boards: "Raspberry Pi Zero, Zero 2 W, A+, 3A+, 4, 5 and Compute Modules",
    varies: Some(
        "other chips with dwc2 have other numbers of endpoints (the driver reads GHWCFG1, 2 and 4) and smaller FIFOs \
         (g-tx-fifo-size in the device tree): see `dwc2-stm32mp1`",
    ),
    notes: &[],
    fastest: Speed::High,
    is_fixed: false,
    endpoints: &[
        Group::new(Names::In(1, 7), Some(Types::ALL), PACKET),
        Group::new(Names::Out(1, 7), Some(Types::ALL), PACKET),
    ],
    in_fifos: &[2048, 2048, 2048, 2048, 2048, 1024, 1024],
};

/// The same driver on an STM32MP15: eight transmit FIFOs, seven of which hold 64 bytes
/// (arch/arm/boot/dts/st/stm32mp151.dtsi: g-tx-fifo-size 256 16 16 16 16 16 16 16).
pub(super) const DWC2_STM32MP1: KnownUdc = KnownUdc {
    name: "dwc2-stm32mp1",
    kernel_names: &["49000000.usb-otg"],
    compatible: &["st,stm32mp15-hsotg"],
    boards: "STM32MP15 boards",
    varies: Some(
        "a device tree may share out the FIFO memory otherwise (g-tx-fifo-size, in words)",
    ),
    endpoints: &[
        Group::new(Names::In(1, 8), Some(Types::ALL), PACKET),
        Group::new(Names::Out(1, 8), Some(Types::ALL), PACKET),
    ],
    in_fifos: &[1024, 64, 64, 64, 64, 64, 64, 64],
    ..DWC2
};

/// drivers/usb/dwc3/gadget.c: GHWPARAMS3 says how many physical endpoints there are, which are `ep0out`, `ep0in`,
/// `ep1out` and so on in turn. 13 is what small configurations have. Packets are limited by the FIFOs, which
/// the driver resizes at most; a sound configuration holds 1024 bytes in each.
pub(super) const DWC3: KnownUdc = KnownUdc {
    name: "dwc3",
    kernel_names: &["dwc3-gadget"],
    compatible: &["snps,dwc3"],
    boards: "RK3399 and others with 13 physical endpoints",
    varies: Some(
        "the driver reads the number of endpoints from GHWPARAMS3, 32 at most (`dwc3-32`), and what fits into a FIFO from \
         GTXFIFOSIZ",
    ),
    notes: &[],
    fastest: Speed::SuperPlus,
    is_fixed: false,
    endpoints: &[
        Group::new(Names::In(1, 5), Some(Types::ALL), PACKET),
        Group::new(Names::Out(1, 6), Some(Types::ALL), PACKET),
    ],
    in_fifos: &[],
};

/// The same with all physical endpoints that there can be.
pub(super) const DWC3_32: KnownUdc = KnownUdc {
    name: "dwc3-32",
    kernel_names: &[],
    compatible: &[],
    boards: "chips where dwc3 has all 32 physical endpoints",
    varies: Some("most chips have fewer: see `dwc3`"),
    endpoints: &[
        Group::new(Names::In(1, 15), Some(Types::ALL), PACKET),
        Group::new(Names::Out(1, 15), Some(Types::ALL), PACKET),
    ],
    ..DWC3
};
