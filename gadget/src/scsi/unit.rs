//! A logical unit: its medium, its pending conditions, and who may take the medium out.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use thiserror::Error;
use usbfs2_protocol::scsi::{Capacity, Sense};

use super::{medium::Medium, options::DiskOptions};

/// A disk drive: it may have a medium in it, and remembers what the host must be told.
#[derive(Debug)]
pub struct LogicalUnit {
    options: DiskOptions,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    medium: Option<Loaded>,
    /// How many media have been in the unit: tells a medium from the one before it.
    generation: u64,
    /// START STOP UNIT has stopped the medium.
    stopped: bool,
    /// PREVENT ALLOW MEDIUM REMOVAL has locked it.
    locked: bool,
    /// What each host command but a few must be told first, in this order (SAM-5 5.14).
    attentions: VecDeque<Sense>,
    /// Why the last command failed.
    sense: Option<Sense>,
}

/// A medium in a unit.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    medium: Arc<dyn Medium>,
    generation: u64,
    pub(super) capacity: Capacity,
    write_protected: bool,
}

/// Why a medium cannot be put in a unit.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InsertError {
    /// The block size is none that hosts know.
    #[error("a block of {block_size} bytes is not supported: use 512, 1024, 2048 or 4096")]
    BlockSize {
        /// The size asked for.
        block_size: u32,
    },
    /// The medium has no block.
    #[error(
        "the medium is empty: make it at least {block_size} bytes, for instance with `truncate -s 64M IMAGE`"
    )]
    Empty {
        /// Bytes of a block.
        block_size: u32,
    },
    /// The medium's last block is cut short.
    #[error(
        "the medium has {size_bytes} bytes, which is no multiple of the block size {block_size}: \
         a whole number of blocks is needed, for instance `truncate -s %{block_size} IMAGE`"
    )]
    PartialBlock {
        /// The medium's size.
        size_bytes: u64,
        /// Bytes of a block.
        block_size: u32,
    },
    /// There is a medium in the unit.
    #[error("there is a medium in the unit: eject it first")]
    Occupied,
    /// The unit's medium cannot be changed.
    #[error("the unit is not removable: its medium is fixed when the unit is made")]
    Fixed,
}

/// Why a medium cannot be taken out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EjectError {
    /// The host has locked the medium, as it does while a file system is mounted.
    #[error("the host has locked the medium: unmount or eject it there, or eject it by force")]
    Locked,
    /// The unit's medium cannot be changed.
    #[error("the unit is not removable: its medium is there for good")]
    Fixed,
    /// What was written cannot be made safe; the medium stays in the unit.
    #[error("what the host wrote could not be flushed, the medium stays: {0}")]
    Flush(#[source] io::Error),
}

impl LogicalUnit {
    /// A unit with `medium` in it.
    ///
    /// # Errors
    /// When the options or the medium do not make a disk.
    pub fn with_medium(
        medium: impl Medium + 'static,
        options: DiskOptions,
    ) -> Result<Arc<Self>, InsertError> {
        let unit = Self::new(options)?;
        let mut state = unit.lock();
        state.load(Arc::new(medium), &unit.options)?;
        // A disk that is there at power-on has not changed.
        state
            .attentions
            .retain(|&attention| attention != Sense::MEDIUM_MAY_HAVE_CHANGED);
        drop(state);
        Ok(Arc::new(unit))
    }

    /// A removable unit without a medium.
    ///
    /// # Errors
    /// [`InsertError::BlockSize`], or [`InsertError::Fixed`] when `options` are not those of a
    /// removable unit.
    pub fn empty(options: DiskOptions) -> Result<Arc<Self>, InsertError> {
        if !options.removable {
            return Err(InsertError::Fixed);
        }
        Self::new(options).map(Arc::new)
    }

    fn new(options: DiskOptions) -> Result<Self, InsertError> {
        if ![512, 1024, 2048, 4096].contains(&options.block_size) {
            return Err(InsertError::BlockSize {
                block_size: options.block_size,
            });
        }
        let state = State {
            medium: None,
            generation: 0,
            stopped: false,
            locked: false,
            attentions: VecDeque::from([Sense::RESET_OCCURRED]),
            sense: None,
        };
        Ok(Self {
            options,
            state: Mutex::new(state),
        })
    }

    /// Puts a medium in. The host's next command is told that the medium may have changed.
    ///
    /// # Errors
    /// When there is one already, the unit is not removable, or the medium is not one of whole blocks.
    pub fn insert(&self, medium: impl Medium + 'static) -> Result<(), InsertError> {
        if !self.options.removable {
            return Err(InsertError::Fixed);
        }
        self.lock().load(Arc::new(medium), &self.options)
    }

    /// Flushes the medium and takes it out; `None` if there was none. When this returns, no command
    /// touches the medium any more: one under way has failed.
    ///
    /// # Errors
    /// When the host has locked the medium, the unit is not removable, or the flush fails.
    pub fn eject(&self) -> Result<Option<Arc<dyn Medium>>, EjectError> {
        if !self.options.removable {
            return Err(EjectError::Fixed);
        }
        let mut state = self.lock();
        if state.locked {
            return Err(EjectError::Locked);
        }
        if let Some(loaded) = &state.medium {
            loaded.medium.flush().map_err(EjectError::Flush)?;
        }
        Ok(state.unload())
    }

