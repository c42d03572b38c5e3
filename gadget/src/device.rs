//! The device behind endpoint 0: turns bus events into configurations, runs and answers.

use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use usbfs2_protocol::{Direction, RequestKind, SetupPacket};

use crate::controller::{Controller, Event, NotEnabled};
use crate::counters::CountedPipe;
use crate::describe::InterfaceHandle;
use crate::endpoint::{Endpoint, Endpoints, Session};
use crate::function::{ControlResponse, Function};
use crate::gadget::{Gadget, GadgetModel};
use crate::layout::Layout;
use crate::pipe::Pipe;
use crate::running::{Running, State, Status, Stopper};
use crate::worker::{Worker, panic_message};

/// Everything the thread of endpoint 0 owns.
pub(crate) struct Device<C> {
    pub(super) gadget: Gadget,
    pub(super) layout: Layout,
    pub(super) controller: C,
    pub(super) status: Arc<Status>,
    runs: Vec<RunModel>,
    /// By run.
    workers: Vec<Worker>,
    /// The value of the selected configuration, 0 for none.
    pub(super) configuration: u8,
    pub(super) remote_wakeup_enabled: bool,
    /// By interface number.
    pub(super) alternate_settings: Vec<u8>,
    /// The current runs; empty when not configured.
    active: Vec<Active>,
    is_attached: bool,
    is_suspended: bool,
}

/// What is run together: a function, or one interface of it.
#[derive(Debug, Clone)]
struct RunModel {
    function: usize,
    /// Of the function's.
    interfaces: Range<usize>,
}

/// A current run.
struct Active {
    session: Session,
    /// By endpoint index.
    pipes: Vec<Option<Arc<dyn Pipe>>>,
}

impl<C: Controller> Device<C> {
    /// Starts the threads of a gadget on this controller, which is at `place`.
    pub(crate) fn start(
        gadget: Gadget,
        layout: Layout,
        controller: C,
        place: String,
        stopper: Box<dyn Stopper>,
    ) -> io::Result<Running> {
        let status = Arc::new(Status::new());
        let functions = gadget.model.functions.iter().enumerate();
        let runs: Vec<RunModel> = functions
            .flat_map(|(function, model)| {
                let runs = model.runs().into_iter();
                runs.map(move |interfaces| RunModel {
                    function,
                    interfaces,
                })
            })
            .collect();
        let workers = runs
            .iter()
            .map(|run| {
                let function = Arc::clone(&gadget.functions[run.function]);
                Worker::spawn(function, Arc::clone(&status))
            })
            .collect::<io::Result<Vec<_>>>()?;
        let interface_count = gadget
            .model
            .functions
            .iter()
            .map(|f| f.interfaces.len())
            .sum();
        let device = Self {
            gadget,
            layout,
            controller,
            status: Arc::clone(&status),
            runs,
            workers,
            configuration: 0,
            remote_wakeup_enabled: false,
            alternate_settings: vec![0; interface_count],
            active: Vec::new(),
            is_attached: false,
            is_suspended: false,
        };
        let thread = thread::Builder::new()
            .name("usb endpoint 0".to_owned())
            .spawn(move || device.serve())?;
        Ok(Running {
            status,
            place,
            stopper,
            thread: Some(thread),
        })
    }

    fn serve(mut self) {
        self.controller.prepare_thread();
        loop {
            let event = self.controller.next_event();
            log::trace!("{event:?}");
            self.is_suspended = matches!(event, Event::Suspend);
            match event {
                Event::Setup { setup, data } => {
                    self.is_attached = true;
                    let response = self.answer(&setup, data);
                    let mut counters = self.status.counting.lock();
                    counters.requests += 1;
                    counters.stalled_requests +=
                        u64::from(matches!(response, ControlResponse::Stall));
                    drop(counters);
                    self.controller.respond(&setup, response);
                }
                Event::Reset => {
                    self.is_attached = true;
                    self.status.counting.lock().resets += 1;
                    self.forget();
                }
                Event::Restored { in_hand } => self.restored(&in_hand),
                Event::Configured => {
                    self.is_attached = true;
                    self.forget();
                    // What fails has been reported, and there is no request to answer.
                    let _ = self.set_configuration(GadgetModel::CONFIGURATION);
                }
                Event::Disconnect => {
                    self.is_attached = false;
                    self.forget();
                }
                Event::Suspend | Event::Resume => {}
                Event::Stop => break,
                Event::Failed(message) => {
                    self.status.fail(None, message);
                    break;
                }
            }
            self.status.set_state(self.state());
        }
        self.deconfigure();
        let Self {
            controller,
            workers,
            status,
            ..
        } = self;
        // Off the bus first, so that a host need not watch a slow function end.
        drop(controller);
        drop(workers);
        status.set_state(State::Stopped);
    }

