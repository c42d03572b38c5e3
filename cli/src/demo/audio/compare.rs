//! Whether what was recorded is what was played, to the sample.

use anyhow::{Result, bail, ensure};

/// Finds the sound that was played in a recording that began before it, and compares every frame of it. Returns the
/// frame at which it begins.
pub(super) fn find(played: &[i32], recorded: &[i32], channels: usize) -> Result<usize> {
    let frames = |samples: &[i32]| samples.len() / channels;
    let silence = |samples: &[i32]| {
        let sound = samples.iter().position(|sample| *sample != 0);
        sound.map(|at| at / channels)
    };
    let Some(first_played) = silence(played) else {
        bail!("there is nothing but silence to compare");
    };
    let Some(first_recorded) = silence(recorded) else {
        bail!(
            "nothing but silence came back, {} frames of it",
            frames(recorded)
        );
    };
    let last_played = frames(played)
        - played
            .iter()
            .rev()
            .position(|sample| *sample != 0)
            .unwrap_or(0)
            / channels;
    let sound = &played[first_played * channels..last_played * channels];
    let found = &recorded[first_recorded * channels..];
    let same = sound
        .chunks(channels)
        .zip(found.chunks(channels))
        .take_while(|(played, found)| played == found)
        .count();
    ensure!(
        same == frames(sound),
        "what came back differs from frame {} of {} on: {:?} became {:?}",
        first_played + same,
        frames(played),
        played
            .chunks(channels)
            .nth(first_played + same)
            .unwrap_or_default(),
        found.chunks(channels).nth(same).unwrap_or_default(),
    );
    Ok(first_recorded.saturating_sub(first_played))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAYED: [i32; 10] = [0, 0, 1, 2, 0, 0, 3, 4, 0, 0];

    #[test]
    fn the_sound_is_found_wherever_it_begins() {
        let recorded = [&[0; 6][..], &PLAYED, &[0; 4]].concat();
        assert_eq!(find(&PLAYED, &recorded, 2).unwrap(), 3);
        assert_eq!(find(&PLAYED, &PLAYED, 2).unwrap(), 0);
        // Silence at the end of the sound may not have arrived yet.
        assert_eq!(find(&PLAYED, &recorded[..14], 2).unwrap(), 3);
    }

    #[test]
    fn a_single_sample_makes_a_difference() {
        let complaint = |recorded: &[i32]| find(&PLAYED, recorded, 2).unwrap_err().to_string();
        assert_eq!(
            complaint(&[0, 0, 0, 1, 2, 0, 0, 3, 5]),
            "what came back differs from frame 1 of 5 on: [1, 2] became [0, 1]"
        );
        assert!(
            complaint(&[0, 0, 1, 2, 0, 0, 3, 5]).contains("frame 3 of 5 on: [3, 4] became [3, 5]")
        );
        // A frame that was lost, one twice, channels that were swapped, and an end that is missing.
        assert!(complaint(&[1, 2, 3, 4]).contains("frame 2 of 5"));
        assert!(complaint(&[1, 2, 1, 2, 0, 0, 3, 4]).contains("frame 2 of 5"));
        assert!(complaint(&[2, 1, 0, 0, 4, 3]).contains("frame 1 of 5"));
        assert!(complaint(&[1, 2, 0, 0]).contains("frame 3 of 5 on: [3, 4] became []"));
        assert!(complaint(&[0; 8]).contains("nothing but silence came back, 4 frames"));
        assert!(find(&[0; 4], &PLAYED, 2).is_err());
    }
}
