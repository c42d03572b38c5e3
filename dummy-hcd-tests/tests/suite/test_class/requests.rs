//! Vendor requests, which the device keeps and gives back.

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::random::Random;
use usb_device::test_class::{
    LONG_DATA, REQ_READ_BUFFER, REQ_READ_LONG_DATA, REQ_STORE_REQUEST, REQ_UNKNOWN,
    REQ_WRITE_BUFFER,
};
use usbfs2_host::TransferError;

use super::rig::Rig;

/// A setup packet arrives as it was sent.
pub(super) fn control_request(rig: &Rig) -> Result<()> {
    let mut random = Random::new(1);
    for length in 0..16_u16 {
        let mut numbers = [0; 4];
        random.fill(&mut numbers);
        let [v0, v1, i0, i1] = numbers;
        let (value, index) = (u16::from_le_bytes([v0, v1]), u16::from_le_bytes([i0, i1]));
        let data = vec![0x5a; usize::from(length)];
        rig.send(REQ_STORE_REQUEST, value, index, &data)?;
        let [l0, l1] = length.to_le_bytes();
        let expected = [0x40, REQ_STORE_REQUEST, v0, v1, i0, i1, l0, l1];
        let stored = rig.ask(REQ_READ_BUFFER, 8)?;
        ensure!(stored == expected, "{stored:02x?} is not {expected:02x?}");
    }
    Ok(())
}

/// Data around the length of endpoint 0's packets, and as much as the control buffer holds, goes both ways.
pub(super) fn control_data(rig: &Rig) -> Result<()> {
    for length in [0, 7, 8, 9, 15, 16, 17, 63, 64, 65, 255, 256] {
        let mut data = vec![0; usize::from(length)];
        Random::new(u64::from(length)).fill(&mut data);
        rig.send(REQ_WRITE_BUFFER, 0, 0, &data)
            .with_context(|| format!("writing {length} bytes"))?;
        let read = rig
            .ask(REQ_READ_BUFFER, length)
            .with_context(|| format!("reading {length} bytes"))?;
        ensure!(read == data, "{length} bytes came back changed");
    }
    Ok(())
}

/// An answer that is longer than the control buffer.
pub(super) fn control_data_static(rig: &Rig) -> Result<()> {
    // gadgetfs cuts wLength down to the 256 bytes of its own buffer before anybody sees it (RBUF_SIZE in
    // gadgetfs_setup, since Linux 5.16), so that nobody can send the last byte.
    let length = LONG_DATA.len() - usize::from(rig.is_on_gadgetfs);
    let data = rig.ask(REQ_READ_LONG_DATA, u16::try_from(length)?)?;
    ensure!(data == LONG_DATA[..length], "{} bytes came", data.len());
    Ok(())
}

/// What the device does not know it refuses.
pub(super) fn control_error(rig: &Rig) -> Result<()> {
    let refused = rig.send(REQ_UNKNOWN, 0, 0, &[]);
    ensure!(matches!(refused, Err(TransferError::Stall)), "{refused:?}");
    let refused = rig.ask(REQ_UNKNOWN, 8);
    ensure!(matches!(refused, Err(TransferError::Stall)), "{refused:?}");
    Ok(())
}
