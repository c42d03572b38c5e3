//! An OUT endpoint as a byte stream.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aio_rs::Buffer;
use futures::AsyncWrite;

use super::{Endpoint, EndpointType, Out};
use crate::Completion;

/// A byte stream to an OUT endpoint: [`std::io::Write`] and [`futures::AsyncWrite`].
///
/// Bytes gather in a buffer that is sent when full. `flush` sends the rest and waits until the
/// device has taken everything; errors of earlier transfers come with the next write or flush. No
/// zero-length packet is added: [`end`](Self::end) marks a message's end.
///
/// # Drop
/// Dropping a writer cancels what the device has not taken. Flush first.
#[derive(Debug)]
pub struct EndpointWriter<T> {
    endpoint: Endpoint<T, Out>,
    transfer_size: usize,
    transfers: usize,
    timeout: Option<Duration>,
    filling: Buffer,
}

impl<T: EndpointType> EndpointWriter<T> {
    const DEFAULT_TRANSFERS: usize = 4;

    pub(super) fn new(endpoint: Endpoint<T, Out>, transfer_size: usize) -> Self {
        let packet = endpoint.max_packet_size();
        Self {
            endpoint,
            transfer_size: transfer_size.max(1).next_multiple_of(packet),
            transfers: Self::DEFAULT_TRANSFERS,
            timeout: None,
            filling: Buffer::new(),
        }
    }

    /// Keeps up to this many transfers queued, at least one; 4 unless told.
    #[must_use]
    pub fn with_transfers(mut self, transfers: usize) -> Self {
        self.transfers = transfers.max(1);
        self
    }

    /// Makes a blocking write or flush fail with [`io::ErrorKind::TimedOut`] when the device took no
    /// transfer in this time; what is queued stays queued. Async writes have no limit of their own.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends what is gathered and then, when that ends on a full packet, a zero-length packet, so
    /// that the device sees the end of a message (USB 2.0 5.8.3).
    pub fn end(&mut self) {
        let full_packets = self
            .filling
            .len()
            .is_multiple_of(self.endpoint.max_packet_size());
        self.send();
        if full_packets {
            self.endpoint.submit(Buffer::from(Vec::new()));
        }
    }

    /// The endpoint, to recover it after an error.
    pub fn endpoint_mut(&mut self) -> &mut Endpoint<T, Out> {
        &mut self.endpoint
    }

    /// The endpoint, with the transfers still queued on it. Bytes not yet sent are dropped.
    #[must_use]
    pub fn into_endpoint(self) -> Endpoint<T, Out> {
        self.endpoint
    }

    fn send(&mut self) {
        if !self.filling.is_empty() {
            self.endpoint.submit(std::mem::take(&mut self.filling));
        }
    }

    /// Takes bytes into the buffer, and sends it when full.
    fn fill(&mut self, bytes: &[u8]) -> usize {
        if self.filling.capacity() == 0 {
            self.filling = self.endpoint.allocate(self.transfer_size);
        }
        let length = bytes.len().min(self.transfer_size - self.filling.len());
        self.filling.extend_from_slice(&bytes[..length]);
        if self.filling.len() == self.transfer_size {
            self.send();
        }
        length
    }

    fn check(completion: &Completion) -> io::Result<()> {
        completion.status?;
        if completion.actual_length < completion.buffer.len() {
            return Err(io::Error::new(
                io::ErrorKind::WriteZero,
                format!(
                    "the endpoint stopped after {} of {} bytes: recover it with clear_halt",
                    completion.actual_length,
                    completion.buffer.len()
                ),
            ));
        }
        Ok(())
    }

    /// Waits until at most `limit` transfers are queued.
    fn wait_below(&mut self, limit: usize) -> io::Result<()> {
        while self.endpoint.pending() > limit {
            let completion = self.endpoint.wait(self.timeout);
            Self::check(&completion.ok_or(io::ErrorKind::TimedOut)?)?;
        }
        Ok(())
    }

    fn poll_below(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<io::Result<()>> {
        while self.endpoint.pending() > limit {
            if let Some(completion) = ready!(self.endpoint.poll_next_complete(cx)) {
                Self::check(&completion)?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: EndpointType> Write for EndpointWriter<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait_below(self.transfers - 1)?;
        Ok(self.fill(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send();
        self.wait_below(0)
    }
}

impl<T: EndpointType> AsyncWrite for EndpointWriter<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let limit = self.transfers - 1;
        ready!(self.poll_below(cx, limit))?;
        Poll::Ready(Ok(self.fill(bytes)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.send();
        self.poll_below(cx, 0)
    }

    /// The same as a flush: an endpoint has no end of its own.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
