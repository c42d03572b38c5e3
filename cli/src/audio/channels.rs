//! Which channel of a file goes to which of a stream.

use super::wav::channels_in_words;

/// How frames of so many channels become frames of so many others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChannelMap {
    from: usize,
    to: usize,
}

impl ChannelMap {
    pub(crate) fn new(from: usize, to: usize) -> Self {
        Self { from, to }
    }

    /// What is done that a listener would notice, `None` where every channel stays what it is.
    pub(crate) fn describe(&self) -> Option<String> {
        let from = channels_in_words(self.from);
        let to = channels_in_words(self.to);
        Some(match (self.from, self.to) {
            (given, taken) if given == taken => return None,
            (1, 2) => "mono on both channels".into(),
            (1, _) => format!("mono on the first two of {to}"),
            (_, 1) => format!("{from} mixed to mono"),
            (given, taken) if given < taken => {
                format!("{from} on the first of {to}, the others silent")
            }
            (given, taken) => format!("the first {taken} of {given} channels, the others left out"),
        })
    }

    /// Appends `frames` with their channels mapped.
    pub(crate) fn map(&self, frames: &[i32], mapped: &mut Vec<i32>) {
        if self.from == self.to {
            mapped.extend(frames);
            return;
        }
        for frame in frames.chunks_exact(self.from) {
            match self.to {
                // A mean of 32-bit values is one.
                1 => {
                    let sum: i64 = frame.iter().copied().map(i64::from).sum();
                    let count = i64::try_from(self.from).unwrap_or(i64::MAX);
                    mapped.push((sum / count) as i32);
                }
                to => mapped.extend((0..to).map(|channel| match (self.from, channel) {
                    (1, 0 | 1) => frame[0],
                    _ => frame.get(channel).copied().unwrap_or(0),
                })),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_go_where_a_listener_expects_them() {
        let map = |from, to, frames: &[i32]| {
            let mut mapped = Vec::new();
            ChannelMap::new(from, to).map(frames, &mut mapped);
            mapped
        };
        assert_eq!(map(2, 2, &[1, 2, 3, 4]), [1, 2, 3, 4]);
        assert_eq!(map(1, 2, &[1, 2]), [1, 1, 2, 2]);
        assert_eq!(map(1, 4, &[7]), [7, 7, 0, 0]);
        assert_eq!(map(2, 1, &[i32::MAX, i32::MAX, 4, -8]), [i32::MAX, -2]);
        assert_eq!(map(2, 4, &[1, 2]), [1, 2, 0, 0]);
        assert_eq!(map(6, 2, &[1, 2, 3, 4, 5, 6]), [1, 2]);
    }

    #[test]
    fn what_a_listener_would_notice_is_said() {
        let said = |from, to| ChannelMap::new(from, to).describe().unwrap_or_default();
        assert_eq!(said(2, 2), "");
        assert_eq!(said(1, 2), "mono on both channels");
        assert_eq!(said(2, 1), "stereo mixed to mono");
        assert_eq!(
            said(2, 6),
            "stereo on the first of 6 channels, the others silent"
        );
        assert_eq!(said(6, 2), "the first 2 of 6 channels, the others left out");
    }
}
