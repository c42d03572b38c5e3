//! Changes of any control, whatever the device is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use usbfs2_protocol::hid::report_descriptor::Value;
use usbfs2_protocol::hid::{ReportDescriptor, ReportType, Usage};

use crate::decoded::{Decode, Decoded};
use crate::held::HeldControls;

/// A control that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageEvent {
    /// The report that said so; 0 where the device numbers no reports.
    pub report_id: u8,
    /// What the control is for.
    pub usage: Usage,
    /// The innermost collection it is in, an index into [`ReportDescriptor::collections`]: which finger of
    /// several, for example.
    pub collection: Option<usize>,
    /// What happened.
    pub change: Change,
}

/// What happened to a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A relative control moved by this much.
    By(i64),
    /// An absolute control has this value now; a button 1 or 0.
    To(i64),
    /// An absolute control has no value now (null state), as a hat switch that nobody touches.
    ToNothing,
    /// A control of an array went on.
    On,
    /// A control of an array went off.
    Off,
}

/// The changes of all controls of a device.
pub type Usages = Decoded<UsageDecoder>;

/// Tells the changes of every control that has a usage. Before its first report an absolute control is
/// taken to be at zero.
#[derive(Debug)]
pub struct UsageDecoder {
    descriptor: Arc<ReportDescriptor>,
    /// What absolute controls had in the last report of each ID.
    values: BTreeMap<u8, Vec<Value>>,
    selected: HeldControls<(Usage, Option<usize>)>,
}

impl UsageDecoder {
    /// Of reports as the descriptor says.
    #[must_use]
    pub fn new(descriptor: Arc<ReportDescriptor>) -> Self {
        Self {
            descriptor,
            values: BTreeMap::new(),
            selected: HeldControls::default(),
        }
    }
}

impl Decode for UsageDecoder {
    type Event = UsageEvent;

    fn decode(&mut self, bytes: &[u8], events: &mut VecDeque<UsageEvent>) {
        let descriptor = Arc::clone(&self.descriptor);
        let Some(report) = descriptor.report_of(ReportType::Input, bytes) else {
            return;
        };
        if bytes.len() < report.length() {
            return;
        }
        let before = self.values.entry(report.id).or_default();
        for (at, (field, usage, value)) in report.values(bytes).enumerate() {
            if before.len() <= at {
                before.push(Value::Number(0));
            }
            let was = std::mem::replace(&mut before[at], value);
            let change = match value {
                Value::Number(0) if field.is_relative() => continue,
                Value::Number(number) if field.is_relative() => Change::By(number),
                same if same == was => continue,
                Value::Number(number) => Change::To(number),
                Value::Null => Change::ToNothing,
            };
            events.push_back(UsageEvent {
                report_id: report.id,
                usage,
                collection: field.collection,
                change,
            });
        }
        // Usage 0 says that a place of the array is empty.
        let selected = report.selected(bytes).filter(|(_, usage)| usage.id != 0);
        let selected = selected.map(|(field, usage)| (usage, field.collection));
        let changes = self.selected.update(report.id, selected);
        let event = |change| {
            move |(usage, collection)| UsageEvent {
                report_id: report.id,
                usage,
                collection,
                change,
            }
        };
        events.extend(changes.came_up.into_iter().map(event(Change::Off)));
        events.extend(changes.went_down.into_iter().map(event(Change::On)));
    }
}
