//! A company's proxy between a vendor and the Internet. All requests go through it, under certificates from its own
//! authority.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use landfall_xtask::authority::certify;

const PROGRAM: &str = include_str!("proxy.py");

/// A running proxy, which ends when this value is dropped.
pub struct Proxy {
    child: Child,
    log: PathBuf,
    /// Port on loopback.
    pub port: u16,
}

impl Proxy {
    /// Starts a proxy for servers with these names. Its authority's certificate is then in the folder's
    /// `authority.pem`. Tokens of `registry.test` expire after this many seconds.
    pub fn start(folder: &Path, token_seconds: u32, servers: &[(&str, SocketAddr)]) -> Result<Self> {
        let names: Vec<_> = servers.iter().map(|(name, _)| *name).collect();
        certify(folder, &names)?;
        let log = folder.join("proxy.log");
        let mut python = Command::new("setpriv");
        python.args(["--pdeathsig", "KILL", "python3", "-c", PROGRAM]);
        python.arg(folder.join("leaf.pem")).arg(folder.join("leaf.key")).arg(&log).arg(token_seconds.to_string());
        python.args(servers.iter().map(|(name, address)| format!("{name}={address}")));
        python.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = python.spawn().context("cannot start the proxy")?;
        let mut port = String::new();
        BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut port)?;
        Ok(Self { child, log, port: port.trim().parse().context("the proxy names no port")? })
    }

    /// Returns the forwarded and refused requests, one line each.
    pub fn log(&self) -> Result<Vec<String>> {
        let text = std::fs::read_to_string(&self.log).context("the proxy was asked for nothing")?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
