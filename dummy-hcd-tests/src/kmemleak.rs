//! The report of the kernel's kmemleak: memory that nothing points to any more.

/// Leaks of the kernel's own, by a function that is in their backtrace: none of them is our module's doing.
const KNOWN: &[(&str, &str)] = &[
    (
        "sourcesink_bind",
        "f_sourcesink frees its descriptors with the function, and makes new ones at each bind (6.12)",
    ),
    (
        "loopback_bind",
        "f_loopback frees its descriptors with the function, and makes new ones at each bind (6.12)",
    ),
];

/// The leaks that `report`, the text of `/sys/kernel/debug/kmemleak`, tells of, without those of the kernel's own
/// that are known.
#[must_use]
pub fn leaks(report: &str) -> Vec<&str> {
    objects(report)
        .into_iter()
        .filter(|object| !KNOWN.iter().any(|(function, _)| object.contains(function)))
        .collect()
}

/// A report is a line that is not indented for each object, and then what is known of it.
fn objects(report: &str) -> Vec<&str> {
    const FIRST_LINE: &str = "unreferenced object ";
    let mut starts = report
        .match_indices(FIRST_LINE)
        .map(|(start, _)| start)
        .collect::<Vec<_>>();
    starts.push(report.len());
    starts
        .windows(2)
        .map(|bounds| report[bounds[0]..bounds[1]].trim_end())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaks_are_told_apart_and_known_ones_left_out() {
        let report = "unreferenced object 0xffff888004a1c300 (size 64):\n  comm \"insmod\", pid 99\n  backtrace:\n\
                      \x20   leak+0x1b/0x30 [mistakes]\n\
                      unreferenced object 0xffff888004a1c400 (size 96):\n  comm \"suite\", pid 98\n  backtrace:\n\
                      \x20   usb_copy_descriptors+0x4/0x9 [libcomposite]\n    sourcesink_bind+0x2/0x4 [usb_f_ss_lb]\n\
                      unreferenced object 0xffff888004a1c500 (size 32):\n  comm \"suite\", pid 97\n";
        let leaks = leaks(report);
        assert_eq!(leaks.len(), 2);
        assert!(leaks[0].ends_with("[mistakes]"));
        assert!(leaks[1].ends_with("pid 97"));
        assert!(super::leaks("").is_empty());
    }
}
