//! The backend on a tree of ordinary files, which answer reads and writes where endpoints would.
//! What only the module can do is tested with the module.

use std::fs;
use std::time::Duration;

use aio_rs::Buffer;
use tempfile::TempDir;

use super::Usbfs2;
use crate::backend::Backend;
use crate::{
    AlternateSettingError, Bulk, ClaimError, ConfigurationError, Device, DeviceId, Direction,
    EndpointError, In, Interface, InterfaceFiles, OpenError, Out, SetupPacket, TransferError,
};

mod isochronous;

const SOON: Duration = Duration::from_secs(10);

#[rustfmt::skip]
const DESCRIPTORS: [u8; 71] = [
    18, 1, 0x00, 0x02, 0, 0, 0, 64, 0x09, 0x12, 0x01, 0x00, 0x00, 0x01, 0, 0, 0, 1,
    9, 2, 53, 0, 1, 1, 0, 0x80, 50,
    9, 4, 0, 0, 5, 0xff, 0, 0, 0,
    7, 5, 0x81, 2, 0x00, 0x02, 0,
    7, 5, 0x02, 2, 0x00, 0x02, 0,
    7, 5, 0x83, 5, 0x00, 0x02, 1,
    7, 5, 0x04, 5, 0x00, 0x02, 1,
    7, 5, 0x85, 5, 0x00, 0x00, 1,
];

/// A tree with one device, whose 0x81 always has the same 512 bytes to send.
fn tree() -> (TempDir, Usbfs2) {
    let mount = tempfile::tempdir().unwrap();
    let device = mount.path().join("1-1");
    let interface = device.join("1.0");
    fs::create_dir_all(&interface).unwrap();
    fs::create_dir(mount.path().join("usb1")).unwrap();
    let files: [(_, &[u8]); 8] = [
        (device.join("configuration"), b"1\n"),
        (device.join("ep00"), b""),
        (interface.join("driver"), b""),
        (interface.join("alternate"), b"0\n"),
        (interface.join("ep81"), &[7; 512]),
        (interface.join("ep02"), b""),
        (interface.join("ep83"), b""),
        (interface.join("ep04"), b""),
    ];
    for (path, content) in files {
        fs::write(path, content).unwrap();
    }
    fs::write(device.join("descriptors"), DESCRIPTORS).unwrap();
    let backend = Usbfs2::new(mount.path().to_owned());
    (mount, backend)
}

fn open(backend: &Usbfs2) -> Device {
    let (info, open) = backend.open(&DeviceId::new("1-1")).unwrap();
    Device::new(info, open)
}

#[test]
fn devices_are_listed_without_root_hubs_and_other_files() {
    let (_mount, backend) = tree();
    let devices = backend.devices().unwrap();
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].id().as_str(), "1-1");
    assert_eq!(devices[0].vendor_id(), Some(0x1209));
    assert_eq!(devices[0].active_configuration(), Some(1));
}

#[test]
fn a_claim_writes_the_driver_file_and_a_second_one_is_busy() {
    let (mount, backend) = tree();
    let device = open(&backend);
    let _interface = device.claim(0).unwrap();
    let driver = fs::read(mount.path().join("1-1/1.0/driver")).unwrap();
    assert_eq!(driver, b"usbfs2");
    assert!(matches!(device.claim(0), Err(ClaimError::Busy(0))));
}

#[test]
fn more_transfers_than_fit_in_the_kernel_all_complete() {
    let (mount, backend) = tree();
    let interface = open(&backend).claim(0).unwrap();
    let mut input = interface.endpoint::<Bulk, In>(0x81).unwrap();
    input.submit_all((0..1000).map(|_| Buffer::with_capacity(512)));
    assert_eq!(input.pending(), 1000);
    for _ in 0..1000 {
        let received = input.wait(Some(SOON)).unwrap().into_result().unwrap();
        assert_eq!(&received[..], [7; 512]);
    }
    assert!(input.wait(Some(SOON)).is_none());

    let mut output = interface.endpoint::<Bulk, Out>(0x02).unwrap();
    let sent = output.transfer_blocking(Buffer::from(b"out".as_slice()), SOON);
    assert_eq!((sent.actual_length, sent.status), (3, Ok(())));
    assert_eq!(fs::read(mount.path().join("1-1/1.0/ep02")).unwrap(), b"out");
}

#[test]
fn a_queue_of_any_depth_is_with_the_kernel_before_anybody_waits() {
    let (_mount, backend) = tree();
    let interface = open(&backend).claim(0).unwrap();
    for depth in [1, 4, 31, 33] {
        let input = interface.endpoint_with_depth::<Bulk, In>(0x81, depth);
        let mut input = input.unwrap();
        input.submit_all((0..depth).map(|_| Buffer::with_capacity(512)));
        // Takes back what was not started; ordinary files have answered the rest.
        input.cancel_all();
        for number in 0..depth {
            let completion = input.wait(Some(SOON)).unwrap();
            assert_eq!(completion.status, Ok(()), "{number} of {depth}");
        }
    }
}

