//! Fake host at the edge of the process: it answers with sample documents, which are valid under the schemas of the
//! real ones.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hyper::body::Bytes;
use landfall_audit::{Checkpoint, CheckpointRequest};
use landfall_documents::change::Change;
use landfall_host_api::testing::{MemorySupport, MemoryUploads, Signer};
use landfall_host_api::{SupportBundles as _, Uploads as _};
use landfall_license::answer::{Question, SealedAnswer};
use landfall_peer::{AUDIT_BYTES, ApprovedRequest, LogLine, PIECE_BYTES, PlanRequest, Problem, Requester};
use serde_json::Value;

use super::{
    AuditPage, ChangeRequest, ComponentLogs, ComponentResources, Host, HostError, KeptSecret, KnownPosition, MediaPage,
    OperationPage, PlanPage, ProgressPage, RemovalRequest, Request, RequestState, SecretRequest, SupportPage, Topic,
    Upload, UploadRequest, UploadsPage,
};

/// Returns the sample document with this name.
pub fn sample(name: &str) -> Value {
    let path = format!("{}/samples/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()
}

/// The fake host.
pub struct FakeHost {
    pub status: Mutex<Value>,
    /// Resources of every component.
    pub resources: Mutex<ComponentResources>,
    pub license: Mutex<Option<Value>>,
    pub usage: Mutex<Option<Value>>,
    pub history: Mutex<Option<Value>>,
    /// Number of users that the console reported.
    pub users: AtomicUsize,
    pub progress: Mutex<ProgressPage>,
    pub tokens: Mutex<HashSet<String>>,
    pub is_silent: AtomicBool,
    /// True if documents, and nothing else, take too long.
    pub is_late: AtomicBool,
    /// Time that a document takes.
    pub document_pause: Mutex<Duration>,
    pub is_busy: AtomicBool,
    pub questions: AtomicUsize,
    pub backups_begun: AtomicUsize,
    pub drills_begun: AtomicUsize,
    /// Accepted licenses. One that does not contain `signed` is refused.
    pub licenses: Mutex<Vec<String>>,
    /// Result of a look.
    pub media: Mutex<MediaPage>,
    pub operation: Mutex<Option<OperationPage>>,
    pub plans: Mutex<Vec<PlanPage>>,
    /// Digest of the next plan.
    pub next_plan: Mutex<String>,
    pub requests: Mutex<Vec<Request>>,
    /// Signer of the audit log.
    pub audit: Mutex<Signer>,
    /// Number of checkpoints that it will still sign; further ones are too many.
    pub checkpoints: AtomicUsize,
    /// Received requests for changes, in order.
    pub changes: Mutex<Vec<ChangeRequest>>,
    /// Uploads of browsers.
    pub uploads: MemoryUploads,
    /// Sizes of the received pieces.
    pub pieces: Mutex<Vec<usize>>,
    /// Time that a piece takes.
    pub piece_pause: Mutex<Duration>,
    /// The collected support bundle.
    pub support: MemorySupport,
    /// Received values of secrets, with their names.
    pub secrets: Mutex<Vec<(String, String)>>,
}

/// Returns a sample as a value of a type.
pub fn sample_of<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_value(sample(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Digest of the sample plan.
pub const PLAN: &str = "sha256:7d0a3c4f5b6e7d0a3c4f5b6e7d0a3c4f5b6e7d0a3c4f5b6e7d0a3c4f5b6e7d0a";

/// Number of lines after the oldest one of a log, most of which are left out.
const OLD: u32 = 1000;

/// Returns the plan that is made for every request.
fn plan_of(request: &PlanRequest, digest: &str) -> PlanPage {
    PlanPage {
        digest: digest.to_owned(),
        change: request.change.clone(),
        site: "node-1".to_owned(),
        made: "2026-11-20T08:00:00Z".to_owned(),
        document: sample(match request.change {
            Change::Upgrade { .. } | Change::Rollback { .. } => "upgradeDryRun",
            Change::Restore { .. } => "restoreDryRun",
            Change::Configure { .. } => "configureDryRun",
        }),
    }
}

fn done_request(asking: &Requester, verb: &str, plan: Option<String>) -> Request {
    Request {
        request: asking.request.clone(),
        verb: verb.to_owned(),
        by: asking.by.clone(),
        first: asking.first.clone(),
        begun: "2026-11-20T08:00:00Z".to_owned(),
        state: RequestState::Done,
        plan,
        problem: None,
        blockers: Vec::new(),
        notes: Vec::new(),
    }
}

/// Returns the outcome of a change that has begun. A restore has a note.
fn begun_request(approved: &ApprovedRequest) -> Request {
    let is_restore = matches!(approved.change, Change::Restore { .. });
    let note = is_restore.then(|| "what was written last is not saved".to_owned());
    Request { notes: note.into_iter().collect(), ..done_request(&approved.asking, approved.change.verb(), None) }
}

impl FakeHost {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            status: Mutex::new(sample("status")),
            resources: Mutex::new(sample_of("resources")),
            license: Mutex::new(Some(sample("licenseStatus"))),
            usage: Mutex::new(Some(sample("licenseUsage"))),
            history: Mutex::new(Some(sample("history"))),
            users: AtomicUsize::default(),
            progress: Mutex::new(ProgressPage { running: false, operation: None, run: 0, events: Vec::new() }),
            tokens: Mutex::new(HashSet::from(["K7QF2M-9XRT4B".to_owned()])),
            is_silent: AtomicBool::new(false),
            is_late: AtomicBool::new(false),
            document_pause: Mutex::new(Duration::from_millis(5)),
            is_busy: AtomicBool::new(false),
            questions: AtomicUsize::new(0),
            backups_begun: AtomicUsize::new(0),
            drills_begun: AtomicUsize::new(0),
            licenses: Mutex::default(),
            media: Mutex::new(sample_of("media")),
            operation: Mutex::new(Some(sample_of("operation"))),
            plans: Mutex::default(),
            next_plan: Mutex::new(PLAN.to_owned()),
            requests: Mutex::default(),
            audit: Mutex::new(Signer::generate().unwrap()),
            checkpoints: AtomicUsize::new(usize::MAX),
            changes: Mutex::default(),
            uploads: MemoryUploads::default(),
            pieces: Mutex::default(),
            piece_pause: Mutex::default(),
            support: MemorySupport::default(),
            secrets: Mutex::default(),
        })
    }

    fn check_reachable(&self) -> Result<(), HostError> {
        if self.is_silent.load(Ordering::SeqCst) {
            return Err(HostError::unreachable(&"connection refused"));
        }
        Ok(())
    }

    /// Returns the only request that begins a change.
    pub fn only_begun(&self) -> ApprovedRequest {
        let mut begun = self.changes.lock().unwrap().clone();
        begun.retain(|change| matches!(change, ChangeRequest::Begin(_)));
        let [ChangeRequest::Begin(approved)] = &begun[..] else { panic!("{begun:?}") };
        approved.clone()
    }
}

