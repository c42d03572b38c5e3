//! Functions ready to be put into a gadget.

pub mod audio;
pub mod consumer_control;
pub mod gamepad;
pub mod hid;
pub mod keyboard;
pub mod mass_storage;
pub mod mouse;
pub mod source_sink;
pub mod tablet;

pub use self::audio::{Audio, AudioOptions};
pub use self::consumer_control::ConsumerControl;
pub use self::gamepad::Gamepad;
pub use self::hid::Hid;
pub use self::keyboard::Keyboard;
pub use self::mass_storage::Disk;
pub use self::mouse::Mouse;
pub use self::source_sink::{Loopback, SourceSink};
pub use self::tablet::Tablet;
