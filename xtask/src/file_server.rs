//! HTTP server of a folder's files on loopback, like upstream file servers.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// A running server. It ends when this value is dropped, and with the thread that started it.
pub struct FileServer {
    child: Child,
    /// URL without a trailing slash.
    pub endpoint: String,
}

impl FileServer {
    /// Serves the files below a folder.
    pub fn start(folder: &Path) -> Result<Self> {
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start python3")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
        let port = line.split_whitespace().skip_while(|word| *word != "port").nth(1).context("no port")?;
        Ok(Self { endpoint: format!("http://127.0.0.1:{port}"), child })
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
