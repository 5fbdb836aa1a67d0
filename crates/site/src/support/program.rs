//! Execution of programs that may hang or print endlessly.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Limits of a program's time and kept output.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Time after which it is killed.
    pub time: Duration,
    /// Number of bytes that are kept from the end.
    pub bytes: usize,
}

/// Output of a program.
#[derive(Debug, Default)]
pub struct ProgramOutput {
    /// End of its standard output and standard error, in complete lines if the beginning was dropped.
    pub output: Vec<u8>,
    /// True if the beginning was dropped.
    pub is_cut: bool,
    /// Reason why it counts as failed.
    pub failure: Option<String>,
}

/// Interval of checks for a program's end.
const INTERVAL: Duration = Duration::from_millis(20);

/// Runs a program to its end or its time limit.
pub fn run(words: &[&str], variables: &[(&str, &std::ffi::OsStr)], limits: Limits) -> ProgramOutput {
    let shown = words.join(" ");
    let Some((program, arguments)) = words.split_first() else { return ProgramOutput::default() };
    let started = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", "/root")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            return ProgramOutput {
                failure: Some(format!("`{shown}` cannot be started: {error}")),
                ..ProgramOutput::default()
            };
        }
    };
    // Each reader sends once. A reader that never ends because a grandchild holds the pipe is left behind.
    let outputs = [reader(child.stdout.take(), limits.bytes), reader(child.stderr.take(), limits.bytes / 8)];
    let begun = Instant::now();
    let failure = end(&mut child, limits.time).map(|why| format!("`{shown}` {why}"));
    let mut ran = ProgramOutput { failure, ..ProgramOutput::default() };
    for output in outputs {
        let rest = limits.time.saturating_sub(begun.elapsed()).max(Duration::from_secs(1));
        if let Ok((bytes, is_cut)) = output.recv_timeout(rest) {
            ran.output.extend(bytes);
            ran.is_cut |= is_cut;
        }
    }
    ran
}

/// Waits for the end; returns the reason if it is a failure.
fn end(child: &mut Child, limit: Duration) -> Option<String> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return None,
            Ok(Some(status)) => return Some(format!("ended with {status}")),
            Ok(None) if begun.elapsed() < limit => std::thread::sleep(INTERVAL),
            Ok(None) => {
                // It may have ended in the meantime.
                let _ended = child.kill().and_then(|()| child.wait());
                return Some(format!("was ended after {} s", limit.as_secs()));
            }
            Err(error) => return Some(format!("cannot be waited for: {error}")),
        }
    }
}

fn reader(pipe: Option<impl Read + Send + 'static>, keep: usize) -> mpsc::Receiver<(Vec<u8>, bool)> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut kept, mut is_cut, mut buffer) = (Vec::new(), false, vec![0; 64 << 10]);
        if let Some(mut pipe) = pipe {
            while let Ok(count) = pipe.read(&mut buffer) {
                if count == 0 {
                    break;
                }
                kept.extend_from_slice(&buffer[..count]);
                if kept.len() > keep * 2 {
                    kept.drain(..kept.len() - keep);
                    is_cut = true;
                }
            }
        }
        if kept.len() > keep {
            kept.drain(..kept.len() - keep);
            is_cut = true;
        }
        if is_cut {
            super::files::drop_cut_line(&mut kept);
        }
        // The receiver may have given up.
        let _given_up = sender.send((kept, is_cut));
    });
    receiver
}
