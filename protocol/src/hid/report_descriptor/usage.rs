//! Usages: what a control is for (HID 3.2.3, HID Usage Tables 1.5).

use std::fmt;

/// What a control is for: a usage page and an ID on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usage {
    /// The page; see [`page`].
    pub page: u16,
    /// The number on the page.
    pub id: u16,
}

/// Usage pages (HID Usage Tables 3).
pub mod page {
    /// Mice, keyboards, gamepads and the axes they have.
    pub const GENERIC_DESKTOP: u16 = 0x01;
    /// Car, flight and other simulations; the triggers of some gamepads.
    pub const SIMULATION: u16 = 0x02;
    /// Keys.
    pub const KEYBOARD: u16 = 0x07;
    /// Lights.
    pub const LED: u16 = 0x08;
    /// Buttons by number, the first is 1.
    pub const BUTTON: u16 = 0x09;
    /// Volume, playback, browsers.
    pub const CONSUMER: u16 = 0x0c;
    /// Pens and touch.
    pub const DIGITIZER: u16 = 0x0d;
}

impl Usage {
    /// A pointer of no particular kind, as an application.
    pub const POINTER: Self = Self::new(page::GENERIC_DESKTOP, 0x01);
    /// A mouse.
    pub const MOUSE: Self = Self::new(page::GENERIC_DESKTOP, 0x02);
    /// A joystick.
    pub const JOYSTICK: Self = Self::new(page::GENERIC_DESKTOP, 0x04);
    /// A gamepad.
    pub const GAMEPAD: Self = Self::new(page::GENERIC_DESKTOP, 0x05);
    /// A keyboard.
    pub const KEYBOARD: Self = Self::new(page::GENERIC_DESKTOP, 0x06);
    /// A keypad.
    pub const KEYPAD: Self = Self::new(page::GENERIC_DESKTOP, 0x07);
    /// A controller with many axes.
    pub const MULTI_AXIS: Self = Self::new(page::GENERIC_DESKTOP, 0x08);
    /// X, to the right.
    pub const X: Self = Self::new(page::GENERIC_DESKTOP, 0x30);
    /// Y, down.
    pub const Y: Self = Self::new(page::GENERIC_DESKTOP, 0x31);
    /// Z; on gamepads often the right stick or a trigger.
    pub const Z: Self = Self::new(page::GENERIC_DESKTOP, 0x32);
    /// Rotation about X.
    pub const RX: Self = Self::new(page::GENERIC_DESKTOP, 0x33);
    /// Rotation about Y.
    pub const RY: Self = Self::new(page::GENERIC_DESKTOP, 0x34);
    /// Rotation about Z.
    pub const RZ: Self = Self::new(page::GENERIC_DESKTOP, 0x35);
    /// A wheel; up, away from the user, counts up.
    pub const WHEEL: Self = Self::new(page::GENERIC_DESKTOP, 0x38);
    /// A hat switch: directions clockwise from up.
    pub const HAT_SWITCH: Self = Self::new(page::GENERIC_DESKTOP, 0x39);
    /// Horizontal scrolling, to the right counts up (AC Pan).
    pub const PAN: Self = Self::new(page::CONSUMER, 0x0238);
    /// A set of consumer controls.
    pub const CONSUMER_CONTROL: Self = Self::new(page::CONSUMER, 0x01);
    /// How hard the tip presses.
    pub const TIP_PRESSURE: Self = Self::new(page::DIGITIZER, 0x30);
    /// The pen is near enough to be seen.
    pub const IN_RANGE: Self = Self::new(page::DIGITIZER, 0x32);
    /// The tip touches.
    pub const TIP_SWITCH: Self = Self::new(page::DIGITIZER, 0x42);

    /// The usage with this number on this page.
    #[must_use]
    pub const fn new(page: u16, id: u16) -> Self {
        Self { page, id }
    }

    /// The usage of this 32-bit number, its page in the upper half, as in an extended usage item (HID
    /// 6.2.2.8).
    #[must_use]
    pub const fn from_extended(number: u32) -> Self {
        let [i0, i1, p0, p1] = number.to_le_bytes();
        Self::new(u16::from_le_bytes([p0, p1]), u16::from_le_bytes([i0, i1]))
    }

    /// The usage as a 32-bit number, its page in the upper half.
    #[must_use]
    pub const fn to_extended(self) -> u32 {
        (self.page as u32) << 16 | self.id as u32
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.page, self.id)
    }
}

/// Usages in a row on one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UsageRange {
    /// The page of all of them.
    pub page: u16,
    /// The first.
    pub first: u16,
    /// The last; not before the first.
    pub last: u16,
}

impl UsageRange {
    /// How many usages there are.
    #[must_use]
    pub fn count(&self) -> usize {
        usize::from(self.last.saturating_sub(self.first)) + 1
    }

    /// The usage at this index, counted from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Usage> {
        let id = u16::try_from(index).ok()?.checked_add(self.first)?;
        (id <= self.last).then(|| Usage::new(self.page, id))
    }

    /// Whether the usage is one of them.
    #[must_use]
    pub fn contains(&self, usage: Usage) -> bool {
        usage.page == self.page && (self.first..=self.last).contains(&usage.id)
    }
}

/// The usages of a field, in order. Finding one takes little time however many there are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Usages {
    /// Each with the index of its first usage.
    ranges: Vec<(usize, UsageRange)>,
}

impl Usages {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The usage at this index, counted from 0 over all ranges.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Usage> {
        let after = self.ranges.partition_point(|&(start, _)| start <= index);
        let (start, range) = self.ranges.get(after.checked_sub(1)?)?;
        range.get(index - start)
    }

    /// The last of them.
    #[must_use]
    pub fn last(&self) -> Option<Usage> {
        let (_, range) = self.ranges.last()?;
        Some(Usage::new(range.page, range.last))
    }

    /// Usages in a row, each row as long as the descriptor has it.
    pub fn ranges(&self) -> impl Iterator<Item = UsageRange> + '_ {
        self.ranges.iter().map(|&(_, range)| range)
    }

    /// Whether any is on this page.
    #[must_use]
    pub fn has_page(&self, page: u16) -> bool {
        self.ranges().any(|range| range.page == page)
    }

    /// Whether the usage is one of them.
    #[must_use]
    pub fn contains(&self, usage: Usage) -> bool {
        self.ranges().any(|range| range.contains(usage))
    }
}

impl FromIterator<UsageRange> for Usages {
    fn from_iter<I: IntoIterator<Item = UsageRange>>(ranges: I) -> Self {
        let mut next = 0;
        let ranges = ranges.into_iter().map(|range| {
            let start = next;
            next += range.count();
            (start, range)
        });
        Self {
            ranges: ranges.collect(),
        }
    }
}
