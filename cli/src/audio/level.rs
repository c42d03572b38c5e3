//! How loud samples are.

/// Full scale, which is 0 dBFS.
const FULL_SCALE: f64 = 2_147_483_648.0;

/// The level of one channel over a while.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Level {
    /// The largest sample, as a part of full scale.
    pub(crate) peak: f64,
    /// The root of the mean square, as a part of full scale: a full sine has 0.707.
    pub(crate) rms: f64,
    /// Samples at full scale, which were probably beyond it once.
    pub(crate) clipped: u64,
}

/// Sums up samples of every channel.
#[derive(Debug)]
pub(crate) struct Levels {
    sums: Vec<Sum>,
    frames: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    peak: u32,
    squares: f64,
    clipped: u64,
}

impl Levels {
    pub(crate) fn new(channels: usize) -> Self {
        Self {
            sums: vec![Sum::default(); channels],
            frames: 0,
        }
    }

    /// Takes frames into account, their samples one after the other. Of `bits` a sample has, all ones are as
    /// far as it goes.
    pub(crate) fn add(&mut self, samples: &[i32], bits: u8) {
        let highest = i32::MAX - (i32::MAX >> bits.saturating_sub(1));
        for frame in samples.chunks_exact(self.sums.len()) {
            for (sum, &sample) in self.sums.iter_mut().zip(frame) {
                sum.peak = sum.peak.max(sample.unsigned_abs());
                let part = f64::from(sample) / FULL_SCALE;
                sum.squares += part * part;
                sum.clipped += u64::from(sample >= highest || sample == i32::MIN);
            }
            self.frames += 1;
        }
    }

    /// The levels since the last call.
    pub(crate) fn take(&mut self) -> Vec<Level> {
        let frames = self.frames.max(1) as f64;
        self.frames = 0;
        let levels = self.sums.iter().map(|sum| Level {
            peak: f64::from(sum.peak) / FULL_SCALE,
            rms: (sum.squares / frames).sqrt(),
            clipped: sum.clipped,
        });
        let levels = levels.collect();
        self.sums.fill(Sum::default());
        levels
    }
}

/// A part of full scale in dBFS; silence is minus infinity.
pub(crate) fn decibels(part: f64) -> f64 {
    20.0 * part.log10()
}

/// A level for a table: `-12.3`, and `-inf` for silence.
pub(crate) fn in_words(part: f64) -> String {
    match format!("{:.1}", decibels(part)) {
        text if text == "-0.0" => "0.0".into(),
        text => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_sine_is_3_db_below_full_scale() {
        let mut levels = Levels::new(2);
        let sine: Vec<i32> = (0..4800)
            .flat_map(|frame| {
                let phase = f64::from(frame) / 48.0 * std::f64::consts::TAU;
                [(phase.sin() * f64::from(i32::MAX)) as i32, 0]
            })
            .collect();
        for piece in sine.chunks(200) {
            levels.add(piece, 32);
        }
        let [left, right] = levels.take()[..] else {
            panic!("two channels have two levels")
        };
        assert_eq!(in_words(left.peak), "0.0");
        assert_eq!(in_words(left.rms), "-3.0");
        assert_eq!((in_words(right.rms), right.clipped), ("-inf".into(), 0));
        assert_eq!(levels.take()[0], Level::default());
    }

    #[test]
    fn samples_that_go_no_further_are_counted_as_clipped() {
        let clipped = |samples: &[i32], bits| {
            let mut levels = Levels::new(1);
            levels.add(samples, bits);
            levels.take()[0].clipped
        };
        assert_eq!(
            clipped(&[0x7fff_0000, 0x7ffe_0000, i32::MIN, -0x7fff_0000], 16),
            2
        );
        assert_eq!(clipped(&[0x7fff_ff00, 0x7fff_0000], 24), 1);
        assert_eq!(clipped(&[i32::MAX, i32::MAX - 1], 32), 1);
    }
}