#[test]
fn a_cancelled_backlog_completes_after_what_the_kernel_has() {
    let (_mount, backend) = tree();
    let interface = open(&backend).claim(0).unwrap();
    let mut input = interface.endpoint::<Bulk, In>(0x81).unwrap();
    input.submit_all((0..300).map(|_| Buffer::with_capacity(512)));
    input.cancel_all();
    let mut statuses = Vec::new();
    while let Some(completion) = input.wait(Some(SOON)) {
        assert_eq!(completion.buffer.capacity(), 512);
        statuses.push(completion.status);
    }
    assert_eq!(statuses.len(), 300);
    // Ordinary files read at once, so the kernel's part had succeeded before the cancel.
    let succeeded = statuses.iter().take_while(|status| status.is_ok()).count();
    assert!(succeeded >= 128, "{succeeded} reads succeeded");
    let rest = &statuses[succeeded..];
    assert!(
        rest.iter()
            .all(|&status| status == Err(TransferError::Cancelled))
    );
}

#[test]
fn control_transfers_use_a_context_again() {
    let (_mount, backend) = tree();
    let device = open(&backend);
    for _ in 0..20 {
        // Far beyond the end of the file that stands for ep00, so nothing is read.
        let answer = device.control_in_blocking(SetupPacket::get_device_status(), SOON);
        assert_eq!(answer, Ok(vec![]));
    }
}

#[test]
fn a_device_that_left_is_disconnected() {
    let (mount, backend) = tree();
    let device = open(&backend);
    let interface = device.claim(0).unwrap();
    fs::remove_dir_all(mount.path().join("1-1")).unwrap();
    let configuration = device.configuration();
    assert!(matches!(
        configuration,
        Err(ConfigurationError::Disconnected)
    ));
    let endpoint = interface.endpoint::<Bulk, In>(0x81);
    assert!(matches!(endpoint, Err(EndpointError::Disconnected)));
    let open = backend.open(&DeviceId::new("1-1"));
    assert!(matches!(open, Err(OpenError::NotFound(_))));
}

#[test]
fn a_file_that_is_missing_while_the_device_is_there_is_named() {
    let (mount, backend) = tree();
    let interface = open(&backend).claim(0).unwrap();
    fs::remove_file(mount.path().join("1-1/1.0/ep81")).unwrap();
    let error = interface.endpoint::<Bulk, In>(0x81).unwrap_err();
    let EndpointError::Io { address, .. } = error else {
        panic!("unexpected: {error}");
    };
    assert_eq!(address.direction(), Direction::In);
}

/// The tree with every file of the interface.
fn whole_interface() -> (TempDir, Usbfs2) {
    let (mount, backend) = tree();
    for name in ["ep00", "ep85"] {
        fs::write(mount.path().join("1-1/1.0").join(name), b"").unwrap();
    }
    (mount, backend)
}

#[test]
fn an_interface_of_files_has_the_endpoints_it_was_given() {
    let (mount, backend) = whole_interface();
    let info = backend.devices().unwrap().remove(0);
    let opened = InterfaceFiles::open(mount.path(), &info, 0).unwrap();
    let driver = fs::read(mount.path().join("1-1/1.0/driver")).unwrap();
    assert_eq!(driver, b"usbfs2");
    assert_eq!(opened.endpoint_files().count(), 5);
    // What a process gets that is sent two of the files.
    let control = opened.control_file().try_clone_to_owned().unwrap();
    let (address, file) = opened.endpoint_files().last().unwrap();
    assert_eq!(address.to_byte(), 0x85);
    let mut sent = InterfaceFiles::new(0, control);
    sent = sent.endpoint(address, file.try_clone_to_owned().unwrap());
    let interface = Interface::from_files(&info, sent).unwrap();
    let error = interface.endpoint::<Bulk, In>(0x81).unwrap_err();
    assert!(matches!(error, EndpointError::NotGiven(address) if address.to_byte() == 0x81));

    let interface = Interface::from_files(&info, opened).unwrap();
    for _ in 0..2 {
        let mut input = interface.endpoint::<Bulk, In>(0x81).unwrap();
        let completion = input.transfer_blocking(Buffer::with_capacity(512), SOON);
        assert_eq!(completion.into_result().unwrap()[..], [7; 512]);
    }
    interface.set_alternate_setting(0).unwrap();
}

#[test]
fn an_interface_of_files_stays_in_its_setting() {
    let (mount, backend) = whole_interface();
    let info = backend.devices().unwrap().remove(0);
    let files = |setting| {
        let files = InterfaceFiles::open(mount.path(), &info, 0).unwrap();
        files.alternate_setting(setting)
    };
    let interface = Interface::from_files(&info, files(0)).unwrap();
    let error = interface.set_alternate_setting(1).unwrap_err();
    assert!(matches!(error, AlternateSettingError::NotFound { .. }));
    let error = Interface::from_files(&info, files(1)).unwrap_err();
    assert!(
        error.to_string().contains("no alternate setting 1"),
        "{error}"
    );
    let missing = InterfaceFiles::open(mount.path(), &info, 3).unwrap_err();
    assert!(matches!(missing, ClaimError::Disconnected), "{missing:?}");
}
