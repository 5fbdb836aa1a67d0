//! A real PostgreSQL for tests: Debian's programs, on the loopback and in a folder of their own, by an account without rights. Tests that
//! run at the same time share the server, each with a database of its own; the last one that ends stops it.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use landfall_media::durable;
use landfall_peer::Authority;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use tokio::sync::Mutex;

use super::settings::{AUTHORITY, PASSWORD, SETTINGS};
use crate::database::Storage;

/// Where Debian has each version's programs.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// Debian's account `nobody`: PostgreSQL does not run as root.
const NOBODY: u32 = 65534;
/// The password of each console's user.
pub const SECRET: &str = "seven green owls";

/// The server that runs now, if one does.
static SHARED: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
/// Databases that were made.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A running server.
struct Server {
    folder: tempfile::TempDir,
    child: Child,
    port: u16,
    /// The certificate of its authority.
    authority: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = kill_process(Pid::from_child(&self.child), Signal::QUIT);
        let _reaped = self.child.wait();
    }
}

fn programs() -> PathBuf {
    let found = fs_err::read_dir(PROGRAMS).unwrap_or_else(|error| panic!("install the package postgresql: {error}"));
    let versions = found.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let newest = versions.max().unwrap_or_else(|| panic!("{PROGRAMS} has no version: install the package postgresql"));
    Path::new(PROGRAMS).join(newest.to_string()).join("bin")
}

/// A program that runs in a folder, without the rights of root.
fn program(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(programs().join(name));
    command.current_dir(folder).stdin(Stdio::null());
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Writes a file that belongs to the server.
fn give(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    durable::write_file(&path, text.as_bytes(), 0o600).unwrap();
    own(&path);
    path
}

fn own(path: &Path) {
    if geteuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

impl Server {
    /// The one that runs, or a new one.
    async fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Self::begin().await);
        *shared = Arc::downgrade(&server);
        server
    }

    async fn begin() -> Self {
        // Below a folder that everybody may enter, and with a short name: the path of a socket has 107 bytes at most.
        let folder = tempfile::Builder::new().prefix("landfall-postgresql-").tempdir_in("/tmp").unwrap();
        let at = folder.path();
        own(at);
        let made = program("initdb", at)
            .args(["--pgdata=data", "--username=postgres", "--no-locale", "--encoding=UTF8", "--no-sync"])
            .args(["--auth-local=trust", "--auth-host=scram-sha-256"])
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let (authority, key) = Authority::generate("Database", (2020, 1, 1), (2040, 1, 1)).unwrap();
        let issuer = Authority::of("Database", &key).unwrap();
        let (certificate, key) = issuer.issue(&["127.0.0.1".to_owned()], (2020, 1, 1), (2040, 1, 1)).unwrap();
        let (certificate, key) = (give(at, "crt", &certificate), give(at, "key", &key));
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(at.join("log")).unwrap();
        let child = program("postgres", at)
            .args(["-D", "data", "-k"])
            .arg(at)
            .args(["-p", &port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=300", "-c", "ssl=on"])
            .args(["-c", &format!("ssl_cert_file={}", certificate.display())])
            .args(["-c", &format!("ssl_key_file={}", key.display())])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self { folder, child, port, authority };
        server.wait().await;
        server
    }

    /// Waits until the server lets a superuser in.
    async fn wait(&self) {
        for _ in 0..300 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() && self.connect("postgres").await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let log = fs_err::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("PostgreSQL does not begin within 30 seconds: {log}");
    }

    /// A connection of the superuser to a database.
    async fn connect(&self, database: &str) -> Result<PgConnection, sqlx::Error> {
        let options = PgConnectOptions::new_without_pgpass().socket(self.folder.path()).port(self.port);
        options.username("postgres").database(database).ssl_mode(PgSslMode::Disable).connect().await
    }
}

/// A database that one test has for itself, with the settings of a console that uses it.
pub struct Lease {
    /// The name of the database and of the user who owns it.
    pub name: String,
    /// The files of the Secret.
    pub secret: tempfile::TempDir,
    server: Arc<Server>,
}

impl Lease {
    /// A new database without tables.
    pub async fn new() -> Self {
        let server = Server::shared().await;
        let name = format!("console_{}", COUNT.fetch_add(1, Ordering::SeqCst));
        let lease = Self { name: name.clone(), secret: tempfile::tempdir().unwrap(), server };
        let mut superuser = lease.server.connect("postgres").await.unwrap();
        for sql in [
            format!("CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'"),
            format!("CREATE DATABASE {name} OWNER {name} TEMPLATE template0"),
        ] {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut superuser).await.unwrap();
        }
        lease.set(&format!("tls://127.0.0.1:{}", lease.server.port), &name, SECRET);
        lease.put(AUTHORITY, &lease.server.authority);
        lease
    }

    /// Writes a file of the Secret.
    pub fn put(&self, name: &str, text: &str) {
        durable::write_file(&self.secret.path().join(name), text.as_bytes(), 0o600).unwrap();
    }

    /// Writes the settings, for the user of this database.
    pub fn set(&self, server: &str, database: &str, password: &str) {
        self.put(SETTINGS, &format!("server: {server}\ndatabase: {database}\nuser: {}\n", self.name));
        self.put(PASSWORD, password);
    }

    /// The server as the settings name it without TLS.
    pub fn plain(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.server.port)
    }

    /// What the settings say.
    pub fn storage(&self) -> Storage {
        Storage::of(self.secret.path(), Some("landfall-console")).unwrap()
    }

    /// The port of the server.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The certificate of the server's authority.
    pub fn authority(&self) -> String {
        self.server.authority.clone()
    }

    /// A connection of the superuser to the database.
    pub async fn superuser(&self) -> PgConnection {
        self.server.connect(&self.name).await.unwrap()
    }
}
