//! The module's files: one read or write is one transfer, and native AIO keeps several in flight, in memory mapped from
//! the file.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;

use aio_rs::{Buffer, Completion, Context, Operation, SharedFile, TransferRing};
use anyhow::{Context as _, Result};
use dummy_hcd_tests::bench_row::{Direction, Spec};

use super::{CONTROL_READ, CONTROL_WRITE, Transfers, bytes, depth, whole};
use crate::target::Target;

pub(super) fn endpoint(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    let path = target.endpoint_file(spec.direction)?;
    let is_in = spec.direction == Direction::In;
    // Memory is mapped from a file that is open for both.
    let both = depth(spec)? > 1;
    let file = OpenOptions::new()
        .read(is_in || both)
        .write(!is_in || both)
        .open(&path);
    let file = file.with_context(|| format!("open {}", path.display()))?;
    let (bytes, depth) = (bytes(spec)?, depth(spec)?);
    if depth == 1 {
        let mut buffer = Buffer::with_capacity(bytes);
        buffer.set_len(bytes);
        return Ok(Box::new(Synchronous {
            file,
            direction: spec.direction,
            offset: 0,
            buffer,
        }));
    }
    let file = SharedFile::new(file);
    let memory = TransferRing::new(&file, is_in, spec.depth).context("map memory")?;
    let mut buffers = Vec::with_capacity(depth);
    for _ in 0..depth {
        let mut buffer = memory.allocate(bytes)?;
        buffer.set_len(bytes);
        buffers.push(buffer);
    }
    Ok(Box::new(Queued {
        context: Context::new(spec.depth)?,
        file,
        _memory: memory,
        direction: spec.direction,
        buffers,
        completions: Vec::with_capacity(depth),
        bytes,
    }))
}

/// A control transfer is a read or write whose offset is the setup packet.
pub(super) fn control(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    let (request_type, request) = match spec.direction {
        Direction::In => CONTROL_READ,
        Direction::Out => CONTROL_WRITE,
    };
    let mut buffer = Buffer::with_capacity(bytes(spec)?);
    buffer.set_len(bytes(spec)?);
    Ok(Box::new(Synchronous {
        file: OpenOptions::new()
            .read(true)
            .write(true)
            .open(target.control_file())?,
        direction: spec.direction,
        offset: u64::from(request_type) << 40 | u64::from(request) << 32,
        buffer,
    }))
}

struct Synchronous {
    file: File,
    direction: Direction,
    offset: u64,
    buffer: Buffer,
}

impl Transfers for Synchronous {
    fn run(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            let moved = match self.direction {
                Direction::In => self.file.read_at(&mut self.buffer, self.offset),
                Direction::Out => self.file.write_at(&self.buffer, self.offset),
            };
            whole(moved?, self.buffer.len())?;
        }
        Ok(())
    }
}

struct Queued {
    context: Context,
    file: SharedFile,
    /// Where the buffers are from; its ring is not used.
    _memory: TransferRing,
    direction: Direction,
    buffers: Vec<Buffer>,
    completions: Vec<Completion>,
    bytes: usize,
}

impl Queued {
    /// A wake-up for half of the queue costs half as much for each, and leaves the bus the other half to do.
    fn wake_for(&self) -> usize {
        self.context.depth() / 2
    }

    fn prepare(&mut self, buffer: Buffer) -> Result<()> {
        self.context.prepare(match self.direction {
            Direction::In => Operation::read(&self.file, 0, buffer),
            Direction::Out => Operation::write(&self.file, 0, buffer),
        })?;
        Ok(())
    }
}

impl Transfers for Queued {
    fn run(&mut self, count: u64) -> Result<()> {
        let mut left = count;
        while left > 0
            && let Some(buffer) = self.buffers.pop()
        {
            self.prepare(buffer)?;
            left -= 1;
        }
        let mut completions = std::mem::take(&mut self.completions);
        while self.context.in_flight() > 0 {
            // Submits what was prepared, in one system call.
            self.context
                .wait_many(self.wake_for(), None, &mut completions)?;
            for completion in completions.drain(..) {
                whole(completion.result?, self.bytes)?;
                if left > 0 {
                    self.prepare(completion.buffer)?;
                    left -= 1;
                } else {
                    self.buffers.push(completion.buffer);
                }
            }
        }
        self.completions = completions;
        Ok(())
    }
}
