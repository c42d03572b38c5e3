//! Where usbfs2 is mounted.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::HostError;

const MOUNTS: &str = "/proc/self/mounts";

/// The mount points of usbfs2 that this process sees, in the order they were mounted.
///
/// # Errors
/// The table of mounts could not be read.
pub fn usbfs2() -> Result<Vec<PathBuf>, HostError> {
    let mounts = fs::read(MOUNTS).map_err(|source| HostError::Io {
        path: MOUNTS.into(),
        source,
    })?;
    Ok(of_type(&mounts, b"usbfs2"))
}

/// Whether the running kernel knows usbfs2.
#[must_use]
pub fn usbfs2_is_loaded() -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    known
        .lines()
        .any(|line| line.split_whitespace().last() == Some("usbfs2"))
}

/// Each line is `source target type options 0 0`.
fn of_type(mounts: &[u8], wanted: &[u8]) -> Vec<PathBuf> {
    let lines = mounts.split(|&byte| byte == b'\n');
    let target = |line: &[u8]| {
        let mut fields = line.split(|&byte| byte == b' ').skip(1);
        let (target, kind) = (fields.next()?, fields.next()?);
        (kind == wanted).then(|| PathBuf::from(OsString::from_vec(unescape(target))))
    };
    lines.filter_map(target).collect()
}

/// The kernel writes space, tab, line end and backslash as a backslash and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        let escaped = match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..]) => {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
            }
            _ => None,
        };
        plain.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() {
            &after[3..]
        } else {
            after
        };
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mount_points_are_found_by_type_and_unescaped() {
        let mounts = b"proc /proc proc rw 0 0\n\
            usbfs2 /dev/usbfs2 usbfs2 rw,relatime 0 0\n\
            usbfs2 /mnt/my\\040usb usbfs2 rw 0 0\n\
            /dev/usbfs2 /x ext4 rw 0 0\n";
        let expected = [PathBuf::from("/dev/usbfs2"), PathBuf::from("/mnt/my usb")];
        assert_eq!(of_type(mounts, b"usbfs2"), expected);
        assert_eq!(of_type(b"\n broken\n", b"usbfs2"), [] as [PathBuf; 0]);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(mounts: Vec<u8>, target in "[\\PC]{1,20}") {
            of_type(&mounts, b"usbfs2");
            let escaped: String = target
                .bytes()
                .map(|byte| match byte {
                    b' ' | b'\t' | b'\n' | b'\\' | 0x80.. => format!("\\{byte:03o}"),
                    byte => char::from(byte).to_string(),
                })
                .collect();
            let line = format!("usbfs2 {escaped} usbfs2 rw 0 0\n");
            prop_assert_eq!(of_type(line.as_bytes(), b"usbfs2"), [PathBuf::from(target)]);
        }
    }

    #[test]
    fn a_backslash_that_escapes_nothing_stays() {
        assert_eq!(unescape(b"a\\9\\04"), b"a\\9\\04");
        assert_eq!(unescape(b"\\134\\011"), b"\\\t");
    }
}
