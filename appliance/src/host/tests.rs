use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex};

use axum::http::StatusCode;
use landfall_audit::{Entry, Follower, Head, Outcome};
use landfall_documents::backups::BackupList;
use landfall_documents::change::Change;
use landfall_documents::history::{OperationHistory, OperationOutcome};
use landfall_documents::license::{LicenseReport, UsageStatus};
use landfall_documents::newer;
use landfall_documents::releases::ReleaseList;
use landfall_documents::settings::{SecretState, SiteSettings};
use landfall_documents::status::{StatusReport, Verdict};
use landfall_host_api::testing::{MemorySupport, MemoryUploads, Signer, UNSIGNED};
use landfall_host_api::{Question, SupportBundles, Uploads, serve};
use landfall_license::answer::{Nonce, Question as LicenseQuestion, SealedAnswer, Subject};
use landfall_peer::{
    AbortRequest, ApprovedRequest, Event, Identity, LogLine, LookRequest, NumberedEvent, PIECE_BYTES, PlanRequest,
    Problem, Refusal, Requester, SupportRequest,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fake::{sample, sample_of};
use super::*;

fn schema(kind: &str) -> jsonschema::Validator {
    let path = format!("{}/../docs/schemas/{kind}.json", env!("CARGO_MANIFEST_DIR"));
    jsonschema::validator_for(&serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()).unwrap()
}

/// Reads a valid sample, also with unknown fields, and without optional ones.
fn reads<T: DeserializeOwned>(name: &str, kind: &str) -> T {
    let mut document = sample(name);
    let schema = schema(kind);
    if let Err(error) = schema.validate(&document) {
        panic!("{name}: {error}");
    }
    newer::known_value::<T>(&document).unwrap_or_else(|error| panic!("{name}: {error}"));
    add_unknown(&mut document);
    newer::known_value(&document).unwrap_or_else(|error| panic!("{name} of a newer version: {error}"))
}

fn add_unknown(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(add_unknown);
            fields.insert("ofLater".to_owned(), serde_json::json!({"x": [1]}));
        }
        Value::Array(items) => items.iter_mut().for_each(add_unknown),
        _ => {}
    }
}

#[test]
fn schema_documents_are_readable() {
    for name in ["status", "status-not-ready", "status-stuck", "status-absent"] {
        let status: StatusReport = reads(name, "status");
        assert_eq!(status.release.is_some(), name != "status-absent");
    }
    let releases: ReleaseList = reads("releases", "releases");
    assert!(releases.releases[0].installed);
    let history: OperationHistory = reads("history", "history");
    let outcomes: Vec<_> = history.operations.iter().map(|past| (past.number, past.outcome)).collect();
    assert_eq!(outcomes[..2], [(4, OperationOutcome::Undone), (3, OperationOutcome::Committed)]);
    let backups: BackupList = reads("backups", "backups");
    assert_eq!((backups.backups.len(), backups.points_in_time.len()), (4, 1));
    let license: LicenseReport = reads("licenseStatus", "licenseStatus");
    assert_eq!(license.license.unwrap().terms.unwrap().standing, "ending");
    let usage: UsageStatus = reads("licenseUsage", "licenseUsage");
    assert_eq!((usage.limits[0].now, usage.limits[3].now), (Some(4), None));
    let _report: Value = reads("usageReport", "usageReport");
    let settings: SiteSettings = reads("settings", "settings");
    assert_eq!((settings.secrets[0].state, settings.secrets[1].number), (SecretState::Given, None));
}

/// The document of a plan has no type here: the console reads the known fields for its page.
#[test]
fn sample_plans_match_schema() {
    let read: Value = reads("upgradeDryRun", "upgradeDryRun");
    let lost = &read["outlook"]["pointOfNoReturn"]["lost"];
    assert!(lost.as_array().is_some_and(|lost| lost.len() > 1), "{lost}");
    assert!(read["edits"][0].is_object() && read["space"][0].is_object());
    let read: Value = reads("restoreDryRun", "restoreDryRun");
    assert!(read["overwrites"][1]["savedUntil"].is_null() && read["space"][0].is_object(), "{read}");
}

