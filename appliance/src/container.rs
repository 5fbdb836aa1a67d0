//! Replacement for `sh` and `sleep`: the image has no shell. Landfall runs the programs of the console's backup rule as
//! in every container: by `sh`, with three scripts, and by `sleep`. This program implements both, and nothing else of a
//! shell.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use landfall_release_document::container::{END_FIRST_PROGRAM, RUN_AND_MARK, WAIT_FOR_END};
use tokio::signal::unix::{SignalKind, signal};

/// Argument with which this program, called as `sh`, ends the container's first program a second later.
const END_NOW: &str = "end-first-program";

/// Acts as `sh` or `sleep`, if called by that name; `None` under the program's own name.
pub fn as_container_program(arguments: &[OsString]) -> Option<ExitCode> {
    let words: Vec<&str> = arguments.iter().map(|argument| argument.to_str().unwrap_or_default()).collect();
    let name = words.first()?.rsplit('/').next()?;
    Some(match (name, &words[1..]) {
        ("sleep", [seconds]) => {
            std::thread::sleep(seconds_of(seconds));
            ExitCode::SUCCESS
        }
        ("sh", ["-c", RUN_AND_MARK, mark, program, rest @ ..]) => run_and_mark(mark, program, rest),
        ("sh", ["-c", WAIT_FOR_END, seconds]) => wait_for_end(seconds_of(seconds)),
        ("sh", ["-c", END_FIRST_PROGRAM]) => begin_ending(),
        ("sh", [END_NOW]) => end_first_program(),
        ("sh" | "sleep", _) => refuse_command(),
        _ => return None,
    })
}

fn seconds_of(text: &str) -> Duration {
    Duration::from_secs(text.parse().unwrap_or_default())
}

/// Returns a shell's answer to an unknown command.
fn refuse_command() -> ExitCode {
    let _ = writeln!(std::io::stderr(), "this image has no shell");
    ExitCode::from(127)
}

fn run_and_mark(mark: &str, program: &str, arguments: &[&str]) -> ExitCode {
    let Ok(status) = Command::new(program).args(arguments).status() else { return refuse_command() };
    if !status.success() {
        return ExitCode::from(status.code().and_then(|code| code.try_into().ok()).unwrap_or(1));
    }
    let mut output = std::io::stdout();
    match output.write_all(mark.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Waits for a termination signal: the first program of a container is only ended by a signal that it handles.
fn wait_for_end(limit: Duration) -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    runtime.block_on(async {
        let Ok(mut end) = signal(SignalKind::terminate()) else { return ExitCode::FAILURE };
        match tokio::time::timeout(limit, end.recv()).await {
            Ok(_) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        }
    })
}

/// Starts another process that ends the first one, so that the caller gets an answer.
fn begin_ending() -> ExitCode {
    let Ok(own) = std::env::current_exe() else { return ExitCode::FAILURE };
    let mut command = Command::new(own);
    command.arg0("sh").arg(END_NOW).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if command.spawn().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn end_first_program() -> ExitCode {
    std::thread::sleep(Duration::from_secs(1));
    match rustix::process::kill_process(rustix::process::Pid::INIT, rustix::process::Signal::TERM) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