    /// Takes the medium out like a hand that does not ask: whatever the host has locked or not yet
    /// flushed. `None` if there was none.
    ///
    /// # Errors
    /// [`EjectError::Fixed`] when the unit is not removable.
    pub fn force_eject(&self) -> Result<Option<Arc<dyn Medium>>, EjectError> {
        if !self.options.removable {
            return Err(EjectError::Fixed);
        }
        Ok(self.lock().unload())
    }

    /// Whether there is a medium in the unit; the host may have ejected it.
    #[must_use]
    pub fn has_medium(&self) -> bool {
        self.lock().medium.is_some()
    }

    /// How the unit presents itself.
    #[must_use]
    pub fn options(&self) -> &DiskOptions {
        &self.options
    }

    /// Forgets what belongs to a connection, and lets the host's next command know (SAM-5 6.3.1).
    pub(super) fn reset(&self) {
        let mut state = self.lock();
        state.stopped = false;
        state.locked = false;
        state.sense = None;
        // A medium that came meanwhile is news still: a host may take the reset for its own.
        let change = state
            .attentions
            .contains(&Sense::MEDIUM_MAY_HAVE_CHANGED)
            .then_some(Sense::MEDIUM_MAY_HAVE_CHANGED);
        state.attentions = VecDeque::from([Sense::RESET_OCCURRED]);
        state.attentions.extend(change);
    }

    /// The medium, if it is there and turning.
    pub(super) fn ready(&self) -> Result<Loaded, Sense> {
        let state = self.lock();
        match &state.medium {
            None => Err(Sense::MEDIUM_NOT_PRESENT),
            Some(_) if state.stopped => Err(Sense::INITIALIZING_COMMAND_REQUIRED),
            Some(loaded) => Ok(loaded.clone()),
        }
    }

    /// The medium, turning or not.
    pub(super) fn loaded(&self) -> Option<Loaded> {
        self.lock().medium.clone()
    }

    /// Whether writes are refused. An empty unit says what it would with any medium.
    pub(super) fn is_write_protected(&self) -> bool {
        self.lock()
            .medium
            .as_ref()
            .map_or(self.options.read_only, |loaded| loaded.write_protected)
    }

    /// Runs `access` unless `loaded` has been taken out; it cannot be taken out meanwhile.
    pub(super) fn with_medium_in<R>(
        &self,
        loaded: &Loaded,
        access: impl FnOnce(&dyn Medium) -> R,
    ) -> Result<R, Sense> {
        let state = self.lock();
        match &state.medium {
            Some(current) if current.generation == loaded.generation => {
                Ok(access(&*current.medium))
            }
            _ => Err(Sense::MEDIUM_NOT_PRESENT),
        }
    }

    pub(super) fn flush(&self, loaded: &Loaded) -> Result<(), Sense> {
        let flushed = self.with_medium_in(loaded, |medium| medium.flush())?;
        flushed.map_err(|error| {
            log::warn!("flushing the medium: {error}");
            Sense::WRITE_ERROR
        })
    }

    pub(crate) fn set_stopped(&self, stopped: bool) {
        self.lock().stopped = stopped;
    }

    pub(super) fn set_locked(&self, locked: bool) {
        self.lock().locked = locked;
    }

    pub(super) fn keep_sense(&self, sense: Sense) {
        self.lock().sense = Some(sense);
    }

    pub(super) fn clear_sense(&self) {
        self.lock().sense = None;
    }

    pub(super) fn take_attention(&self) -> Option<Sense> {
        self.lock().attentions.pop_front()
    }

    /// What REQUEST SENSE reports: why the last command failed, or else what is pending.
    pub(super) fn take_sense(&self) -> Option<Sense> {
        let mut state = self.lock();
        state.sense.take().or_else(|| state.attentions.pop_front())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every update is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn load(&mut self, medium: Arc<dyn Medium>, options: &DiskOptions) -> Result<(), InsertError> {
        if self.medium.is_some() {
            return Err(InsertError::Occupied);
        }
        let (size_bytes, block_size) = (medium.size_bytes(), options.block_size);
        if !size_bytes.is_multiple_of(block_size.into()) {
            return Err(InsertError::PartialBlock {
                size_bytes,
                block_size,
            });
        }
        let capacity = Capacity::new(size_bytes / u64::from(block_size), block_size)
            .ok_or(InsertError::Empty { block_size })?;
        self.generation += 1;
        self.stopped = false;
        self.medium = Some(Loaded {
            generation: self.generation,
            capacity,
            write_protected: options.read_only || medium.is_read_only(),
            medium,
        });
        if !self.attentions.contains(&Sense::MEDIUM_MAY_HAVE_CHANGED) {
            self.attentions.push_back(Sense::MEDIUM_MAY_HAVE_CHANGED);
        }
        Ok(())
    }

    fn unload(&mut self) -> Option<Arc<dyn Medium>> {
        self.locked = false;
        self.medium.take().map(|loaded| loaded.medium)
    }
}
