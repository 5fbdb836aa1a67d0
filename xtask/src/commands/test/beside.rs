//! Parts with machines or control planes run in the background, one after another. They mostly wait for pods and boots,
//! while compilers use the processors.
#![expect(clippy::disallowed_methods, reason = "logs of the tests, which are recreated with each run")]

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Pid;

use super::Row;
use super::parts::Part;
use crate::site::ProcessId;
use crate::{printer, workspace};

/// Time between two polls of a running part.
const POLL: Duration = Duration::from_millis(300);

/// Number of a failed part's last lines that are printed.
const LAST_LINES: usize = 40;

/// Niceness of parts with machines.
const NICENESS: i32 = -5;

/// Time limit until a killed process has ended.
const END_LIMIT: Duration = Duration::from_secs(30);

/// Parts that run in separate processes.
pub(super) struct BackgroundParts<'scope> {
    rows: ScopedJoinHandle<'scope, Vec<Row>>,
    is_stopped: &'scope AtomicBool,
}

impl<'scope> BackgroundParts<'scope> {
    /// Starts the first part.
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        parts: Vec<&'static Part>,
        keep_going: bool,
        is_stopped: &'scope AtomicBool,
    ) -> Self {
        let names = parts.iter().map(|part| part.name).collect::<Vec<_>>().join(", ");
        printer::note(format!("== {names}: beside what follows =="));
        let rows = scope.spawn(move || {
            let mut rows: Vec<Row> = Vec::new();
            for part in parts {
                let is_over =
                    is_stopped.load(Ordering::Relaxed) || rows.iter().any(|row| row.has_failed() && !keep_going);
                if is_over {
                    break;
                }
                rows.push(run(part, is_stopped));
            }
            rows
        });
        Self { rows, is_stopped }
    }

    /// Ends the running part, and starts no other.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Waits for all parts.
    pub(super) fn join(self) -> Vec<Row> {
        self.rows.join().unwrap_or_default()
    }
}

/// Runs a part as a user would, with its output in a file. Prints the output if the part fails.
fn run(part: &Part, is_stopped: &AtomicBool) -> Row {
    let started = Instant::now();
    let outcome = wait_for(part, is_stopped);
    let log = log_of(part);
    let failure = match &outcome {
        Ok(()) => {
            printer::note(format!("== {}: passed, see {} ==", part.name, log.display()));
            None
        }
        Err(error) => {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            printer::note(format!("== {} ==", part.name));
            printer::note(&said);
            printer::failure(error);
            Some(last_lines(&said))
        }
    };
    Row { name: part.name, started, elapsed: started.elapsed(), failure }
}

/// Returns the last lines of a text.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

fn wait_for(part: &Part, is_stopped: &AtomicBool) -> Result<()> {
    let path = log_of(part);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let log = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut command = Command::new(workspace::THIS_PROGRAM);
    command.args(["test", "--only", part.name]).stdout(log.try_clone()?).stderr(log);
    let mut child = command.spawn().with_context(|| format!("cannot start part {}", part.name))?;
    prefer(&child);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if is_stopped.load(Ordering::Relaxed) {
            end(&child)?;
        }
        std::thread::sleep(POLL);
    };
    ensure!(status.success(), "part {} ended with {status}", part.name);
    Ok(())
}

/// Gives a part priority on the processors, because machines have time limits and use little. If the host does not
/// allow it, the part runs without priority.
fn prefer(child: &Child) {
    if let Err(error) = rustix::process::setpriority_process(Some(Pid::from_child(child)), NICENESS) {
        printer::note(format!("parts with machines get no priority: {error}"));
    }
}

/// Ends the part and every process that it started. Machines end with the test that created them.
fn end(child: &Child) -> Result<()> {
    let part = ProcessId::of(Pid::from_child(child).as_raw_nonzero().get())?;
    for process in [vec![part.clone()], part.descendants()].concat() {
        process.kill(END_LIMIT)?;
    }
    Ok(())
}

fn log_of(part: &Part) -> PathBuf {
    workspace::target_folder().join("test-parts").join(part.name).with_extension("log")
}
