//! Every input of the committed corpora, through the target it is for.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use usbfs2_fuzz_targets::TARGETS;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let directory = fuzz().join("corpus").join(target);
    let entries =
        fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Drivers wait in real time for devices that stall, so many inputs are under way at once.
const WORKERS: usize = 32;

#[test]
fn every_input_of_every_corpus_is_survived() {
    let mut work = Vec::new();
    for (name, target) in TARGETS {
        let inputs = inputs(name);
        assert!(!inputs.is_empty(), "{name} has no corpus");
        work.extend(inputs.into_iter().map(|input| (name, target, input)));
    }
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((name, target, input)) =
                    work.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let bytes = fs::read(input).unwrap();
                    let outcome = std::panic::catch_unwind(|| target(&bytes));
                    assert!(outcome.is_ok(), "{name} broke on {}", input.display());
                }
            });
        }
    });
}

#[test]
fn every_target_is_a_program_of_the_fuzzer() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        let source = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(
            source.contains(&format!("run(\"{name}\", bytes)")),
            "{source}"
        );
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name}");
    }
    let programs = fs::read_dir(fuzz().join("fuzz_targets")).unwrap().count();
    assert_eq!(programs, TARGETS.len());
}
