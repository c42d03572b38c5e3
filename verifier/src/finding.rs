//! What checks find.

use std::fmt;

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The device does as the specification says.
    Passed,
    /// It does not.
    Failed {
        /// What the specification wants.
        expected: String,
        /// What the device did.
        seen: String,
    },
    /// The device has nothing that the check is about.
    NotApplicable(String),
    /// The question could not be put to the device, which says nothing about it.
    NotPossible(String),
}

impl Outcome {
    /// Whether the device broke a rule.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }

    /// The outcome in one word or two, as tables and JSON have it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::NotApplicable(_) => "not applicable",
            Self::NotPossible(_) => "not possible",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Failed { expected, seen } => {
                write!(f, "failed: expected {expected}, seen {seen}")
            }
            Self::NotApplicable(why) | Self::NotPossible(why) => {
                write!(f, "{}: {why}", self.name())
            }
        }
    }
}

/// Why a check ends before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    Failed { expected: String, seen: String },
    NotApplicable(String),
    NotPossible(String),
}

/// What a check returns.
pub(crate) type Checked<T = ()> = Result<T, Finding>;

impl Finding {
    pub(crate) fn failed(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::Failed {
            expected: expected.into(),
            seen: seen.into(),
        }
    }

    pub(crate) fn not_applicable(why: impl Into<String>) -> Self {
        Self::NotApplicable(why.into())
    }

    pub(crate) fn not_possible(why: impl Into<String>) -> Self {
        Self::NotPossible(why.into())
    }

    /// What it means for checks of something that could not be read: one of them tells the failure.
    pub(crate) fn unread(&self) -> Self {
        match self {
            Self::Failed { .. } => Self::NotPossible("the descriptor could not be read".to_owned()),
            other => other.clone(),
        }
    }

    /// The same, of this part of the device: `configuration 1`.
    pub(crate) fn of(self, part: impl fmt::Display) -> Self {
        match self {
            Self::Failed { expected, seen } => Self::Failed {
                expected,
                seen: format!("{part}: {seen}"),
            },
            Self::NotApplicable(why) => Self::NotApplicable(format!("{part}: {why}")),
            Self::NotPossible(why) => Self::NotPossible(format!("{part}: {why}")),
        }
    }
}

impl From<Checked> for Outcome {
    fn from(checked: Checked) -> Self {
        match checked {
            Ok(()) => Self::Passed,
            Err(Finding::Failed { expected, seen }) => Self::Failed { expected, seen },
            Err(Finding::NotApplicable(why)) => Self::NotApplicable(why),
            Err(Finding::NotPossible(why)) => Self::NotPossible(why),
        }
    }
}

/// Passes where `holds`.
pub(crate) fn ensure(
    holds: bool,
    expected: impl Into<String>,
    seen: impl FnOnce() -> String,
) -> Checked {
    if holds {
        return Ok(());
    }
    Err(Finding::failed(expected, seen()))
}

/// Bytes for a message: the first sixteen, and how many there are.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const SHOWN: usize = 16;
    let mut text = match bytes.len() {
        0 => return "no bytes".to_owned(),
        1 => "1 byte".to_owned(),
        count => format!("{count} bytes"),
    };
    text.push(':');
    for byte in bytes.iter().take(SHOWN) {
        text.push_str(&format!(" {byte:02x}"));
    }
    if bytes.len() > SHOWN {
        text.push_str(" ...");
    }
    text
}