    fn state(&self) -> State {
        match (self.is_suspended, self.configuration, self.is_attached) {
            (true, ..) => State::Suspended,
            (_, 1.., _) => State::Configured,
            (_, 0, true) => State::Connected,
            (_, 0, false) => State::Detached,
        }
    }

    /// The answer as it goes to the host: in the request's direction and no longer than it asked for.
    fn answer(&mut self, setup: &SetupPacket, data: Vec<u8>) -> ControlResponse {
        let response = match setup.request_type.kind {
            RequestKind::Standard => self.standard_request(setup),
            RequestKind::Class | RequestKind::Vendor | RequestKind::Reserved => {
                self.function_request(setup, data)
            }
        };
        match (setup.direction(), response) {
            (Direction::In, ControlResponse::Data(mut bytes)) => {
                bytes.truncate(usize::from(setup.length));
                ControlResponse::Data(bytes)
            }
            (Direction::In, ControlResponse::Acknowledge) => ControlResponse::Data(Vec::new()),
            (Direction::Out, ControlResponse::Data(_)) => {
                log::error!(
                    "a function answered {setup} with data, which OUT requests cannot carry"
                );
                ControlResponse::Stall
            }
            (_, response) => response,
        }
    }

    /// Leaves the configuration because the bus was reset or unplugged.
    fn forget(&mut self) {
        self.remote_wakeup_enabled = false;
        for function in &self.gadget.functions {
            self.guard(function, "reset", (), || function.reset());
        }
        self.deconfigure();
    }

    fn restored(&self, in_hand: &[bool]) {
        for (index, function) in self.gadget.functions.iter().enumerate() {
            let in_hand = in_hand.get(index).copied().unwrap_or_default();
            self.guard(function, "restored", (), || function.restored(in_hand));
        }
    }

    /// Ends all runs. Idempotent.
    fn deconfigure(&mut self) {
        self.configuration = 0;
        for (active, run) in self.active.drain(..).zip(&self.runs) {
            active.session.disable();
            for pipe in active.pipes.into_iter().flatten() {
                disable(&*pipe);
            }
            let function = &self.gadget.functions[run.function];
            guard(&self.status, function, "disabled", (), || {
                function.disabled()
            });
        }
    }

    /// Selects a configuration: ends all runs, and with the only value there is, starts new ones.
    ///
    /// Selecting the current configuration again is a reset of its endpoints (USB 2.0 9.1.1.5).
    pub(super) fn set_configuration(&mut self, value: u8) -> ControlResponse {
        if value != 0 && value != GadgetModel::CONFIGURATION {
            return ControlResponse::Stall;
        }
        self.deconfigure();
        if value == 0 {
            return ControlResponse::Acknowledge;
        }
        self.alternate_settings.fill(0);
        for run in 0..self.runs.len() {
            self.active.push(Active {
                session: Session::default(),
                pipes: Vec::new(),
            });
            if let Err(why) = self.start_run(run, None) {
                let name = self.gadget.functions[self.runs[run].function].name();
                self.status.not_enabled(Some(name), why);
                self.deconfigure();
                return ControlResponse::Stall;
            }
        }
        self.configuration = value;
        ControlResponse::Acknowledge
    }

    /// Selects an alternate setting: the run that the interface belongs to ends and a new one starts. The endpoints of
    /// the function's other interfaces stay enabled, since the host keeps their data toggles.
    pub(super) fn set_interface(&mut self, number: u8, setting: u8) -> ControlResponse {
        let Some((function, index)) = self.interface(number) else {
            return ControlResponse::Stall;
        };
        let model = &self.gadget.model.functions[function].interfaces[index];
        if self.configuration == 0 || usize::from(setting) >= model.alternate_settings.len() {
            return ControlResponse::Stall;
        }
        self.alternate_settings[usize::from(number)] = setting;
        let mut runs = self.runs.iter();
        let run = runs.position(|run| run.function == function && run.interfaces.contains(&index));
        let result = match run {
            Some(run) => self.start_run(run, Some(index)),
            None => return ControlResponse::Stall,
        };
        match result {
            Ok(()) => ControlResponse::Acknowledge,
            Err(why) => {
                let name = self.gadget.functions[function].name();
                self.status.not_enabled(Some(name), why);
                ControlResponse::Stall
            }
        }
    }

