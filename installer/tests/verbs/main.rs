//! Runs every verb of the real program under common faults: a full disk, a reader that closes the pipe, a second
//! process, and Ctrl-C. The table states the result of each verb without a site; a verb without a row fails a test of
//! the parser.

mod inputs;
mod runs;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use inputs::{Inputs, Outputs};
use runs::{Run, on_a_full_disk, run_interrupted, without_a_reader};
use table::{Does, ROWS, Row};

/// Exit codes of errors that a person can act on: no bug, signal or panic.
const ERRORS: std::ops::RangeInclusive<i32> = 2..=7;

fn stderr_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Output of a verb without faults, checked against its row.
fn usual(inputs: &Inputs, row: &Row) -> Output {
    let outputs = Outputs::new(inputs);
    let output = Run::of(inputs, &outputs, row).command().output().expect("landfall");
    let (code, said) = (output.status.code(), stderr_text(&output));
    match row.2 {
        Does::Prints | Does::Writes => {
            assert_eq!(code, Some(0), "{}: {said}", row.0);
            assert!(!output.stdout.is_empty(), "{} prints nothing", row.0);
        }
        Does::NeedsSite | Does::NeedsMore => assert_refused(row, &output),
        Does::Service => unreachable!("a service is not run here"),
    }
    output
}

/// Asserts that a verb refused to work with an error code, and printed no result.
fn assert_refused(row: &Row, output: &Output) {
    let (code, said) = (output.status.code(), stderr_text(output));
    assert!(code.is_some_and(|code| ERRORS.contains(&code)), "{}: {code:?} {said}", row.0);
    assert!(said.contains("error[LF") && output.stdout.is_empty(), "{}: {said}", row.0);
}

fn rows(is_wanted: impl Fn(Does) -> bool) -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(move |row| row.2 != Does::Service && is_wanted(row.2))
}

#[test]
fn full_disk_fails_every_verb_that_prints() {
    let inputs = Inputs::new();
    for row in rows(|_| true) {
        let usual = usual(&inputs, row);
        let outputs = Outputs::new(&inputs);
        let output = on_a_full_disk(&mut Run::of(&inputs, &outputs, row).command());
        let (code, said) = (output.status.code(), stderr_text(&output));
        if matches!(row.2, Does::Prints | Does::Writes) {
            assert_eq!(code, Some(5), "{}: {said}", row.0);
            assert!(said.contains("error[LF1202]"), "{}: {said}", row.0);
        } else {
            assert_eq!(code, usual.status.code(), "{}: {said}", row.0);
        }
    }
}

#[test]
fn closed_pipe_fails_no_verb() {
    let inputs = Inputs::new();
    for row in rows(|_| true) {
        let outputs = Outputs::new(&inputs);
        let output = without_a_reader(&mut Run::of(&inputs, &outputs, row).command());
        if matches!(row.2, Does::Prints | Does::Writes) {
            assert_eq!(output.status.code(), Some(0), "{}: {}", row.0, stderr_text(&output));
            assert!(!stderr_text(&output).contains("error["), "{}: {}", row.0, stderr_text(&output));
        } else {
            assert_refused(row, &output);
        }
    }
}

#[test]
fn interrupt_ends_every_verb_with_its_code() {
    let inputs = Inputs::new();
    for row in rows(|does| matches!(does, Does::Prints | Does::Writes)) {
        let whole = expected_files(&inputs, row);
        let outputs = Outputs::new(&inputs);
        let output = run_interrupted(&mut Run::of(&inputs, &outputs, row).command());
        let said = stderr_text(&output);
        assert_eq!(output.status.code(), Some(5), "{}: {said}", row.0);
        assert!(said.contains("error[LF4045]") && said.contains("next: "), "{}: {said}", row.0);
        nothing_is_half_written(row, &outputs, &whole);
    }
}

