//! A disk driver that can do nothing but drive its disk: it opens the files of one interface as root, gives up root and
//! all system calls but a few, and only then says the first word to the device.
//!
//! ```text
//! sudo sandboxed_disk 1-1          the disk at 1-1, on the usbfs2 module; reads numbers of blocks, a line each
//! ```
//!
//! For each number it prints the block as hexadecimal digits. A disk that lies its way into this program has
//! the disk, and three pipes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Gid, Uid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use usbfs2_host::{DeviceInfo, Host, Interface, InterfaceFiles};
use usbfs2_mass_storage::{BlockDevice, MassStorage, Options};

const MOUNT: &str = "/dev/usbfs2";
/// "nobody" and "nogroup": whose files nobody has.
const NOBODY: u32 = 65534;

fn main() -> Result<()> {
    let place = std::env::args().nth(1);
    let place = place.context("which disk? Give its place, such as 1-1")?;
    let host = Host::usbfs2(Path::new(MOUNT))?;
    let devices = host.devices()?;
    let info = devices.iter().find(|info| info.id().as_str() == place);
    let info = info.with_context(|| format!("no device at {place}"))?;
    let files = InterfaceFiles::open(Path::new(MOUNT), info, interface_number(info)?)?;
    drop(host);

    give_up_root()?;
    seccompiler::apply_filter(&allowed_calls()?)?;
    prove_it(&place);

    let interface = Interface::from_files(info, files)?;
    let storage = MassStorage::on_blocking(interface, info, Options::default())?;
    let mut disk = storage.block_device_blocking(0)?;
    println!(
        "{} blocks of {} bytes",
        disk.block_count(),
        disk.block_size()
    );
    for line in io::stdin().lock().lines() {
        print_block(&mut disk, line?.trim().parse()?)?;
    }
    Ok(())
}

fn interface_number(info: &DeviceInfo) -> Result<u8> {
    let configurations = info.configurations().iter().flatten();
    let active = configurations.filter(|it| Some(it.value) == info.active_configuration());
    let mut settings = active
        .flat_map(|it| &it.interfaces)
        .flat_map(|it| &it.alternate_settings);
    let setting = settings.find(|setting| MassStorage::matches(setting));
    Ok(setting.context("it is no disk")?.interface_number)
}

/// Changes who this thread is, and it is the only one. With root the kernel takes every capability.
fn give_up_root() -> Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)?;
    ensure!(
        rustix::process::geteuid() == user,
        "still root: what is to be gained?"
    );
    Ok(())
}

/// Reads and writes of open files, AIO among them, the recovery of an endpoint, and sleep.
#[rustfmt::skip]
const TRANSFERS: [i64; 16] = [
    libc::SYS_read, libc::SYS_write, libc::SYS_pread64, libc::SYS_pwrite64, libc::SYS_io_setup, libc::SYS_io_submit,
    libc::SYS_io_getevents, libc::SYS_io_cancel, libc::SYS_io_destroy, libc::SYS_eventfd2,
    libc::SYS_ppoll, libc::SYS_fadvise64, libc::SYS_close, libc::SYS_futex, libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
];
/// What Rust and libc do for memory, random numbers, panics and the end.
#[rustfmt::skip]
const RUNTIME: [i64; 12] = [
    libc::SYS_brk, libc::SYS_mremap, libc::SYS_munmap, libc::SYS_madvise, libc::SYS_mincore, libc::SYS_getrandom,
    libc::SYS_getpid, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_sigaltstack, libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Everything else fails with EPERM.
fn allowed_calls() -> Result<BpfProgram> {
    let calls = TRANSFERS.into_iter().chain(RUNTIME);
    let mut rules: BTreeMap<_, _> = calls.map(|call| (call, Vec::new())).collect();
    // Memory that is no code.
    let is_code = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
    let no_code = SeccompCondition::new(2, SeccompCmpArgLen::Dword, is_code, 0)?;
    rules.insert(libc::SYS_mmap, vec![SeccompRule::new(vec![no_code])?]);
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let machine = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, refuse, SeccompAction::Allow, machine)?.try_into()?)
}

/// Tries what a driver that was taken over would try.
fn prove_it(place: &str) {
    let parent = nix::unistd::Pid::parent();
    let other = PathBuf::from(MOUNT).join(place).join("ep00");
    let attempts: [(&str, Option<io::Error>); 5] = [
        ("open a file", File::open("/proc/version").err()),
        ("open the device", File::open(other).err()),
        ("a socket", UdpSocket::bind("127.0.0.1:0").err()),
        ("another program", Command::new("true").spawn().err()),
        (
            "ptrace",
            nix::sys::ptrace::attach(parent).err().map(io::Error::from),
        ),
    ];
    for (what, error) in attempts {
        match error {
            Some(error) => println!("{what}: {error}"),
            None => println!("{what}: was possible"),
        }
    }
}

fn print_block(disk: &mut BlockDevice, number: u64) -> Result<()> {
    let size = disk.block_size();
    let mut bytes = vec![0; usize::try_from(size)?];
    disk.read_at_blocking(number * u64::from(size), &mut bytes)?;
    println!(
        "{}",
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    );
    Ok(())
}
