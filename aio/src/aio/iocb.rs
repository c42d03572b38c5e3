//! What an iocb says of an operation.

use crate::operation::Command;
use crate::sys::{Opcode, Vector};
use crate::{Buffer, Operation, OperationId};

pub(super) fn label(id: OperationId) -> u64 {
    u64::from(id.generation) << 32 | u64::from(id.slot)
}

pub(super) fn unlabel(data: u64) -> OperationId {
    let [g0, g1, g2, g3, s0, s1, s2, s3] = data.to_be_bytes();
    OperationId {
        slot: u32::from_be_bytes([s0, s1, s2, s3]),
        generation: u32::from_be_bytes([g0, g1, g2, g3]),
    }
}

pub(super) fn opcode(command: Command) -> Opcode {
    match command {
        Command::Read => Opcode::Pread,
        Command::Write => Opcode::Pwrite,
        Command::ReadVectored => Opcode::Preadv,
        Command::WriteVectored => Opcode::Pwritev,
        Command::ReadParts => Opcode::Preadv,
        Command::WriteParts => Opcode::Pwritev,
        Command::Sync => Opcode::Fsync,
        Command::DataSync => Opcode::Fdsync,
        Command::Poll => Opcode::Poll,
        Command::ReadBatch => Opcode::Pread,
        Command::WriteBatch => Opcode::Pwrite,
    }
}

/// What an iocb says of the operation's memory: address and length, or vectors and their number, or events.
pub(super) fn memory(operation: &mut Operation, vectors: &mut Vec<Vector>) -> (usize, usize) {
    vectors.clear();
    match operation.command {
        Command::Read => {
            let length = operation.buffer.requested_length();
            (
                operation
                    .buffer
                    .whole_mut()
                    .as_mut_ptr()
                    .expose_provenance(),
                length,
            )
        }
        Command::Write => (
            operation.buffer.as_ptr().expose_provenance(),
            operation.buffer.len(),
        ),
        Command::ReadVectored => {
            vectors.extend(operation.buffers.iter_mut().map(vector));
            (vectors.as_ptr().expose_provenance(), vectors.len())
        }
        Command::WriteVectored => {
            vectors.extend(operation.buffers.iter().map(|buffer| Vector {
                length: buffer.len(),
                address: buffer.as_ptr().expose_provenance(),
            }));
            (vectors.as_ptr().expose_provenance(), vectors.len())
        }
        Command::ReadParts | Command::WriteParts => {
            // Splitting checks that every part lies in the buffer.
            let mut rest = operation.buffer.whole_mut();
            if let Some(parts) = &mut operation.parts {
                for &length in &parts.lengths {
                    let (part, behind) = rest.split_at_mut(length);
                    vectors.push(Vector {
                        address: part.as_mut_ptr().expose_provenance(),
                        length,
                    });
                    rest = behind;
                }
                if parts.report.requested_length() > 0 {
                    vectors.push(vector(&mut parts.report));
                }
            }
            (vectors.as_ptr().expose_provenance(), vectors.len())
        }
        Command::Poll => (usize::from(operation.events.bits()), 0),
        Command::Sync | Command::DataSync | Command::ReadBatch | Command::WriteBatch => (0, 0),
    }
}

/// What a read asks for.
fn vector(buffer: &mut Buffer) -> Vector {
    Vector {
        length: buffer.requested_length(),
        address: buffer.whole_mut().as_mut_ptr().expose_provenance(),
    }
}
