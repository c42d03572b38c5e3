//! Owners and modes: the options of a mount, and what directories hand down.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::usbfs2::MOUNT;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

use crate::runner::Test;
use crate::settings::Alternating;
use crate::setup::{self, expect_errno};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "mount::a_remount_hands_its_options_down_the_whole_tree",
            a_remount_hands_its_options_down,
        ),
        Test::new(
            "mount::a_device_that_comes_later_gets_the_options_too",
            a_device_that_comes_later,
        ),
        Test::new(
            "mount::a_further_mount_shows_the_same_tree_with_its_options",
            a_further_mount_shows_the_same_tree,
        ),
        Test::new(
            "mount::an_option_it_does_not_know_gets_einval",
            an_option_it_does_not_know,
        ),
        Test::new(
            "access::chown_of_a_device_is_inherited_by_the_files_to_come",
            chown_is_inherited,
        ),
        Test::new(
            "access::chown_of_an_interface_outlives_an_alternate_setting",
            chown_outlives_an_alternate_setting,
        ),
        Test::new(
            "access::chmod_of_a_directory_gives_its_files_rw_for_each_class_with_w",
            chmod_gives_rw_for_w,
        ),
        Test::new(
            "access::a_device_plugged_in_again_belongs_to_whom_the_mount_does",
            plugged_in_again,
        ),
    ]
}

/// What the mount is for every other test; remounted so when dropped.
struct Options;

impl Options {
    fn set(options: &str) -> Result<Self> {
        let given = Self;
        mount_remount(MOUNT, MountFlags::empty(), options)
            .with_context(|| format!("remount with {options}"))?;
        Ok(given)
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        let usual = "uid=0,gid=0,mode=0600,dmode=0755";
        if let Err(error) = mount_remount(MOUNT, MountFlags::empty(), usual) {
            eprintln!("remount with {usual}: {error}");
        }
    }
}

/// Fails unless `path` belongs to `owner` (user, group) and has `mode`.
fn expect(path: &Path, owner: (u32, u32), mode: u32) -> Result<()> {
    let metadata = fs::metadata(path).with_context(|| format!("look at {}", path.display()))?;
    let found = (metadata.uid(), metadata.gid());
    let found_mode = metadata.permissions().mode() & 0o7777;
    ensure!(
        found == owner && found_mode == mode,
        "{} belongs to {found:?} with mode {found_mode:o} instead of {owner:?} with {mode:o}",
        path.display()
    );
    Ok(())
}

fn a_remount_hands_its_options_down() -> Result<()> {
    let plugged = setup::source_sink()?;
    let _options = Options::set("uid=1001,gid=1002,mode=0660,dmode=0750")?;
    let owner = (1001, 1002);
    expect(Path::new(MOUNT), owner, 0o750)?;
    expect(plugged.files.path(), owner, 0o750)?;
    expect(&plugged.files.path().join("ep00"), owner, 0o660)?;
    expect(&plugged.files.path().join("descriptors"), owner, 0o444)?;
    expect(&plugged.files.path().join("configuration"), owner, 0o664)?;
    expect(plugged.interface.path(), owner, 0o750)?;
    expect(&plugged.interface.path().join("driver"), owner, 0o664)?;
    expect(&plugged.interface.endpoint(true)?, owner, 0o660)?;
    expect(&Path::new(MOUNT).join("events"), owner, 0o444)
}

fn a_device_that_comes_later() -> Result<()> {
    let _options = Options::set("uid=1001,gid=1002,mode=0660,dmode=0750")?;
    let plugged = setup::source_sink()?;
    expect(plugged.interface.path(), (1001, 1002), 0o750)?;
    expect(&plugged.interface.endpoint(true)?, (1001, 1002), 0o660)
}

