//! Runs programs in a virtual machine through QEMU's guest agent, over a separate serial line. Neither a firewall on
//! the machine nor a loss of its network interferes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::wire::Wire;

/// Time limit for the agent of a running machine to answer a request. An emulated machine is slow, and slower on a busy
/// host.
const ANSWER_LIMIT: Duration = Duration::from_mins(1);

/// Time limit of one attempt to synchronize. A request from before the agent's start is never answered.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);

/// Time between two checks that a program has ended.
const PAUSE: Duration = Duration::from_millis(200);

/// Environment of programs inside.
const ENVIRONMENT: [&str; 4] =
    ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb"];

/// Result of a program that ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// Exit code; None if a signal ended it.
    pub code: Option<i64>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Returns true if it ended with code 0.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// Returns everything that it wrote.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// A program that was started inside.
#[derive(Clone, Copy, Debug)]
pub struct GuestProcess {
    pid: i64,
}

/// The agent inside.
pub struct Agent {
    wire: Wire,
}

impl Agent {
    /// Connects to the serial line. The agent may start later.
    pub fn connect(socket: &Path) -> Result<Self> {
        Ok(Self { wire: Wire::connect(socket, ANSWER_LIMIT)? })
    }

    /// Waits until the agent answers.
    pub fn wait(&mut self, timeout: Duration) -> Result<()> {
        let end = Instant::now() + timeout;
        while let Err(error) = self.wire.synchronize(ATTEMPT_LIMIT) {
            ensure!(Instant::now() < end, "the guest agent did not answer within {timeout:?}: {error:#}");
        }
        Ok(())
    }

    /// Starts a line of bash.
    pub fn start(&mut self, line: &str, input: &[u8]) -> Result<GuestProcess> {
        self.wait(ANSWER_LIMIT)?;
        let arguments = json!({
            "path": "/bin/bash",
            "arg": ["-c", line],
            "env": ENVIRONMENT,
            "input-data": STANDARD.encode(input),
            "capture-output": true,
        });
        let started = self.wire.ask("guest-exec", &arguments, ANSWER_LIMIT)?;
        Ok(GuestProcess { pid: started["pid"].as_i64().context("the guest agent named no process")? })
    }

    /// Waits until a program has ended.
    pub fn wait_ended(&mut self, running: GuestProcess, timeout: Duration) -> Result<Output> {
        let end = Instant::now() + timeout;
        loop {
            if let Some(output) = self.try_wait(running)? {
                return Ok(output);
            }
            ensure!(Instant::now() < end, "it did not end within {timeout:?}");
            std::thread::sleep(PAUSE);
        }
    }

    /// Returns a program's result if it has ended.
    pub fn try_wait(&mut self, running: GuestProcess) -> Result<Option<Output>> {
        let asked = self.wire.ask("guest-exec-status", &json!({ "pid": running.pid }), ANSWER_LIMIT);
        let status = match asked {
            Ok(status) => status,
            // A late answer must not be mistaken for the next one.
            Err(error) => {
                self.wait(ANSWER_LIMIT)?;
                let again = self.wire.ask("guest-exec-status", &json!({ "pid": running.pid }), ANSWER_LIMIT);
                again.with_context(|| {
                    format!("the machine lost track of a program that it ran; before that: {error:#}")
                })?
            }
        };
        if status["exited"] != true {
            return Ok(None);
        }
        if status["out-truncated"] == true || status["err-truncated"] == true {
            bail!("a program wrote more than the guest agent holds");
        }
        Ok(Some(Output {
            code: status["exitcode"].as_i64(),
            stdout: text(&status["out-data"])?,
            stderr: text(&status["err-data"])?,
        }))
    }
}

fn text(data: &Value) -> Result<String> {
    let bytes = STANDARD.decode(data.as_str().unwrap_or_default()).context("the guest agent sent no base64")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
