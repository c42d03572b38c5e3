//! The tutorials show code that compiles and runs: every block of it is in a file that does.

use std::fs;
use std::path::Path;

const TUTORIALS: [&str; 4] = [
    "tutorial-host-driver.md",
    "tutorial-gadget.md",
    "tutorial-without-hardware.md",
    "tutorial-audio.md",
];
const SOURCES: [&str; 8] = [
    "src/thermometer/mod.rs",
    "src/thermometer/device.rs",
    "src/thermometer/driver.rs",
    "rust/thermometer.rs",
    "tests/thermometer.rs",
    "src/sound_card/card.rs",
    "src/sound_card/player.rs",
    "tests/sound_card.rs",
];

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_block_of_code_is_in_a_source_that_a_test_runs() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = SOURCES.map(|source| read(&here.join(source)));
    for tutorial in TUTORIALS {
        let text = read(&here.join("../docs").join(tutorial));
        let mut blocks = 0;
        for block in text.split("```rust\n").skip(1) {
            let (code, _) = block.split_once("```").unwrap();
            blocks += 1;
            assert!(
                sources.iter().any(|source| source.contains(code)),
                "{tutorial} shows code that is nowhere:\n{code}"
            );
        }
        assert!(blocks >= 3, "{tutorial} has {blocks} blocks of code");
    }
}
