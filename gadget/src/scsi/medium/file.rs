//! A file or a block device as medium.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::Medium;

/// A file or a block device as medium. Holes in a sparse file stay holes until written.
#[derive(Debug)]
pub struct FileMedium {
    file: File,
    size_bytes: u64,
    read_only: bool,
}

/// Why a file cannot be a medium.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MediumError {
    /// There is no such file.
    #[error("{} does not exist: check the path, or create an image with `truncate -s 64M {0}`", path.display())]
    NotFound {
        /// The file asked for.
        path: PathBuf,
    },
    /// The file may be read at most.
    #[error("{} may not be written: open it read-only, or make it writable", path.display())]
    NotWritable {
        /// The file asked for.
        path: PathBuf,
    },
    /// The file may not even be read.
    #[error("{} may not be read: change its permissions, or run as a user who may read it", path.display())]
    NotReadable {
        /// The file asked for.
        path: PathBuf,
    },
    /// A directory, a pipe, a character device.
    #[error("{} is not an image: give a regular file or a block device", path.display())]
    NotAnImage {
        /// The file asked for.
        path: PathBuf,
    },
    /// A file to be created is there already.
    #[error("{} exists already: open it, or choose another name", path.display())]
    Exists {
        /// The file asked for.
        path: PathBuf,
    },
    /// Anything else the system reports.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FileMedium {
    /// Opens an image for reading and writing.
    ///
    /// # Errors
    /// [`MediumError::NotWritable`] where only [`open_read_only`](Self::open_read_only) will do.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, MediumError> {
        Self::open_with(path.as_ref(), false)
    }

    /// Opens an image that the host can read and not change.
    ///
    /// # Errors
    /// When the file is missing, may not be read, or is no file of blocks.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, MediumError> {
        Self::open_with(path.as_ref(), true)
    }

    /// Creates a sparse image of `size_bytes` zeros.
    ///
    /// # Errors
    /// [`MediumError::Exists`] when there is such a file: nothing is ever overwritten.
    pub fn create(path: impl AsRef<Path>, size_bytes: u64) -> Result<Self, MediumError> {
        let path = path.as_ref();
        let failed = |source: io::Error| match source.kind() {
            ErrorKind::AlreadyExists => MediumError::Exists {
                path: path.to_owned(),
            },
            _ => MediumError::Io {
                path: path.to_owned(),
                source,
            },
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(failed)?;
        file.set_len(size_bytes).map_err(failed)?;
        Ok(Self {
            file,
            size_bytes,
            read_only: false,
        })
    }

    fn open_with(path: &Path, read_only: bool) -> Result<Self, MediumError> {
        let failed = |source: io::Error| match source.kind() {
            ErrorKind::NotFound => MediumError::NotFound {
                path: path.to_owned(),
            },
            ErrorKind::PermissionDenied => MediumError::NotReadable {
                path: path.to_owned(),
            },
            _ => MediumError::Io {
                path: path.to_owned(),
                source,
            },
        };
        // Looked at before it is opened: opening a pipe would wait for its other end.
        let kind = std::fs::metadata(path).map_err(failed)?.file_type();
        if !is_image(kind) {
            return Err(MediumError::NotAnImage {
                path: path.to_owned(),
            });
        }
        let opened = OpenOptions::new().read(true).write(!read_only).open(path);
        let mut file = opened.map_err(|source| match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem if !read_only => {
                MediumError::NotWritable {
                    path: path.to_owned(),
                }
            }
            _ => failed(source),
        })?;
        // The metadata of a block device has no length, its end has a position.
        let size_bytes = file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self {
            file,
            size_bytes,
            read_only,
        })
    }
}

fn is_image(kind: std::fs::FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_file() || kind.is_block_device()
}

impl Medium for FileMedium {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn flush(&self) -> io::Result<()> {
        if self.read_only {
            Ok(())
        } else {
            self.file.sync_data()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_created_image_is_sparse_and_survives_being_reopened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk.img");
        let medium = FileMedium::create(&path, 1 << 30).unwrap();
        medium.write_at(1 << 20, b"blocks").unwrap();
        medium.flush().unwrap();
        assert!(matches!(
            FileMedium::create(&path, 1),
            Err(MediumError::Exists { .. })
        ));

        let medium = FileMedium::open_read_only(&path).unwrap();
        assert_eq!(medium.size_bytes(), 1 << 30);
        assert!(medium.is_read_only());
        let mut back = [0; 8];
        medium.read_at((1 << 20) - 1, &mut back).unwrap();
        assert_eq!(&back, b"\0blocks\0");
        use std::os::unix::fs::MetadataExt;
        assert!(std::fs::metadata(&path).unwrap().blocks() < 1024);
    }

    #[test]
    fn what_is_no_image_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let missing = FileMedium::open(directory.path().join("missing")).unwrap_err();
        assert!(matches!(missing, MediumError::NotFound { .. }));
        assert!(missing.to_string().contains("truncate -s 64M"), "{missing}");
        let not_an_image = FileMedium::open(directory.path()).unwrap_err();
        assert!(matches!(not_an_image, MediumError::NotAnImage { .. }));
        assert!(matches!(
            FileMedium::open("/dev/null"),
            Err(MediumError::NotAnImage { .. })
        ));
    }

    #[test]
    fn a_file_cut_short_is_an_error_at_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk.img");
        let medium = FileMedium::create(&path, 4096).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(100)
            .unwrap();
        let error = medium.read_at(0, &mut [0; 512]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
