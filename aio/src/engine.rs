//! Which of the kernel's two queues a context uses.

use std::env;
use std::sync::OnceLock;

use crate::SetupError;

/// How a context hands its operations to the kernel. What they do, and every type of this crate, is the same.
///
/// ```
/// use aio_rs::{Buffer, Context, Engine, Operation, SharedFile};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let file = SharedFile::new(tempfile::tempfile()?);
/// let mut context = match Context::with_engine(8, Engine::IoUring) {
///     Err(aio_rs::SetupError::Unsupported) => Context::with_engine(8, Engine::LinuxAio)?,
///     context => context?,
/// };
/// context.prepare(Operation::write(&file, 0, Buffer::from(b"hello".as_slice())))?;
/// let completion = context.wait(None)?.ok_or("an operation is in flight")?;
/// assert_eq!(completion.result?, 5);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Engine {
    /// Linux native AIO (io_submit): the least instructions, and completions taken without a system call. The default.
    #[default]
    LinuxAio,
    /// io_uring: Linux 6.7 for usbfs2's endpoint files, 5.11 for others. Reads and writes of pipes, sockets and ordinary
    /// files do not block [`submit`](crate::Context::submit). Operations on endpoint files go on when the thread that
    /// submitted them ends; others the kernel may then give up.
    IoUring,
}

/// The environment variable that says what [`Engine::chosen`] is.
const VARIABLE: &str = "AIO_RS_ENGINE";

impl Engine {
    /// What a context uses that was not told: `AIO_RS_ENGINE=linux-aio` or `io-uring` in the environment, read once;
    /// without it, [`LinuxAio`](Self::LinuxAio).
    ///
    /// # Errors
    /// [`SetupError::UnknownEngine`] when the variable says something else.
    pub fn chosen() -> Result<Self, SetupError> {
        static CHOSEN: OnceLock<Option<Engine>> = OnceLock::new();
        CHOSEN
            .get_or_init(|| match env::var_os(VARIABLE) {
                None => Some(Self::default()),
                Some(name) => name.to_str().and_then(Self::of_name),
            })
            .ok_or(SetupError::UnknownEngine)
    }

    fn of_name(name: &str) -> Option<Self> {
        match name {
            "" | "linux-aio" => Some(Self::LinuxAio),
            "io-uring" => Some(Self::IoUring),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Engine;

    #[test]
    fn a_name_that_is_none_is_no_engine() {
        assert_eq!(Engine::of_name("io-uring"), Some(Engine::IoUring));
        assert_eq!(Engine::of_name("linux-aio"), Some(Engine::LinuxAio));
        assert_eq!(Engine::of_name(""), Some(Engine::LinuxAio));
        assert_eq!(Engine::of_name("iouring"), None);
    }
}
