//! Configurations of sound cards: the bytes devices send, and the specifications' examples.

use usbfs2_protocol::audio::{AudioError, AudioFunction};
use usbfs2_protocol::descriptor::Configuration;

/// QEMU's usb-audio: Audio 1.0, one stereo stream. Its control interface has protocol 4, which means nothing.
pub(crate) const QEMU: [u8; 113] = [
    9, 2, 113, 0, 2, 1, 4, 0xc0, 50, // configuration 1
    9, 4, 0, 0, 0, 1, 1, 4, 5, // interface 0: audio control, protocol 4
    9, 0x24, 1, 0x00, 0x01, 43, 0, 1, 1, // header 1.00, interface 1
    12, 0x24, 2, 1, 0x01, 0x01, 0, 2, 3, 0, 0, 6, // terminal 1: USB, stereo
    13, 0x24, 6, 2, 1, 2, 1, 0, 2, 0, 2, 0, 7, // unit 2: mute of all, volume of each
    9, 0x24, 3, 3, 0x01, 0x03, 0, 2, 8, // terminal 3: speaker
    9, 4, 1, 0, 0, 1, 2, 0, 9, // interface 1 setting 0
    9, 4, 1, 1, 1, 1, 2, 0, 10, // interface 1 setting 1
    7, 0x24, 1, 1, 0, 1, 0, // terminal 1, PCM
    11, 0x24, 2, 1, 2, 2, 16, 1, 0x80, 0xbb, 0, // stereo, 16 bits, 48 kHz
    9, 5, 0x01, 0x0d, 192, 0, 1, 0, 0, // isochronous OUT, synchronous
    7, 0x25, 1, 0, 0, 0, 0, // nothing can be set
];

/// Linux's f_uac1 as it is by default: a stereo sink and a stereo source at 48 kHz, each with volume and mute.
pub(crate) const F_UAC1: [u8; 207] = [
    9, 2, 207, 0, 3, 1, 0, 0xc0, 1, // configuration 1
    9, 4, 0, 0, 1, 1, 1, 0, 1, // interface 0: audio control
    10, 0x24, 1, 0x00, 0x01, 78, 0, 2, 1, 2, // header 1.00, interfaces 1 and 2
    12, 0x24, 2, 1, 0x01, 0x01, 0, 2, 3, 0, 3, 2, // terminal 1: USB, stereo
    9, 0x24, 3, 3, 0x01, 0x03, 0, 5, 5, // terminal 3: speaker
    13, 0x24, 6, 5, 1, 2, 3, 0, 0, 0, 0, 0, 8, // unit 5: mute and volume of all
    12, 0x24, 2, 2, 0x01, 0x02, 0, 2, 3, 0, 6, 4, // terminal 2: microphone, stereo
    9, 0x24, 3, 4, 0x01, 0x01, 0, 6, 7, // terminal 4: USB
    13, 0x24, 6, 6, 2, 2, 3, 0, 0, 0, 0, 0, 9, // unit 6: mute and volume of all
    7, 5, 0x83, 3, 2, 0, 4, // interrupt IN
    9, 4, 1, 0, 0, 1, 2, 0, 10, // interface 1 setting 0
    9, 4, 1, 1, 1, 1, 2, 0, 11, // interface 1 setting 1
    7, 0x24, 1, 1, 1, 1, 0, // terminal 1, PCM
    11, 0x24, 2, 1, 2, 2, 16, 1, 0x80, 0xbb, 0, // stereo, 16 bits, 48 kHz
    9, 5, 0x01, 0x09, 200, 0, 4, 0, 0, // isochronous OUT, adaptive
    7, 0x25, 1, 1, 1, 1, 0, // the rate can be set, locks in 1 ms
    9, 4, 2, 0, 0, 1, 2, 0, 12, // interface 2 setting 0
    9, 4, 2, 1, 1, 1, 2, 0, 13, // interface 2 setting 1
    7, 0x24, 1, 4, 1, 1, 0, // terminal 4, PCM
    11, 0x24, 2, 1, 2, 2, 16, 1, 0x80, 0xbb, 0, // stereo, 16 bits, 48 kHz
    9, 5, 0x82, 0x05, 200, 0, 4, 0, 0, // isochronous IN, asynchronous
    7, 0x25, 1, 1, 0, 0, 0, // the rate can be set
];

