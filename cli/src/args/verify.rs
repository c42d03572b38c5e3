//! The command line of `usbfs2 verify`.

use std::time::Duration;

use clap::Args;

use super::JsonArgs;

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Where the device is (`1-1`), or its vendor and product (`0781:5567`).
    pub(crate) device: String,
    /// Check its mass-storage interface too: Bulk-Only Transport and the commands of a disk.
    #[arg(long)]
    pub(crate) mass_storage: bool,
    /// Send write commands to the disk too. Blocks that are overwritten are put back.
    #[arg(long, requires = "mass_storage")]
    pub(crate) allow_writes: bool,
    /// How often to configure the device anew, and to unplug it.
    #[arg(long, default_value_t = 200, value_name = "COUNT")]
    pub(crate) rounds: u32,
    /// How long the device may take for a request, in milliseconds.
    #[arg(
        long,
        default_value = "5000",
        value_name = "MILLISECONDS",
        value_parser = parse_deadline
    )]
    pub(crate) deadline: Duration,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

fn parse_deadline(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(milliseconds @ 10..=600_000) => Ok(Duration::from_millis(milliseconds.into())),
        _ => Err("give a number of milliseconds from 10 to 600000".to_owned()),
    }
}
