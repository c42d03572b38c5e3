//! Which device a user means.

use anyhow::{Result, bail};
use usbfs2_host::{DeviceInfo, Host};

/// The device called `name`: its place (`1-1`) or its vendor and product (`046d:c31c`).
pub(crate) fn device(host: &Host, name: &str) -> Result<DeviceInfo> {
    let wanted = vendor_and_product(name);
    let mut found = host.devices()?.into_iter().filter(|info| match wanted {
        Some((vendor, product)) => {
            info.vendor_id() == Some(vendor) && info.product_id() == Some(product)
        }
        None => info.id().as_str() == name,
    });
    let Some(first) = found.next() else {
        bail!("no device `{name}` is plugged in: `usbfs2 list` shows those that are");
    };
    if let Some(second) = found.next() {
        bail!(
            "several devices are {name}: say which by its place, such as {} or {}",
            first.id(),
            second.id()
        );
    }
    Ok(first)
}

/// The first device with an interface of `class`, for commands that take none by name.
pub(crate) fn first_of_class(host: &Host, class: u8, what: &str) -> Result<DeviceInfo> {
    let devices = host.devices()?;
    let found = devices.into_iter().find(|info| {
        info.configurations().iter().flatten().any(|configuration| {
            configuration
                .interfaces
                .iter()
                .flat_map(|interface| &interface.alternate_settings)
                .any(|setting| setting.class == class)
        })
    });
    match found {
        Some(info) => Ok(info),
        None => bail!("no {what} is plugged in: `usbfs2 list -v` shows every interface"),
    }
}

fn vendor_and_product(name: &str) -> Option<(u16, u16)> {
    let (vendor, product) = name.split_once(':')?;
    Some((
        u16::from_str_radix(vendor, 16).ok()?,
        u16::from_str_radix(product, 16).ok()?,
    ))
}