/// Linux's f_uac2 at full speed with an asynchronous sink: two clocks, volume and mute, feedback.
pub(crate) const F_UAC2: [u8; 269] = [
    9, 2, 0x0d, 0x01, 3, 1, 0, 0xc0, 0, // configuration 1
    8, 11, 0, 3, 1, 1, 0x20, 4, // interfaces 0 to 2: audio 2.0
    9, 4, 0, 0, 1, 1, 1, 0x20, 5, // interface 0: audio control
    9, 0x24, 1, 0x00, 0x02, 8, 119, 0, 0, // header 2.00, I/O box
    8, 0x24, 10, 8, 1, 1, 0, 6, // clock 8: internal, fixed
    8, 0x24, 10, 7, 1, 1, 0, 7, // clock 7: internal, fixed
    17, 0x24, 2, 1, 0x01, 0x01, 0, 7, 2, 3, 0, 0, 0, 0, 0, 0, 8, // terminal 1: USB, stereo
    18, 0x24, 6, 5, 1, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, // unit 5: mute and volume
    17, 0x24, 2, 2, 0x00, 0x02, 0, 8, 2, 3, 0, 0, 0, 0, 0, 0, 9, // terminal 2: input, stereo
    18, 0x24, 6, 6, 2, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, // unit 6: mute and volume
    12, 0x24, 3, 4, 0x01, 0x01, 0, 6, 8, 0, 0, 10, // terminal 4: USB
    12, 0x24, 3, 3, 0x01, 0x03, 0, 5, 7, 0, 0, 11, // terminal 3: speaker
    7, 5, 0x81, 3, 6, 0, 1, // interrupt IN
    9, 4, 1, 0, 0, 1, 2, 0x20, 14, // interface 1 setting 0
    9, 4, 1, 1, 2, 1, 2, 0x20, 15, // interface 1 setting 1
    16, 0x24, 1, 1, 0, 1, 1, 0, 0, 0, 2, 3, 0, 0, 0, 0, // terminal 1, type I, PCM, stereo
    6, 0x24, 2, 1, 2, 16, // 16 bits
    7, 5, 0x02, 0x05, 180, 0, 1, // isochronous OUT, asynchronous
    8, 0x25, 1, 0, 0, 0, 0, 0, // nothing
    7, 5, 0x82, 0x11, 3, 0, 1, // isochronous IN, feedback
    9, 4, 2, 0, 0, 1, 2, 0x20, 16, // interface 2 setting 0
    9, 4, 2, 1, 1, 1, 2, 0x20, 17, // interface 2 setting 1
    16, 0x24, 1, 4, 0, 1, 1, 0, 0, 0, 2, 3, 0, 0, 0, 0, // terminal 4, type I, PCM, stereo
    6, 0x24, 2, 1, 2, 16, // 16 bits
    7, 5, 0x83, 0x05, 180, 0, 1, // isochronous IN, asynchronous
    8, 0x25, 1, 0, 0, 0, 0, 0, // nothing
];

