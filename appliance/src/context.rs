//! What every request shares.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::api::LISTENERS;
use crate::audit::{Signing, Watch};
use crate::console::Turns;
use crate::database::Database;
use crate::directory::Directory;
use crate::forward::Forward;
use crate::host::Site;
use crate::ingress::Ingress;
use crate::people::{Failures, Hasher, Throttle};
use crate::server::{CertificateStanding, Metrics};

/// What every request shares; cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<Shared>);

/// The parts of a context.
pub struct Shared {
    /// People, keys and the audit log.
    pub database: Database,
    /// The site as the host reports it.
    pub site: Arc<Site>,
    /// Hashes passwords, a few at once.
    pub hasher: Hasher,
    /// Counts failed sign-ins.
    pub throttle: Throttle,
    /// Bounds what strangers write into the audit log.
    pub failures: Failures,
    /// Where people come from who are not local.
    pub directory: Directory,
    /// Whether the audit log is whole.
    pub audit: Watch,
    /// Has the host sign the audit log.
    pub signing: Signing,
    /// Forwards the audit log to a syslog server.
    pub forward: Forward,
    /// Trusted proxies between browsers and the console.
    pub ingress: Ingress,
    /// Which certificate browsers see.
    pub certificate: Arc<CertificateStanding>,
    /// One request at a time sends to the upload, so that memory holds one piece of it.
    pub arriving: Arc<Semaphore>,
    /// Pages with logs, of which one session makes few at the same time.
    pub turns: Turns,
    /// Places of programs that listen to the operation.
    pub listening: Arc<Semaphore>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// When the process began to serve.
    pub started: Timestamp,
}

impl Context {
    /// A context of a server that begins now.
    pub fn new(database: Database, site: Arc<Site>) -> Self {
        Self(Arc::new(Shared {
            database,
            site,
            hasher: Hasher::new(),
            throttle: Throttle::default(),
            failures: Failures::default(),
            directory: Directory::default(),
            audit: Watch::default(),
            signing: Signing::default(),
            forward: Forward::default(),
            ingress: Ingress::default(),
            certificate: Arc::default(),
            arriving: Arc::new(Semaphore::new(1)),
            turns: Turns::default(),
            listening: Arc::new(Semaphore::new(LISTENERS)),
            metrics: Metrics::new(),
            started: Timestamp::now(),
        }))
    }

    /// Has the host sign what is in the audit log by now, if it does so soon.
    pub async fn sign_audit_soon(&self) {
        self.signing.sign_soon(&self.database, &self.site).await;
    }
}

impl std::ops::Deref for Context {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
