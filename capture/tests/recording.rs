//! What a recording of the in-process bus holds, read back by another parser of the format.

use std::io::Write;
use std::sync::{Arc, Mutex};

use pcap_file::pcapng::{Block, PcapNgReader};
use usbfs2_capture::{Data, Event, Header, IsochronousDescriptor, LONGEST, Recording};
use usbfs2_loopback::{
    Bus, CompletionQueue, DevicePort, EndpointSpec, PortOptions, Target, Transfer,
};
use usbfs2_protocol::{EndpointAddress, SetupPacket, Speed, TransferType};

/// A file the test can read while somebody else writes it.
#[derive(Clone, Default)]
struct SharedFile(Arc<Mutex<Vec<u8>>>);

impl Write for SharedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl SharedFile {
    fn packets(&self) -> Vec<(Header, Vec<u8>, u32)> {
        let bytes = self.0.lock().unwrap().clone();
        let mut reader = PcapNgReader::new(bytes.as_slice()).unwrap();
        let mut packets = Vec::new();
        while let Some(block) = reader.next_block() {
            if let Block::EnhancedPacket(packet) = block.unwrap() {
                let header = Header::parse(&packet.data).unwrap();
                let data = packet.data[Header::LENGTH..].to_vec();
                packets.push((header, data, packet.original_len));
            }
        }
        packets
    }
}

fn address(byte: u8) -> EndpointAddress {
    EndpointAddress::try_from(byte).unwrap()
}

fn plug(bus: &Bus) -> DevicePort {
    let port = bus.plug(PortOptions::new(Speed::High)).unwrap();
    for byte in [0x81, 0x02] {
        port.enable(EndpointSpec {
            address: address(byte),
            transfer_type: TransferType::Bulk,
            max_packet_size: 512,
            interval: 0,
        })
        .unwrap();
    }
    port
}