/// C-Media's CM108: a headset chip with a mixer, so that one hears oneself, and one-byte controls.
pub(crate) const CM108: [u8; 228] = [
    9, 2, 228, 0, 3, 1, 0, 0x80, 50, // configuration 1
    9, 4, 0, 0, 0, 1, 1, 0, 0, // interface 0: audio control
    10, 0x24, 1, 0x00, 0x01, 100, 0, 2, 1, 2, // header 1.00, interfaces 1 and 2
    12, 0x24, 2, 1, 0x01, 0x01, 0, 2, 3, 0, 0, 0, // terminal 1: USB, stereo
    12, 0x24, 2, 2, 0x01, 0x02, 0, 1, 1, 0, 0, 0, // terminal 2: microphone
    9, 0x24, 3, 6, 0x01, 0x03, 0, 9, 0, // terminal 6: speaker
    9, 0x24, 3, 7, 0x01, 0x01, 0, 8, 0, // terminal 7: USB
    7, 0x24, 5, 8, 1, 10, 0, // unit 8: selects unit 10
    10, 0x24, 6, 9, 15, 1, 1, 2, 2, 0, // unit 9: mute of all, volume of each
    9, 0x24, 6, 10, 2, 1, 0x43, 0, 0, // unit 10: mute, volume, automatic gain
    9, 0x24, 6, 13, 2, 1, 3, 0, 0, // unit 13: mute, volume
    13, 0x24, 4, 15, 2, 1, 13, 2, 3, 0, 0, 0, 0, // unit 15: mixes terminal 1 and unit 13
    9, 4, 1, 0, 0, 1, 2, 0, 0, // interface 1 setting 0
    9, 4, 1, 1, 1, 1, 2, 0, 0, // interface 1 setting 1
    7, 0x24, 1, 1, 1, 1, 0, // terminal 1, PCM
    14, 0x24, 2, 1, 2, 2, 16, 2, 0x80, 0xbb, 0, 0x44, 0xac, 0, // stereo, 16 bits, two rates
    9, 5, 0x01, 0x09, 200, 0, 1, 0, 0, // isochronous OUT, adaptive
    7, 0x25, 1, 1, 1, 1, 0, // the rate can be set, locks in 1 ms
    9, 4, 2, 0, 0, 1, 2, 0, 0, // interface 2 setting 0
    9, 4, 2, 1, 1, 1, 2, 0, 0, // interface 2 setting 1
    7, 0x24, 1, 7, 1, 1, 0, // terminal 7, PCM
    14, 0x24, 2, 1, 1, 2, 16, 2, 0x80, 0xbb, 0, 0x44, 0xac, 0, // mono, 16 bits, two rates
    9, 5, 0x82, 0x05, 100, 0, 1, 0, 0, // isochronous IN, asynchronous
    7, 0x25, 1, 1, 0, 0, 0, // the rate can be set
];

/// An Audio 1.0 converter as audiophiles have it: asynchronous with a feedback endpoint, any rate up to 96 kHz in
/// 24 bits, and IEC 61937 through a second setting of type III. It leaves the direction out of `bSynchAddress`.
pub(crate) const CONVERTER: [u8; 155] = [
    9, 2, 155, 0, 2, 1, 0, 0x80, 250, // configuration 1
    9, 4, 0, 0, 0, 1, 1, 0, 0, // interface 0: audio control
    9, 0x24, 1, 0x00, 0x01, 30, 0, 1, 1, // header 1.00, interface 1
    12, 0x24, 2, 1, 0x01, 0x01, 0, 2, 3, 0, 0, 0, // terminal 1: USB, stereo
    9, 0x24, 3, 2, 0x05, 0x06, 0, 1, 0, // terminal 2: S/PDIF
    9, 4, 1, 0, 0, 1, 2, 0, 0, // interface 1 setting 0
    9, 4, 1, 1, 2, 1, 2, 0, 0, // interface 1 setting 1
    7, 0x24, 1, 1, 0, 1, 0, // terminal 1, PCM
    14, 0x24, 2, 1, 2, 3, 24, 0, 0x44, 0xac, 0, 0x00, 0x77,
    1, // stereo, 24 bits, 44.1 to 96 kHz
    9, 5, 0x01, 0x05, 0x46, 0x02, 1, 0, 1, // isochronous OUT, asynchronous, feedback from "1"
    7, 0x25, 1, 1, 0, 0, 0, // the rate can be set
    9, 5, 0x81, 0x01, 3, 0, 1, 5, 0, // isochronous IN, a new value every 32 ms
    9, 4, 1, 2, 1, 1, 2, 0, 0, // interface 1 setting 2
    7, 0x24, 1, 1, 0, 0x01, 0x20, // terminal 1, IEC 61937 AC-3
    11, 0x24, 2, 3, 2, 2, 16, 1, 0x80, 0xbb, 0, // type III: stereo, 16 bits, 48 kHz
    9, 5, 0x01, 0x09, 200, 0, 1, 0, 0, // isochronous OUT, adaptive
    7, 0x25, 1, 0x81, 2, 0x20, 0, // full packets only, locks in 32 samples
];