#[test]
fn newer_verdict_is_unknown() {
    let mut status = sample("status");
    status["verdict"] = "levitating".into();
    let status: StatusReport = serde_json::from_value(status).unwrap();
    assert_eq!(status.verdict, Verdict::Unknown);
}

static AUDIT: LazyLock<Mutex<Signer>> = LazyLock::new(|| Mutex::new(Signer::generate().unwrap()));

/// The host's side of the API, over a made-up site.
struct Answers(Mutex<HashSet<String>>, MemoryUploads, MemorySupport);

impl landfall_host_api::Site for Answers {
    fn document(&self, question: Question) -> Result<Option<String>, Problem> {
        match question {
            Question::Status => Ok(Some(sample("status").to_string())),
            Question::License | Question::UsageReport => Ok(None),
            Question::History => Ok(Some(sample("history").to_string())),
            Question::Releases => Ok(Some(sample("releases").to_string())),
            Question::Settings => Ok(Some(sample("settings").to_string())),
            Question::Backups => Err(problem("LF4602")),
            Question::Usage => Ok(Some(sample("licenseUsage").to_string())),
        }
    }

    fn logs(&self, component: &str, lines: usize) -> Result<ComponentLogs, Problem> {
        let line = LogLine { pod: "p".into(), container: "c".into(), previous: false, text: lines.to_string() };
        Ok(ComponentLogs { component: component.to_owned(), lines: vec![line] })
    }

    fn resources(&self, component: &str) -> Result<ComponentResources, Problem> {
        if component == "postgres" { Ok(sample_of("resources")) } else { Err(problem("LF4302")) }
    }

    fn progress(&self, run: u64, after: u64) -> ProgressPage {
        let event = NumberedEvent { number: after + 1, event: Event::PhaseDone };
        ProgressPage { running: true, operation: Some("upgrade".to_owned()), run, events: vec![event] }
    }

    fn claim(&self, token: &str) -> Result<bool, Problem> {
        Ok(self.0.lock().unwrap().remove(token))
    }

    fn begin_backup(&self) -> Result<bool, Problem> {
        Ok(true)
    }

    fn begin_drill(&self) -> Result<bool, Problem> {
        Ok(true)
    }

    fn note_users(&self, users: u64) -> Result<(), Problem> {
        if users == 12 { Ok(()) } else { Err(problem("LF4702")) }
    }

    fn keep_secret(&self, request: SecretRequest) -> Result<KeptSecret, Problem> {
        if request.value == "canary" { Ok(KeptSecret { id: "0000000f".to_owned() }) } else { Err(problem("LF3065")) }
    }

    fn import_license(&self, license: &str) -> Result<(), Problem> {
        if license == "signed" { Ok(()) } else { Err(Problem { status: 422, ..problem("LF1106") }) }
    }

    fn license_answer(&self, question: &LicenseQuestion) -> Result<SealedAnswer, Problem> {
        AUDIT.lock().unwrap().answer("site", question, jiff::Timestamp::UNIX_EPOCH)
    }

    fn audit(&self) -> Result<AuditPage, Problem> {
        Ok(AUDIT.lock().unwrap().page())
    }

    fn checkpoint(&self, request: &CheckpointRequest) -> Result<Checkpoint, Problem> {
        AUDIT.lock().unwrap().sign("site", request, jiff::Timestamp::UNIX_EPOCH)
    }

    fn look(&self) -> Result<Vec<Medium>, Refusal> {
        Ok(super::fake::sample_of::<MediaPage>("media").media)
    }

