//! Random interleavings: whatever is prepared, submitted, cancelled and completed in whatever order, every
//! operation has exactly one completion, with an outcome its history allows.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use aio_rs::{
    Buffer, CancelOutcome, Completion, Context, Operation, OperationId, PollEvents, PrepareError,
    SharedFile,
};
use proptest::prelude::*;

const DEADLINE: Option<Duration> = Some(Duration::from_secs(60));
const PIPES: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Poll {
        pipe: usize,
    },
    Read,
    /// An operation the kernel refuses at submission.
    Refused,
    Submit,
    /// Completes the polls on a pipe, those in flight and those to come.
    MakeReadable {
        pipe: usize,
    },
    MakeQuiet {
        pipe: usize,
    },
    Cancel {
        which: prop::sample::Index,
    },
    CancelAll,
    TryNext,
    Wait,
    WaitMany {
        minimum: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..PIPES).prop_map(|pipe| Step::Poll { pipe }),
        2 => Just(Step::Read),
        1 => Just(Step::Refused),
        3 => Just(Step::Submit),
        2 => (0..PIPES).prop_map(|pipe| Step::MakeReadable { pipe }),
        2 => (0..PIPES).prop_map(|pipe| Step::MakeQuiet { pipe }),
        3 => any::<prop::sample::Index>().prop_map(|which| Step::Cancel { which }),
        1 => Just(Step::CancelAll),
        3 => Just(Step::TryNext),
        1 => Just(Step::Wait),
        1 => (0..5_usize).prop_map(|minimum| Step::WaitMany { minimum }),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Poll,
    Read,
    Refused,
}

#[derive(Debug)]
struct History {
    kind: Kind,
    label: u64,
    cancelled: bool,
}

struct World {
    context: Context,
    file: SharedFile,
    pipes: Vec<(SharedFile, io::PipeReader, io::PipeWriter, bool)>,
    /// What has no completion yet.
    open: BTreeMap<OperationId, History>,
    labels: u64,
}

impl World {
    fn new(depth: u32) -> Self {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"content").expect("write");
        let pipes = (0..PIPES).map(|_| {
            let (reader, writer) = io::pipe().expect("a pipe");
            (
                SharedFile::new(reader.try_clone().expect("clone")),
                reader,
                writer,
                false,
            )
        });
        Self {
            context: Context::new(depth).expect("a context"),
            file: SharedFile::new(file),
            pipes: pipes.collect(),
            open: BTreeMap::new(),
            labels: 0,
        }
    }

    fn prepare(&mut self, kind: Kind, operation: Operation) {
        let label = self.labels;
        match self.context.prepare(operation.user_data(label)) {
            Ok(id) => {
                self.labels += 1;
                let history = History {
                    kind,
                    label,
                    cancelled: false,
                };
                assert!(
                    self.open.insert(id, history).is_none(),
                    "two operations named {id:?}"
                );
            }
            Err(PrepareError::Full(_)) => assert_eq!(self.open.len(), self.context.depth()),
            Err(other) => panic!("{other}"),
        }
    }

    fn cancel(&mut self, id: OperationId) {
        let history = self.open.get_mut(&id).expect("an open operation");
        let outcome = self.context.cancel(id);
        assert_ne!(outcome, CancelOutcome::Unknown);
        history.cancelled |= outcome != CancelOutcome::NotCancellable;
    }

    fn check(&mut self, completion: Completion) {
        let history = self
            .open
            .remove(&completion.id)
            .expect("a completion for an open operation");
        assert_eq!(completion.user_data, history.label);
        let cancelled = completion.is_cancelled();
        assert!(
            !cancelled || history.cancelled,
            "cancelled though nobody asked: {history:?}"
        );
        match (history.kind, &completion.result) {
            (_, Err(_)) if cancelled => {}
            (Kind::Poll, Ok(_)) => assert_eq!(completion.poll_events(), PollEvents::READABLE),
            (Kind::Read, Ok(_)) => assert_eq!(&completion.buffer[..], b"content"),
            (Kind::Refused, Err(error)) => assert_eq!(error.raw_os_error(), Some(libc::EINVAL)),
            (_, result) => panic!("{history:?} ended with {result:?}"),
        }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Poll { pipe } => {
                let poll = Operation::poll(&self.pipes[*pipe].0, PollEvents::READABLE);
                self.prepare(Kind::Poll, poll);
            }
            Step::Read => {
                let read = Operation::read(&self.file, 0, Buffer::with_capacity(100));
                self.prepare(Kind::Read, read);
            }
            Step::Refused => self.prepare(Kind::Refused, Operation::sync(&self.pipes[0].0)),
            Step::Submit => {
                self.context.submit().expect("submit");
                assert_eq!(self.context.prepared(), 0);
            }
            Step::MakeReadable { pipe } => {
                let (_, _, writer, readable) = &mut self.pipes[*pipe];
                if !std::mem::replace(readable, true) {
                    writer.write_all(b"x").expect("write");
                }
            }
            Step::MakeQuiet { pipe } => {
                let (_, reader, _, readable) = &mut self.pipes[*pipe];
                if std::mem::replace(readable, false) {
                    reader.read_exact(&mut [0]).expect("read");
                }
            }
            Step::Cancel { which } => {
                let ids: Vec<OperationId> = self.open.keys().copied().collect();
                if !ids.is_empty() {
                    self.cancel(*which.get(&ids));
                }
            }
            Step::CancelAll => {
                self.context.cancel_all();
                self.open
                    .values_mut()
                    .for_each(|history| history.cancelled = true);
            }
            Step::TryNext => {
                if let Some(completion) = self.context.try_next() {
                    self.check(completion);
                }
            }
            Step::Wait => {
                if let Some(completion) = self.context.wait(Some(Duration::ZERO)).expect("wait") {
                    self.check(completion);
                }
            }
            Step::WaitMany { minimum } => {
                let mut completions = Vec::new();
                self.context
                    .wait_many(*minimum, Some(Duration::ZERO), &mut completions)
                    .expect("wait");
                completions
                    .into_iter()
                    .for_each(|completion| self.check(completion));
            }
        }
        assert_eq!(self.context.in_flight(), self.open.len());
    }

    fn finish(mut self) {
        self.run(&Step::CancelAll);
        while !self.open.is_empty() {
            let completion = self.context.wait(DEADLINE).expect("wait");
            self.check(completion.expect("one completion for each operation"));
        }
        assert!(self.context.try_next().is_none(), "a completion too many");
        assert_eq!(self.context.in_flight(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_operation_completes_exactly_once(
        depth in 1..12_u32,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new(depth);
        steps.iter().for_each(|step| world.run(step));
        world.finish();
    }

    #[test]
    fn a_context_may_be_dropped_at_any_time(
        depth in 1..12_u32,
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut world = World::new(depth);
        steps.iter().for_each(|step| world.run(step));
    }
}
