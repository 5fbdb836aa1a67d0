//! `ChromeDriver` in its own PID namespace, so that every Chromium that it starts ends with it, however a test ends.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// Number of attempts to start it.
const TRIES: usize = 5;

/// A running `ChromeDriver`.
pub struct Driver {
    child: Child,
    pub address: String,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

impl Driver {
    /// Starts it on a port that it chooses. It retries, because another `ChromeDriver` that starts at the same time may
    /// choose the same port.
    pub fn start() -> Result<Self> {
        let started = (0..TRIES).find_map(|_| Self::try_to_start().transpose());
        started.context("ChromeDriver did not start")?
    }

    /// Makes one attempt. Returns None if `ChromeDriver` ended without naming a port.
    fn try_to_start() -> Result<Option<Self>> {
        // The kernel ends `unshare` with the thread that starts it, even if a signal ends the whole process.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
        command.args(["chromedriver", "--port=0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("cannot start ChromeDriver with setpriv")?;
        let output = child.stdout.take().context("ChromeDriver has no output")?;
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let (_, rest) = line.split_once("started successfully on port ")?;
            rest.trim_end_matches('.').parse::<u16>().ok()
        });
        // Its remaining output must be read, or it blocks.
        std::thread::spawn(move || lines.for_each(drop));
        let driver = |port: u16| Self { child, address: format!("http://127.0.0.1:{port}") };
        Ok(port.map(driver))
    }
}
