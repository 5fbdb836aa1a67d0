//! A real registry on loopback: CNCF distribution over a finished tree, read-only, or over a folder to which images can
//! be pushed.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, recreated when lost")]

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::images::{Workshop, node_pack};
use crate::token_server::{ISSUER, SERVICE, TokenServer};

/// Time limit until the registry listens.
const PATIENCE: Duration = Duration::from_secs(20);

/// Clients that may pull.
#[derive(Debug, Clone)]
enum Access {
    Anyone,
    /// Users listed in a file.
    Users(PathBuf),
    /// Clients with a token from the server at this address. The certificate is that of the server's signing key.
    Tokens(SocketAddr, PathBuf),
}

/// A running registry. It ends when this value is dropped, and with the thread that started it.
pub struct Registry {
    address: SocketAddr,
    root: PathBuf,
    access: Access,
    /// True if images can be pushed.
    writable: bool,
    program: PathBuf,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Registry {
    /// Serves a tree (see [`crate::images::RegistryTree`]) on a free port of 127.0.0.1.
    pub fn start(root: &Path) -> Result<Self> {
        Self::start_for(root, Access::Anyone)
    }

    /// Like [`start`](Self::start), only for the users in a file written by `htpasswd -B`.
    pub fn start_for_users(root: &Path, users: &Path) -> Result<Self> {
        Self::start_for(root, Access::Users(users.to_owned()))
    }

    /// Like [`start`](Self::start), only for clients with a token of this server.
    pub fn start_for_tokens(root: &Path, tokens: &TokenServer) -> Result<Self> {
        Self::start_for(root, Access::Tokens(tokens.address(), tokens.certificate()))
    }

    /// Serves a folder, which may be empty, and accepts pushes.
    pub fn start_writable(root: &Path) -> Result<Self> {
        Self::start_as(root, Access::Anyone, true)
    }

    fn start_for(root: &Path, access: Access) -> Result<Self> {
        Self::start_as(root, access, false)
    }

    fn start_as(root: &Path, access: Access, writable: bool) -> Result<Self> {
        let program = node_pack::DISTRIBUTION.ensure(&Workshop::open()?)?.join("registry");
        let mut registry = Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            root: root.to_path_buf(),
            access,
            writable,
            program,
            folder: tempfile::tempdir().context("cannot create a folder for the registry")?,
            child: None,
        };
        registry.run()?;
        Ok(registry)
    }

    /// Returns its address, which stays the same while it is down.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its process ID while it runs.
    pub fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Returns the number of bytes written so far, mostly responses. A test uses it to kill the registry in the middle
    /// of a blob.
    pub fn bytes_written(&self) -> Result<u64> {
        let process = self.process().context("the registry does not run")?;
        let path = format!("/proc/{process}/io");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let value = text.lines().find_map(|line| line.strip_prefix("wchar: ")).context("no wchar")?;
        value.parse().with_context(|| format!("{path} has no number of bytes"))
    }

    /// Kills the registry with all its connections.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().context("cannot kill the registry")?;
            child.wait().context("cannot wait for the registry")?;
        }
        Ok(())
    }

    /// Kills the registry if it runs, and starts it again at the same address.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.run()
    }

    /// Returns its log since its last start.
    pub fn log(&self) -> Result<String> {
        std::fs::read_to_string(self.log_path()).context("cannot read the registry's log")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn run(&mut self) -> Result<()> {
        let path = self.folder.path().join("config.yml");
        let mut file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        file.write_all(configuration(&self.root, self.address, &self.access, self.writable).as_bytes())?;
        let log = File::create(self.log_path()).context("cannot create the registry's log")?;
        // `setpriv` of util-linux ties the registry's life to this thread, and then executes the registry.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(&self.program)
            .arg("serve")
            .arg(&path)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the registry")?;
        self.child = Some(child);
        self.address = self.wait_until_it_listens()?;
        Ok(())
    }

    fn wait_until_it_listens(&mut self) -> Result<SocketAddr> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let log = self.log()?;
            if let Some(address) = listening_address(&log) {
                return Ok(address);
            }
            let child = self.child.as_mut().context("the registry does not run")?;
            if let Some(status) = child.try_wait()? {
                bail!("the registry ended with {status}:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let log = self.log()?;
        ensure!(log.is_empty(), "the registry did not listen within {} s:\n{log}", PATIENCE.as_secs());
        bail!("the registry logged nothing within {} s", PATIENCE.as_secs())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Returns the address in the line that distribution logs once it accepts connections.
fn listening_address(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once("listening on ")?;
    let end = rest.find(|sign: char| !sign.is_ascii_digit() && sign != '.' && sign != ':')?;
    rest[..end].parse().ok()
}

fn configuration(root: &Path, address: SocketAddr, access: &Access, writable: bool) -> String {
    // JSON is also valid YAML, and quotes any character of a path.
    let mut configuration = serde_json::json!({
        "version": 0.1,
        "log": { "level": "info" },
        "storage": {
            "filesystem": { "rootdirectory": root },
            "maintenance": { "uploadpurging": { "enabled": false }, "readonly": { "enabled": !writable } },
        },
        "http": { "addr": address.to_string() },
    });
    match access {
        Access::Anyone => {}
        Access::Users(users) => {
            configuration["auth"] = serde_json::json!({ "htpasswd": { "realm": "vendor", "path": users } });
        }
        Access::Tokens(server, certificate) => {
            configuration["auth"] = serde_json::json!({ "token": {
                "realm": format!("http://{server}/token"), "service": SERVICE, "issuer": ISSUER,
                "rootcertbundle": certificate,
            } });
        }
    }
    configuration.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_address_is_parsed() {
        let log = "time=\"2026-11-20T08:00:00Z\" level=info msg=\"listening on 127.0.0.1:41234\" go.version=go1.26\n";
        assert_eq!(listening_address(log), Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 41234))));
        assert_eq!(listening_address("msg=\"listening on 127.0.0.1:4"), None);
    }
}
