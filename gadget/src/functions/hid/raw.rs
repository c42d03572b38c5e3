//! A HID device whose reports are bytes.

use std::sync::Arc;

use usbfs2_protocol::hid::{ReportDescriptor, ReportDescriptorError, ReportType};

use super::{Controls, HidFunction, HidOptions, NoSuchReport};

/// A HID device with any report descriptor, whose reports are given as they travel.
///
/// ```
/// use usbfs2_gadget::functions::hid::{Hid, HidOptions};
///
/// // One button of a joystick.
/// let descriptor = [
///     0x05, 0x01, 0x09, 0x04, 0xa1, 0x01, 0x05, 0x09, 0x09, 0x01, 0x25, 0x01, 0x75, 0x01, 0x95, 0x01,
///     0x81, 0x02, 0xc0,
/// ];
/// let button = Hid::new(HidOptions::new(descriptor))?;
/// button.send(&[1])?;
/// button.send(&[0])?;
/// assert_eq!(button.pending(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Hid = HidFunction<RawReports>;

/// The controls of a [`Hid`]: none that it knows of.
#[derive(Debug, Default)]
pub struct RawReports(());

impl Controls for RawReports {
    const NAME: &'static str = "HID device";
    // What its reports mean is the program's.
    const RESTS_AT_ZERO: bool = false;

    fn release(&mut self) {}
}

impl Hid {
    /// A device with these options.
    ///
    /// # Errors
    /// What is wrong with the report descriptor.
    pub fn new(options: HidOptions) -> Result<Arc<Self>, ReportDescriptorError> {
        let descriptor = ReportDescriptor::parse(&options.report_descriptor)?;
        Ok(Self::with_controls(options, descriptor, RawReports(())))
    }

    /// Queues an input report, its ID first where there are any.
    ///
    /// # Errors
    /// The descriptor has no input report of this ID and length.
    pub fn send(&self, report: &[u8]) -> Result<(), NoSuchReport> {
        self.check(ReportType::Input, report)?;
        self.happen(|_| vec![report.to_vec()]);
        Ok(())
    }
}
