//! Processes that another one has started.

use std::fs;
use std::process::Command;

/// Kills what `process` has started, and what that has, but not `process` itself. Returns how many there were.
pub fn kill(process: u32) -> usize {
    let parents = parents();
    let mut doomed = vec![process];
    let mut next = 0;
    while let Some(&parent) = doomed.get(next) {
        let children = parents.iter().filter(|pair| pair.1 == parent);
        doomed.extend(children.map(|pair| pair.0));
        next += 1;
    }
    let doomed = &doomed[1..];
    if !doomed.is_empty() {
        let mut command = Command::new("kill");
        command.arg("-KILL").args(doomed.iter().map(u32::to_string));
        // One that has just ended makes it complain, and is no trouble.
        let _ = command.output();
    }
    doomed.len()
}

/// Every process with its parent.
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let of = |entry: fs::DirEntry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name stands in parentheses and may hold some itself; the state and the parent follow.
        let (_, fields) = stat.rsplit_once(')')?;
        let parent = fields.split_whitespace().nth(1)?.parse().ok()?;
        Some((process, parent))
    };
    entries.flatten().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{self, Stdio};

    #[test]
    fn children_and_their_children_die_and_nobody_else() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 600 & echo; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut started = [0];
        let stdout = shell.stdout.as_mut().expect("it is a pipe");
        std::io::Read::read_exact(stdout, &mut started).expect("the shell's echo");
        assert_eq!(kill(shell.id()), 1);
        // The shell was left alone, and has nothing to wait for any more.
        assert!(shell.wait().expect("the shell").code().is_some());
        assert!(parents().contains(&(process::id(), std::os::unix::process::parent_id())));
    }
}
