//! Tests with real programs that hang, fork, flood, or close their output.

use std::process::Command;
use std::time::{Duration, Instant};

use super::{Limits, RunEnd, run};

fn shell(script: &str, milliseconds: u64, output_bytes: usize) -> RunEnd {
    let limits = Limits { time: Duration::from_millis(milliseconds), output_bytes };
    run(Command::new("sh").arg("-c").arg(script), limits).expect("sh runs")
}

#[test]
fn program_output_is_captured() {
    let RunEnd::ByItself { status, output, errors } = shell("echo out; echo err >&2; exit 3", 20_000, 100) else {
        panic!("it ends unaided")
    };
    assert_eq!((status.code(), output.as_slice(), errors.as_str()), (Some(3), b"out\n".as_slice(), "err"));
}

#[test]
fn output_limit_is_exact() {
    let exact = shell("head -c 200000 /dev/zero", 20_000, 200_000);
    assert!(matches!(exact, RunEnd::ByItself { output, .. } if output.len() == 200_000));
    assert!(matches!(shell("head -c 200001 /dev/zero", 20_000, 200_000), RunEnd::TooMuchOutput));
}

#[test]
fn hung_program_is_killed_with_children() {
    let folder = tempfile::tempdir().expect("a folder");
    let pid_file = folder.path().join("pid");
    let begun = Instant::now();
    let script = format!("trap '' TERM INT; sleep 300 & echo $! > {}; wait; sleep 300", pid_file.display());
    assert!(matches!(shell(&script, 500, 100), RunEnd::TimeOver));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let pid = std::fs::read_to_string(&pid_file).expect("the script wrote it").trim().to_owned();
    assert!(is_gone(&pid), "the program's own child {pid} is killed too");
}

/// Returns true if a process is gone, or dead but not yet reaped by the process that inherited it.
fn is_gone(pid: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Err(_) => return true,
            Ok(stat) if stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')) => {
                return true;
            }
            Ok(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    false
}

#[test]
fn flooding_program_is_killed() {
    assert!(matches!(shell("exec yes", 20_000, 1 << 20), RunEnd::TooMuchOutput));
    let RunEnd::ByItself { errors, .. } = shell("head -c 300000 /dev/zero | tr '\\0' x >&2", 20_000, 100) else {
        panic!("errors without end do not end a program")
    };
    assert_eq!(errors.len(), super::ERRORS_LIMIT);
}

#[test]
fn exit_is_seen_despite_open_output() {
    let begun = Instant::now();
    let RunEnd::ByItself { output, .. } = shell("setsid sleep 20 & echo done", 15_000, 100) else {
        panic!("the program itself ended")
    };
    assert_eq!(output, b"done\n");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn closed_output_is_still_limited() {
    assert!(matches!(shell("exec >&- 2>&-; sleep 300", 300, 100), RunEnd::TimeOver));
}

#[test]
fn missing_program_is_error() {
    let limits = Limits { time: Duration::from_secs(1), output_bytes: 1 };
    let error = run(&mut Command::new("/no/such/program"), limits).expect_err("nothing to run");
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}
