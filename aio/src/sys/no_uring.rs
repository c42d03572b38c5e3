//! Where the crate `io-uring` knows no layouts of the kernel.

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::time::Duration;

use super::abi::Iocb;
use super::ring::Answer;
use crate::SetupError;

/// There is none.
#[derive(Debug)]
pub(crate) struct Uring(Infallible);

impl Uring {
    pub(crate) fn new(_depth: u32) -> Result<Self, SetupError> {
        Err(SetupError::Unsupported)
    }

    pub(crate) fn is_inherited(&self) -> bool {
        match self.0 {}
    }

    /// # Safety
    /// None is needed.
    pub(crate) unsafe fn submit(&mut self, _batch: &[usize]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn pop(&mut self) -> Option<Answer> {
        match self.0 {}
    }

    pub(crate) fn get_events(
        &mut self,
        _minimum: usize,
        _timeout: Option<Duration>,
        _answers: &mut VecDeque<Answer>,
    ) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn cancel(&mut self, _iocb: &UnsafeCell<Iocb>) -> bool {
        match self.0 {}
    }

    pub(crate) fn destroy(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}
