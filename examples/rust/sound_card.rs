//! A sound card that repeats what it hears, and a program that plays to it and listens: both of the tutorial in docs/.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin sound_card                 both ends, on a bus inside this program
//! cargo run -p usbfs2-examples --bin sound_card -- --gadgetfs   the card, on this board's controller
//! cargo run -p usbfs2-examples --bin sound_card -- --drive      the program, for a card plugged in here
//! ```
//!
//! The last two need root, and the program the usbfs2 module: nusb, by which classic usbfs is reached, has no
//! isochronous transfers.

use std::sync::Arc;

use anyhow::{Result, bail};
use usbfs2_audio::Decibel;
use usbfs2_examples::sound_card::{card, player};
use usbfs2_gadget::GadgetfsOptions;
use usbfs2_host::{Host, Speed};
use usbfs2_loopback::Bus;

/// Plays a chord, and compares what comes back.
fn play_and_listen(host: &Host) -> Result<()> {
    let card = player::open(host)?;
    for stream in card.streams() {
        println!("{}: {stream}", stream.direction());
    }
    let volume = player::turn_down(&card, Decibel::from_db(-6.2))?;
    println!("volume {volume}");
    let chord = player::chord(player::FORMAT.rate / 2);
    println!("played: {}", player::play(&card, &chord)?);
    let heard = player::listen(&card, chord.len())?;
    let frames = chord.len() / player::FORMAT.frame_bytes();
    if heard == chord {
        println!("all {frames} frames came back as they were");
    } else {
        println!("what came back is not what was played: something came too late");
    }
    Ok(())
}

fn main() -> Result<()> {
    let card = card::card()?;
    let gadget = card::gadget(&card)?;
    let repeat = Arc::clone(&card);
    match std::env::args().nth(1).as_deref() {
        None => {
            let bus = Bus::new();
            let _plugged = gadget.start_on(&bus, Speed::High)?;
            std::thread::spawn(move || card::repeat(&repeat));
            play_and_listen(&Host::on(&bus))
        }
        Some("--gadgetfs") => {
            let running = gadget.start_gadgetfs(&GadgetfsOptions::default())?;
            println!(
                "on {} until nothing was played for a minute",
                running.port_name()
            );
            card::repeat(&repeat);
            running.stop();
            Ok(())
        }
        Some("--drive") => play_and_listen(&Host::system()?),
        Some(other) => bail!("`{other}` is not understood: give --gadgetfs, --drive or nothing"),
    }
}
