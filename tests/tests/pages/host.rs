//! The host: the real server of its API, over a site that exists only in memory.

use std::collections::HashSet;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use landfall_audit::{Checkpoint, CheckpointRequest};
use landfall_documents::change::Change;
use landfall_error_codes::codes;
use landfall_host_api::testing::{MemorySupport, Signer};
use landfall_host_api::{Question, Site, SupportBundles, Uploads, serve};
use landfall_license::answer::{Question as LicenseQuestion, SealedAnswer};
use landfall_peer::{
    AuditPage, Certificate, ComponentLogs, ComponentResources, Event, Identity, KeptSecret, LogLine, MediaPage, Medium,
    NumberedEvent, OperationPage, OperationState, PlanPage, Problem, ProgressPage, Refusal, Requester, SecretRequest,
    server,
};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::documents::sample;
use super::judge::UploadDesk;

/// Token that `landfall console` would have printed.
pub(crate) const TOKEN: &str = "K7QF2M-9XRT4B";
/// Name of the site, which a user types to approve a plan.
pub(crate) const SITE: &str = "node-1";
/// Digest of the plan.
pub(crate) const PLAN: &str = "sha256:7d0a3c4f5b6e7d0a3c4f5b6e7d0a3c4f5b6e7d0a3c4f5b6e7d0a3c4f5b6e7d0a";
/// Number of the upgrade's steps.
const STEPS: usize = 12;

/// State that the host reports.
pub(crate) struct Facts {
    pub(crate) status: Value,
    /// Requested and used resources of every component.
    pub(crate) resources: ComponentResources,
    pub(crate) operation: OperationPage,
    pub(crate) progress: ProgressPage,
    /// Number of started backups.
    pub(crate) backups_begun: usize,
    /// Number of started drills.
    pub(crate) drills_begun: usize,
    /// Digests of started plans.
    pub(crate) begun: Vec<String>,
    /// ID of the console's request that started the latest plan.
    pub(crate) asked_by: Option<String>,
    /// Imported licenses.
    pub(crate) licenses: Vec<String>,
    /// Received values of secrets, with their names.
    pub(crate) secrets: Vec<(String, String)>,
    /// Signer of the audit log.
    pub(crate) audit: Signer,
    tokens: HashSet<String>,
    releases: Value,
    pub(crate) history: Value,
    pub(crate) backups: Value,
    license: Value,
    usage: Value,
    usage_report: Value,
    media: Vec<Medium>,
    /// Planned changes.
    pub(crate) planned: Vec<Change>,
    plan: Value,
    restore: Value,
    pub(crate) configure: Value,
    settings: Value,
}

/// A simulated site.
pub(crate) struct SimulatedSite {
    facts: Mutex<Facts>,
    /// Uploads from a browser, on a disk.
    pub(crate) uploads: UploadDesk,
    /// The support bundle.
    support: MemorySupport,
}

impl SimulatedSite {
    fn new() -> Result<Self> {
        let facts = Mutex::new(Facts {
            status: sample("status")?,
            resources: sample("resources")?,
            operation: sample("operation")?,
            progress: ProgressPage { running: false, operation: None, run: 1, events: Vec::new() },
            backups_begun: 0,
            drills_begun: 0,
            begun: Vec::new(),
            asked_by: None,
            licenses: Vec::new(),
            secrets: Vec::new(),
            audit: Signer::generate()?,
            tokens: HashSet::from([TOKEN.to_owned()]),
            releases: sample("releases")?,
            history: sample("history")?,
            backups: sample("backups")?,
            license: sample("licenseStatus")?,
            usage: sample("licenseUsage")?,
            usage_report: sample("usageReport")?,
            media: sample::<MediaPage>("media")?.media,
            planned: Vec::new(),
            plan: sample("upgradeDryRun")?,
            restore: sample("restoreDryRun")?,
            configure: sample("configureDryRun")?,
            settings: sample("settings")?,
        });
        Ok(Self { facts, uploads: UploadDesk::begin()?, support: MemorySupport::default() })
    }

    /// Returns the reported state, to read or to change.
    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    /// Adds an event of the running operation.
    pub(crate) fn report(&mut self, event: Event) {
        let number = self.progress.events.last().map_or(1, |last| last.number + 1);
        self.progress.events.push(NumberedEvent { number, event });
    }

    /// Starts the next step.
    pub(crate) fn step(&mut self, index: usize, title: &str) {
        let remaining = Some(Duration::from_secs(20 * (STEPS.saturating_sub(index)) as u64));
        self.report(Event::StepStarted { index, count: STEPS, title: title.to_owned(), remaining });
    }

