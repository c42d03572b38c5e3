//! Files that users name as the contents of a disk.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Opens a file of blocks for reading; also says how many bytes it has.
pub(crate) fn open(path: &Path) -> Result<(File, u64)> {
    let cannot_read = || format!("cannot read {}", path.display());
    let kind = path.metadata().with_context(cannot_read)?.file_type();
    // A pipe has no size to check beforehand, and /dev/zero no end.
    ensure!(
        kind.is_file() || kind.is_block_device(),
        "{} is not an image: give a regular file or a block device",
        path.display()
    );
    let mut file = File::open(path).with_context(cannot_read)?;
    // The length that metadata gives is 0 for a block device.
    let length = file.seek(SeekFrom::End(0)).with_context(cannot_read)?;
    file.rewind().with_context(cannot_read)?;
    Ok((file, length))
}