#[test]
fn data_stand_with_the_end_that_had_them() {
    let (bus, file) = (Bus::new(), SharedFile::default());
    let recording = Recording::start(&bus, file.clone(), LONGEST).unwrap();
    let port = plug(&bus);
    let [host, device] = [CompletionQueue::new(&bus), CompletionQueue::new(&bus)];
    let there = &bus.devices()[0];
    there.submit(
        &host,
        Target::Endpoint(address(0x02)),
        Transfer::send(b"out".to_vec()),
    );
    port.submit(&device, address(0x02), Transfer::receive(512));
    there.submit(
        &host,
        Target::Endpoint(address(0x81)),
        Transfer::receive(512),
    );
    port.submit(
        &device,
        address(0x81),
        Transfer::send(b"coming in".to_vec()),
    );
    assert_eq!(recording.finish().unwrap().packets, 4);

    let packets = file.packets();
    let seen: Vec<_> = packets
        .iter()
        .map(|(header, data, _)| {
            let endpoint = u8::from(header.endpoint);
            (
                header.event,
                endpoint,
                header.status,
                header.length,
                header.data,
                &data[..],
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (Event::Submission, 0x02, -115, 3, Data::Present, &b"out"[..]),
            (Event::Completion, 0x02, 0, 3, Data::WENT, b""),
            (Event::Submission, 0x81, -115, 512, Data::TO_COME, b""),
            (Event::Completion, 0x81, 0, 9, Data::Present, b"coming in"),
        ]
    );
    let id = |at: usize| packets[at].0.id;
    assert_eq!((id(0), id(2)), (id(1), id(3)));
    assert_ne!(id(0), id(2));
}

#[test]
fn isochronous_packets_stand_before_the_data() {
    let (bus, file) = (Bus::with_manual_clock(), SharedFile::default());
    let recording = Recording::start(&bus, file.clone(), LONGEST).unwrap();
    let port = plug(&bus);
    for byte in [0x83, 0x04] {
        let endpoint = EndpointSpec {
            address: address(byte),
            transfer_type: TransferType::Isochronous,
            max_packet_size: 192,
            interval: 1,
        };
        port.enable(endpoint).unwrap();
    }
    let [host, device] = [CompletionQueue::new(&bus), CompletionQueue::new(&bus)];
    let there = &bus.devices()[0];
    for bytes in [&b"abc"[..], b"", b"overflow"] {
        port.submit(&device, address(0x83), Transfer::send(bytes.to_vec()));
    }
    let target = Target::Endpoint(address(0x83));
    there.submit(&host, target, Transfer::isochronous_receive([4; 5]));
    let target = Target::Endpoint(address(0x04));
    there.submit(
        &host,
        target,
        Transfer::isochronous_send(b"hello".to_vec(), [2, 3]),
    );
    bus.step(5);
    recording.finish().unwrap();

    const XDEV: i32 = -18;
    let packets = file.packets();
    let mut seen = Vec::new();
    for (header, bytes, _) in &packets {
        assert_eq!(header.transfer_type, TransferType::Isochronous);
        let counts = header.isochronous.unwrap();
        let (descriptors, data) = IsochronousDescriptor::split(counts, bytes);
        assert_eq!(descriptors.len(), counts.descriptors as usize);
        let packets: Vec<_> = descriptors
            .iter()
            .map(|packet| (packet.status, packet.offset, packet.length))
            .collect();
        seen.push((header.event, header.length, counts.errors, packets, data));
    }
    let asked = (0..5).map(|place| (XDEV, 4 * place, 4)).collect();
    let sent = vec![(XDEV, 0, 2), (XDEV, 2, 3)];
    let missed = vec![(XDEV, 0, 0), (XDEV, 2, 0)];
    let came = vec![
        (0, 0, 3),
        (0, 4, 0),
        (-75, 8, 0),
        (XDEV, 12, 0),
        (XDEV, 16, 0),
    ];
    assert_eq!(
        seen,
        [
            (Event::Submission, 20, 0, asked, &b""[..]),
            (Event::Submission, 5, 0, sent, b"hello"),
            (Event::Completion, 0, 2, missed, b""),
            (Event::Completion, 3, 3, came, b"abc"),
        ]
    );
}

#[test]
fn a_request_has_its_setup_packet_and_direction() {
    let (bus, file) = (Bus::new(), SharedFile::default());
    let recording = Recording::start(&bus, file.clone(), LONGEST).unwrap();
    let port = plug(&bus);
    let queue = CompletionQueue::new(&bus);
    let setup = SetupPacket::get_descriptor(1, 0, 0, 18);
    bus.devices()[0].submit(&queue, Target::Control(setup), Transfer::receive(18));
    drop(port);
    recording.finish().unwrap();
    let packets = file.packets();
    let [(submitted, ..), (ended, ..)] = &packets[..] else {
        panic!("{packets:?}");
    };
    assert_eq!(submitted.setup, Some(setup));
    assert_eq!(u8::from(submitted.endpoint), 0x80);
    assert_eq!(submitted.transfer_type, TransferType::Control);
    assert_eq!((ended.setup, ended.status), (None, -108));
}

#[test]
fn a_long_packet_is_cut_and_says_how_long_it_was() {
    let (bus, file) = (Bus::new(), SharedFile::default());
    let recording = Recording::start(&bus, file.clone(), 100).unwrap();
    let _port = plug(&bus);
    let queue = CompletionQueue::new(&bus);
    let transfer = Transfer::send(vec![7; 4096]);
    bus.devices()[0].submit(&queue, Target::Endpoint(address(0x02)), transfer);
    let totals = recording.finish().unwrap();
    assert_eq!((totals.packets, totals.bytes, totals.cut), (1, 100, 1));
    let (header, data, original_length) = &file.packets()[0];
    assert_eq!((header.length, header.captured), (4096, 100));
    assert_eq!(data, &[7; 100]);
    assert_eq!(*original_length, 4096 + 48);
}

#[test]
fn each_plug_is_a_device_of_its_own() {
    let (bus, file) = (Bus::new(), SharedFile::default());
    let recording = Recording::start(&bus, file.clone(), LONGEST).unwrap();
    let _stays = plug(&bus);
    for _ in 0..130 {
        let port = plug(&bus);
        let queue = CompletionQueue::new(&bus);
        let transfer = Transfer::receive(512);
        bus.devices()[1].submit(&queue, Target::Endpoint(address(0x81)), transfer);
        drop(port);
    }
    recording.finish().unwrap();
    let devices: Vec<u8> = file
        .packets()
        .iter()
        .map(|(header, ..)| header.device)
        .collect();
    assert_eq!(devices.len(), 260);
    assert!(
        devices.iter().all(|device| (3..=127).contains(device)),
        "{devices:?}"
    );
    assert!(
        devices
            .chunks(2)
            .zip(devices[2..].chunks(2))
            .all(|(one, next)| one != next)
    );
}

#[test]
fn nothing_is_written_after_the_end_and_an_error_of_the_file_is_told() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            // The file's beginning fits.
            if bytes.len() < 64 {
                Ok(bytes.len())
            } else {
                Err(std::io::ErrorKind::StorageFull.into())
            }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (bus, file) = (Bus::new(), SharedFile::default());
    let kept = Recording::start(&bus, file.clone(), LONGEST).unwrap();
    let full = Recording::start(&bus, Full, LONGEST).unwrap();
    let _port = plug(&bus);
    kept.finish().unwrap();
    let queue = CompletionQueue::new(&bus);
    let transfer = Transfer::send(vec![0; 512]);
    bus.devices()[0].submit(&queue, Target::Endpoint(address(0x02)), transfer);
    assert_eq!(file.packets().len(), 0);
    let error = full.finish().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}