    fn plan(&self, change: &Change) -> Result<PlanPage, Refusal> {
        match change {
            Change::Upgrade { medium } if medium == "3f0c9a1b" => Ok(PlanPage {
                digest: super::fake::PLAN.to_owned(),
                change: change.clone(),
                site: "node-1".to_owned(),
                made: "2026-11-20T08:00:00Z".to_owned(),
                document: sample("upgradeDryRun"),
            }),
            Change::Restore { .. } => Ok(PlanPage {
                digest: RESTORE.to_owned(),
                change: change.clone(),
                site: "node-1".to_owned(),
                made: "2026-11-20T08:00:00Z".to_owned(),
                document: sample("restoreDryRun"),
            }),
            Change::Configure { values, .. } => Ok(PlanPage {
                digest: format!("sha256:{:08}", values.len()),
                change: change.clone(),
                site: "node-1".to_owned(),
                made: "2026-11-20T08:00:00Z".to_owned(),
                document: sample("configureDryRun"),
            }),
            _ => Err(problem("LF4804").into()),
        }
    }

    fn begin(&self, plan: &PlanPage, _asking: &Requester, _note: &dyn Fn(String)) -> Result<Vec<String>, Refusal> {
        Ok(vec![format!("the {} has begun", plan.change.verb())])
    }

    fn abort(&self, operation: u64) -> Result<(), Refusal> {
        if operation == 2 { Ok(()) } else { Err(problem("LF4035").into()) }
    }

    fn operation(&self) -> Result<Option<OperationPage>, Problem> {
        Ok(Some(super::fake::sample_of("operation")))
    }

    fn uploads(&self) -> &dyn Uploads {
        &self.1
    }

    fn support(&self) -> &dyn SupportBundles {
        &self.2
    }
}

/// Digest of the plan of a restore.
const RESTORE: &str = "sha256:0f0f0f0f";

fn problem(code: &str) -> Problem {
    let (title, hint) = ("not mounted".to_owned(), Some("mount it".to_owned()));
    Problem { status: 503, title, detail: None, code: Some(code.into()), hint }
}

fn identity(name: &str) -> Identity {
    let (certificate, key) = Identity::generate(name).unwrap();
    Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
}

