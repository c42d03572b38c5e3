//! Mice, tablets and touch screens as pointers.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use usbfs2_protocol::hid::report_descriptor::{Field, page};
use usbfs2_protocol::hid::{ReportDescriptor, ReportType, Usage};

use crate::decoded::{Decode, Decoded};

/// A value of an absolute control, with the range it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// The value.
    pub value: i64,
    /// The smallest there is.
    pub minimum: i64,
    /// The largest there is.
    pub maximum: i64,
}

impl Axis {
    pub(crate) fn new(field: &Field, value: i64) -> Self {
        Self {
            value,
            minimum: *field.logical.start(),
            maximum: *field.logical.end(),
        }
    }

    /// Where in its range the value is, 0 for the minimum and 1 for the maximum.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        let span = self.maximum as f64 - self.minimum as f64;
        if span == 0.0 {
            return 0.0;
        }
        (self.value as f64 - self.minimum as f64) / span
    }
}

/// What a pointer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PointerEvent {
    /// It moved, to the right and down, in the device's steps.
    Moved {
        /// To the right.
        x: i64,
        /// Down.
        y: i64,
    },
    /// It is at this place now.
    At {
        /// From the left.
        x: Axis,
        /// From the top.
        y: Axis,
    },
    /// Its wheels turned.
    Scrolled {
        /// Up, away from the user.
        vertical: i64,
        /// To the right.
        horizontal: i64,
    },
    /// A button went down or came up; the first is 1, on a mouse the left one.
    Button {
        /// Its number.
        number: u16,
        /// It went down.
        pressed: bool,
    },
    /// The pen came near enough to be seen, or went away.
    InRange(bool),
    /// The pen or finger touched, or let go.
    Touching(bool),
    /// The pen presses as hard as this.
    Pressure(Axis),
}

/// The pointer events of a device.
pub type Pointer = Decoded<PointerDecoder>;

/// Tells what the pointers of a device do: all fields in applications that are a mouse, a pointer or a
/// digitizer. Of several fingers of a touch screen the last in each report counts;
/// [`UsageDecoder`](crate::UsageDecoder) tells them apart.
#[derive(Debug)]
pub struct PointerDecoder {
    descriptor: Arc<ReportDescriptor>,
    down: BTreeSet<Usage>,
    place: Option<(Axis, Axis)>,
    pressure: Option<Axis>,
}

/// What one report says.
#[derive(Debug, Default)]
struct Said {
    moved: Option<(i64, i64)>,
    x: Option<Axis>,
    y: Option<Axis>,
    vertical: i64,
    horizontal: i64,
    pressure: Option<Axis>,
    switches: Vec<(Usage, bool)>,
}

impl PointerDecoder {
    /// Of reports as the descriptor says.
    #[must_use]
    pub fn new(descriptor: Arc<ReportDescriptor>) -> Self {
        Self {
            descriptor,
            down: BTreeSet::new(),
            place: None,
            pressure: None,
        }
    }

    fn read(&self, bytes: &[u8]) -> Said {
        let mut said = Said::default();
        let Some(report) = self.descriptor.report_of(ReportType::Input, bytes) else {
            return said;
        };
        for (field, usage, value) in report.values(bytes) {
            let (Some(number), true) = (value.number(), self.is_pointer(field)) else {
                continue;
            };
            let axis = Axis::new(field, number);
            match usage {
                Usage::X if field.is_relative() => said.moved.get_or_insert_default().0 += number,
                Usage::Y if field.is_relative() => said.moved.get_or_insert_default().1 += number,
                Usage::X => said.x = Some(axis),
                Usage::Y => said.y = Some(axis),
                Usage::WHEEL => said.vertical += number,
                Usage::PAN => said.horizontal += number,
                Usage::TIP_PRESSURE => said.pressure = Some(axis),
                Usage::IN_RANGE | Usage::TIP_SWITCH => said.switches.push((usage, number != 0)),
                Usage { page, .. } if page == page::BUTTON => {
                    said.switches.push((usage, number != 0));
                }
                _ => {}
            }
        }
        said
    }

    fn is_pointer(&self, field: &Field) -> bool {
        let application = self.descriptor.application(field);
        application.is_some_and(|usage| {
            usage.page == page::DIGITIZER || usage == Usage::MOUSE || usage == Usage::POINTER
        })
    }
}

impl Decode for PointerDecoder {
    type Event = PointerEvent;

    fn decode(&mut self, report: &[u8], events: &mut VecDeque<PointerEvent>) {
        let said = self.read(report);
        if let Some((x, y)) = said.moved.filter(|moved| *moved != (0, 0)) {
            events.push_back(PointerEvent::Moved { x, y });
        }
        let place = said.x.zip(said.y);
        if let Some((x, y)) = place.filter(|_| place != self.place) {
            self.place = place;
            events.push_back(PointerEvent::At { x, y });
        }
        let Said {
            vertical,
            horizontal,
            ..
        } = said;
        if (vertical, horizontal) != (0, 0) {
            events.push_back(PointerEvent::Scrolled {
                vertical,
                horizontal,
            });
        }
        for (usage, pressed) in said.switches {
            let changed = if pressed {
                self.down.insert(usage)
            } else {
                self.down.remove(&usage)
            };
            if changed {
                events.push_back(match usage {
                    Usage::IN_RANGE => PointerEvent::InRange(pressed),
                    Usage::TIP_SWITCH => PointerEvent::Touching(pressed),
                    Usage { id: number, .. } => PointerEvent::Button { number, pressed },
                });
            }
        }
        if let Some(pressure) = said.pressure
            && self.pressure.replace(pressure) != Some(pressure)
        {
            events.push_back(PointerEvent::Pressure(pressure));
        }
    }
}