fn a_further_mount_shows_the_same_tree() -> Result<()> {
    let plugged = setup::source_sink()?;
    // For the options it had.
    let _options = Options::set("uid=0")?;
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let further = directory.path();
    mount(
        "usbfs2",
        further,
        "usbfs2",
        MountFlags::empty(),
        c"gid=1003,mode=0640",
    )?;
    let result = expect_same_tree(&plugged, further);
    unmount(further, UnmountFlags::empty())?;
    result
}

fn expect_same_tree(plugged: &setup::Plugged, further: &Path) -> Result<()> {
    let endpoint = plugged.interface.endpoint(true)?;
    let there = further.join(endpoint.strip_prefix(MOUNT)?);
    let (here, same) = (fs::metadata(&endpoint)?, fs::metadata(&there)?);
    ensure!(
        (here.dev(), here.ino()) == (same.dev(), same.ino()),
        "{} is another file than {}",
        there.display(),
        endpoint.display()
    );
    expect(&endpoint, (0, 1003), 0o640)
}

fn an_option_it_does_not_know() -> Result<()> {
    let plugged = setup::source_sink()?;
    let options = [
        "colour=blue",
        "mode",
        "mode=8",
        "mode=0700",
        "dmode=01777",
        "uid=somebody",
        "gid=4294967295",
        "uid=1001,colour=blue",
    ];
    for text in options {
        let result = mount_remount(MOUNT, MountFlags::empty(), text);
        expect_errno(
            &format!("a remount with {text}"),
            result.map_err(Into::into),
            libc::EINVAL,
        )?;
        expect(&plugged.interface.endpoint(true)?, (0, 0), 0o600)?;
    }
    Ok(())
}

fn chown_is_inherited() -> Result<()> {
    let plugged = setup::source_sink()?;
    chown(plugged.files.path(), Some(1001), Some(1002))?;
    let endpoint = plugged.interface.endpoint(true)?;
    expect(&endpoint, (1001, 1002), 0o600)?;
    // The interface's files go away, and others come.
    let configuration = plugged.files.path().join("configuration");
    fs::write(&configuration, "0")?;
    fs::write(&configuration, "1")?;
    expect(plugged.interface.path(), (1001, 1002), 0o755)?;
    expect(&endpoint, (1001, 1002), 0o600)
}

fn chown_outlives_an_alternate_setting() -> Result<()> {
    let plugged = Alternating::plug()?;
    chown(plugged.interface.path(), Some(1001), None)?;
    expect(plugged.files.path(), (0, 0), 0o755)?;
    let input = plugged.interface.endpoint(true)?;
    fs::set_permissions(&input, fs::Permissions::from_mode(0o604))?;
    let _claim = plugged.interface.claim()?;
    plugged.select("1")?;
    // A file that comes takes after its directory, and one that stays keeps what it had.
    expect(&plugged.interface.endpoint(false)?, (1001, 0), 0o600)?;
    expect(&input, (1001, 0), 0o604)
}

fn chmod_gives_rw_for_w() -> Result<()> {
    let plugged = setup::source_sink()?;
    let interface = plugged.interface.path();
    let endpoint = plugged.interface.endpoint(true)?;
    for (directory, file, attribute) in [
        (0o775, 0o660, 0o664),
        (0o757, 0o606, 0o646),
        (0o555, 0o000, 0o444),
        (0o755, 0o600, 0o644),
    ] {
        fs::set_permissions(interface, fs::Permissions::from_mode(directory))?;
        expect(interface, (0, 0), directory)?;
        expect(&endpoint, (0, 0), file)?;
        expect(&interface.join("ep00"), (0, 0), file)?;
        expect(&interface.join("alternate"), (0, 0), attribute)?;
    }
    expect(&plugged.files.path().join("ep00"), (0, 0), 0o600)
}

fn plugged_in_again() -> Result<()> {
    let mut plugged = setup::source_sink()?;
    chown(plugged.files.path(), Some(1001), Some(1002))?;
    plugged.pull()?;
    plugged.plug_again()?;
    expect(plugged.files.path(), (0, 0), 0o755)?;
    expect(&plugged.interface.endpoint(true)?, (0, 0), 0o600)
}
