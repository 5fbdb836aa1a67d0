//! A real S3 server on loopback: versitygw over a folder, whose subfolders are buckets.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, recreated when lost")]

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::images;

/// Time limit until the server listens.
const PATIENCE: Duration = Duration::from_secs(20);

/// Access key of the only user.
pub const ACCESS_KEY: &str = "AKIALANDFALLTESTS";

/// Secret of the only user.
pub const SECRET: &str = "a-secret-that-no-message-may-hold";

/// A certificate and its key, as PEM files.
pub struct Identity {
    /// File of the certificate.
    pub certificate: PathBuf,
    /// File of the key.
    pub key: PathBuf,
}

/// A running server. It ends when this value is dropped, and with the thread that started it.
pub struct BucketServer {
    address: SocketAddr,
    is_tls: bool,
    folder: PathBuf,
    child: Child,
}

impl BucketServer {
    /// Serves the folders of `root` as buckets on a free port of 127.0.0.1, with TLS if `identity` is given. Data other
    /// than objects is stored in `beside`.
    pub fn start(root: &Path, beside: &Path, identity: Option<&Identity>) -> Result<Self> {
        let program = images::ensure_versitygw()?;
        // The port stays free until the server binds it.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        for folder in [root, beside] {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let log = File::create(beside.join("log")).context("cannot create the server's log")?;
        let sidecar = beside.join("metadata");
        std::fs::create_dir_all(&sidecar)?;
        // `setpriv` of util-linux ties the server's life to this thread, and then executes the server.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(&program).args(["--port", &address.to_string(), "--quiet"]);
        if let Some(Identity { certificate, key }) = identity {
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        command.args(["posix", "--sidecar"]).arg(sidecar).arg(root);
        // The credentials are not in the arguments, which every user can read.
        command.env("ROOT_ACCESS_KEY", ACCESS_KEY).env("ROOT_SECRET_KEY", SECRET);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("cannot start the server")?;
        let mut server = Self { address, is_tls: identity.is_some(), folder: beside.to_owned(), child };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    /// Returns the server's URL, such as `http://127.0.0.1:41234`.
    pub fn endpoint(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Kills the server with all its connections.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("cannot kill the server")?;
        self.child.wait().context("cannot wait for the server")?;
        Ok(())
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}:\n{}", self.log()?);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the server did not listen within {} s:\n{}", PATIENCE.as_secs(), self.log()?)
    }

    /// Returns the server's log.
    pub fn log(&self) -> Result<String> {
        std::fs::read_to_string(self.folder.join("log")).context("cannot read the server's log")
    }
}

impl Drop for BucketServer {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
