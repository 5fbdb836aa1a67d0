//! Tests of the outcomes with real programs: shell scripts in place of `landfall-gpu`.

use std::time::{Duration, Instant};

use landfall_error_codes::codes;
use landfall_test_support::runnable::write_program;

use super::{Outcome, Probe};
use crate::hardware::NVIDIA;
use crate::sample::Tree;
use crate::schema::SIZE_LIMIT;

/// Runs a script as the program, on a tree with one GPU on its bus.
fn run(script: &str, time_limit: Duration) -> Outcome {
    let tree = Tree::empty().pci("0000:01:00.0", NVIDIA, 0x2335, 0x03_0200);
    let program = tree.path().join("program");
    write_program(&program, format!("#!/bin/sh\n{script}\n"));
    Probe { program, time_limit, output_limit_bytes: SIZE_LIMIT, root: tree.path().to_owned() }.run()
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn facts_are_read() {
    let outcome = run(
        r#"echo '{"schema":1,"hardware":{"devices":[],"switches":[]},
        "driver":{"moduleLoaded":false,"nouveauLoaded":false,
        "deviceFiles":[],"gpus":[],"fabricManager":"notSeen"},"nvml":{"notAsked":"driverNotLoaded"}}'"#,
        LONG,
    );
    assert!(matches!(&outcome, Outcome::Facts(_)), "{outcome:?}");
    assert!(outcome.code().is_none());
    assert!(outcome.hardware().devices.is_empty(), "the facts' own hardware");
}

#[test]
fn hung_probe_leaves_bus_facts() {
    let begun = Instant::now();
    let outcome = run("echo '{'; exec sleep 300", Duration::from_millis(400));
    assert!(matches!(&outcome, Outcome::TimedOut { .. }), "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(outcome.code(), Some(codes::GPU_PROBE_TIMED_OUT));
    assert_eq!(outcome.hardware().devices.len(), 1);
}

#[test]
fn malformed_output_has_reason() {
    for (script, expected) in [
        ("echo garbage", "not a document of schema 1: expected value"),
        (":", "not a document of schema 1: EOF"),
        ("head -c 100 /dev/urandom", "not a document"),
        ("exec cat /dev/zero", "more than 4194304 bytes"),
        (r#"echo '{"schema": 7}'"#, "of schema 7, and this program reads schema 1"),
        ("echo some trouble >&2; exit 9", "exit status: 9, and said: some trouble"),
        ("kill -SEGV $$", "signal: 11"),
    ] {
        let outcome = run(script, LONG);
        assert_eq!(outcome.code(), Some(codes::GPU_FACTS_MALFORMED), "{script}: {outcome:?}");
        let Outcome::Malformed { reason, hardware } = outcome else { panic!("{script}: {outcome:?}") };
        assert!(reason.contains(expected), "{script}: {reason}");
        assert_eq!(hardware.devices.len(), 1);
    }
}

#[test]
fn missing_program_is_not_run() {
    let outcome = super::probe(std::path::Path::new("/no/such/landfall-gpu"), LONG);
    assert!(matches!(&outcome, Outcome::NotRun { .. }), "{outcome:?}");
    assert_eq!(outcome.code(), Some(codes::GPU_PROBE_NOT_RUN));
}
