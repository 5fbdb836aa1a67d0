//! State shared by all requests.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::audit::{CheckpointSigner, Watch};
use crate::certificate::CertificateStanding;
use crate::credentials::{Failures, Hasher, Throttle};
use crate::database::Database;
use crate::directory::Directory;
use crate::forward::Forward;
use crate::host::Site;
use crate::ingress::Ingress;
use crate::metrics::Metrics;
use crate::turns::Turns;

/// Maximum number of concurrent listeners, programs and pages. Each uses a connection, of which other clients also need
/// some.
pub const LISTENERS: usize = 512;

/// State shared by all requests; cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<ContextParts>);

/// Parts of a context.
pub struct ContextParts {
    /// Database of people, keys and the audit log.
    pub database: Database,
    /// The site, as the host reports it.
    pub site: Arc<Site>,
    /// Hasher of passwords, for a few at a time.
    pub hasher: Hasher,
    /// Counter of failed sign-ins.
    pub throttle: Throttle,
    /// Limit on audit log entries caused by unauthenticated clients.
    pub failures: Failures,
    /// Source of users who are not local.
    pub directory: Arc<Directory>,
    /// Checks of the audit log's integrity.
    pub audit: Watch,
    /// Signing of the audit log by the host.
    pub signing: CheckpointSigner,
    /// Forwarding of the audit log to a syslog server.
    pub forward: Arc<Forward>,
    /// Trusted proxies between browsers and the console.
    pub ingress: Arc<Ingress>,
    /// State of the certificate that browsers see.
    pub certificate: Arc<CertificateStanding>,
    /// Permit to send to the upload: one request at a time, so that memory holds one piece.
    pub arriving: Arc<Semaphore>,
    /// Turns of pages with logs, of which one session makes few concurrently.
    pub turns: Turns,
    /// Slots of programs that listen to the operation.
    pub listening: Arc<Semaphore>,
    /// Metrics for `/metrics`.
    pub metrics: Metrics,
    /// Time when the process began to serve.
    pub started: Timestamp,
}

impl Context {
    /// Creates the context of a server that starts now.
    pub fn new(database: Database, site: Arc<Site>) -> Self {
        Self(Arc::new(ContextParts {
            database,
            site,
            hasher: Hasher::new(),
            throttle: Throttle::default(),
            failures: Failures::default(),
            directory: Arc::default(),
            audit: Watch::default(),
            signing: CheckpointSigner::default(),
            forward: Arc::default(),
            ingress: Arc::default(),
            certificate: Arc::default(),
            arriving: Arc::new(Semaphore::new(1)),
            turns: Turns::default(),
            listening: Arc::new(Semaphore::new(LISTENERS)),
            metrics: Metrics::new(),
            started: Timestamp::now(),
        }))
    }

    /// Has the host sign the current audit log, if it does so soon.
    pub async fn sign_audit_soon(&self) {
        self.signing.sign_soon(&self.database, &self.site).await;
    }
}

impl std::ops::Deref for Context {
    type Target = ContextParts;

    fn deref(&self) -> &ContextParts {
        &self.0
    }
}
