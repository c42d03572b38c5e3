//! `usbfs2 gadget source-sink`.

use anyhow::Result;
use usbfs2_gadget::functions::SourceSink;
use usbfs2_gadget::functions::source_sink::SourceSinkOptions;

use super::{Attendance, SOURCE_SINK};
use crate::args::Backend;

/// Gives and takes without end.
pub(super) fn run(backend: Backend) -> Result<()> {
    let function = SourceSink::new(SourceSinkOptions::default())?;
    let gadget = SOURCE_SINK.builder().function(function).build()?;
    Attendance::of(&gadget, &SOURCE_SINK, backend).run()
}
