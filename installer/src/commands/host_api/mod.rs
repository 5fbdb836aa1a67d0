//! `landfall node serve`: the host API for the console. Its responses are the documents that commands print; changes of
//! the release start as on the command line.

mod approval;
mod changes;
mod child;
mod support;
mod uploads;
mod vault;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use landfall_agent::settings::AgentSettings;
use landfall_audit::{Checkpoint, CheckpointRequest};
use landfall_documents::change::Change;
use landfall_error_codes::{ExitClass, codes};
use landfall_host::paths::SitePaths;
use landfall_host_api::{Question, Site, SupportBundles, Uploads, serve};
use landfall_license::answer::{Question as LicenseQuestion, SealedAnswer};
use landfall_lifecycle::operations::{JudgedLicense, LogSource, OperationProgress, Operations, RecentLines, ShownLogs};
use landfall_media::progress::SilentProgress;
use landfall_peer::{
    AuditPage, ComponentLogs, ComponentResources, KeptSecret, LogLine, Medium, NumberedEvent, OperationPage, PlanPage,
    Problem, ProgressPage, Refusal, Requester, SecretRequest, server,
};
use landfall_site::console::{HOST_PORT, PeerKeys};
use landfall_site::host_approvals::HostApprovals;

use self::changes::Changes;
use self::support::Shelf;
use super::backup::backup_list;
use super::history::operation_history;
use super::releases::release_list;
use crate::document::line;
use crate::failure::Failure;
use crate::logging;

/// Interval between checks of the console's keys and certificate.
const LOOK: Duration = Duration::from_hours(1);
/// Interval after a failed check: the cluster may still be starting.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// Interval between checks for an expired support bundle.
const TEND: Duration = Duration::from_mins(5);

/// Time for which one look at the license serves answers to software, because many pods ask at once.
const JUDGED: Duration = Duration::from_secs(15);

/// Serves the console until the process is stopped or its keys change.
pub(super) fn run(paths: &SitePaths) -> Result<(), Failure> {
    logging::keep(&paths.logs(), "host-api");
    let operations = Operations::new(Arc::new(SilentProgress));
    HostApprovals::of(paths).clear().map_err(|error| unusable(&error))?;
    let changes = Arc::new(Changes::new(operations.clone()));
    let keys = operations.console_keys()?;
    let (own, console) = keys.host_side().map_err(|error| unusable(&error))?;
    let tls = server(&own, console).map_err(|error| unusable(&error))?;
    let address = SocketAddr::new(AgentSettings::read(paths)?.node.address, HOST_PORT);
    let listener = TcpListener::bind(address)
        .map_err(|error| Failure::new(codes::HOST_API, format!("cannot listen at {address}")).because(&error))?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| unusable(&error))?;
    let (changing, until) = tokio::sync::oneshot::channel();
    let looking = operations.clone();
    let tending = changes.clone();
    std::thread::spawn(move || tending.tend());
    std::thread::spawn(move || {
        keep_secrets(&looking, &keys);
        let _ = changing.send(());
    });
    let until = async move { drop(until.await) };
    let support = Arc::new(Shelf::open(operations.clone()));
    let shelf = support.clone();
    std::thread::spawn(move || tend(&shelf));
    let shown_logs = ShownLogs::new(operations.clone())?;
    let host = Arc::new(Host { operations, changes, support, shown_logs, judged: Mutex::default() });
    let served = runtime.block_on(serve(host, listener, tls, until));
    served.map_err(|error| unusable(&error))?;
    // systemd restarts it with the present keys.
    Err(Failure::new(codes::HOST_API, "the console's keys have changed"))
}

/// Removes expired support bundles until the process ends.
fn tend(shelf: &Shelf) {
    loop {
        std::thread::sleep(TEND);
        shelf.tend();
    }
}

/// Maintains the Secrets that the console's pods mount, until the keys differ from those that are served.
fn keep_secrets(operations: &Operations, served: &PeerKeys) {
    loop {
        let kept = match operations.renew_console_secrets() {
            Ok(()) => operations.renew_license_keys(),
            refused => refused,
        };
        let are_same = operations.console_keys().map(|keys| keys == *served);
        match (kept, are_same) {
            (_, Ok(false)) => return,
            (Ok(()), Ok(true)) => std::thread::sleep(LOOK),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(%error, "the console's keys and certificate are not looked at");
                std::thread::sleep(LOOK_AGAIN);
            }
        }
    }
}

fn unusable(error: &dyn std::error::Error) -> Failure {
    Failure::new(codes::HOST_API, "the host's API for the console cannot serve").because(error)
}

/// This host.
struct Host {
    operations: Operations,
    changes: Arc<Changes>,
    support: Arc<Shelf>,
    shown_logs: ShownLogs,
    /// The last look at the license.
    judged: Mutex<Option<JudgedLicense>>,
}

impl Host {
    fn documents(&self, question: Question) -> Result<Option<String>, Failure> {
        let operations = &self.operations;
        Ok(Some(match question {
            Question::Status => line(&operations.status()?),
            Question::Releases => line(&release_list(operations)?),
            Question::History => line(&operation_history(operations)?),
            Question::Backups => line(&backup_list(operations)?),
            Question::Settings => line(&operations.settings()?),
            Question::License => {
                let report = operations.license_report()?;
                return Ok(report.license.is_some().then(|| line(&report)));
            }
            Question::Usage => return Ok(operations.usage()?.map(|usage| line(&usage))),
            Question::UsageReport => return Ok(operations.usage_report()?.map(|report| line(&report))),
        }))
    }