#[test]
fn full_disk_leaves_no_half_written_file() {
    let inputs = Inputs::new();
    for row in rows(|does| does == Does::Writes) {
        let whole = expected_files(&inputs, row);
        // Blocks of the shell have 512 bytes.
        for blocks in [0, 8] {
            let outputs = Outputs::new(&inputs);
            let output = Run::of(&inputs, &outputs, row).with_largest_file(blocks).output().expect("landfall");
            let said = stderr_text(&output);
            if whole.values().any(|bytes| *bytes > blocks * 512) {
                let code = output.status.code();
                assert!(code.is_some_and(|code| ERRORS.contains(&code)), "{}: {code:?} {said}", row.0);
                assert!(said.contains("error[LF"), "{}: {said}", row.0);
            } else {
                assert_eq!(output.status.code(), Some(0), "{}: {said}", row.0);
            }
            nothing_is_half_written(row, &outputs, &whole);
        }
    }
}

#[test]
fn two_at_once_end_as_one_or_two_in_turn() {
    let inputs = Inputs::new();
    let names = |tree: &BTreeMap<PathBuf, u64>| tree.keys().cloned().collect::<Vec<_>>();
    // Two processes that make keys have a test of their own.
    for row in rows(|does| does == Does::Writes).filter(|row| row.0 != "key new") {
        let (whole, in_turn) = (expected_files(&inputs, row), Outputs::new(&inputs));
        for _ in 0..2 {
            // Some verbs refuse existing output.
            Run::of(&inputs, &in_turn, row).command().output().expect("landfall");
        }
        let ends = [names(&whole), names(&in_turn.tree())];
        for _ in 0..4 {
            let outputs = Outputs::new(&inputs);
            let begin = || {
                let mut command = Run::of(&inputs, &outputs, row).command();
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("landfall")
            };
            let both = [begin(), begin()].map(|child| child.wait_with_output().expect("landfall"));
            let succeeded = both.iter().filter(|output| output.status.success()).count();
            assert!(succeeded > 0, "{}: {} and {}", row.0, stderr_text(&both[0]), stderr_text(&both[1]));
            both.iter().filter(|output| !output.status.success()).for_each(|output| assert_refused(row, output));
            nothing_is_half_written(row, &outputs, &whole);
            let found = names(&outputs.tree());
            assert!(ends.contains(&found), "{}: {found:?}, not one of {ends:?}", row.0);
        }
    }
}

/// If two processes make a key in one folder, one is refused: halves of two pairs would be useless.
#[test]
fn two_new_keys_at_once_are_one_pair() {
    let inputs = Inputs::new();
    for _ in 0..4 {
        let outputs = Outputs::new(&inputs);
        let row: Row = ("key new", "--output {out} --no-root", Does::Writes);
        let begin = || {
            let mut command = Run::of(&inputs, &outputs, &row).command();
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("landfall")
        };
        for mut child in [begin(), begin()] {
            child.wait().expect("landfall");
        }
        for row in [
            ("trust init", "--key all={out}/cosign.pub --output {out}", Does::Writes),
            ("trust sign", "{out}/1.root.json --key {out}/cosign.key", Does::Writes),
        ] {
            let output = Run::of(&inputs, &outputs, &row).command().output().expect("landfall");
            assert!(output.status.success(), "{}: {}", row.0, stderr_text(&output));
        }
    }
}

/// Files of a run without faults, with their sizes.
fn expected_files(inputs: &Inputs, row: &Row) -> BTreeMap<PathBuf, u64> {
    let outputs = Outputs::new(inputs);
    let output = Run::of(inputs, &outputs, row).command().output().expect("landfall");
    assert!(output.status.success(), "{}: {}", row.0, stderr_text(&output));
    outputs.tree()
}

/// Asserts that no output file is incomplete. Files under other names serve a second try.
fn nothing_is_half_written(row: &Row, outputs: &Outputs, whole: &BTreeMap<PathBuf, u64>) {
    for (path, bytes) in outputs.tree() {
        // Times and keys vary by a few bytes.
        let is_half = |all: &u64| bytes * 10 < all * 9;
        let half = whole.get(Path::new(&path)).filter(|all| is_half(all));
        assert!(half.is_none(), "{}: {} has {bytes} of {half:?} bytes", row.0, path.display());
    }
}
