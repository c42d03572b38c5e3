//! Isochronous endpoints.

use usbfs2_host::{Bulk, EndpointError, In, TransferType};

use crate::rig::Rig;

#[test]
fn a_bulk_endpoint_is_no_isochronous_one() {
    let rig = Rig::new();
    let error = rig.interface.isochronous_endpoint::<In>(0x81).unwrap_err();
    let EndpointError::WrongTransferType { actual, asked, .. } = &error else {
        panic!("unexpected: {error}");
    };
    assert_eq!(
        (*actual, *asked),
        (TransferType::Bulk, TransferType::Isochronous)
    );
    assert_eq!(
        error.to_string(),
        "endpoint 0x81 is bulk, not isochronous: the interface has 0x01 bulk OUT, 0x81 bulk IN"
    );
    // The refusal holds nothing.
    rig.interface.endpoint::<Bulk, In>(0x81).unwrap();
}