/// The class-specific descriptors of a studio interface with each entity Audio 2.0 has, and one it has not.
pub(crate) const STUDIO: [u8; 265] = [
    9, 0x24, 1, 0x00, 0x02, 10, 0x09, 0x01, 1, // header 2.00, pro-audio
    8, 0x24, 10, 40, 3, 7, 0, 1, // clock 40: programmable, validity can be read
    8, 0x24, 10, 41, 0, 5, 3, 2, // clock 41: external, of terminal 3
    9, 0x24, 11, 42, 2, 40, 43, 3, 3, // clock 42: selects 40 or 43
    7, 0x24, 12, 43, 41, 5, 4, // clock 43: multiplies 41
    17, 0x24, 2, 1, 0x01, 0x01, 0, 42, 10, 0, 0, 0, 0, 5, 0, 0,
    6, // terminal 1: USB, 10 channels
    17, 0x24, 2, 2, 0x03, 0x06, 0, 42, 2, 3, 0, 0, 0, 0, 4, 0,
    7, // terminal 2: line in, stereo
    17, 0x24, 2, 3, 0x05, 0x06, 0, 41, 2, 3, 0, 0, 0, 0, 0, 0,
    8, // terminal 3: S/PDIF in, stereo
    8, 0x24, 13, 4, 3, 41, 42, 9, // unit 4: brings terminal 3 from clock 41 to 42
    9, 0x24, 5, 5, 2, 2, 4, 3, 10, // unit 5: selects terminal 2 or unit 4
    18, 0x24, 6, 6, 5, 0x0f, 0, 0, 0, 0x0c, 0, 0, 0, 0x0c, 0, 0, 0,
    11, // unit 6: mute, volumes
    18, 0x24, 4, 7, 2, 1, 6, 2, 3, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0,
    12, // unit 7: mixes 12 into 2
    16, 0x24, 7, 8, 4, 0, 7, 0x0f, 0, 0, 0, 0x0f, 0, 0, 0, 13, // unit 8: compressor
    20, 0x24, 8, 9, 1, 0, 1, 8, 2, 3, 0, 0, 0, 0, 3, 0, 14, 1, 3,
    0, // unit 9: down-mix, one mode
    17, 0x24, 9, 10, 0x34, 0x12, 1, 9, 2, 3, 0, 0, 0, 0, 3, 15,
    0, // unit 10: the vendor's, a byte more
    12, 0x24, 3, 11, 0x02, 0x03, 0, 10, 42, 0, 0, 16, // terminal 11: headphones
    12, 0x24, 3, 12, 0x01, 0x01, 0, 6, 42, 0, 0, 17, // terminal 12: USB
    6, 0x24, 0x40, 13, 0xde, 0xad, // unit 13: of nobody knows what
    12, 0x24, 3, 14, 0x03, 0x03, 0, 13, 42, 0, 0, 18, // terminal 14: fed by it
    12, 0x24, 3, 15, 0x05, 0x06, 3, 7, 42, 0, 0, 19, // terminal 15: S/PDIF out
    13, 0x24, 3, 16, 0x06, 0x03, 3, 7, 42, 0, 0, 19,
    0, // terminal 16: a byte longer than known
];

/// The audio functions of a configuration without a problem.
pub(crate) fn functions(configuration: &[u8]) -> Vec<AudioFunction> {
    let configuration = Configuration::parse(configuration).unwrap();
    let functions = AudioFunction::all(&configuration).into_iter();
    functions
        .map(|function| {
            let (function, problems) = function.unwrap();
            assert_eq!(problems, []);
            function
        })
        .collect()
}

/// The one audio function of a configuration, and what is wrong with it.
pub(crate) fn function(configuration: &[u8]) -> (AudioFunction, Vec<AudioError>) {
    let (configuration, _) = Configuration::salvage(configuration).unwrap();
    let mut functions = AudioFunction::all(&configuration);
    assert_eq!(functions.len(), 1);
    functions.remove(0).unwrap()
}
