//! Tells a QEMU plugin where the measured part begins and ends.

use std::arch::asm;

/// The instructions from here on are counted. Outside of the profiler this does nothing.
pub(crate) fn window_begins() {
    // SAFETY: a long nop (0f 1f 80, `nopl 0x5eed0001(%rax)`): it reads no memory and changes no register.
    unsafe {
        asm!(
            ".byte 0x0f, 0x1f, 0x80, 0x01, 0x00, 0xed, 0x5e",
            options(nostack, nomem, preserves_flags)
        )
    };
}

/// The instructions from here on are not counted.
pub(crate) fn window_ends() {
    // SAFETY: as above.
    unsafe {
        asm!(
            ".byte 0x0f, 0x1f, 0x80, 0x02, 0x00, 0xed, 0x5e",
            options(nostack, nomem, preserves_flags)
        )
    };
}
