//! A voice that says "U S B", made as a formant synthesiser makes it: pulses of vocal cords, or noise, through
//! the resonances of a mouth that moves (Klatt, "Software for a cascade/parallel formant synthesizer", 1980).

use std::f64::consts::{PI, TAU};

/// Frames in a second.
pub(super) const RATE: u32 = 48_000;

/// What the mouth does at one moment; it moves in a straight line to the next.
struct Gesture {
    seconds: f64,
    /// The first three resonances, in Hz.
    formants: [f64; 3],
    /// How loud the voice is, and the hiss.
    voice: f64,
    hiss: f64,
}

const fn at(seconds: f64, formants: [f64; 3], voice: f64, hiss: f64) -> Gesture {
    Gesture {
        seconds,
        formants,
        voice,
        hiss,
    }
}

const Y: [f64; 3] = [280.0, 2250.0, 2900.0];
const OO: [f64; 3] = [310.0, 870.0, 2240.0];
const E: [f64; 3] = [550.0, 1770.0, 2490.0];
const S: [f64; 3] = [320.0, 1390.0, 2530.0];
const B: [f64; 3] = [200.0, 1100.0, 2150.0];
const EE: [f64; 3] = [270.0, 2290.0, 3010.0];

/// "You. Ess. Bee."
const GESTURES: [Gesture; 19] = [
    at(0.00, Y, 0.0, 0.0),
    at(0.05, Y, 0.8, 0.0),
    at(0.12, Y, 1.0, 0.0),
    at(0.24, OO, 1.0, 0.0),
    at(0.40, OO, 0.8, 0.0),
    at(0.50, OO, 0.0, 0.0),
    at(0.58, E, 0.0, 0.0),
    at(0.62, E, 1.0, 0.0),
    at(0.78, E, 0.9, 0.0),
    at(0.84, S, 0.0, 0.5),
    at(0.90, S, 0.0, 1.0),
    at(1.08, S, 0.0, 0.8),
    at(1.16, S, 0.0, 0.0),
    at(1.22, B, 0.15, 0.0),
    at(1.28, B, 0.25, 0.0),
    at(1.29, B, 0.6, 0.3),
    at(1.34, EE, 1.0, 0.0),
    at(1.62, EE, 0.8, 0.0),
    at(1.80, EE, 0.0, 0.0),
];

/// A resonance: a filter with two poles.
#[derive(Default)]
struct Resonator {
    before: [f64; 2],
}

impl Resonator {
    fn pass(&mut self, input: f64, hertz: f64, bandwidth: f64) -> f64 {
        let decay = (-PI * bandwidth / f64::from(RATE)).exp();
        let turn = 2.0 * decay * (TAU * hertz / f64::from(RATE)).cos();
        let output = (1.0 - turn + decay * decay) * input + turn * self.before[0]
            - decay * decay * self.before[1];
        self.before = [output, self.before[0]];
        output
    }
}

/// Noise that is the same every time: xorshift64.
struct Noise(u64);

impl Noise {
    /// From -1 to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

/// The voice in stereo, of 16 bits: it walks from left to right, so that no channel is like the other.
pub(super) fn stereo() -> Vec<i32> {
    let mono = mono();
    let loudest = mono
        .iter()
        .fold(0.0_f64, |most, sample| most.max(sample.abs()));
    let frames = mono.len() as f64;
    let mut samples = Vec::with_capacity(2 * mono.len());
    for (frame, sample) in mono.iter().enumerate() {
        let angle = (0.15 + 0.7 * frame as f64 / frames) * PI / 2.0;
        for part in [angle.cos(), angle.sin()] {
            // A little below full scale.
            let sample = (sample / loudest * part * 0.9 * 32_767.0).round() as i32;
            samples.push(sample << 16);
        }
    }
    samples
}

fn mono() -> Vec<f64> {
    let mut mouth: [Resonator; 5] = Default::default();
    let mut teeth: [Resonator; 2] = Default::default();
    let mut noise = Noise(0x5553_4220_6175_6469);
    let mut pulse = 0.0;
    let mut samples = Vec::new();
    for (from, to) in GESTURES.iter().zip(&GESTURES[1..]) {
        let frames = ((to.seconds - from.seconds) * f64::from(RATE)).round() as usize;
        for frame in 0..frames {
            let part = frame as f64 / frames as f64;
            let between = |from: f64, to: f64| from + (to - from) * part;
            let seconds = between(from.seconds, to.seconds);
            // Each letter falls a little, the last one most.
            let pitch = 132.0 - 18.0 * seconds + 9.0 * (TAU * seconds / 0.58).sin();
            pulse = (pulse + pitch / f64::from(RATE)) % 1.0;
            let voice = glottis(pulse) * between(from.voice, to.voice) + 0.002 * noise.next();
            let hiss = noise.next() * between(from.hiss, to.hiss);
            let mut sound = voice;
            let formants = (0..3).map(|n| between(from.formants[n], to.formants[n]));
            let bandwidths = [60.0, 90.0, 150.0, 250.0, 300.0];
            for ((resonator, hertz), bandwidth) in mouth
                .iter_mut()
                .zip(formants.chain([3500.0, 4500.0]))
                .zip(bandwidths)
            {
                sound = resonator.pass(sound, hertz, bandwidth);
            }
            let hiss = teeth[1].pass(hiss, 7800.0, 1500.0) + teeth[0].pass(hiss, 5200.0, 900.0);
            samples.push(sound + 0.12 * hiss);
        }
    }
    samples
}

/// The flow through the vocal cords changes like this over a pulse (Rosenberg): it grows, and stops sharply.
fn glottis(phase: f64) -> f64 {
    const OPEN: f64 = 0.6;
    if phase < OPEN {
        let t = phase / OPEN;
        2.0 * t - 3.0 * t * t
    } else {
        0.0
    }
}
