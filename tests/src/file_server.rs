//! A server of a folder's files on loopback, as upstreams of files are.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// The server, which ends with this value, and with the thread that started it.
pub struct FileServer {
    child: Child,
    /// Its URL, without a slash at the end.
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
