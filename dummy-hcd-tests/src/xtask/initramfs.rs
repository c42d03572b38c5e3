//! The initial file system: busybox, the modules that reach the machine's root, and one script.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::kernel::Kernel;

/// What is needed before the machine's own modprobe can be reached.
const BOOT_MODULES: &[&str] = &["virtio_pci", "9pnet_virtio", "9p", "overlay"];

const INIT: &str = include_str!("guest/init.sh");

/// Writes the archive for `kernel` to `path`.
pub(crate) fn write(kernel: &Kernel, path: &Path) -> Result<()> {
    let mut archive = Archive::default();
    for directory in [
        "bin", "dev", "proc", "sys", "modules", "lower", "upper", "sysroot",
    ] {
        archive.directory(directory);
    }
    archive.device("dev/console", 5, 1);
    archive.file("init", 0o755, INIT.as_bytes());
    archive.file(
        "bin/busybox",
        0o755,
        &fs::read("/bin/busybox").context("read /bin/busybox (package busybox-static)")?,
    );
    for (index, module) in load_order(kernel)?.iter().enumerate() {
        let name = format!("modules/{index:02}.ko");
        archive.file(&name, 0o644, &uncompressed(&kernel.modules().join(module))?);
    }
    archive.end();
    fs::write(path, archive.bytes).with_context(|| format!("write {}", path.display()))
}

/// Paths below the modules directory, each after what it depends on. Built-in modules are left out.
fn load_order(kernel: &Kernel) -> Result<Vec<String>> {
    let path = kernel.modules().join("modules.dep");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let builtin = fs::read_to_string(kernel.modules().join("modules.builtin"))
        .context("read modules.builtin")?;
    let mut order = Vec::new();
    for module in BOOT_MODULES {
        let file = format!("/{module}.ko");
        let line = text.lines().find_map(|line| {
            let (path, dependencies) = line.split_once(':')?;
            path.contains(&file).then_some((path, dependencies))
        });
        let Some((path, dependencies)) = line else {
            ensure!(
                builtin.contains(&file),
                "kernel {} has no module {module}",
                kernel.release()
            );
            continue;
        };
        // depmod lists the nearest dependency first.
        for path in dependencies.split_whitespace().rev().chain([path]) {
            if !order.iter().any(|known| known == path) {
                order.push(path.to_owned());
            }
        }
    }
    Ok(order)
}

fn uncompressed(path: &Path) -> Result<Vec<u8>> {
    if path.extension().is_some_and(|extension| extension == "ko") {
        return fs::read(path).with_context(|| format!("read {}", path.display()));
    }
    let output = Command::new("xz")
        .args(["--decompress", "--stdout"])
        .arg(path)
        .output();
    let output = output.context("run xz (package xz-utils)")?;
    ensure!(
        output.status.success(),
        "xz {}: {}",
        path.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

/// A cpio archive in the "newc" format (the kernel's Documentation/driver-api/early-userspace).
#[derive(Debug, Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn directory(&mut self, name: &str) {
        self.entry(name, 0o040_755, (0, 0), &[]);
    }

    fn device(&mut self, name: &str, major: u32, minor: u32) {
        self.entry(name, 0o020_600, (major, minor), &[]);
    }

    fn file(&mut self, name: &str, permissions: u32, content: &[u8]) {
        self.entry(name, 0o100_000 | permissions, (0, 0), content);
    }

    fn end(&mut self) {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
    }

    fn entry(&mut self, name: &str, mode: u32, (major, minor): (u32, u32), content: &[u8]) {
        self.entries += 1;
        let inode = self.entries as usize;
        let fields = [
            inode,
            mode as usize,
            0,
            0,
            1,
            0,
            content.len(),
            0,
            0,
            major as usize,
            minor as usize,
            name.len() + 1,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
