//! Starts the processes that hold a site.
//!
//! Processes that belong to this process must die with it, even on SIGKILL. The kernel offers that (the parent-death
//! signal), but ties it to the *thread* that started the child. So one thread that never ends starts them all. A kept
//! process gets its own session instead, and outlives its caller.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use anyhow::{Context, Result, anyhow};

use super::process::ProcessId;

/// Lifetime of a process relative to the one that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// The kernel kills it when this process ends, however it ends.
    WithCaller,
    /// It runs until it is ended explicitly.
    Kept,
}

type Request = (Command, Sender<std::io::Result<u32>>);

/// Starts a bash script file with the given variables. Its output is appended to the log file.
pub fn script(script: &Path, variables: &[(&str, String)], lifetime: Lifetime, log: &Path) -> Result<ProcessId> {
    let output = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot open the log {}", log.display()))?;
    let mut command = match lifetime {
        Lifetime::WithCaller => {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "--"]);
            command
        }
        Lifetime::Kept => Command::new("setsid"),
    };
    command.arg("bash").arg(script).current_dir("/").env_clear().env("PATH", super::tool::PATH);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let (answer, answered) = channel();
    starter().send((command, answer)).map_err(|_| anyhow!("the thread that starts processes has ended"))?;
    let number = answered.recv().context("the thread that starts processes has ended")?.context("cannot start bash")?;
    ProcessId::of(i32::try_from(number).context("a process number is 31 bits")?)
        .with_context(|| format!("a process of the site ended at once; see {}", log.display()))
}

/// Returns a channel to the one thread that starts processes. A thread per child reaps it.
fn starter() -> &'static Sender<Request> {
    static STARTER: OnceLock<Sender<Request>> = OnceLock::new();
    STARTER.get_or_init(|| {
        let (sender, requests) = channel::<Request>();
        std::thread::spawn(move || {
            for (mut command, answer) in requests {
                let started = command.spawn().map(|mut child| {
                    let number = child.id();
                    std::thread::spawn(move || child.wait());
                    number
                });
                let _ = answer.send(started);
            }
        });
        sender
    })
}
