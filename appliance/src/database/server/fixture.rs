//! Databases of a real PostgreSQL for tests. Concurrent tests share the server, each with its own database; the last
//! one to end stops it.

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

/// The currently running server, if any.
static SHARED: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
/// Number of databases created.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Returns the running server, or starts one.
async fn shared_server() -> Arc<Server> {
    let mut shared = SHARED.lock().await;
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(Server::begin().unwrap_or_else(|error| panic!("{error:#}")));
    *shared = Arc::downgrade(&server);
    server
}

/// Database of a single test, with the settings of a console that uses it.
pub struct Lease {
    /// Name of the database and of its owner.
    pub name: String,
    /// Files of the Secret.
    secret: tempfile::TempDir,
    server: Arc<Server>,
}

impl Lease {
    /// Creates a database without tables.
    pub async fn new() -> Self {
        let server = shared_server().await;
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

    /// Writes the settings, for this database's user.
    pub fn set(&self, server: &str, database: &str, password: &str) {
        self.put(SETTINGS, &format!("server: {server}\ndatabase: {database}\nuser: {}\n", self.name));
        self.put(PASSWORD, password);
    }

    /// Returns the server's address without TLS, as in the settings.
    pub fn plain(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.server.port())
    }

    /// Returns the storage that the settings name.
    pub fn storage(&self) -> Storage {
        Storage::read(self.secret.path(), Some("landfall-console")).unwrap()
    }

    /// Returns the port of the server.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Returns the certificate of the server's authority.
    pub fn authority(&self) -> &str {
        self.server.authority()
    }

    /// Opens a superuser's connection to the database.
    pub async fn superuser(&self) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass().socket(self.server.folder()).port(self.port());
        let options = options.username(SUPERUSER).database(&self.name).ssl_mode(PgSslMode::Disable);
        options.connect().await.unwrap()
    }
}