/// Returns a client of the host's real server side, with its address and identity.
fn serve_client() -> (Client, String, Identity) {
    let (host, console) = (identity("host"), identity("console"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let tls = landfall_peer::server(&host, console.certificate().clone()).unwrap();
    let site = Arc::new(Answers(
        Mutex::new(HashSet::from(["T".to_owned()])),
        MemoryUploads::default(),
        MemorySupport::default(),
    ));
    tokio::spawn(serve(site, listener, tls, std::future::pending()));
    let pinned = landfall_peer::client(&console, host.certificate().clone()).unwrap();
    (Client::new(address.clone(), Arc::new(pinned)), address, host)
}

fn asking(request: &str) -> Requester {
    Requester { request: request.to_owned(), by: "ada".to_owned(), correlation: "c".to_owned(), first: None }
}

/// Returns the outcome of a request, once the host has finished it.
async fn outcome(client: &Client, change: ChangeRequest) -> Request {
    let mut request = client.hand_over(&change).await.unwrap();
    while request.state == RequestState::Running {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        request = client.request(&request.request).await.unwrap().unwrap();
    }
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_reach_host_interface() {
    let (client, ..) = serve_client();
    assert_eq!(client.media().await.unwrap(), MediaPage::default());
    let looked = outcome(&client, ChangeRequest::Look(LookRequest { asking: asking("00000001") })).await;
    assert_eq!((looked.state, looked.by.as_str()), (RequestState::Done, "ada"));
    assert_eq!(client.media().await.unwrap().media.len(), 4);
    let plan = |request: &str, medium: &str| {
        let change = Change::Upgrade { medium: medium.to_owned() };
        ChangeRequest::Plan(PlanRequest { asking: asking(request), change })
    };
    let unknown = outcome(&client, plan("00000002", "ffffffff")).await;
    assert_eq!(unknown.problem.unwrap().code.as_deref(), Some("LF4804"));
    let digest = outcome(&client, plan("00000003", "3f0c9a1b")).await.plan.unwrap();
    let page = client.plan(&digest).await.unwrap().unwrap();
    assert_eq!((page.site.as_str(), &page.document), ("node-1", &sample("upgradeDryRun")));
    assert!(client.plan("sha256:00000000").await.unwrap().is_none());
    let approved = |request: &str, plan: &str, confirm: &str| {
        let (plan, confirm) = (plan.to_owned(), confirm.to_owned());
        ChangeRequest::Begin(ApprovedRequest { asking: asking(request), change: page.change.clone(), plan, confirm })
    };
    let refused = async |request: ChangeRequest| match client.hand_over(&request).await.unwrap_err() {
        HostError::Refused(problem) => problem.code.clone().unwrap().to_string(),
        other => panic!("{other}"),
    };
    assert_eq!(refused(approved("00000004", "sha256:00000000", "node-1")).await, "LF4805");
    assert_eq!(refused(approved("00000005", &digest, "node-2")).await, "LF4025");
    assert_eq!(outcome(&client, approved("00000006", &digest, "node-1")).await.state, RequestState::Done);
    assert_eq!(refused(approved("00000007", &digest, "node-1")).await, "LF4805", "an approval counts once");
    assert_eq!(outcome(&client, approved("00000006", &digest, "node-1")).await.state, RequestState::Done, "sent again");
    let change = Change::Restore { backup: Some("0f".to_owned()), at: None, components: vec!["db".to_owned()] };
    outcome(&client, ChangeRequest::Plan(PlanRequest { asking: asking("0000000b"), change: change.clone() })).await;
    let (plan, confirm) = (RESTORE.to_owned(), "node-1".to_owned());
    let restore = ChangeRequest::Begin(ApprovedRequest { asking: asking("0000000c"), change, plan, confirm });
    let begun = outcome(&client, restore).await;
    assert_eq!((begun.verb.as_str(), begun.notes), ("restore", vec!["the restore has begun".to_owned()]));
    let values = [("postgres.storage".to_owned(), "5Gi".into()), ("assistant.replicas".to_owned(), Value::Null)].into();
    let change = Change::Configure { values, secrets: [].into(), backup_time: None };
    let planned =
        outcome(&client, ChangeRequest::Plan(PlanRequest { asking: asking("0000000d"), change: change.clone() })).await;
    assert_eq!(planned.plan.as_deref(), Some("sha256:00000002"), "null did not arrive");
    let (plan, confirm) = (planned.plan.unwrap(), "node-1".to_owned());
    let configure = ChangeRequest::Begin(ApprovedRequest { asking: asking("0000000e"), change, plan, confirm });
    assert_eq!(outcome(&client, configure).await.notes, ["the configure has begun"]);
    let abort = |request: &str, operation| ChangeRequest::Abort(AbortRequest { asking: asking(request), operation });
    assert_eq!(outcome(&client, abort("00000008", 2)).await.state, RequestState::Done);
    let late = outcome(&client, abort("00000009", 1)).await;
    assert_eq!(late.problem.unwrap().code.as_deref(), Some("LF4035"));
    assert_eq!(client.operation().await.unwrap().unwrap().number, 2);
    assert!(client.request("0000000a").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn support_bundle_arrives_whole() {
    let (client, ..) = serve_client();
    assert_eq!(client.support().await.unwrap().bundle, None);
    let request = ChangeRequest::Support(SupportRequest { asking: asking("00000001"), hours: 24 });
    assert_eq!(outcome(&client, request).await.state, RequestState::Done);
    let bundle = client.support().await.unwrap().bundle.unwrap();
    assert_eq!((bundle.id.as_str(), bundle.by.as_str(), bundle.hours), ("00000001", "ada", 24));
    let mut bytes = Vec::new();
    loop {
        let piece = client.support_piece(&bundle.id, bytes.len() as u64).await.unwrap();
        if piece.is_empty() {
            break;
        }
        bytes.extend_from_slice(&piece);
    }
    assert_eq!((bytes.len() as u64, bytes), (bundle.size_bytes, MemorySupport::bytes()));
    let gone = client.support_piece("00000002", 0).await.unwrap_err();
    assert_eq!((gone.status(), gone.to_string().as_str()), (StatusCode::NOT_FOUND, "there is no such support bundle"));
}

#[tokio::test(flavor = "multi_thread")]
async fn client_speaks_host_interface() {
    let (client, address, host) = serve_client();
    let question = LicenseQuestion { subject: Subject::Feature("export".to_owned()), nonce: Nonce([7; 16]) };
    let sealed = client.license_answer(&question).await.unwrap();
    let key = AUDIT.lock().unwrap().page().key;
    let key = landfall_bundle_spec::trust::PublicKey::from_pem("the site's key", &key).unwrap();
    assert_eq!(sealed.open(&key, &question).unwrap().nonce, question.nonce, "the signed answer was changed");
    assert_eq!(client.document(Topic::Status).await.unwrap().unwrap(), sample("status"));
    assert!(client.document(Topic::License).await.unwrap().is_none());
    let refused = client.document(Topic::Backups).await.unwrap_err();
    assert!(matches!(&refused, HostError::Refused(problem) if problem.code.as_deref() == Some("LF4602")), "{refused}");
    assert_eq!(
        client.progress(super::KnownPosition { run: 3, after: 6, running: true }).await.unwrap().events[0].number,
        7
    );
    assert_eq!(client.logs("postgres", 200).await.unwrap().lines[0].text, "200");
    let resources = client.resources("postgres").await.unwrap();
    assert_eq!(resources, sample_of::<ComponentResources>("resources"));
    assert!(matches!(client.resources("x").await, Err(HostError::Refused(_))));
    assert!(client.claim("T").await.unwrap());
    assert!(!client.claim("T").await.unwrap());
    client.begin_backup("alice", "c").await.unwrap();
    client.begin_drill("alice", "c").await.unwrap();
    assert_eq!(client.begin_drill("alice", "c").await.unwrap_err().status(), StatusCode::TOO_MANY_REQUESTS);
    client.import_license("alice", "c", "signed").await.unwrap();
    let refused = client.import_license("alice", "c", "forged").await.unwrap_err();
    assert_eq!((refused.status(), refused.to_string().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "not mounted"));
    assert!(client.document(Topic::UsageReport).await.unwrap().is_none());
    assert_eq!(client.document(Topic::Usage).await.unwrap().unwrap()["kind"], "licenseUsage");
    client.note_users(12).await.unwrap();
    assert_eq!(
        client.note_users(13).await.unwrap_err().status(),
        StatusCode::TOO_MANY_REQUESTS,
        "a second report was accepted"
    );
    let other = landfall_peer::client(&identity("console"), host.certificate().clone()).unwrap();
    let refused = Client::new(address, Arc::new(other)).document(Topic::Status).await.unwrap_err();
    assert!(refused.is_unreachable(), "{refused}");
}

#[tokio::test]
async fn absent_host_is_unreachable() {
    let (host, console) = (identity("host"), identity("console"));
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let pinned = landfall_peer::client(&console, host.certificate().clone()).unwrap();
    let error = Client::new(address, Arc::new(pinned)).document(Topic::Status).await.unwrap_err();
    assert!(error.is_unreachable(), "{error}");
}

#[tokio::test]
async fn late_document_is_no_silence() {
    let host = super::fake::FakeHost::new();
    let site = super::Site::new(host.clone());
    site.show_running(Some(super::RunningOperation::new(Some("upgrade".to_owned()))));
    host.is_late.store(true, Ordering::SeqCst);
    assert!(site.fresh(Topic::Status).await.unwrap_err().is_late());
    assert!(site.silent_since().is_none() && site.running().is_some());
    host.is_silent.store(true, Ordering::SeqCst);
    assert!(site.news(super::KnownPosition::default()).await.unwrap_err().is_unreachable());
    let since = site.silent_since().unwrap();
    assert!(site.running().is_none());
    host.is_silent.store(false, Ordering::SeqCst);
    tokio::time::sleep(std::time::Duration::from_millis(1600)).await;
    assert!(site.fresh(Topic::Status).await.unwrap_err().is_late());
    assert_eq!(site.silent_since(), Some(since), "a late document ended the silence");
    host.is_late.store(false, Ordering::SeqCst);
    assert!(site.news(super::KnownPosition::default()).await.is_ok());
    assert!(site.silent_since().is_none() && site.running().is_some());
}

#[tokio::test]
async fn host_signs_audit_log() {
    let (client, ..) = serve_client();
    let page = client.audit().await.unwrap();
    let key = landfall_bundle_spec::trust::PublicKey::from_pem("test", &page.key).unwrap();
    let entry = Entry {
        action: "test".to_owned(),
        actor: "alice".to_owned(),
        at: jiff::Timestamp::UNIX_EPOCH,
        correlation: "c".to_owned(),
        detail: String::new(),
        from: "192.0.2.7".to_owned(),
        number: 1,
        object: "o".to_owned(),
        outcome: Outcome::Done,
    };
    let (text, mut follower) = (entry.canonical().unwrap(), Follower::behind(Head::EMPTY));
    follower.extend(&text).unwrap();
    let request =
        CheckpointRequest { entries: vec![text], head: follower.head(), restart: None, newer: None, start: None };
    let signed = client.sign_audit(&request).await.unwrap();
    assert!(signed.is_signed_by(&key));
    assert_eq!(client.audit().await.unwrap().last, Some(signed));
    // The text is longer than any request, and no piece ends within a character.
    let long = Entry { number: 2, object: "€\"".repeat(150_000), ..entry }.canonical().unwrap();
    follower.extend(&long).unwrap();
    let long_request =
        CheckpointRequest { entries: vec![long], head: follower.head(), restart: None, newer: None, start: None };
    let signed = client.sign_audit(&long_request).await.unwrap();
    assert_eq!((signed.head, client.audit().await.unwrap().last), (follower.head(), Some(signed)));
    let refused = client.sign_audit(&CheckpointRequest { entries: Vec::new(), ..request }).await.unwrap_err();
    assert!(matches!(&refused, HostError::Refused(problem) if problem.code.as_deref() == Some("LF5039")), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bundle_is_sent_in_pieces() {
    let (client, ..) = serve_client();
    let whole = PIECE_BYTES as u64 + 7;
    let request = |id: &str, size_bytes| UploadRequest { asking: asking(id), name: "a".to_owned(), size_bytes };
    let upload = client.begin_upload(&request("00000001", whole)).await.unwrap();
    let refused = async |id: &str, offset: u64, piece: Vec<u8>| {
        let error = client.add_piece(id, offset, piece).await.unwrap_err();
        let HostError::Refused(problem) = &error else { panic!("{error}") };
        (error.status().as_u16(), problem.code.clone().map(String::from).unwrap_or_default())
    };
    assert_eq!(client.begin_upload(&request("00000002", 9)).await.unwrap_err().status(), StatusCode::CONFLICT);
    assert_eq!(refused(&upload.id, 5, vec![0; 9]).await, (409, "LF5049".to_owned()));
    assert_eq!(refused("00000002", 0, vec![0; 9]).await, (404, "LF5024".to_owned()));
    assert_eq!(client.add_piece(&upload.id, 0, vec![1; PIECE_BYTES]).await.unwrap().received_bytes, PIECE_BYTES as u64);
    assert_eq!(refused(&upload.id, PIECE_BYTES as u64, vec![2; 8]).await, (413, "LF5050".to_owned()));
    let upload = client.add_piece(&upload.id, PIECE_BYTES as u64, vec![2; 7]).await.unwrap();
    assert_eq!(client.uploads().await.unwrap().upload, Some(upload.clone()));
    assert_eq!(client.media().await.unwrap().media.last(), upload.as_medium().as_ref());
    client.remove_upload(&upload.id, &RemovalRequest { asking: asking("00000003") }).await.unwrap();
    assert_eq!(client.uploads().await.unwrap().upload, None);
    let upload = client.begin_upload(&request("00000004", 9)).await.unwrap();
    assert_eq!(refused(&upload.id, 0, UNSIGNED.to_vec()).await, (422, "LF1104".to_owned()));
}
