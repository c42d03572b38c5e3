//! The backend on the in-process bus.

mod pipe;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use usbfs2_loopback::{Bus, DeviceEvent, DevicePort, EndpointSpec, PortOptions, RespondError};
use usbfs2_protocol::{SetupPacket, Speed, TransferType};

use crate::check::{self, DescriptorProblems, Target};
use crate::controller::{Controller, Event, NotEnabled, Plugged};
use crate::describe::EndpointRequest;
use crate::device::Device;
use crate::function::ControlResponse;
use crate::gadget::Gadget;
use crate::layout::Assigned;
use crate::pipe::Pipe;
use crate::running::{Running, Stopper};
use crate::start::StartError;
use crate::udc::Udc;
use pipe::LoopbackPipe;

/// Plugs the gadget into the bus.
pub(crate) fn start(gadget: &Gadget, bus: &Bus, speed: Speed) -> Result<Running, StartError> {
    DescriptorProblems::none_in(gadget.check(&Target::Loopback(speed)))?;
    let layout =
        check::endpoints(&gadget.model, &Udc::loopback()).map_err(DescriptorProblems::from)?;
    let (controller, place) = plug(bus, speed)?;
    let stopper = controller.stopper();
    Device::start(gadget.clone(), layout, controller, place, stopper).map_err(StartError::Thread)
}

/// A port of the bus, and its name.
fn plug(bus: &Bus, speed: Speed) -> Result<(LoopbackController, String), StartError> {
    let port = Arc::new(bus.plug(PortOptions::new(speed))?);
    let place = port.name();
    let signal = Arc::new(Signal::default());
    Ok((LoopbackController { port, signal }, place))
}

/// Plugs in a device that answers for itself.
pub(crate) fn plug_described(bus: &Bus, speed: Speed) -> Result<Plugged, StartError> {
    let (controller, place) = plug(bus, speed)?;
    Ok(Plugged {
        stopper: controller.stopper(),
        controller: Box::new(controller),
        place,
    })
}

struct LoopbackController {
    port: Arc<DevicePort>,
    signal: Arc<Signal>,
}

impl LoopbackController {
    fn stopper(&self) -> Box<dyn Stopper> {
        Box::new(SignalStopper(Arc::clone(&self.signal)))
    }
}

/// Wakes the thread of endpoint 0, for an event or to stop.
#[derive(Default)]
struct Signal {
    state: Mutex<SignalState>,
    changed: Condvar,
}

#[derive(Default)]
struct SignalState {
    is_woken: bool,
    is_stopped: bool,
}

impl Signal {
    fn lock(&self) -> MutexGuard<'_, SignalState> {
        // Two booleans are never half-written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until woken or stopped.
    fn wait(&self) {
        let mut state = self
            .changed
            .wait_while(self.lock(), |state| !state.is_woken && !state.is_stopped)
            .unwrap_or_else(PoisonError::into_inner);
        state.is_woken = false;
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.lock().is_woken = true;
        self.changed.notify_all();
    }
}

struct SignalStopper(Arc<Signal>);

impl Stopper for SignalStopper {
    fn stop(&self) {
        self.0.lock().is_stopped = true;
        self.0.changed.notify_all();
    }
}

impl Controller for LoopbackController {
    fn speed(&self) -> Speed {
        self.port.speed()
    }

    fn next_event(&mut self) -> Event {
        let waker = Waker::from(Arc::clone(&self.signal));
        let mut context = Context::from_waker(&waker);
        loop {
            if self.signal.lock().is_stopped {
                return Event::Stop;
            }
            match self.port.poll_event(&mut context) {
                Poll::Ready(DeviceEvent::Reset) => return Event::Reset,
                Poll::Ready(DeviceEvent::Setup { setup, data }) => {
                    return Event::Setup { setup, data };
                }
                Poll::Ready(DeviceEvent::Suspend) => return Event::Suspend,
                Poll::Ready(DeviceEvent::Resume) => return Event::Resume,
                Poll::Ready(DeviceEvent::Disconnect) => return Event::Disconnect,
                Poll::Ready(other) => log::warn!("unknown bus event: {other:?}"),
                Poll::Pending => self.signal.wait(),
            }
        }
    }

    fn respond(&mut self, setup: &SetupPacket, response: ControlResponse) {
        let response = match response {
            ControlResponse::Data(bytes) => usbfs2_loopback::ControlResponse::Data(bytes),
            ControlResponse::Acknowledge => usbfs2_loopback::ControlResponse::Acknowledge,
            ControlResponse::Stall => usbfs2_loopback::ControlResponse::Stall,
        };
        match self.port.respond(response) {
            Ok(()) => {}
            Err(RespondError::Superseded) => log::debug!("the host gave up {setup}"),
            Err(error) => log::error!("answering {setup}: {error}"),
        }
    }

    fn enable(
        &mut self,
        assigned: &Assigned,
        request: &EndpointRequest,
    ) -> Result<Arc<dyn Pipe>, NotEnabled> {
        let speed = self.port.speed();
        let spec = EndpointSpec {
            address: assigned.address,
            transfer_type: request.transfer_type,
            max_packet_size: match request.transfer_type {
                // With its additional transactions.
                TransferType::Isochronous => *request.max_packet_size.at(speed),
                _ => request.packet_size_at(speed),
            },
            interval: *request.interval.at(speed),
        };
        self.port.enable(spec).map_err(|error| error.to_string())?;
        Ok(Arc::new(LoopbackPipe::new(
            Arc::clone(&self.port),
            assigned.address,
        )))
    }
}