    /// Ends this run, if it is on, enables the endpoints of the current alternate settings and starts it again. With
    /// `only`, those of its other interfaces are taken over.
    fn start_run(&mut self, run: usize, only: Option<usize>) -> Result<(), NotEnabled> {
        let Some(active) = self.active.get_mut(run) else {
            return Err("the device is not configured".to_owned().into());
        };
        let RunModel {
            function,
            interfaces: run_interfaces,
        } = self.runs[run].clone();
        let old = std::mem::replace(
            active,
            Active {
                session: Session::default(),
                pipes: Vec::new(),
            },
        );
        let is_first = old.pipes.is_empty();
        old.session.disable();

        let model = Arc::clone(&self.gadget.model);
        let model = &model.functions[function];
        let mut pipes: Vec<Option<Arc<dyn Pipe>>> = vec![None; model.endpoint_count];
        // An address may move from one alternate setting to another, so disable first.
        let interfaces = model.interfaces.iter().enumerate();
        for (index, interface) in interfaces.filter(|(index, _)| run_interfaces.contains(index)) {
            let taken_over = only.is_some_and(|only| only != index);
            let settings = interface.alternate_settings.iter();
            for endpoint in settings.flat_map(|setting| &setting.endpoints) {
                let pipe = old.pipes.get(endpoint.index).and_then(Option::as_ref);
                if let Some(pipe) = pipe {
                    if taken_over {
                        pipes[endpoint.index] = pipe.take_over();
                    }
                    if pipes[endpoint.index].is_none() {
                        disable(&**pipe);
                    }
                }
            }
        }
        if !is_first {
            let function = &self.gadget.functions[function];
            guard(&self.status, function, "disabled", (), || {
                function.disabled()
            });
        }

        let settings = self.current_settings(function);
        let mut endpoints: Vec<Option<Endpoint>> = Vec::new();
        endpoints.resize_with(model.endpoint_count, || None);
        let interfaces = model.interfaces.iter().zip(&settings);
        for (interface, setting) in interfaces
            .skip(run_interfaces.start)
            .take(run_interfaces.len())
        {
            let setting = interface.alternate_settings.get(usize::from(*setting));
            for endpoint in setting.into_iter().flat_map(|setting| &setting.endpoints) {
                let Some(assigned) = self.layout.get(function, endpoint.index) else {
                    continue;
                };
                let pipe = match pipes[endpoint.index].take() {
                    Some(pipe) => pipe,
                    None => Arc::new(CountedPipe {
                        pipe: self.controller.enable(assigned, &endpoint.request)?,
                        counting: Arc::clone(&self.status.counting),
                        direction: endpoint.request.direction,
                        packet_size: endpoint.request.packet_size_at(self.controller.speed()),
                    }),
                };
                pipes[endpoint.index] = Some(Arc::clone(&pipe));
                endpoints[endpoint.index] = Some(Endpoint {
                    address: assigned.address,
                    transfer_type: endpoint.request.transfer_type,
                    max_packet_size: endpoint.request.packet_size_at(self.controller.speed()),
                    pipe,
                });
            }
        }

        let active = &mut self.active[run];
        active.pipes = pipes;
        let index = run_interfaces.start;
        let interface = model.interfaces.get(index).map(|interface| {
            // Both are below the limits that build() has checked.
            let saturated = |number| u8::try_from(number).unwrap_or(u8::MAX);
            InterfaceHandle::new(saturated(index), saturated(interface.number))
        });
        let mut endpoints = Endpoints {
            speed: self.controller.speed(),
            endpoints,
            alternate_settings: settings,
            interface: interface.filter(|_| model.independent_interfaces),
            mark: self.controller.mark(function),
            session: active.session.clone(),
        };
        let function = &self.gadget.functions[function];
        guard(&self.status, function, "prepare", (), || {
            function.prepare(&mut endpoints);
        });
        for pipe in self.active[run].pipes.iter().flatten() {
            pipe.wait_begun();
        }
        self.workers[run].start(endpoints);
        Ok(())
    }

    /// The alternate settings of a function's interfaces, in order.
    fn current_settings(&self, function: usize) -> Vec<u8> {
        self.gadget.model.functions[function]
            .interfaces
            .iter()
            .map(|interface| self.alternate_settings[interface.number])
            .collect()
    }

    /// Which function has this interface, and its index there.
    pub(super) fn interface(&self, number: u8) -> Option<(usize, usize)> {
        let functions = self.gadget.model.functions.iter().enumerate();
        functions
            .flat_map(|(function, model)| {
                (0..model.interfaces.len()).map(move |index| (function, index))
            })
            .nth(usize::from(number))
    }

    /// Calls a function, whose panic becomes a failure and `otherwise`.
    pub(super) fn guard<T>(
        &self,
        function: &Arc<dyn Function>,
        callback: &str,
        otherwise: T,
        call: impl FnOnce() -> T,
    ) -> T {
        guard(&self.status, function, callback, otherwise, call)
    }
}

/// Leaves the endpoint free to be enabled again: a function that has just dropped it may have begun to disable it.
fn disable(pipe: &dyn Pipe) {
    pipe.disable();
    pipe.wait_disabled();
}

fn guard<T>(
    status: &Status,
    function: &Arc<dyn Function>,
    callback: &str,
    otherwise: T,
    call: impl FnOnce() -> T,
) -> T {
    // A function that panics half-way through an update poisons its own locks; nothing of ours is shared.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let message = format!("{callback} panicked: {}", panic_message(&*panic));
        status.fail(Some(function.name()), message);
        otherwise
    })
}