impl Host for FakeHost {
    fn document(&self, topic: Topic) -> BoxFuture<'_, Result<Option<Value>, HostError>> {
        async move {
            self.check_reachable()?;
            if self.is_late.load(Ordering::SeqCst) {
                return Err(HostError::late(&"no answer in 15 seconds"));
            }
            self.questions.fetch_add(1, Ordering::SeqCst);
            let pause = *self.document_pause.lock().unwrap();
            tokio::time::sleep(pause).await;
            Ok(match topic {
                Topic::Status => Some(self.status.lock().unwrap().clone()),
                Topic::Releases => Some(sample("releases")),
                Topic::History => self.history.lock().unwrap().clone(),
                Topic::Backups => Some(sample("backups")),
                Topic::Settings => Some(sample("settings")),
                Topic::License => self.license.lock().unwrap().clone(),
                Topic::Usage => self.usage.lock().unwrap().clone(),
                Topic::UsageReport => self.usage.lock().unwrap().is_some().then(|| sample("usageReport")),
            })
        }
        .boxed()
    }

    fn progress(&self, known: KnownPosition) -> BoxFuture<'_, Result<ProgressPage, HostError>> {
        async move {
            self.check_reachable()?;
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut page = self.progress.lock().unwrap().clone();
            page.events.retain(|event| event.number > known.after);
            Ok(page)
        }
        .boxed()
    }

    fn logs<'a>(&'a self, component: &'a str, lines: u32) -> BoxFuture<'a, Result<ComponentLogs, HostError>> {
        async move {
            self.check_reachable()?;
            let line = |text: &str| LogLine {
                pod: format!("{component}-0"),
                container: "server".to_owned(),
                previous: text.ends_with("out of memory"),
                text: text.to_owned(),
            };
            let old = (lines > OLD).then_some("2026-11-20T03:12:07Z a log of changes was found");
            let recent = [
                "2026-11-20T07:57:48Z out of memory",
                "2026-11-20T07:58:01Z listening on port 8080",
                "2026-11-20T07:58:03Z <script>alert(1)</script> & more",
                "2026-11-20T07:59:12Z answered GET /health in 2 ms",
            ];
            Ok(ComponentLogs {
                component: component.to_owned(),
                lines: old.into_iter().chain(recent).map(line).collect(),
            })
        }
        .boxed()
    }

    fn resources<'a>(&'a self, component: &'a str) -> BoxFuture<'a, Result<ComponentResources, HostError>> {
        async move {
            self.check_reachable()?;
            let found = self.resources.lock().unwrap().clone();
            Ok(ComponentResources { component: component.to_owned(), ..found })
        }
        .boxed()
    }

    fn claim<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<bool, HostError>> {
        async move {
            self.check_reachable()?;
            tokio::task::yield_now().await;
            Ok(self.tokens.lock().unwrap().remove(token))
        }
        .boxed()
    }

    fn begin_backup<'a>(&'a self, _by: &'a str, _correlation: &'a str) -> BoxFuture<'a, Result<(), HostError>> {
        async move {
            self.check_reachable()?;
            if self.is_busy.load(Ordering::SeqCst) {
                let problem = Problem {
                    status: 409,
                    title: "A backup is being made".to_owned(),
                    detail: None,
                    code: Some("LF4607".into()),
                    hint: Some("Wait until it has ended.".to_owned()),
                };
                return Err(problem.into());
            }
            self.backups_begun.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
        .boxed()
    }

    fn begin_drill<'a>(&'a self, _by: &'a str, _correlation: &'a str) -> BoxFuture<'a, Result<(), HostError>> {
        async move {
            self.check_reachable()?;
            self.drills_begun.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
        .boxed()
    }

    fn note_users(&self, users: u64) -> BoxFuture<'_, Result<(), HostError>> {
        async move {
            self.check_reachable()?;
            self.users.store(usize::try_from(users).unwrap(), Ordering::SeqCst);
            Ok(())
        }
        .boxed()
    }

    fn keep_secret<'a>(&'a self, request: &'a SecretRequest) -> BoxFuture<'a, Result<KeptSecret, HostError>> {
        async move {
            self.check_reachable()?;
            let mut secrets = self.secrets.lock().unwrap();
            secrets.push((request.name.clone(), request.value.clone()));
            Ok(KeptSecret { id: format!("{:08x}", secrets.len()) })
        }
        .boxed()
    }

    fn import_license<'a>(
        &'a self,
        _by: &'a str,
        _correlation: &'a str,
        license: &'a str,
    ) -> BoxFuture<'a, Result<(), HostError>> {
        async move {
            self.check_reachable()?;
            if !license.contains("signed") {
                let problem = Problem {
                    status: 422,
                    title: "that the console sent is not signed by enough license keys".to_owned(),
                    detail: None,
                    code: Some("LF1106".into()),
                    hint: Some("Ask the vendor for the license file again.".to_owned()),
                };
                return Err(problem.into());
            }
            self.licenses.lock().unwrap().push(license.to_owned());
            Ok(())
        }
        .boxed()
    }

    fn license_answer<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<SealedAnswer, HostError>> {
        async move {
            self.check_reachable()?;
            let answered = self.audit.lock().unwrap().answer("site", question, jiff::Timestamp::UNIX_EPOCH);
            answered.map_err(HostError::from)
        }
        .boxed()
    }

    fn audit(&self) -> BoxFuture<'_, Result<AuditPage, HostError>> {
        async move {
            self.check_reachable()?;
            Ok(self.audit.lock().unwrap().page())
        }
        .boxed()
    }

    fn sign_audit<'a>(&'a self, request: &'a CheckpointRequest) -> BoxFuture<'a, Result<Checkpoint, HostError>> {
        async move {
            self.check_reachable()?;
            let bytes: usize = request.entries.iter().map(String::len).sum();
            assert!(request.entries.len() == 1 || bytes <= AUDIT_BYTES, "{bytes} bytes in one request");
            let left = self.checkpoints.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if left.is_err() {
                let title = "the host signs the next checkpoint of the audit log in 10 seconds".to_owned();
                let code = Some("LF4812".into());
                return Err(Problem { status: 429, title, detail: None, code, hint: None }.into());
            }
            let signed = self.audit.lock().unwrap().sign("site", request, jiff::Timestamp::UNIX_EPOCH);
            signed.map_err(HostError::from)
        }
        .boxed()
    }

    fn media(&self) -> BoxFuture<'_, Result<MediaPage, HostError>> {
        async move {
            self.check_reachable()?;
            let mut page = self.media.lock().unwrap().clone();
            page.media.extend(self.uploads.page().unwrap().upload.and_then(|upload| upload.as_medium()));
            Ok(page)
        }
        .boxed()
    }

    fn operation(&self) -> BoxFuture<'_, Result<Option<OperationPage>, HostError>> {
        async move {
            self.check_reachable()?;
            Ok(self.operation.lock().unwrap().clone())
        }
        .boxed()
    }

    fn plan<'a>(&'a self, digest: &'a str) -> BoxFuture<'a, Result<Option<PlanPage>, HostError>> {
        async move {
            self.check_reachable()?;
            Ok(self.plans.lock().unwrap().iter().find(|plan| plan.digest == digest).cloned())
        }
        .boxed()
    }

    fn request<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Request>, HostError>> {
        async move {
            self.check_reachable()?;
            Ok(self.requests.lock().unwrap().iter().find(|request| request.request == id).cloned())
        }
        .boxed()
    }

    fn hand_over<'a>(&'a self, change: &'a ChangeRequest) -> BoxFuture<'a, Result<Request, HostError>> {
        async move {
            self.check_reachable()?;
            let id = &change.asking().request;
            let known = self.requests.lock().unwrap().iter().find(|request| request.request == *id).cloned();
            if let Some(known) = known {
                return Ok(known);
            }
            let request = match change {
                ChangeRequest::Look(request) => done_request(&request.asking, "look", None),
                ChangeRequest::Plan(request) => {
                    let digest = self.next_plan.lock().unwrap().clone();
                    self.plans.lock().unwrap().push(plan_of(request, &digest));
                    done_request(&request.asking, "plan", Some(digest))
                }
                ChangeRequest::Begin(request) => begun_request(request),
                ChangeRequest::Abort(request) => done_request(&request.asking, "abort", None),
                ChangeRequest::Support(request) => {
                    self.support.collect(request).unwrap();
                    done_request(&request.asking, "support", None)
                }
            };
            self.changes.lock().unwrap().push(change.clone());
            self.requests.lock().unwrap().push(request.clone());
            Ok(request)
        }
        .boxed()
    }

    fn support(&self) -> BoxFuture<'_, Result<SupportPage, HostError>> {
        async move {
            self.check_reachable()?;
            Ok(SupportPage { bundle: self.support.kept_bundle() })
        }
        .boxed()
    }

    fn support_piece<'a>(&'a self, id: &'a str, offset: u64) -> BoxFuture<'a, Result<Bytes, HostError>> {
        async move {
            self.check_reachable()?;
            Ok(self.support.piece(id, offset)?.into())
        }
        .boxed()
    }

    fn uploads(&self) -> BoxFuture<'_, Result<UploadsPage, HostError>> {
        async move {
            self.check_reachable()?;
            self.uploads.page().map_err(HostError::from)
        }
        .boxed()
    }

    fn begin_upload<'a>(&'a self, request: &'a UploadRequest) -> BoxFuture<'a, Result<Upload, HostError>> {
        async move {
            self.check_reachable()?;
            assert!(request.is_sound(), "{request:?}");
            self.uploads.begin(request).map_err(HostError::from)
        }
        .boxed()
    }

    fn add_piece<'a>(&'a self, id: &'a str, offset: u64, piece: Vec<u8>) -> BoxFuture<'a, Result<Upload, HostError>> {
        async move {
            self.check_reachable()?;
            assert!(piece.len() <= PIECE_BYTES, "{} bytes in one request", piece.len());
            let pause = *self.piece_pause.lock().unwrap();
            tokio::time::sleep(pause).await;
            let added = self.uploads.add(id, offset, &piece);
            self.pieces.lock().unwrap().push(piece.len());
            added.map_err(HostError::from)
        }
        .boxed()
    }

    fn remove_upload<'a>(&'a self, id: &'a str, _request: &'a RemovalRequest) -> BoxFuture<'a, Result<(), HostError>> {
        async move {
            self.check_reachable()?;
            self.uploads.remove(id).map_err(HostError::from)
        }
        .boxed()
    }
}
