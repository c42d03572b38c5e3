//! What the machine's device controller offers, as gadgetfs tells it, and what this crate knows by heart.
//!
//! Needs root and gadgetfs; without hardware, `modprobe dummy_hcd`. Ends with an error where the two differ.

use std::process::ExitCode;

use usbfs2_gadget::{GadgetfsOptions, Udc, learn_udc};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let learned = learn_udc(&GadgetfsOptions::default())?;
    println!("{}", learned.name());
    for endpoint in learned.endpoints() {
        let fixed = |what: Option<String>| what.unwrap_or_else(|| "any".to_owned());
        println!(
            "  {:12} number {:3}  direction {:3}  type {}",
            endpoint.name(),
            fixed(endpoint.number().map(|number| number.to_string())),
            fixed(endpoint.direction().map(|direction| direction.to_string())),
            fixed(endpoint.transfer_type().map(|kind| kind.to_string())),
        );
    }
    let names = |udc: &Udc| {
        let mut names: Vec<String> = udc
            .endpoints()
            .iter()
            .map(|one| one.name().into())
            .collect();
        names.sort();
        names
    };
    match Udc::known(learned.name()) {
        Some(known) if names(&known) != names(&learned) => {
            Err(format!("not what was expected: {:?}", names(&known)).into())
        }
        _ => Ok(()),
    }
}
