//! Tests of the program as the `sh` and the `sleep` of its image: only what Landfall runs with them.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use landfall_release_document::container::{RUN_AND_MARK, WAIT_FOR_END};

fn program_command(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall-appliance"));
    command.arg0(name).args(arguments);
    command
}

fn output_of(name: &str, arguments: &[&str]) -> Output {
    program_command(name, arguments).output().unwrap()
}

#[test]
fn program_output_is_marked_on_success() {
    let run = |program: &[&str]| output_of("sh", &[&["-c", RUN_AND_MARK, "mark"], program].concat());
    let whole = run(&["printf", "%s", "data"]);
    assert_eq!((whole.status.code(), whole.stdout.as_slice()), (Some(0), &b"datamark"[..]));
    let failed = run(&["/bin/sh", "-c", "printf half; exit 7"]);
    assert_eq!((failed.status.code(), failed.stdout.as_slice()), (Some(7), &b"half"[..]));
    assert_eq!(run(&["/no/such/program"]).status.code(), Some(127));
}

#[test]
fn wait_ends_by_request_or_limit() {
    let mut waiting = program_command("/bin/sh", &["-c", WAIT_FOR_END, "60"]).spawn().unwrap();
    let begun = Instant::now();
    let pid = rustix::process::Pid::from_child(&waiting);
    // Before its handler is installed, the request would end it like any signal.
    std::thread::sleep(Duration::from_millis(500));
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(output_of("sh", &["-c", WAIT_FOR_END, "0"]).status.code(), Some(1));
}

#[test]
fn it_sleeps() {
    let begun = Instant::now();
    assert_eq!(output_of("sleep", &["1"]).status.code(), Some(0));
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn nothing_else_is_understood() {
    for arguments in [&["-c", "echo pwned"][..], &["-i"], &[], &["-c"], &["-c", RUN_AND_MARK]] {
        let refused = program_command("sh", arguments).stdin(Stdio::null()).output().unwrap();
        assert_eq!(refused.status.code(), Some(127), "{arguments:?}");
        assert!(refused.stdout.is_empty());
    }
}
