//! Output of tests that take minutes. Each line has the minute in which it was written, so that a log shows how long
//! each test took.

use std::io::{BufRead, BufReader, PipeReader};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::printer;
use crate::results::minutes;

/// Time limit for leftover processes of an ended command to close its output.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Runs a command, and prints its stdout and stderr. Fails if the command fails.
pub(super) fn run(command: Command) -> Result<()> {
    print_lines(command, printer::note)
}

/// Like [`run`], for any printer.
fn print_lines(mut command: Command, print: impl Fn(String) + Send + 'static) -> Result<()> {
    let (reader, writer) = std::io::pipe().context("cannot create a pipe")?;
    command.stdout(writer.try_clone().context("cannot share a pipe")?).stderr(writer);
    let name = format!("{command:?}");
    let child = command.spawn();
    // The command's ends of the pipe stay open until the command is dropped.
    drop(command);
    let mut child = child.with_context(|| format!("cannot start {name}"))?;
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || {
        read(reader, print);
        // If a process holds the pipe for longer, it is no longer awaited.
        let _ = ended.send(());
    });
    let status = child.wait().with_context(|| format!("cannot wait for {name}"))?;
    let _ = end.recv_timeout(END_LIMIT);
    ensure!(status.success(), "{name} ended with {status}");
    Ok(())
}

/// Prints each line, with the minutes since this function began to read.
fn read(output: PipeReader, print: impl Fn(String)) {
    let begun = Instant::now();
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        print(format!("{:>5} {}", minutes(begun.elapsed()), String::from_utf8_lossy(&line)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Returns the lines of a shell command, and its result.
    fn lines_of(script: &str) -> (Vec<String>, Result<()>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let outcome = print_lines(command, move |line| kept.lock().unwrap().push(line));
        let lines = lines.lock().unwrap().clone();
        (lines, outcome)
    }

    #[test]
    fn both_streams_are_stamped() {
        let (lines, outcome) = lines_of("echo one; echo two >&2; printf three");
        outcome.unwrap();
        assert_eq!(lines, ["  0.0 one", "  0.0 two", "  0.0 three"]);
    }

    #[test]
    fn failure_follows_output() {
        let (lines, outcome) = lines_of("echo why; exit 3");
        assert_eq!(lines, ["  0.0 why"]);
        assert!(outcome.unwrap_err().to_string().ends_with("ended with exit status: 3"));
    }

    #[test]
    fn background_process_does_not_block() {
        let begun = Instant::now();
        let (lines, outcome) = lines_of("sleep 30 & echo $!");
        outcome.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20), "waited for {:?}", begun.elapsed());
        let process: i32 = lines[0].trim_start_matches("  0.0 ").parse().unwrap();
        let process = rustix::process::Pid::from_raw(process).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    }
}
