//! The kernel's own gadget functions, put together through configfs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const GADGETS: &str = "/sys/kernel/config/usb_gadget";

/// Linux-USB "Gadget Zero", which the kernel's `usbtest` driver knows.
pub const GADGET_ZERO: (u16, u16) = (0x0525, 0xa4a0);

/// One function of the kernel's, with the attributes to write before it is bound.
#[derive(Debug, Clone)]
pub struct KernelFunction {
    kind: &'static str,
    attributes: Vec<(String, Vec<u8>)>,
}

impl KernelFunction {
    /// A function by the name of its directory's first part: "SourceSink".
    #[must_use]
    pub fn new(kind: &'static str) -> Self {
        Self {
            kind,
            attributes: Vec::new(),
        }
    }

    /// Gives bytes on its IN endpoint without end and takes them on its OUT endpoint.
    ///
    /// `pattern`: 0 zeros, 1 each byte its offset modulo 63, 2 no check of what comes.
    #[must_use]
    pub fn source_sink(pattern: u8, buffer_length: u32, queue_length: u32) -> Self {
        Self::new("SourceSink")
            .with("pattern", pattern.to_string())
            .with("bulk_buflen", buffer_length.to_string())
            .with("bulk_qlen", queue_length.to_string())
    }

    /// Gives on its IN endpoint what came on its OUT endpoint, so that a read waits for a write.
    #[must_use]
    pub fn loopback() -> Self {
        Self::new("Loopback")
    }

    /// A disk with `image` as its medium.
    #[must_use]
    pub fn mass_storage(image: &Path, read_only: bool, removable: bool) -> Self {
        let flag = |set: bool| if set { "1" } else { "0" };
        Self::new("mass_storage")
            .with("lun.0/ro", flag(read_only))
            .with("lun.0/removable", flag(removable))
            .with("lun.0/file", image.display().to_string())
    }

    /// A boot keyboard; `/dev/hidgN` takes its reports.
    #[must_use]
    pub fn keyboard(report_descriptor: &[u8]) -> Self {
        Self::new("hid")
            .with("protocol", "1")
            .with("subclass", "1")
            .with("report_length", "8")
            .with("report_desc", report_descriptor)
    }

    /// Writes `value` to the function's attribute `name`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.attributes.push((name.to_owned(), value.into()));
        self
    }
}

/// A gadget bound to `dummy_udc.N`; unbound and removed when dropped.
#[derive(Debug)]
pub struct KernelGadget {
    path: PathBuf,
    bus: u8,
}

impl KernelGadget {
    /// Composes one configuration of `functions` and binds it to `dummy_udc.{bus}`, at its highest speed.
    ///
    /// # Errors
    /// When configfs refuses something, with the path it refused.
    pub fn bind(bus: u8, ids: (u16, u16), functions: &[KernelFunction]) -> io::Result<Self> {
        Self::bind_at(bus, ids, functions, None)
    }

    /// The same at no more than `max_speed`, in udc's words: "high-speed".
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_at(
        bus: u8,
        ids: (u16, u16),
        functions: &[KernelFunction],
        max_speed: Option<&str>,
    ) -> io::Result<Self> {
        let gadget = Self {
            path: Path::new(GADGETS).join(format!("usbfs2-test-{bus}")),
            bus,
        };
        gadget.create("")?;
        gadget.set("idVendor", format!("{:#06x}", ids.0))?;
        gadget.set("idProduct", format!("{:#06x}", ids.1))?;
        if let Some(speed) = max_speed {
            gadget.set("max_speed", speed)?;
        }
        gadget.create("strings/0x409")?;
        gadget.set("strings/0x409/manufacturer", "usbfs2")?;
        gadget.set("strings/0x409/product", "test gadget")?;
        gadget.set("strings/0x409/serialnumber", "0123456789AB")?;
        gadget.create("configs/c.1")?;
        for (index, function) in functions.iter().enumerate() {
            let name = format!("functions/{}.{index}", function.kind);
            gadget.create(&name)?;
            for (attribute, value) in &function.attributes {
                gadget.set(&format!("{name}/{attribute}"), value)?;
            }
            let link = gadget
                .path
                .join("configs/c.1")
                .join(format!("{}.{index}", function.kind));
            at(
                &link,
                std::os::unix::fs::symlink(gadget.path.join(&name), &link),
            )?;
        }
        gadget.set("UDC", format!("dummy_udc.{bus}"))?;
        Ok(gadget)
    }

    /// Plugs the cable in again after [`crate::cable::pull`].
    ///
    /// # Errors
    /// When configfs refuses.
    pub fn plug_again(&self) -> io::Result<()> {
        self.set("UDC", "\n")?;
        self.set("UDC", format!("dummy_udc.{}", self.bus))
    }

    /// Removes what a test that was killed has left.
    ///
    /// # Errors
    /// When configfs cannot be read.
    pub fn remove_leftovers() -> io::Result<()> {
        for entry in at(Path::new(GADGETS), fs::read_dir(GADGETS))? {
            let entry = entry?;
            let name = entry.file_name();
            let bus = name
                .to_str()
                .and_then(|name| name.strip_prefix("usbfs2-test-")?.parse().ok());
            if let Some(bus) = bus {
                drop(Self {
                    path: entry.path(),
                    bus,
                });
            }
        }
        Ok(())
    }

    fn create(&self, directory: &str) -> io::Result<()> {
        let path = self.path.join(directory);
        at(&path, fs::create_dir(&path))
    }

    fn set(&self, attribute: &str, value: impl AsRef<[u8]>) -> io::Result<()> {
        let path = self.path.join(attribute);
        at(&path, fs::write(&path, value))
    }
}

impl Drop for KernelGadget {
    fn drop(&mut self) {
        // Each step undoes one that may not have happened; what is left shows in the next test's bind.
        let _ = fs::write(self.path.join("UDC"), "\n");
        let configuration = self.path.join("configs/c.1");
        for entry in fs::read_dir(&configuration).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        let _ = fs::remove_dir(configuration);
        for entry in fs::read_dir(self.path.join("functions"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let _ = fs::remove_dir(entry.path());
        }
        let _ = fs::remove_dir(self.path.join("strings/0x409"));
        let _ = fs::remove_dir(&self.path);
    }
}

fn at<T>(path: &Path, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}
