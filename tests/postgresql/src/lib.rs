//! A real PostgreSQL for tests, from Debian's programs. It listens on loopback, uses its own folder, and runs as an
//! unprivileged account. It has TLS with its own certificate authority, and ends when it is dropped.
#![expect(clippy::disallowed_methods, reason = "files of tests, in a folder that is removed")]

use std::fs::OpenOptions;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_peer::{Authority, Terms};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

/// Folder of Debian's programs, by version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// Debian's account `nobody`: PostgreSQL does not run as root.
const NOBODY: u32 = 65534;
/// Parent folder of each server's folder. Every account may enter it, and its name is short: a socket path has at most
/// 107 bytes.
const PLACE: &str = "/tmp";
/// User with all rights, who connects only through the socket.
pub const SUPERUSER: &str = "postgres";
/// Password of each created user.
pub const PASSWORD: &str = "seven green owls";

/// A running server.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    child: Child,
    port: u16,
    authority: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = kill_process(Pid::from_child(&self.child), Signal::QUIT);
        let _reaped = self.child.wait();
    }
}

impl Server {
    /// Starts a server and waits until it answers a query, which takes a second or two.
    pub fn begin() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("landfall-postgresql-").tempdir_in(PLACE)?;
        let at = folder.path();
        own(at)?;
        let made = program("initdb", at)?
            .args(["--pgdata=data", "--no-locale", "--encoding=UTF8", "--no-sync"])
            .args(["--auth-local=trust", "--auth-host=scram-sha-256", "--username", SUPERUSER])
            .output()?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let (authority, key) = Authority::generate(Terms {
            name: "Database",
            servers: &["127.0.0.1".to_owned()],
            begin: (2020, 1, 1),
            end: (2040, 1, 1),
        })?;
        let issuer = Authority::of("Database", &key)?;
        let (certificate, key) = issuer.issue(&["127.0.0.1".to_owned()], (2020, 1, 1), (2040, 1, 1))?;
        let (certificate, key) = (give(at, "crt", &certificate)?, give(at, "key", &key)?);
        // The port is free now, and the kernel does not reassign it immediately.
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let log = OpenOptions::new().create(true).append(true).open(at.join("log"))?;
        let child = program("postgres", at)?
            .args(["-D", "data", "-p", &port.to_string(), "-k"])
            .arg(at)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=300", "-c", "ssl=on"])
            .args(["-c", &format!("ssl_cert_file={}", certificate.display())])
            .args(["-c", &format!("ssl_key_file={}", key.display())])
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start PostgreSQL")?;
        let server = Self { folder, child, port, authority };
        server.wait()?;
        Ok(server)
    }

    fn wait(&self) -> Result<()> {
        for _ in 0..300 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() && self.execute(SUPERUSER, "SELECT 1").is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(100));
        }
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        anyhow::bail!("PostgreSQL does not begin within 30 seconds: {log}")
    }

    /// Returns the port on 127.0.0.1, which accepts connections with and without TLS.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder of the socket.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the certificate of the authority that issued the server's certificate, in PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Executes one statement in a database as the superuser.
    fn execute(&self, database: &str, sql: &str) -> Result<()> {
        let mut psql = program("psql", self.folder())?;
        psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--username", SUPERUSER, "--host"]);
        psql.arg(self.folder()).args(["--port", &self.port.to_string(), "--dbname", database, "--command", sql]);
        let output = psql.output().context("cannot start psql")?;
        ensure!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Creates an empty database, and a user of the same name with [`PASSWORD`] who owns it.
    pub fn make_database(&self, name: &str) -> Result<()> {
        self.execute(SUPERUSER, &format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'"))?;
        self.execute(SUPERUSER, &format!("CREATE DATABASE {name} OWNER {name} TEMPLATE template0"))
    }
}

/// Returns the folder of the newest version's programs.
fn programs() -> Result<PathBuf> {
    let missing = || format!("{PROGRAMS} has no version: install the Debian package postgresql");
    let found = std::fs::read_dir(PROGRAMS).with_context(missing)?;
    let versions = found.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    Ok(Path::new(PROGRAMS).join(versions.max().with_context(missing)?.to_string()).join("bin"))
}

/// Returns a command for a program in a folder. As root, the program runs as [`NOBODY`].
fn program(name: &str, folder: &Path) -> Result<Command> {
    let mut command = Command::new(programs()?.join(name));
    command.current_dir(folder).stdin(Stdio::null());
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    Ok(command)
}

/// Writes a file that belongs to the server and that only the server may read.
fn give(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    own(&path)?;
    Ok(path)
}

fn own(path: &Path) -> Result<()> {
    if geteuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}
