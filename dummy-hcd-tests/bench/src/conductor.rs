//! Plugs one gadget after the other in and has workers measure the stacks on it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::bench_row::{Case, Event, Row, Spec, Stack};
use dummy_hcd_tests::modprobe;

use crate::gadgets::{self, Plugged};
use crate::plan;
use crate::worker::{Finding, Job, Pass};

/// Measures the rows `filters` select and prints each as it is done.
pub(crate) fn run(filters: &[String], profile: bool, isochronous: bool) -> Result<()> {
    let rows = plan::rows(filters, isochronous);
    ensure!(
        !rows.is_empty(),
        "no row is selected by {}",
        filters.join(" ")
    );
    for module in ["usbtest", "usb_f_ss_lb", "usb_f_hid", "usb_f_mass_storage"] {
        modprobe::load(module)?;
    }
    let kernel =
        fs::read_to_string("/proc/sys/kernel/osrelease").context("find the kernel's release")?;
    tell(&Event::Plan {
        rows: rows.len(),
        kernel: kernel.trim().to_owned(),
    })?;
    let mut windows = 0;
    for ((speed, kind), stacks) in plan::by_gadget(&rows) {
        let plugged = Plugged::plug(kind, speed)?;
        for (stack, rows) in stacks {
            plugged.target.bind(driver(&rows[0]))?;
            let job = |pass| Job {
                pass,
                device: plugged.target.name().to_owned(),
                rows: rows.clone(),
            };
            if profile {
                for (spec, finding) in rows.iter().zip(work(&job(Pass::Profile))?) {
                    let Finding::Window { transfers, maps } = finding else {
                        anyhow::bail!("a profiling worker answered {finding:?}");
                    };
                    tell(&Event::Window {
                        spec: *spec,
                        number: windows,
                        transfers,
                        maps,
                    })?;
                    windows += 1;
                }
                continue;
            }
            let times = work(&job(Pass::Time)).with_context(|| format!("time {stack}"))?;
            let calls =
                work(&job(Pass::Count)).with_context(|| format!("count {stack}'s system calls"))?;
            for ((spec, times), calls) in rows.iter().zip(times).zip(calls) {
                tell(&row(*spec, times, &calls)?)?;
            }
        }
        drop(plugged);
        gadgets::wait_gone()?;
    }
    if profile {
        keep_kallsyms()?;
    }
    Ok(())
}

/// Leaves the names of the kernel's functions for the harness.
fn keep_kallsyms() -> Result<()> {
    let results = std::env::var_os("USBFS2_VM_RESULTS").context("USBFS2_VM_RESULTS is not set")?;
    // fs::copy believes the file's size, which /proc gives as 0.
    let names = fs::read("/proc/kallsyms").context("read /proc/kallsyms")?;
    fs::write(std::path::Path::new(&results).join("kallsyms"), names).context("keep /proc/kallsyms")
}

/// The kernel's driver that a row's stack works through, if it does.
fn driver(spec: &Spec) -> Option<&'static str> {
    match (spec.stack, spec.case) {
        (Stack::Kernel, Case::Bulk | Case::Control) => Some("usbtest"),
        (Stack::UsbStorage, _) => Some("usb-storage"),
        (Stack::Hidraw, _) => Some("usbhid"),
        (Stack::SndUsbAudio, _) => Some("snd-usb-audio"),
        _ => None,
    }
}

fn row(spec: Spec, times: Finding, calls: &Finding) -> Result<Event> {
    let (
        Finding::Times {
            runs,
            per_second,
            latencies,
        },
        Finding::Calls(calls),
    ) = (times, calls)
    else {
        anyhow::bail!("a worker answered something else for {spec}");
    };
    #[expect(clippy::cast_precision_loss, reason = "two")]
    let mean = runs.iter().sum::<f64>() / runs.len() as f64;
    let row = Row {
        spec,
        ns_per_transfer: rounded(mean, 10.0),
        transfers_per_second: rounded(per_second, 10.0),
        syscalls_per_transfer: rounded(*calls, 1000.0),
        median_ns: latencies.map(|(median, _)| median),
        p99_ns: latencies.map(|(_, p99)| p99),
    };
    Ok(Event::Row { row, runs })
}

/// No more digits than were measured.
fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

/// Runs a worker and returns its findings, one for each row.
fn work(job: &Job) -> Result<Vec<Finding>> {
    let program = std::env::current_exe().context("find this program")?;
    // The same addresses in every run: without, hash tables and caches would differ from run to run.
    let mut child = Command::new("setarch")
        .args(["--addr-no-randomize".as_ref(), program.as_os_str()])
        .args(["work", &serde_json::to_string(job)?])
        .stdout(Stdio::piped())
        .spawn()
        .context("run setarch (package util-linux)")?;
    let stdout = child
        .stdout
        .take()
        .context("the worker's output is a pipe")?;
    let mut findings = Vec::new();
    for line in BufReader::new(stdout).lines() {
        findings.push(serde_json::from_str(&line?).context("read the worker's answer")?);
    }
    let status = child.wait()?;
    ensure!(status.success(), "the worker ended with {status}");
    ensure!(
        findings.len() == job.rows.len(),
        "{} findings for {} rows",
        findings.len(),
        job.rows.len()
    );
    Ok(findings)
}

fn tell(event: &Event) -> Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush().context("tell the harness")
}
