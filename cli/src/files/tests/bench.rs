//! A disk with an image in it, and the commands on it.

use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions, ReadWriteSeek, format_volume};
use usbfs2_gadget::functions::Disk;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::scsi::{Medium, MemoryMedium};
use usbfs2_gadget::{DeviceIds, Gadget, Running, Speed};
use usbfs2_host::Host;
use usbfs2_loopback::Bus;
use usbfs2_mass_storage::MassStorage;

use super::super::copy::Job;
use super::super::filesystem::Files;
use super::super::guard::guarded;
use super::super::place::Place;
use super::super::{cat, list};

pub(super) const MIB: usize = 1 << 20;

/// An image of `bytes` with an empty file system.
pub(super) fn formatted(bytes: usize, fat: FatType, block_size: u32) -> Vec<u8> {
    let mut image = Cursor::new(vec![0; bytes]);
    let options = FormatVolumeOptions::new()
        .fat_type(fat)
        .bytes_per_sector(u16::try_from(block_size).unwrap())
        .bytes_per_cluster(block_size);
    format_volume(&mut image, options).unwrap();
    image.into_inner()
}

/// An image with a file system and what `fill` puts there.
pub(super) fn filled(fill: impl FnOnce(&FileSystem<&mut Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut image = Cursor::new(formatted(2 * MIB, FatType::Fat12, 512));
    let files = FileSystem::new(&mut image, FsOptions::new()).unwrap();
    fill(&files);
    files.unmount().unwrap();
    image.into_inner()
}

pub(super) fn put(files: &FileSystem<impl ReadWriteSeek>, path: &str, content: &[u8]) {
    let mut file = files.root_dir().create_file(path).unwrap();
    file.write_all(content).unwrap();
}

/// A disk that is plugged in. Its host is dropped before it.
pub(super) struct Bench {
    host: Host,
    port: String,
    medium: Arc<MemoryMedium>,
    _running: Running,
}

impl Bench {
    pub(super) fn new(image: &[u8], block_size: u32) -> Self {
        let options = DiskOptions {
            block_size,
            ..DiskOptions::default()
        };
        Self::with(image, options)
    }

    pub(super) fn with(image: &[u8], options: DiskOptions) -> Self {
        let medium = Arc::new(MemoryMedium::with_contents(image));
        let ids = DeviceIds {
            vendor: 0x1209,
            product: 2,
            release: 1,
        };
        let disk = Disk::new(medium.clone(), options).unwrap();
        let gadget = Gadget::builder(ids).function(disk).build().unwrap();
        let bus = Bus::new();
        let running = gadget.start_on(&bus, Speed::High).unwrap();
        Self {
            host: Host::on(&bus),
            port: running.port_name().to_owned(),
            medium,
            _running: running,
        }
    }

    fn files(&self, partition: Option<u32>) -> Result<Files> {
        let device = self.host.open(&self.port.as_str().into())?;
        let storage = MassStorage::open_blocking(&device)?;
        Files::open(storage.block_device_blocking(0)?, partition)
    }

    /// `disk ls -l`, without the times.
    pub(super) fn ls(&self, path: &str, partition: Option<u32>) -> Result<Vec<String>> {
        guarded(|| {
            let files = self.files(partition)?;
            let entries = list::entries(&files, &Place::of(Some(path), None)?.path)?;
            let lines = entries.iter().map(list::long);
            Ok(lines
                .map(|line| [&line[..16], &line[37..]].concat())
                .collect())
        })
    }

    pub(super) fn json(&self, path: &str) -> Result<serde_json::Value> {
        guarded(|| {
            let files = self.files(None)?;
            let entries = list::entries(&files, &Place::of(Some(path), None)?.path)?;
            Ok(list::facts(&entries))
        })
    }

    pub(super) fn cat(&self, path: &str) -> Result<Vec<u8>> {
        guarded(|| {
            let mut content = Vec::new();
            let place = Place::of(Some(path), None)?;
            cat::run(&self.files(None)?, &place.path, &mut content)?;
            Ok(content)
        })
    }

    /// `disk cp -r`, or without it where `paths` begin with `-`.
    pub(super) fn cp(&self, paths: &[&str]) -> Result<()> {
        let recursive = paths.first() != Some(&"-");
        let paths: Vec<String> = paths[usize::from(!recursive)..]
            .iter()
            .map(|&path| path.to_owned())
            .collect();
        guarded(|| Job::parse(&paths)?.run(self.files(None)?, recursive))
    }

    /// What the medium holds, past the disk and the driver.
    pub(super) fn image(&self) -> Vec<u8> {
        let mut image = vec![0; usize::try_from(self.medium.size_bytes()).unwrap()];
        self.medium.read_at(0, &mut image).unwrap();
        image
    }

    /// A file on the medium, by the library alone.
    pub(super) fn content(&self, path: &str) -> Option<Vec<u8>> {
        let mut image = Cursor::new(self.image());
        let files = FileSystem::new(&mut image, FsOptions::new()).unwrap();
        let mut content = Vec::new();
        let mut file = files.root_dir().open_file(path).ok()?;
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut content).unwrap();
        Some(content)
    }
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Fails unless `outcome` is an error that says all of `parts`.
#[track_caller]
pub(super) fn assert_refused<T>(outcome: Result<T>, parts: &[&str]) {
    let Err(error) = outcome else {
        panic!("it went well");
    };
    let complaint = format!("{error:#}");
    for part in parts {
        assert!(complaint.contains(part), "`{part}` is not in: {complaint}");
    }
}
