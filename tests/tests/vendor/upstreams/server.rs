//! The server that simulates every upstream host, and the requests it received.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use landfall_media::durable;
use landfall_xtask::authority::certify;
use serde::Serialize;

const PROGRAM: &str = include_str!("server.py");

/// Contents by URL, in the form that the server's program documents.
#[derive(Debug, Serialize)]
pub struct Routes {
    pub registry: String,
    pub registries: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub files: BTreeMap<String, PathBuf>,
    pub servers: BTreeMap<String, String>,
    pub elsewhere: String,
}

impl Routes {
    /// Returns the names of all hosts.
    fn hosts(&self) -> BTreeSet<&str> {
        let of_files = self.files.keys().filter_map(|address| address.split('/').nth(2));
        of_files
            .chain(self.registries.keys().map(String::as_str))
            .chain(self.servers.keys().map(String::as_str))
            .collect()
    }
}

/// A running server, which ends when this value is dropped.
pub struct Upstream {
    child: Child,
    log: PathBuf,
    seen: usize,
    /// Port on loopback.
    pub port: u16,
}

/// Requests in a period of time.
#[derive(Debug, Default)]
pub struct ReceivedRequests {
    /// URLs in their order, one for each request.
    pub addresses: Vec<String>,
    /// Targets of redirects.
    pub led: BTreeSet<String>,
}

impl Upstream {
    /// Starts the server. The certificate of its authority is then in the folder's `authority.pem`.
    pub fn start(folder: &Path, routes: &Routes) -> Result<Self> {
        certify(folder, &routes.hosts().into_iter().collect::<Vec<_>>())?;
        let (log, file) = (folder.join("upstream.log"), folder.join("routes.json"));
        durable::write_file(&log, b"", 0o644)?;
        durable::write_file(&file, &serde_json::to_vec(routes)?, 0o644)?;
        let mut python = Command::new("setpriv");
        python.args(["--pdeathsig", "KILL", "python3", "-c", PROGRAM]);
        python.arg(folder.join("leaf.pem")).arg(folder.join("leaf.key")).arg(&log).arg(&file);
        python.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = python.spawn().context("cannot start the server")?;
        let mut port = String::new();
        BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut port)?;
        Ok(Self { child, log, seen: 0, port: port.trim().parse().context("the server names no port")? })
    }

    /// Returns the requests since the last call. Fails if a host that is not upstream's was requested.
    pub fn take_requests(&mut self) -> Result<ReceivedRequests> {
        let text = std::fs::read_to_string(&self.log).context("the log cannot be read")?;
        let mut asked = ReceivedRequests::default();
        for line in text.lines().skip(self.seen) {
            self.seen += 1;
            match line.split_once(' ') {
                Some(("asked", address)) => asked.addresses.push(address.to_owned()),
                Some(("led", address)) => {
                    asked.led.insert(address.to_owned());
                }
                _ => bail!("something else was asked: {line}"),
            }
        }
        Ok(asked)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
