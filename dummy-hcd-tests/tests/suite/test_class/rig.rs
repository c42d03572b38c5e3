//! The device in a thread of its own, and the host's view of it.

use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, anyhow, ensure};
use dummy_hcd_tests::wait::{self, DEADLINE};
use usb_device::bus::UsbBusAllocator;
use usb_device::test_class::{self, TestClass};
use usbfs2_gadget::firmware::{FirmwareBus, FirmwareHandle, Wait};
use usbfs2_gadget::{GadgetfsOptions, Speed};
use usbfs2_host::{
    Buffer, Bulk, Device, Direction, EndpointAddress, In, Interface, Interrupt, Out, SetupPacket,
    TransferError, TransferType,
};
use usbfs2_protocol::RequestKind;

use crate::world::World;

/// The device's only interface.
const INTERFACE: u8 = 0;

pub(super) struct Rig {
    pub(super) is_on_gadgetfs: bool,
    // The host lets go before the device goes.
    pub(super) interface: Interface,
    pub(super) device: Device,
    handle: FirmwareHandle,
    thread: JoinHandle<Result<()>>,
}

impl Rig {
    /// Runs the device where `world` has it, and opens it.
    pub(super) fn start(world: &World) -> Result<Self> {
        let bus = match world {
            World::Loopback(bus) => Some(bus.clone()),
            World::Kernel(_) | World::Composite(_) => None,
        };
        let is_on_gadgetfs = bus.is_none();
        let (started, handle) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let allocator = match bus {
                Some(bus) => FirmwareBus::on(&bus, Speed::Full),
                None => FirmwareBus::gadgetfs(&GadgetfsOptions::default())?,
            };
            run(&allocator, |handle| drop(started.send(handle)))
        });
        let Ok(handle) = handle.recv() else {
            let end = thread.join().map_err(|_| anyhow!("the device panicked"))?;
            return Err(end.err().context("the device ended at once")?);
        };
        let host = world.host()?;
        let opened = wait::until("the host can open the device", || {
            let devices = host.devices().ok()?;
            let mut devices = devices.iter();
            let info = devices.find(|info| info.product() == Some(test_class::PRODUCT))?;
            info.active_configuration()?;
            host.open(info.id()).ok()
        });
        let device = match opened {
            Ok(device) => device,
            Err(error) if thread.is_finished() => {
                let end = thread.join().map_err(|_| anyhow!("the device panicked"))?;
                return Err(end.err().map_or(error.into(), |end| end));
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            is_on_gadgetfs,
            interface: device.claim(INTERFACE)?,
            device,
            handle,
            thread,
        })
    }

    /// Ends the device, which must not have panicked: that is how it reports what it finds wrong.
    pub(super) fn finish(self) -> Result<()> {
        drop((self.interface, self.device));
        self.handle.stop();
        let end = self.thread.join();
        end.map_err(|_| anyhow!("the device panicked"))??;
        let counters = self.handle.counters();
        ensure!(counters.requests_unanswered == 0, "{counters:?}");
        ensure!(counters.transfers_failed == 0, "{counters:?}");
        Ok(())
    }

    fn address(
        &self,
        transfer_type: TransferType,
        direction: Direction,
    ) -> Result<EndpointAddress> {
        let descriptor = self.interface.descriptor();
        let setting = descriptor.default_setting().context("no setting")?;
        let endpoint = setting.find_endpoint(transfer_type, direction);
        Ok(endpoint.context("no such endpoint")?.address)
    }

    /// The bulk endpoints' packet size.
    pub(super) fn bulk_packet_size(&self) -> Result<usize> {
        let address = self.address(TransferType::Bulk, Direction::Out)?;
        Ok(self
            .interface
            .endpoint::<Bulk, Out>(address)?
            .max_packet_size())
    }

    pub(super) fn write_bulk(&self, bytes: &[u8]) -> Result<()> {
        let address = self.address(TransferType::Bulk, Direction::Out)?;
        let mut endpoint = self.interface.endpoint::<Bulk, Out>(address)?;
        let completion = endpoint.transfer_blocking(Buffer::from(bytes), DEADLINE);
        completion.status?;
        ensure!(completion.actual_length == bytes.len(), "cut off");
        Ok(())
    }

    pub(super) fn read_bulk(&self, room: usize) -> Result<Vec<u8>> {
        let address = self.address(TransferType::Bulk, Direction::In)?;
        let mut endpoint = self.interface.endpoint::<Bulk, In>(address)?;
        let completion = endpoint.transfer_blocking(Buffer::with_capacity(room), DEADLINE);
        Ok(completion.into_result()?.into_vec())
    }

    pub(super) fn write_interrupt(&self, bytes: &[u8]) -> Result<()> {
        let address = self.address(TransferType::Interrupt, Direction::Out)?;
        let mut endpoint = self.interface.endpoint::<Interrupt, Out>(address)?;
        let completion = endpoint.transfer_blocking(Buffer::from(bytes), DEADLINE);
        completion.status?;
        ensure!(completion.actual_length == bytes.len(), "cut off");
        Ok(())
    }

    pub(super) fn read_interrupt(&self, room: usize) -> Result<Vec<u8>> {
        let address = self.address(TransferType::Interrupt, Direction::In)?;
        let mut endpoint = self.interface.endpoint::<Interrupt, In>(address)?;
        let completion = endpoint.transfer_blocking(Buffer::with_capacity(room), DEADLINE);
        Ok(completion.into_result()?.into_vec())
    }

    /// A vendor request to the device that carries `data`.
    pub(super) fn send(
        &self,
        request: u8,
        value: u16,
        index: u16,
        data: &[u8],
    ) -> Result<(), TransferError> {
        let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
        let setup = SetupPacket::device_out(RequestKind::Vendor, request, value, index, length);
        self.device.control_out_blocking(setup, data, DEADLINE)
    }

    /// A vendor request to the device for up to `length` bytes.
    pub(super) fn ask(&self, request: u8, length: u16) -> Result<Vec<u8>, TransferError> {
        let setup = SetupPacket::device_in(RequestKind::Vendor, request, 0, 0, length);
        self.device.control_in_blocking(setup, DEADLINE)
    }
}

/// The device's main function.
fn run(
    allocator: &UsbBusAllocator<FirmwareBus>,
    started: impl FnOnce(FirmwareHandle),
) -> Result<()> {
    let mut class = TestClass::new(allocator);
    let mut device = class.make_device(allocator);
    started(device.bus().handle());
    while device.bus().wait(None)? != Wait::Stopped {
        device.poll(&mut [&mut class]);
        class.poll();
    }
    Ok(())
}
