//! The Mentor controller (drivers/usb/musb/). Its FIFO memory is shared out once, by a table of the driver's: an
//! endpoint takes no packet that its FIFO does not hold (musb_gadget_enable), and one whose FIFO serves both
//! directions is one endpoint, not two.

use usbfs2_protocol::Speed;

use super::{Group, KnownUdc, Names, Types};

const ZERO_LENGTH: &str = "a function of the kernel's cannot have the driver add zero-length packets (quirk_zlp_not_supp)";
const ALL: Option<Types> = Some(Types::ALL);

/// musb_dsps (mentor,num-eps 16 and ram-bits 12 in am33xx.dtsi) with mode_4_cfg of musb_core.c, which is what
/// drivers get that ask for none.
pub(super) const AM335X: KnownUdc = KnownUdc {
    name: "musb",
    kernel_names: &["musb-hdrc", "musb_hdrc"],
    compatible: &["ti,musb-am33xx", "ti,musb-dm816"],
    boards: "BeagleBone (AM335x)",
    varies: Some(
        "other chips have other tables: `musb-sunxi`, `musb-h3`, `musb-mode2`; the module's parameter fifo_mode \
         chooses one where the platform does not",
    ),
    notes: &[ZERO_LENGTH],
    fastest: Speed::High,
    is_fixed: false,
    endpoints: &[
        Group::new(Names::In(1, 9), ALL, Some(512)),
        Group::new(Names::Out(1, 9), ALL, Some(512)),
        Group::new(Names::In(10, 12), ALL, Some(256)),
        Group::new(Names::Out(10, 12), ALL, Some(64)),
        Group::new(Names::Either(13, 13), ALL, Some(4096)),
        Group::new(Names::Either(14, 15), ALL, Some(1024)),
    ],
    in_fifos: &[],
};

/// drivers/usb/musb/sunxi.c: sunxi_musb_mode_cfg_5eps.
pub(super) const SUNXI: KnownUdc = KnownUdc {
    name: "musb-sunxi",
    kernel_names: &[],
    compatible: &[
        "allwinner,sun4i-a10-musb",
        "allwinner,sun6i-a31-musb",
        "allwinner,sun8i-a33-musb",
        "allwinner,suniv-f1c100s-musb",
    ],
    boards: "Allwinner A10 to A64",
    varies: Some("the H3 and its like have one endpoint less in each direction (`musb-h3`)"),
    endpoints: &[
        Group::new(Names::In(1, 5), ALL, Some(512)),
        Group::new(Names::Out(1, 5), ALL, Some(512)),
    ],
    ..AM335X
};

/// drivers/usb/musb/sunxi.c: sunxi_musb_mode_cfg_4eps.
pub(super) const SUNXI_H3: KnownUdc = KnownUdc {
    name: "musb-h3",
    kernel_names: &[],
    compatible: &["allwinner,sun8i-h3-musb"],
    boards: "Allwinner H3, H5 (Orange Pi, NanoPi)",
    varies: Some(
        "older chips of Allwinner's have one endpoint more in each direction (`musb-sunxi`)",
    ),
    endpoints: &[
        Group::new(Names::In(1, 4), ALL, Some(512)),
        Group::new(Names::Out(1, 4), ALL, Some(512)),
    ],
    ..AM335X
};

/// mode_2_cfg of musb_core.c, for which da8xx.c and mpfs.c ask. fifo_setup rounds a FIFO down to the lowest power of
/// two in its size, so that the one of 960 bytes becomes one of 64.
pub(super) const MODE_2: KnownUdc = KnownUdc {
    name: "musb-mode2",
    kernel_names: &[],
    compatible: &["ti,da830-musb", "microchip,mpfs-musb"],
    boards: "DA830, AM1808, PolarFire SoC",
    varies: Some("other chips have other tables: `musb`, `musb-sunxi`, `musb-h3`"),
    endpoints: &[
        Group::new(Names::In(1, 2), ALL, Some(512)),
        Group::new(Names::Out(1, 2), ALL, Some(512)),
        Group::new(Names::Either(3, 3), ALL, Some(64)),
        Group::new(Names::Either(4, 4), ALL, Some(1024)),
    ],
    ..AM335X
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifos_of_a_beaglebone_fill_its_memory() {
        let udc = AM335X.udc();
        let sizes = udc.endpoints().iter().filter_map(|one| one.packet_limit());
        let bytes: u32 = sizes.map(u32::from).sum();
        // Beside the 64 of endpoint 0: 1 << (ram_bits + 2) in all.
        assert_eq!(bytes + 64, 1 << 14);
    }
}