    /// Answer of a license check, from a look at the license that is at most seconds old.
    fn answer(&self, question: &LicenseQuestion) -> Result<SealedAnswer, Failure> {
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = match judged.take().filter(|judged| judged.age() < JUDGED) {
            Some(fresh) => fresh,
            None => self.operations.judge_license()?,
        };
        Ok(self.operations.answer_about_license(judged.insert(fresh), question)?)
    }
}

/// Lines of a container's log, with those of its previous run first.
fn lines_of(source: &LogSource, lines: &RecentLines) -> Vec<LogLine> {
    let of = |text: &str, previous: bool| {
        let line = |text: &str| LogLine {
            pod: source.pod.clone(),
            container: source.container.clone(),
            previous,
            text: text.to_owned(),
        };
        text.lines().map(line).collect::<Vec<_>>()
    };
    let mut all = of(&lines.previous, true);
    all.extend(of(&lines.present, false));
    all
}

impl Site for Host {
    fn document(&self, question: Question) -> Result<Option<String>, Problem> {
        self.documents(question).map_err(|failure| problem(&failure))
    }

    fn logs(&self, component: &str, lines: usize) -> Result<ComponentLogs, Problem> {
        let wanted = u32::try_from(lines).unwrap_or(u32::MAX);
        let logs = self.shown_logs.of(component, wanted).map_err(|error| problem(&error.into()))?;
        let lines = logs.iter().flat_map(|(source, lines)| lines_of(source, lines));
        Ok(ComponentLogs { component: component.to_owned(), lines: lines.collect() })
    }

    fn resources(&self, component: &str) -> Result<ComponentResources, Problem> {
        self.operations.component_resources(component).map_err(|error| problem(&error.into()))
    }

    fn progress(&self, run: u64, after: u64) -> ProgressPage {
        let OperationProgress { running, operation, run, events } = self.operations.read_progress(run, after);
        let events = events.into_iter().map(|(number, event)| NumberedEvent { number, event });
        ProgressPage { running, operation, run, events: events.collect() }
    }

    fn claim(&self, token: &str) -> Result<bool, Problem> {
        self.operations.claim_console_token(token).map_err(|error| problem(&error.into()))
    }

    fn begin_backup(&self) -> Result<bool, Problem> {
        self.operations.begin_backup().map_err(|error| problem(&error.into()))
    }

    fn begin_drill(&self) -> Result<bool, Problem> {
        self.operations.begin_drill().map_err(|error| problem(&error.into()))
    }

    fn import_license(&self, license: &str) -> Result<(), Problem> {
        let imported = self.operations.import_sent_license(license).map(drop);
        self.judged.lock().unwrap_or_else(PoisonError::into_inner).take();
        imported.map_err(|error| problem(&error.into()))
    }

    fn keep_secret(&self, request: SecretRequest) -> Result<KeptSecret, Problem> {
        self.changes.keep_secret(request)
    }

    fn license_answer(&self, question: &LicenseQuestion) -> Result<SealedAnswer, Problem> {
        self.answer(question).map_err(|failure| problem(&failure))
    }

    fn note_users(&self, users: u64) -> Result<(), Problem> {
        self.operations.note_users(users).map_err(|error| problem(&error.into()))
    }

    fn audit(&self) -> Result<AuditPage, Problem> {
        let record = self.operations.ensure_audit_record().map_err(|error| problem(&error.into()))?;
        Ok(AuditPage { key: record.public_key().to_pem(), last: record.ledger.last })
    }

    fn checkpoint(&self, request: &CheckpointRequest) -> Result<Checkpoint, Problem> {
        self.operations.sign_audit(request).map_err(|error| problem(&error.into()))
    }

    fn look(&self) -> Result<Vec<Medium>, Refusal> {
        self.changes.look()
    }

    fn plan(&self, change: &Change) -> Result<PlanPage, Refusal> {
        self.changes.plan(change)
    }

    fn begin(&self, plan: &PlanPage, asking: &Requester, note: &dyn Fn(String)) -> Result<Vec<String>, Refusal> {
        approval::await_word(&HostApprovals::of(&self.operations.paths), plan, asking, note)?;
        self.changes.begin(plan, asking)
    }

    fn abort(&self, operation: u64) -> Result<(), Refusal> {
        Changes::abort(operation)
    }

    fn operation(&self) -> Result<Option<OperationPage>, Problem> {
        self.operations.latest_operation().map_err(|error| problem(&error.into()))
    }

    fn uploads(&self) -> &dyn Uploads {
        &*self.changes
    }

    fn support(&self) -> &dyn SupportBundles {
        &*self.support
    }
}

/// Converts a failure to a problem of the API.
fn problem(failure: &Failure) -> Problem {
    let code = failure.code();
    let status = match code.class {
        _ if code == codes::AUDIT_FORKED || code == codes::SITE_BUSY => 409,
        ExitClass::Usage => 400,
        ExitClass::Refused | ExitClass::License => 422,
        ExitClass::Bug => 500,
        _ => 503,
    };
    Problem {
        status,
        title: failure.what().to_owned(),
        detail: (!failure.causes().is_empty()).then(|| failure.causes().join(": ")),
        code: Some(code.into()),
        hint: Some(failure.next_step().to_owned()),
    }
}
