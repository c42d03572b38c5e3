//! An IN endpoint as a byte stream.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aio_rs::Buffer;
use futures::AsyncRead;

use super::{Endpoint, EndpointType, In};
use crate::Completion;

/// A byte stream from an IN endpoint: [`std::io::Read`] and [`futures::AsyncRead`].
///
/// Transfers stay queued ahead of the reader, so the device need not wait for it. Packet borders
/// vanish and zero-length packets are skipped; the stream has no end, and an unplugged device is an
/// error ([`io::ErrorKind::NotConnected`]).
///
/// Cancellation: a read that is dropped or times out loses no bytes; the next one gets them.
#[derive(Debug)]
pub struct EndpointReader<T> {
    endpoint: Endpoint<T, In>,
    transfer_size: usize,
    transfers: usize,
    timeout: Option<Duration>,
    current: Option<Buffer>,
    read_from_current: usize,
}

impl<T: EndpointType> EndpointReader<T> {
    const DEFAULT_TRANSFERS: usize = 4;

    pub(super) fn new(endpoint: Endpoint<T, In>, transfer_size: usize) -> Self {
        let packet = endpoint.max_packet_size();
        Self {
            endpoint,
            transfer_size: transfer_size.max(1).next_multiple_of(packet),
            transfers: Self::DEFAULT_TRANSFERS,
            timeout: None,
            current: None,
            read_from_current: 0,
        }
    }

    /// Keeps this many transfers queued, at least one; 4 unless told.
    #[must_use]
    pub fn with_transfers(mut self, transfers: usize) -> Self {
        self.transfers = transfers.max(1);
        self
    }

    /// Makes a blocking read fail with [`io::ErrorKind::TimedOut`] when no byte came in this time.
    /// Async reads have no limit of their own.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The endpoint, to recover it after an error.
    pub fn endpoint_mut(&mut self) -> &mut Endpoint<T, In> {
        &mut self.endpoint
    }

    /// The endpoint, with the transfers still queued on it. Bytes read ahead are dropped.
    #[must_use]
    pub fn into_endpoint(self) -> Endpoint<T, In> {
        self.endpoint
    }

    fn keep_queued(&mut self) {
        let missing = self.transfers.saturating_sub(self.endpoint.pending());
        let size = self.transfer_size;
        if missing > 0 {
            let allocate = |_| self.endpoint.allocate(size);
            let buffers: Vec<_> = (0..missing).map(allocate).collect();
            self.endpoint.submit_all(buffers);
        }
    }

    fn hold(&mut self, completion: Completion) -> io::Result<()> {
        completion.status?;
        self.read_from_current = 0;
        self.current = Some(completion.buffer);
        Ok(())
    }

    /// Copies what the current buffer still holds; `None` when that is nothing.
    fn copy(&mut self, out: &mut [u8]) -> Option<usize> {
        let rest = self.current.as_deref()?.get(self.read_from_current..)?;
        if rest.is_empty() {
            self.current = None;
            return None;
        }
        let length = rest.len().min(out.len());
        out[..length].copy_from_slice(&rest[..length]);
        self.read_from_current += length;
        Some(length)
    }
}

impl<T: EndpointType> Read for EndpointReader<T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(length) = self.copy(out) {
                return Ok(length);
            }
            self.keep_queued();
            let completion = self.endpoint.wait(self.timeout);
            self.hold(completion.ok_or(io::ErrorKind::TimedOut)?)?;
        }
    }
}

impl<T: EndpointType> AsyncRead for EndpointReader<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if out.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            if let Some(length) = self.copy(out) {
                return Poll::Ready(Ok(length));
            }
            self.keep_queued();
            let completion = ready!(self.endpoint.poll_next_complete(cx));
            self.hold(completion.ok_or(io::ErrorKind::TimedOut)?)?;
        }
    }
}
