//! The manual pages.

use std::fs;

use tempfile::TempDir;

use crate::outcome::usbfs2;

#[test]
fn every_subcommand_has_a_page_with_its_options() {
    let folder = TempDir::new().unwrap();
    let printed = usbfs2(["man", folder.path().to_str().unwrap()]).printed();
    let page = |section: &str, name: &str| {
        let path = folder.path().join(section).join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let count = |section: &str| folder.path().join(section).read_dir().unwrap().count();
    let pages = count("man1") + count("man5");
    assert!(
        printed.starts_with(&format!("{pages} pages are in ")),
        "{printed}"
    );
    for (name, option) in [
        ("usbfs2.1", "usbfs2\\-capture(1)"),
        ("usbfs2-list.1", "\\-\\-verbose"),
        ("usbfs2-hid-monitor.1", "\\-\\-raw"),
        ("usbfs2-disk-read.1", "\\-\\-offset"),
        ("usbfs2-gadget-disk.1", "\\-\\-removable"),
        ("usbfs2-audio-play.1", "\\-\\-resample"),
        ("usbfs2-gadget-audio.1", "\\-\\-ppm"),
        ("usbfs2-capture.1", "\\-\\-snaplen"),
    ] {
        let text = page("man1", name);
        assert!(
            text.contains(option) && text.contains(".SH SEE ALSO"),
            "{text}"
        );
    }
    assert!(page("man5", "usbfs2.5").contains(".Nd USB endpoints as files"));
}
