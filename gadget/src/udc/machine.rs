//! The controllers of this machine, from /sys/class/udc.

use std::fs;
use std::io;
use std::path::Path;

use super::known::KnownUdc;

/// What /sys/class/udc tells of a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineUdc {
    name: String,
    driver: Option<String>,
    compatible: Vec<String>,
    function: Option<String>,
}

impl MachineUdc {
    /// The machine's controllers, by name. None where the kernel has no gadget support.
    ///
    /// # Errors
    /// When /sys/class/udc is there and cannot be read.
    pub fn all() -> io::Result<Vec<Self>> {
        Self::all_in(Path::new("/sys/class/udc"))
    }

    fn all_in(class: &Path) -> io::Result<Vec<Self>> {
        let entries = match fs::read_dir(class) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = entries
            .map(|entry| Ok(Self::at(&entry?.path())))
            .collect::<io::Result<Vec<_>>>()?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn at(path: &Path) -> Self {
        let last = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
        let driver = fs::read_link(path.join("device/driver")).ok();
        // Words that each end with a NUL.
        let compatible = fs::read(path.join("device/of_node/compatible")).unwrap_or_default();
        let words = compatible.split(|&byte| byte == 0);
        let function = fs::read_to_string(path.join("function")).unwrap_or_default();
        Self {
            name: last(path).unwrap_or_default(),
            driver: driver.and_then(|link| last(&link)),
            compatible: words
                .filter(|word| !word.is_empty())
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect(),
            function: Some(function.trim().to_owned()).filter(|function| !function.is_empty()),
        }
    }

    /// The name in /sys/class/udc, such as `fe980000.usb`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the kernel's driver for it.
    #[must_use]
    pub fn driver(&self) -> Option<&str> {
        self.driver.as_deref()
    }

    /// What runs on it now, if anything does.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        self.function.as_deref()
    }

    /// What is known of it: by the device tree's name, which tells boards apart, else by the driver's, else by its own.
    #[must_use]
    pub fn known(&self) -> Option<&'static KnownUdc> {
        let mut compatible = self.compatible.iter();
        compatible
            .find_map(|word| KnownUdc::of_compatible(word))
            .or_else(|| KnownUdc::find(self.driver()?))
            .or_else(|| KnownUdc::find(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// As sysfs has it: the class entry's `device` is a link to the device, whose `driver` is one to its driver.
    fn machine(udcs: &[(&str, &str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, driver, compatible) in udcs {
            let device = root.path().join("devices").join(name);
            let driver = root.path().join("drivers").join(driver);
            let class = root.path().join("class").join(name);
            fs::create_dir_all(device.join("of_node")).unwrap();
            fs::create_dir_all(&driver).unwrap();
            fs::create_dir_all(&class).unwrap();
            fs::write(device.join("of_node/compatible"), compatible).unwrap();
            fs::write(class.join("function"), "\n").unwrap();
            symlink(&driver, device.join("driver")).unwrap();
            symlink(&device, class.join("device")).unwrap();
        }
        root
    }

    #[test]
    fn the_driver_tells_what_an_address_does_not() {
        let root = machine(&[
            (
                "49000000.usb-otg",
                "dwc2",
                b"st,stm32mp15-hsotg\0snps,dwc2\0",
            ),
            ("fe980000.usb", "dwc2", b"brcm,bcm2835-usb\0"),
            ("ff540000.usb", "dwc2", b""),
            ("fe800000.usb", "dwc3", b"snps,dwc3\0"),
            ("ffff0000.usb", "somebody", b""),
        ]);
        let found = MachineUdc::all_in(&root.path().join("class")).unwrap();
        let known: Vec<_> = found
            .iter()
            .map(|one| (one.name(), one.known().map(KnownUdc::name)))
            .collect();
        assert_eq!(
            known,
            [
                ("49000000.usb-otg", Some("dwc2-stm32mp1")),
                ("fe800000.usb", Some("dwc3")),
                ("fe980000.usb", Some("dwc2")),
                ("ff540000.usb", Some("dwc2")),
                ("ffff0000.usb", None),
            ]
        );
        assert_eq!(found[0].function(), None);
    }

    #[test]
    fn a_machine_without_gadgets_has_none() {
        let root = tempfile::tempdir().unwrap();
        let found = MachineUdc::all_in(&root.path().join("class")).unwrap();
        assert_eq!(found, []);
    }
}