    /// Changes the plan's edit to one that the change would lose.
    pub(crate) fn lose_edit(&mut self) {
        self.plan["edits"][0]["stays"] = false.into();
    }

    /// Starts an upgrade.
    pub(crate) fn begin_upgrade(&mut self) {
        self.begin("upgrade", Some("starter 1.1.0"), "starter 1.2.0");
        self.step(1, "back up the data, and prove the backup");
    }

    /// Starts a restore.
    pub(crate) fn begin_restore(&mut self) {
        self.begin("restore", None, "starter 1.1.0");
        self.step(1, "stop assistant");
    }

    /// Starts a change of settings.
    pub(crate) fn begin_configure(&mut self) {
        self.begin("configure", None, "starter 1.1.0");
        self.step(1, "change component postgres");
    }

    fn begin(&mut self, operation: &str, from: Option<&str>, to: &str) {
        self.operation = OperationPage {
            number: 3,
            operation: operation.to_owned(),
            from: from.map(str::to_owned),
            to: to.to_owned(),
            state: OperationState::Forward,
            running: true,
            can_abort: true,
            at: Some(jiff::Timestamp::now().to_string()),
            undone_because: None,
            failure: None,
            by: Some("root".to_owned()),
            approved_by: None,
            correlation: self.asked_by.take(),
        };
        let run = self.progress.run + 1;
        let operation = Some(operation.to_owned());
        self.progress = ProgressPage { running: true, operation, run, events: Vec::new() };
    }

    /// Ends the running upgrade successfully.
    pub(crate) fn commit(&mut self) {
        let done = OperationPage {
            state: OperationState::Committed,
            running: false,
            can_abort: false,
            ..self.operation.clone()
        };
        self.end(done);
        self.status["release"]["version"] = "1.2.0".into();
    }

    /// Ends the running operation with this result in its journal.
    pub(crate) fn end(&mut self, operation: OperationPage) {
        self.progress.running = false;
        self.progress.operation = None;
        self.operation = operation;
    }
}

impl Site for SimulatedSite {
    fn document(&self, question: Question) -> Result<Option<String>, Problem> {
        let facts = self.facts();
        let document = match question {
            Question::Status => &facts.status,
            Question::Releases => &facts.releases,
            Question::History => &facts.history,
            Question::Backups => &facts.backups,
            Question::License => &facts.license,
            Question::Settings => &facts.settings,
            Question::Usage => &facts.usage,
            Question::UsageReport => &facts.usage_report,
        };
        Ok(Some(document.to_string()))
    }

    fn logs(&self, component: &str, _lines: usize) -> Result<ComponentLogs, Problem> {
        let line = |text: &&str| LogLine {
            pod: format!("{component}-0"),
            container: component.to_owned(),
            previous: false,
            text: (*text).to_owned(),
        };
        Ok(ComponentLogs { component: component.to_owned(), lines: LOG.iter().map(line).collect() })
    }

    fn resources(&self, component: &str) -> Result<ComponentResources, Problem> {
        Ok(ComponentResources { component: component.to_owned(), ..self.facts().resources.clone() })
    }

    fn progress(&self, run: u64, after: u64) -> ProgressPage {
        let mut page = self.facts().progress.clone();
        if page.run == run {
            page.events.retain(|event| event.number > after);
        }
        page
    }

    fn claim(&self, token: &str) -> Result<bool, Problem> {
        Ok(self.facts().tokens.remove(token))
    }

    fn note_users(&self, _users: u64) -> Result<(), Problem> {
        Ok(())
    }

    fn keep_secret(&self, request: SecretRequest) -> Result<KeptSecret, Problem> {
        self.facts().secrets.push((request.name, request.value));
        Ok(KeptSecret { id: "0000000f".to_owned() })
    }

    fn import_license(&self, license: &str) -> Result<(), Problem> {
        self.facts().licenses.push(license.to_owned());
        Ok(())
    }

    fn license_answer(&self, question: &LicenseQuestion) -> Result<SealedAnswer, Problem> {
        self.facts().audit.answer(SITE, question, jiff::Timestamp::now())
    }

    fn begin_backup(&self) -> Result<bool, Problem> {
        let mut facts = self.facts();
        if let Some(operation) = &facts.progress.operation {
            return Err(busy(operation));
        }
        facts.backups_begun += 1;
        Ok(true)
    }

    fn begin_drill(&self) -> Result<bool, Problem> {
        self.facts().drills_begun += 1;
        Ok(true)
    }

    fn audit(&self) -> Result<AuditPage, Problem> {
        Ok(self.facts().audit.page())
    }

