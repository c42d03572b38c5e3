//! QEMU's command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::args::{Controller, VmOptions};

/// How the guest's instructions are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accelerator {
    Kvm,
    /// QEMU's translator: works everywhere, ten times slower.
    Tcg,
}

/// The niceness with which a process has a third of another's share of a processor.
const PATIENT: u8 = 5;

/// The files and sockets of one guest.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) image: PathBuf,
    pub(crate) initramfs: PathBuf,
    /// The directory the guest may write.
    pub(crate) job: PathBuf,
    pub(crate) console: PathBuf,
    pub(crate) stdin: PathBuf,
    pub(crate) stdout: PathBuf,
    pub(crate) stderr: PathBuf,
    /// Where QEMU meets itself: its monitor and the guest's port to it.
    pub(crate) monitor: PathBuf,
    /// The kernel looks for mistakes.
    pub(crate) is_debug: bool,
}

/// A QEMU that ends with this process, however that ends, and does not reboot.
pub(crate) fn command() -> Command {
    command_at(0)
}

/// The same that lets others go first if `niceness` is above 0.
fn command_at(niceness: u8) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "nice", "-n", &niceness.to_string()]);
    command.args(["qemu-system-x86_64"]);
    command.args([
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-machine",
        "q35",
    ]);
    command.stdin(Stdio::null());
    command
}

/// The whole guest of `options`.
pub(crate) fn guest(options: &VmOptions, accelerator: Accelerator, machine: &Machine) -> Command {
    // A guest that counts instructions has all the time of this machine; the others have deadlines by its clock.
    let mut command = command_at(if options.icount { PATIENT } else { 0 });
    let accelerator = if options.icount {
        Accelerator::Tcg
    } else {
        accelerator
    };
    match accelerator {
        Accelerator::Kvm => command.args(["-accel", "kvm", "-cpu", "host"]),
        // The string instructions take one step however long they are, which icount would count as one.
        Accelerator::Tcg if options.icount => command.args([
            "-icount",
            "shift=0,sleep=off",
            "-cpu",
            "max,erms=off,fsrm=off",
        ]),
        Accelerator::Tcg => command.args(["-accel", "tcg", "-cpu", "max,la57=off"]),
    };
    if let Some(plugin) = &options.plugin {
        command.args(["-plugin", plugin]);
    }
    let cpus = if options.icount { 1 } else { options.cpus };
    command.args([
        "-smp",
        &cpus.to_string(),
        "-m",
        &format!("{}M", options.memory),
    ]);

    // A panic reboots, which -no-reboot turns into an end. The log of a quiet guest is read at the end;
    // warnings and worse reach the console at once, since a hung guest hands back nothing else.
    let mut parameters =
        "console=ttyS0 loglevel=5 panic=-1 mitigations=off random.trust_cpu=on tsc=reliable \
                          no_timer_check nokaslr audit=0 ipv6.disable=1"
            .to_owned();
    // Counted time jumps to the next timer whenever the guest is idle, be it because it waits for a file of
    // this machine. With a tick that goes on it jumps 4 ms instead of seconds, and deadlines keep their sense.
    if options.icount && options.isochronous {
        parameters.push_str(" nohz=off");
    }
    // Not only the first.
    if machine.is_debug {
        parameters.push_str(" kasan_multi_shot");
    }
    for parameter in &options.parameters {
        parameters.push(' ');
        parameters.push_str(parameter);
    }
    command.args(["-append", &parameters]);
    command
        .arg("-kernel")
        .arg(&machine.image)
        .arg("-initrd")
        .arg(&machine.initramfs);

    share(
        &mut command,
        "root",
        Path::new("/"),
        "readonly=on,multidevs=remap",
    );
    share(&mut command, "job", &machine.job, "multidevs=remap");
    command.args(["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]);
    socket(&mut command, "console", &machine.console);
    command.args(["-serial", "chardev:console"]);
    for (name, path) in [
        ("stdin", &machine.stdin),
        ("stdout", &machine.stdout),
        ("stderr", &machine.stderr),
    ] {
        socket(&mut command, name, path);
        command.args([
            "-device",
            &format!("virtserialport,chardev={name},name=usbfs2.{name}"),
        ]);
    }
    controllers(&mut command, &options.controllers, machine);
    command
}

/// The host controllers, and the guest's way to plug something into them.
fn controllers(command: &mut Command, controllers: &[Controller], machine: &Machine) {
    if controllers.is_empty() {
        return;
    }
    for controller in controllers {
        let model = match controller {
            Controller::Xhci => "qemu-xhci",
            // Frames that QEMU makes up for when it was late; it leaves out those that are more. The most it can.
            Controller::Ehci => "usb-ehci,maxframes=512",
            Controller::Uhci => "piix3-usb-uhci",
        };
        command.args(["-device", &format!("{model},id={}", controller.name())]);
    }
    // One end listens before the other connects: they are made in this order.
    let monitor = machine.monitor.display();
    command.args([
        "-chardev",
        &format!("socket,id=monitor,path={monitor},server=on,wait=off"),
        "-mon",
        "chardev=monitor,mode=control",
    ]);
    socket(command, "qmp", &machine.monitor);
    command.args(["-device", "virtserialport,chardev=qmp,name=usbfs2.qmp"]);
    // Where a device that lives in the guest reaches QEMU's `usb-redir`: that one's chardev goes with the device,
    // so a test makes it each time, and connects it to this.
    command.args([
        "-chardev",
        "socket,id=redirection,path=usbredir.sock,server=on,wait=off",
        "-device",
        "virtserialport,chardev=redirection,name=usbfs2.usbredir",
    ]);
    // What a sound card that is plugged in plays. QEMU's mixer passes it on as it is.
    command.args([
        "-audiodev",
        "wav,id=usbfs2,path=media/played.wav,out.frequency=48000,out.channels=2,out.format=s16",
    ]);
    // So that a file the guest makes in the job's directory has a name here too.
    command.current_dir(&machine.job);
}

fn share(command: &mut Command, tag: &str, directory: &Path, options: &str) {
    let directory = directory.display();
    command.args([
        "-fsdev",
        &format!("local,id={tag},path={directory},security_model=none,{options}"),
    ]);
    command.args([
        "-device",
        &format!("virtio-9p-pci,fsdev={tag},mount_tag={tag}"),
    ]);
}

fn socket(command: &mut Command, name: &str, path: &Path) {
    command.args([
        "-chardev",
        &format!("socket,id={name},path={}", path.display()),
    ]);
}
