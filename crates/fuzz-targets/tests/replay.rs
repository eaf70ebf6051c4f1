//! Every input that fuzzing found worth keeping, once more.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's own helpers fail as tests do")]

use std::fs;
use std::path::{Path, PathBuf};

use fuzz_targets::TARGETS;

/// All corpora together stay below this, so that a clone stays small.
const CORPORA_BYTES_MAX: usize = 1_000_000;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = corpora().join(target);
    let listing = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    listing.map(|entry| entry.unwrap().path()).map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

#[test]
fn every_kept_input_still_holds() {
    let mut bytes = 0;
    for (name, target) in TARGETS {
        let inputs = inputs(name);
        assert!(inputs.len() > 3, "the corpus of {name} has {} inputs", inputs.len());
        for (file, input) in inputs {
            bytes += input.len();
            let outcome = std::panic::catch_unwind(|| target(&input));
            assert!(outcome.is_ok(), "{} fails in {}", name, file.display());
        }
    }
    assert!(bytes < CORPORA_BYTES_MAX, "the corpora have {bytes} bytes");
}

/// Cheap noise: each kept input cut off, doubled and with single bytes changed.
#[test]
fn what_is_near_a_kept_input_holds_as_well() {
    for (name, target) in TARGETS {
        for (file, input) in inputs(name).into_iter().filter(|(_, input)| input.len() < 600) {
            for at in (0..input.len()).step_by(7) {
                let mut changed = input.clone();
                changed[at] = changed[at].wrapping_add(1 + at.to_le_bytes()[0] % 64);
                for near in [&input[..at], &changed, &[&input[..at], &input[..]].concat()] {
                    let outcome = std::panic::catch_unwind(|| target(near));
                    assert!(outcome.is_ok(), "{name} fails near {}, at {at}: {near:?}", file.display());
                }
            }
        }
    }
}

#[test]
fn no_corpus_is_without_a_target() {
    for entry in fs::read_dir(corpora()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(TARGETS.iter().any(|(target, _)| name == *target), "{}", name.display());
    }
}
