//! Firmware on the `usb-device` crate, from start to Ctrl-C: its main loop, and the lines about it.

use std::thread;

use anyhow::{Result, anyhow, bail};
use usb_device::LangID;
use usb_device::bus::UsbBusAllocator;
use usb_device::class::UsbClass;
use usb_device::device::{StringDescriptors, UsbDevice, UsbDeviceBuilder, UsbVidPid};
use usbfs2_gadget::firmware::{FirmwareBus, FirmwareCounters, FirmwareHandle, Wait};
use usbfs2_gadget::{Counters, GadgetfsOptions, Keeper, Speed};
use usbfs2_loopback::Bus;

use super::attend::GLANCE;
use super::counters::CounterLine;
use super::host_view::HostView;
use super::{Identity, MANUFACTURER, RELEASE};
use crate::args::Backend;
use crate::interrupt;
use crate::output::note;

/// Where firmware is to run.
pub(super) struct Stage {
    pub(super) allocator: UsbBusAllocator<FirmwareBus>,
    /// The bus of a dry run.
    bus: Option<Bus>,
}

impl Stage {
    pub(super) fn new(identity: &Identity, backend: Backend) -> Result<Self> {
        Ok(match backend {
            Backend::Gadgetfs => Self {
                allocator: FirmwareBus::gadgetfs(&GadgetfsOptions {
                    keeper: Keeper::from_environment()?,
                    ..GadgetfsOptions::default()
                })?,
                bus: None,
            },
            Backend::Loopback => {
                let bus = Bus::new();
                Self {
                    // Classes on usb-device have packets of full speed.
                    allocator: FirmwareBus::on(&bus, Speed::Full),
                    bus: Some(bus),
                }
            }
            Backend::Functionfs => bail!(
                "{} cannot run on FunctionFS: it has class-specific descriptors (type 0x24), of which FunctionFS takes \
                 those of HID, CCID and DFU alone; use --backend gadgetfs",
                identity.name
            ),
        })
    }

    /// Builds the device of this class and polls it until Ctrl-C. `step` moves what there is to move, each time that
    /// something has happened.
    pub(super) fn run<C: UsbClass<FirmwareBus>>(
        &self,
        identity: &Identity,
        device_class: u8,
        class: &mut C,
        mut step: impl FnMut(&mut C, &FirmwareHandle) -> Result<()>,
    ) -> Result<()> {
        interrupt::catch()?;
        let strings = StringDescriptors::new(LangID::EN_US)
            .manufacturer(MANUFACTURER)
            .product(identity.name);
        let mut device = UsbDeviceBuilder::new(
            &self.allocator,
            UsbVidPid(identity.vendor, identity.product),
        )
        .strings(&[strings])
        .map_err(|error| anyhow!("the device's strings: {error:?}"))?
        .device_class(device_class)
        .device_release(RELEASE)
        .build();
        let handle = device.bus().handle();
        let line = CounterLine::new(true);
        let done = self.poll(&mut device, class, &line, &mut step);
        line.finish(&counters(&handle.counters()));
        // Takes the device off the bus. The end of the allocator, which is the caller's, waits for that.
        handle.stop();
        done
    }

    fn poll<C: UsbClass<FirmwareBus>>(
        &self,
        device: &mut UsbDevice<'_, FirmwareBus>,
        class: &mut C,
        line: &CounterLine,
        step: &mut impl FnMut(&mut C, &FirmwareHandle) -> Result<()>,
    ) -> Result<()> {
        let handle = device.bus().handle();
        let mut last = None;
        let mut is_named = false;
        let mut reported = 0;
        let mut view = None;
        while !interrupt::requested() {
            if device.bus().wait(Some(GLANCE))? == Wait::Stopped {
                bail!("the gadget stopped by itself");
            }
            device.poll(&mut [class]);
            step(class, &handle)?;
            if let (false, Some(port)) = (is_named, handle.port_name()) {
                is_named = true;
                line.above(|| note!("on {port}; Ctrl-C unplugs"));
                // The host's requests are answered by this thread, so it asks in one of its own.
                view = self.bus.as_ref().map(|bus| {
                    let mut view = HostView::new(bus, &port);
                    thread::spawn(move || view.look())
                });
            }
            if view.as_ref().is_some_and(thread::JoinHandle::is_finished)
                && let Some(view) = view.take()
            {
                let looked = view.join();
                looked.unwrap_or_else(|_| Err(anyhow!("the host's view panicked")))?;
            }
            let state = handle.state();
            if is_named && last.replace(state) != Some(state) {
                line.above(|| note!("{state}"));
            }
            let failures = handle.failures();
            for failure in &failures[reported.min(failures.len())..] {
                line.above(|| note!("usbfs2: {failure}"));
            }
            reported = failures.len();
            line.show(state, &counters(&handle.counters()));
        }
        Ok(())
    }
}

/// Those of a gadget, from those of firmware.
fn counters(firmware: &FirmwareCounters) -> Counters {
    let mut counters = Counters::default();
    counters.packets_in = firmware.packets_in;
    counters.bytes_in = firmware.bytes_in;
    counters.packets_out = firmware.packets_out;
    counters.bytes_out = firmware.bytes_out;
    counters.requests = firmware.setups;
    counters.stalled_requests = firmware.requests_stalled;
    counters.resets = firmware.resets;
    counters
}
