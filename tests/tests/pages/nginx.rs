//! A proxy in front of the console: Debian's nginx on loopback, with the configuration that ingress-nginx writes for
//! the object in docs/console/ingress.md.
#![expect(clippy::disallowed_methods, reason = "files of a test, in a folder that is removed")]

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Child;

use anyhow::{Context, Result};
use landfall_peer::{Authority, Terms};
use landfall_test_browser::until;
use landfall_xtask::images;
use tempfile::TempDir;

use super::console::Console;
use super::servers::{free_port, program};

/// Address from which it connects to the console, which no browser has.
pub(crate) const ADDRESS: &str = "127.0.0.9";

/// A running proxy.
pub(crate) struct Nginx {
    /// Host name and port of the console in browsers.
    pub(crate) host: String,
    folder: TempDir,
    child: Child,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Nginx {
    /// Starts a proxy that verifies the console by this name.
    pub(crate) async fn begin(console: &Console, name: &str) -> Result<Self> {
        let (root, folder) = (images::ensure_nginx()?, tempfile::tempdir()?);
        let port = free_port()?;
        let servers = ["127.0.0.1".to_owned()];
        let terms = Terms { name: "Browsers", servers: &servers, begin: (2020, 1, 1), end: (2040, 1, 1) };
        let (_, key) = Authority::generate(terms)?;
        let (certificate, key) = Authority::of("Browsers", &key)?.issue(&servers, (2020, 1, 1), (2040, 1, 1))?;
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("crt"), certificate)?;
        std::fs::write(at("key"), key)?;
        std::fs::write(at("conf"), settings(folder.path(), port, console, name))?;
        let log = File::create(at("log"))?;
        let mut command = program(&root, "nginx");
        command.arg("-c").arg(at("conf")).arg("-e").arg(at("errors"));
        command.stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("cannot start nginx")?;
        let nginx = Self { host: format!("127.0.0.1:{port}"), folder, child };
        until("nginx accepts connections", async || Ok(TcpStream::connect(("127.0.0.1", port)).is_ok()))
            .await
            .with_context(|| format!("its log: {}", nginx.log()))?;
        Ok(nginx)
    }

    /// Returns its log and its errors.
    pub(crate) fn log(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.file(name)).unwrap_or_default();
        format!("{}{}", read("log"), read("errors"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Returns the settings of one process with all files in this folder. Sizes, times and headers are those of
/// ingress-nginx, with the annotations of docs/console/ingress.md.
fn settings(folder: &Path, port: u16, console: &Console, name: &str) -> String {
    let folder = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/temporary-{kind};"))
        .join("\n  ");
    format!(
        "daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/errors warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  {temporary}
  server {{
    listen 127.0.0.1:{port} ssl;
    http2 on;
    ssl_certificate {folder}/crt;
    ssl_certificate_key {folder}/key;
    location / {{
      client_max_body_size 8m;
      proxy_bind {ADDRESS};
      proxy_pass {console};
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_set_header Host $host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-Port 443;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Proxy '';
      proxy_ssl_verify on;
      proxy_ssl_verify_depth 1;
      proxy_ssl_name {name};
      proxy_ssl_trusted_certificate {certificate};
      proxy_connect_timeout 5s;
      proxy_send_timeout 60s;
      proxy_read_timeout 90s;
      proxy_buffering off;
      proxy_buffer_size 4k;
      proxy_buffers 4 4k;
      proxy_request_buffering on;
      proxy_next_upstream error timeout;
    }}
  }}
}}
",
        console = console.origin(),
        certificate = console.certificate().display(),
    )
}