    fn checkpoint(&self, request: &CheckpointRequest) -> Result<Checkpoint, Problem> {
        self.facts().audit.sign(SITE, request, jiff::Timestamp::now())
    }

    fn look(&self) -> Result<Vec<Medium>, Refusal> {
        Ok(self.facts().media.clone())
    }

    fn plan(&self, change: &Change) -> Result<PlanPage, Refusal> {
        let mut facts = self.facts();
        facts.planned.push(change.clone());
        let document = match change {
            Change::Upgrade { .. } | Change::Rollback { .. } => facts.plan.clone(),
            Change::Restore { .. } => facts.restore.clone(),
            Change::Configure { .. } => facts.configure.clone(),
        };
        let made = jiff::Timestamp::now().to_string();
        Ok(PlanPage { digest: PLAN.to_owned(), change: change.clone(), site: SITE.to_owned(), made, document })
    }

    fn begin(&self, plan: &PlanPage, asking: &Requester, _note: &dyn Fn(String)) -> Result<Vec<String>, Refusal> {
        let mut facts = self.facts();
        facts.begun.push(plan.digest.clone());
        facts.asked_by = Some(asking.correlation.clone());
        if matches!(plan.change, Change::Restore { .. }) {
            facts.begin_restore();
            return Ok(vec!["what was written since the latest log backup is not saved".to_owned()]);
        }
        if matches!(plan.change, Change::Configure { .. }) {
            facts.begin_configure();
            return Ok(Vec::new());
        }
        facts.begin_upgrade();
        Ok(Vec::new())
    }

    fn abort(&self, _operation: u64) -> Result<(), Refusal> {
        Ok(())
    }

    fn operation(&self) -> Result<Option<OperationPage>, Problem> {
        Ok(Some(self.facts().operation.clone()))
    }

    fn uploads(&self) -> &dyn Uploads {
        &self.uploads
    }

    fn support(&self) -> &dyn SupportBundles {
        &self.support
    }
}

/// Returns the refusal of a host with a running operation.
fn busy(operation: &str) -> Problem {
    let code = codes::SITE_BUSY;
    Problem {
        status: 409,
        title: format!("`landfall {operation}` (process 4711) runs on this site"),
        detail: None,
        code: Some(code.into()),
        hint: Some(code.fix.to_owned()),
    }
}

/// Lines of a database's log.
const LOG: [&str; 8] = [
    "LOG:  starting PostgreSQL 15.14 on x86_64-pc-linux-gnu, 64-bit",
    "LOG:  listening on IPv4 address \"0.0.0.0\", port 5432",
    "LOG:  listening on Unix socket \"/run/postgresql/.s.PGSQL.5432\"",
    "LOG:  database system was shut down at 07:39:12 UTC",
    "LOG:  database system is ready to accept connections",
    "LOG:  checkpoint starting: time",
    "LOG:  checkpoint complete: wrote 44 buffers (0.3%); 0 WAL file(s) added, 0 removed, 0 recycled; write=4.329 s, \
     sync=0.006 s",
    "LOG:  archived write-ahead log file \"00000001000000000000002A\"",
];

/// A server that can be stopped and restarted at the same address.
pub(crate) struct HostApi {
    pub(crate) site: Arc<SimulatedSite>,
    pub(crate) address: SocketAddr,
    identity: Identity,
    peer: Certificate,
    serving: Option<(oneshot::Sender<()>, JoinHandle<io::Result<()>>)>,
}

impl HostApi {
    /// Starts a server with this identity, for the holder of the peer's key.
    pub(crate) fn begin(identity: Identity, peer: Certificate) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
        let (address, site) = (listener.local_addr()?, Arc::new(SimulatedSite::new()?));
        let mut host = Self { site, address, identity, peer, serving: None };
        host.serve_on(listener)?;
        Ok(host)
    }

    fn serve_on(&mut self, listener: TcpListener) -> Result<()> {
        let tls = server(&self.identity, self.peer.clone())?;
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async move {
            let _dropped = stopped.await;
        };
        self.serving = Some((stop, tokio::spawn(serve(self.site.clone(), listener, tls, until))));
        Ok(())
    }

    /// Ends every connection, and accepts no new one.
    pub(crate) async fn cut(&mut self) -> Result<()> {
        let (stop, ended) = self.serving.take().context("the host is cut off already")?;
        drop(stop);
        ended.await?.context("the host's API failed")
    }

    /// Accepts connections again.
    pub(crate) fn restore(&mut self) -> Result<()> {
        let listener = TcpListener::bind(self.address).context("the host's port is taken")?;
        self.serve_on(listener)
    }
}
