//! Databases of a real PostgreSQL for tests. Tests that run at the same time share the server, each with a database of its own; the last one
//! that ends stops it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use landfall_media::durable;
use landfall_test_postgresql::{SUPERUSER, Server};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use tokio::sync::Mutex;

use super::settings::{AUTHORITY, PASSWORD, SETTINGS};
use crate::database::Storage;

pub use landfall_test_postgresql::PASSWORD as SECRET;

/// The server that runs now, if one does.
static SHARED: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
/// Databases that were made.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// The server that runs, or a new one.
async fn shared() -> Arc<Server> {
    let mut shared = SHARED.lock().await;
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(Server::begin().unwrap_or_else(|error| panic!("{error:#}")));
    *shared = Arc::downgrade(&server);
    server
}

/// A database that one test has for itself, with the settings of a console that uses it.
pub struct Lease {
    /// The name of the database and of the user who owns it.
    pub name: String,
    /// The files of the Secret.
    secret: tempfile::TempDir,
    server: Arc<Server>,
}

impl Lease {
    /// A new database without tables.
    pub async fn new() -> Self {
        let server = shared().await;
        let name = format!("console_{}", COUNT.fetch_add(1, Ordering::SeqCst));
        server.make_database(&name).unwrap_or_else(|error| panic!("{error:#}"));
        let lease = Self { name: name.clone(), secret: tempfile::tempdir().unwrap(), server };
        lease.set(&lease.plain().replace("tcp", "tls"), &name, SECRET);
        lease.put(AUTHORITY, lease.authority());
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
        format!("tcp://127.0.0.1:{}", self.server.port())
    }

    /// The storage that the settings name.
    pub fn storage(&self) -> Storage {
        Storage::of(self.secret.path(), Some("landfall-console")).unwrap()
    }

    /// The port of the server.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The certificate of the server's authority.
    pub fn authority(&self) -> &str {
        self.server.authority()
    }

    /// A connection of the superuser to the database.
    pub async fn superuser(&self) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass().socket(self.server.folder()).port(self.port());
        let options = options.username(SUPERUSER).database(&self.name).ssl_mode(PgSslMode::Disable);
        options.connect().await.unwrap()
    }
}
