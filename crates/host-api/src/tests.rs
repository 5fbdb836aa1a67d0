//! Tests of the API over real connections, with a host that remembers its questions.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use landfall_audit::{Checkpoint, CheckpointRequest, ENTRY_BYTES, Entry, Follower, Head, Outcome};
use landfall_documents::change::Change;
use landfall_documents::failure::Blocker;
use landfall_license::FILE_BYTES as LICENSE_BYTES;
use landfall_license::answer::{Nonce, Question as LicenseQuestion, SealedAnswer, Subject};
use landfall_peer::{
    ANSWER_BURST, AUDIT_BURST, AUDIT_BYTES, AUDIT_PAUSE, Amounts, AuditPage, Certificate, ComponentLogs,
    ComponentResources, Identity, KeptSecret, LogLine, Medium, NumberedEvent, OperationPage, PIECE_BYTES, PlanPage,
    Problem, ProgressPage, Refusal, Requester, SECRET_BYTES, SUPPORT_PIECE_BYTES, SecretRequest, client, server,
};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use super::{Question, Site, SupportBundles, Uploads, serve};
use crate::testing::{MemorySupport, MemoryUploads, NO_ROOM_HOURS, SUPPORT_BYTES, Signer, UNSIGNED};

#[derive(Default)]
struct MemorySite {
    token: Mutex<Option<String>>,
    is_backing_up: AtomicBool,
    asked: AtomicU64,
    /// While this is true, a look does not end.
    looks_on: Arc<AtomicBool>,
    begun: Arc<Mutex<Vec<String>>>,
    signer: Mutex<Option<Signer>>,
    uploads: Arc<MemoryUploads>,
    support: MemorySupport,
}

impl MemorySite {
    /// Calls a function with the signer of the audit log.
    fn with_signer<T>(&self, question: impl FnOnce(&mut Signer) -> T) -> T {
        question(self.signer.lock().unwrap().get_or_insert_with(|| Signer::generate().unwrap()))
    }
}

impl Site for MemorySite {
    fn document(&self, question: Question) -> Result<Option<String>, Problem> {
        match question {
            Question::License => Ok(None),
            Question::Backups => Err(Problem {
                status: 503,
                title: "the repository is damaged".to_owned(),
                detail: None,
                code: Some("LF4603".into()),
                hint: Some("look at it".to_owned()),
            }),
            _ => Ok(Some(json!({ "kind": format!("{question:?}") }).to_string())),
        }
    }

    fn logs(&self, component: &str, lines: usize) -> Result<ComponentLogs, Problem> {
        let line = LogLine { pod: "a".to_owned(), container: "b".to_owned(), previous: false, text: lines.to_string() };
        Ok(ComponentLogs { component: component.to_owned(), lines: vec![line] })
    }

    fn resources(&self, component: &str) -> Result<ComponentResources, Problem> {
        Ok(ComponentResources {
            component: component.to_owned(),
            at: "2026-11-20T08:00:00Z".to_owned(),
            total: Amounts { memory_used_bytes: Some(0), ..Amounts::default() },
            used_space_bytes: None,
            pods: Vec::new(),
            volumes: Vec::new(),
            notes: Vec::new(),
        })
    }

    fn progress(&self, _run: u64, after: u64) -> ProgressPage {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let event = landfall_event(&format!("note {asked}"));
        let events = if asked > after { vec![NumberedEvent { number: asked, event }] } else { Vec::new() };
        ProgressPage { running: true, operation: Some("upgrade".to_owned()), run: 7, events }
    }

    fn claim(&self, token: &str) -> Result<bool, Problem> {
        let mut kept = self.token.lock().unwrap();
        Ok(kept.as_deref() == Some(token) && kept.take().is_some())
    }

    fn begin_backup(&self) -> Result<bool, Problem> {
        Ok(!self.is_backing_up.swap(true, Ordering::Relaxed))
    }

    fn begin_drill(&self) -> Result<bool, Problem> {
        self.begun.lock().unwrap().push("drill".to_owned());
        Ok(!self.is_backing_up.load(Ordering::Relaxed))
    }

    fn note_users(&self, users: u64) -> Result<(), Problem> {
        self.begun.lock().unwrap().push(format!("{users} users"));
        Ok(())
    }

    fn keep_secret(&self, request: SecretRequest) -> Result<KeptSecret, Problem> {
        self.begun.lock().unwrap().push(format!("{} of {} bytes", request.name, request.value.len()));
        Ok(KeptSecret { id: "0000000f".to_owned() })
    }

    fn import_license(&self, license: &str) -> Result<(), Problem> {
        self.begun.lock().unwrap().push(format!("license of {} bytes", license.len()));
        Ok(())
    }

    fn audit(&self) -> Result<AuditPage, Problem> {
        Ok(self.with_signer(|signer| signer.page()))
    }

    fn checkpoint(&self, request: &CheckpointRequest) -> Result<Checkpoint, Problem> {
        self.with_signer(|signer| signer.sign("site", request, jiff::Timestamp::UNIX_EPOCH))
    }

    fn license_answer(&self, question: &LicenseQuestion) -> Result<SealedAnswer, Problem> {
        self.with_signer(|signer| signer.answer("site", question, jiff::Timestamp::UNIX_EPOCH))
    }

    fn look(&self) -> Result<Vec<Medium>, Refusal> {
        while self.looks_on.load(Ordering::Relaxed) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Ok(Vec::new())
    }

    fn plan(&self, change: &Change) -> Result<PlanPage, Refusal> {
        if let Change::Restore { backup, .. } = change {
            return Ok(PlanPage {
                digest: format!("sha256:{}", backup.as_deref().unwrap_or("eeeeeeee")),
                change: change.clone(),
                site: "node-1".to_owned(),
                made: "2026-11-20T08:00:00Z".to_owned(),
                document: json!({ "kind": "restoreDryRun" }),
            });
        }
        let Change::Upgrade { medium } = change else {
            let blocker = Blocker {
                code: "LF3008".into(),
                what: "too little space".to_owned(),
                why: "1 GiB; needed: 2 GiB".to_owned(),
                next: "free some".to_owned(),
            };
            let problem = Problem { status: 503, title: "not ready".to_owned(), detail: None, code: None, hint: None };
            return Err(Refusal { problem: Box::new(problem), blockers: vec![blocker] });
        };
        Ok(PlanPage {
            digest: format!("sha256:{medium}"),
            change: change.clone(),
            site: "node-1".to_owned(),
            made: "2026-11-20T08:00:00Z".to_owned(),
            document: json!({ "kind": "upgradeDryRun" }),
        })
    }

    fn begin(&self, plan: &PlanPage, asking: &Requester, note: &dyn Fn(String)) -> Result<Vec<String>, Refusal> {
        assert_eq!(asking.correlation, "c", "the id of the console's request arrives with the change");
        note("it waits".to_owned());
        self.begun.lock().unwrap().push(plan.digest.clone());
        Ok(vec![format!("the {} has begun", plan.change.verb())])
    }

    fn abort(&self, operation: u64) -> Result<(), Refusal> {
        self.begun.lock().unwrap().push(format!("abort {operation}"));
        Ok(())
    }

    fn operation(&self) -> Result<Option<OperationPage>, Problem> {
        Ok(None)
    }

    fn uploads(&self) -> &dyn Uploads {
        &*self.uploads
    }

    fn support(&self) -> &dyn SupportBundles {
        &self.support
    }
}

fn landfall_event(text: &str) -> landfall_peer::Event {
    landfall_peer::Event::Note(text.to_owned())
}

fn identity(name: &str) -> Identity {
    let (certificate, key) = Identity::generate(name).unwrap();
    Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
}

struct TestServer {
    address: SocketAddr,
    host: Certificate,
    console: Identity,
}

impl TestServer {
    fn begin(site: MemorySite) -> Self {
        let (host, console) = (identity("host"), identity("console"));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tls = server(&host, console.certificate().clone()).unwrap();
        tokio::spawn(serve(Arc::new(site), listener, tls, std::future::pending()));
        Self { address, host: host.certificate().clone(), console }
    }

    fn client(&self, identity: &Identity) -> Client {
        let tls = client(identity, self.host.clone()).unwrap();
        Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let answer = self.client(&self.console).get(format!("https://{}{path}", self.address)).send().await.unwrap();
        (answer.status(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    async fn post(&self, path: &str, body: Value) -> StatusCode {
        self.send(path, body).await.0
    }

    async fn send(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("https://{}{path}", self.address);
        let request = self.client(&self.console).post(url).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        (answer.status(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    /// Returns the outcome of a request, once it is done.
    async fn outcome(&self, path: &str, body: Value) -> Value {
        let (status, request) = self.send(path, body).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{request}");
        self.end_of(request["request"].as_str().unwrap()).await
    }

    async fn end_of(&self, request: &str) -> Value {
        loop {
            let (_, found) = self.get(&format!("/v1/requests/{request}")).await;
            if found["state"] != "running" {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_documents_or_coded_problems() {
    let served = TestServer::begin(MemorySite::default());
    assert_eq!(served.get("/v1/status").await, (StatusCode::OK, json!({ "kind": "Status" })));
    assert_eq!(served.get("/v1/releases").await, (StatusCode::OK, json!({ "kind": "Releases" })));
    assert_eq!(served.get("/v1/license").await.0, StatusCode::NOT_FOUND);
    let (status, problem) = served.get("/v1/backups").await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("LF4603")));
    let (_, logs) = served.get("/v1/logs/postgres?lines=7").await;
    assert_eq!(
        logs,
        json!({ "component": "postgres", "lines": [{ "pod": "a", "container": "b", "previous": false, "text": "7" }] })
    );
    let (_, logs) = served.get("/v1/logs/postgres?lines=99999999").await;
    assert_eq!(logs["lines"][0]["text"], "2000");
    let (status, found) = served.get("/v1/resources/postgres").await;
    assert_eq!((status, &found["component"]), (StatusCode::OK, &json!("postgres")));
    let (used, requested) = (&found["total"]["memoryUsedBytes"], &found["total"]["memoryRequestedBytes"]);
    assert_eq!((used, requested), (&json!(0), &Value::Null), "zero was measured, and nothing else was");
}

/// The client begins with the HTTP/2 preface, whatever the TLS of both sides negotiated.
#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_refused() {
    use std::io::{Read as _, Write as _};
    let served = TestServer::begin(MemorySite::default());
    let tls = client(&served.console, served.host.clone()).unwrap();
    let address = served.address;
    let answered = tokio::task::spawn_blocking(move || {
        let stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let connection = rustls::ClientConnection::new(Arc::new(tls), "host".try_into().unwrap()).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream);
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        let mut answer = Vec::new();
        let _closed = stream.read_to_end(&mut answer);
        answer
    });
    let answer = answered.await.unwrap();
    let is_refused = answer.is_empty() || answer.starts_with(b"HTTP/1.1 4");
    assert!(is_refused, "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_events_are_awaited() {
    let served = TestServer::begin(MemorySite::default());
    let (_, page) = served.get("/v1/progress?after=2").await;
    assert_eq!(page["events"][0]["number"], 3, "{page}");
    assert_eq!(page["events"][0]["event"], json!({ "event": "note", "text": "note 3" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn running_change_ends_the_wait() {
    let served = TestServer::begin(MemorySite::default());
    let begun = std::time::Instant::now();
    let (_, page) = served.get("/v1/progress?run=7&after=99&running=false").await;
    assert_eq!((&page["running"], &page["events"]), (&json!(true), &json!([])));
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "it waited although the asker knows of no operation");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_claims_and_backups_are_refused() {
    let served = TestServer::begin(MemorySite { token: Mutex::new(Some("K7".to_owned())), ..MemorySite::default() });
    assert_eq!(served.post("/v1/claims", json!({ "token": "K8" })).await, StatusCode::FORBIDDEN);
    let mut counted = 0;
    for _ in 0..5 {
        counted += usize::from(served.post("/v1/claims", json!({ "token": "K7" })).await == StatusCode::NO_CONTENT);
    }
    assert_eq!(counted, 1);
    let request = json!({ "by": "alice", "correlation": "1" });
    assert_eq!(served.post("/v1/backups", request.clone()).await, StatusCode::ACCEPTED);
    assert_eq!(served.post("/v1/backups", request.clone()).await, StatusCode::TOO_MANY_REQUESTS);
    let busy = TestServer::begin(MemorySite { is_backing_up: AtomicBool::new(true), ..MemorySite::default() });
    assert_eq!(busy.post("/v1/backups", request.clone()).await, StatusCode::CONFLICT);
    for path in ["/v1/drills", "/v1/backups", "/v1/drills"] {
        let again = busy.post(path, request.clone()).await;
        assert_eq!(again, StatusCode::CONFLICT, "a refusal begins no pause: {path}");
    }
    let idle = TestServer::begin(MemorySite::default());
    assert_eq!(idle.post("/v1/drills", request.clone()).await, StatusCode::ACCEPTED);
    assert_eq!(idle.post("/v1/drills", request).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(served.post("/v1/backups", json!({ "by": "x".repeat(20_000), "correlation": "" })).await.as_u16(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn user_count_is_accepted_once_a_minute() {
    let begun = Arc::default();
    let served = TestServer::begin(MemorySite { begun: Arc::clone(&begun), ..MemorySite::default() });
    let post = async |users: i64| served.post("/v1/usage", json!({ "users": users })).await;
    assert_eq!(post(-1).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(post(12).await, StatusCode::NO_CONTENT);
    assert_eq!(post(9).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(*begun.lock().unwrap(), ["12 users"]);
    assert_eq!(served.get("/v1/usage/report").await.1["kind"], "UsageReport");
}

#[tokio::test(flavor = "multi_thread")]
async fn license_may_exceed_request_limit() {
    let begun = Arc::default();
    let served = TestServer::begin(MemorySite { begun: Arc::clone(&begun), ..MemorySite::default() });
    let license = |bytes: usize| json!({ "by": "root", "correlation": "1", "license": "\"".repeat(bytes) });
    assert_eq!(served.post("/v1/license", license(LICENSE_BYTES)).await, StatusCode::NO_CONTENT);
    // The client may not have sent everything when the host has read enough.
    for times in [2, 3].repeat(5) {
        assert_eq!(served.post("/v1/license", license(times * LICENSE_BYTES)).await, StatusCode::PAYLOAD_TOO_LARGE);
    }
    assert_eq!(*begun.lock().unwrap(), [format!("license of {LICENSE_BYTES} bytes")]);
    let claim = json!({ "token": "x".repeat(LICENSE_BYTES) });
    assert_eq!(served.post("/v1/claims", claim).await, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_value_is_accepted_within_limit() {
    let begun = Arc::default();
    let served = TestServer::begin(MemorySite { begun: Arc::clone(&begun), ..MemorySite::default() });
    let request =
        |bytes: usize| json!({ "by": "ada", "correlation": "1", "name": "mail", "value": "\"".repeat(bytes) });
    assert_eq!(served.post("/v1/secrets", request(SECRET_BYTES)).await, StatusCode::OK);
    assert_eq!(served.post("/v1/secrets", request(4 * SECRET_BYTES)).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(served.post("/v1/secrets", json!({ "name": "mail" })).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(*begun.lock().unwrap(), [format!("mail of {SECRET_BYTES} bytes")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_client_gets_no_answer() {
    let served = TestServer::begin(MemorySite::default());
    let url = format!("https://{}/v1/status", served.address);
    let stranger = served.client(&identity("console"));
    assert!(stranger.get(&url).send().await.is_err());
    let plain = Client::builder().no_proxy().build().unwrap();
    assert!(plain.get(url.replace("https", "http")).send().await.is_err());
    assert_eq!(served.get("/v1/status").await.0, StatusCode::OK, "the console is still answered");
}

/// Returns a request by ada with this ID.
#[expect(clippy::needless_pass_by_value, reason = "tests pass what `json!` makes")]
fn by_ada(request: &str, more: Value) -> Value {
    let mut body = json!({ "request": request, "by": "ada", "correlation": "c" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn second_request_names_the_first() {
    let looks_on = Arc::new(AtomicBool::new(true));
    let served = TestServer::begin(MemorySite { looks_on: looks_on.clone(), ..MemorySite::default() });
    let look = by_ada("00000001", json!({}));
    let (status, request) = served.send("/v1/media", look.clone()).await;
    assert_eq!((status, &request["state"]), (StatusCode::ACCEPTED, &json!("running")));
    assert_eq!(served.send("/v1/media", look.clone()).await.1["begun"], request["begun"], "sent twice, done once");
    let other = by_ada("00000002", json!({ "change": "upgrade", "medium": "aaaaaaaa" }));
    let (status, problem) = served.send("/v1/plans", other.clone()).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("LF4810")));
    assert!(problem["title"].as_str().unwrap().contains("the look that ada asked for"), "{problem}");
    // An undo does not wait for a stick.
    let undo = by_ada("00000003", json!({ "operation": 3 }));
    assert_eq!(served.send("/v1/operations/abort", undo).await.0, StatusCode::ACCEPTED);
    assert_eq!(served.end_of("00000003").await["state"], "done");
    looks_on.store(false, Ordering::Relaxed);
    assert_eq!(served.end_of("00000001").await["state"], "done");
    assert!(served.get("/v1/media").await.1["looked"].is_string());
    assert_eq!(served.outcome("/v1/plans", other).await["plan"], "sha256:aaaaaaaa");
    let (status, problem) =
        served.send("/v1/plans", by_ada("00000001", json!({ "change": "upgrade", "medium": "bbbbbbbb" }))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("LF5023")), "the id is taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn approval_counts_once_for_one_plan() {
    let begun = Arc::new(Mutex::new(Vec::new()));
    let served = TestServer::begin(MemorySite { begun: begun.clone(), ..MemorySite::default() });
    let change = json!({ "change": "upgrade", "medium": "aaaaaaaa" });
    served.outcome("/v1/plans", by_ada("00000001", change)).await;
    assert_eq!(served.get("/v1/plans/sha256:aaaaaaaa").await.1["site"], "node-1");
    let approve = |request: &str, medium: &str, plan: &str, name: &str| {
        by_ada(request, json!({ "change": "upgrade", "medium": medium, "plan": plan, "confirm": name }))
    };
    let refused = [
        (approve("00000002", "aaaaaaaa", "sha256:bbbbbbbb", "node-1"), "LF4805"),
        (approve("00000003", "cccccccc", "sha256:aaaaaaaa", "node-1"), "LF4806"),
        (approve("00000004", "aaaaaaaa", "sha256:aaaaaaaa", "node-2"), "LF4025"),
        (
            by_ada(
                "00000005",
                json!({ "change": "rollback", "version": "1", "plan": "sha256:aaaaaaaa", "confirm": "node-1" }),
            ),
            "LF5023",
        ),
    ];
    for (request, code) in refused {
        assert_eq!(served.send("/v1/upgrades", request).await.1["code"], code);
    }
    assert!(begun.lock().unwrap().is_empty(), "nothing has begun");
    let mut good = approve("00000006", "aaaaaaaa", "sha256:aaaaaaaa", "node-1");
    good["first"] = json!("bob\u{1b}[2J");
    assert_eq!(served.send("/v1/upgrades", good.clone()).await.1["code"], "LF5023");
    good["first"] = json!("bob");
    let begun_by = served.outcome("/v1/upgrades", good.clone()).await;
    assert_eq!(
        (&begun_by["state"], &begun_by["by"], &begun_by["first"]),
        (&json!("done"), &json!("ada"), &json!("bob"))
    );
    assert_eq!(served.outcome("/v1/upgrades", good).await["state"], "done", "sent again, it is the same request");
    let again = approve("00000007", "aaaaaaaa", "sha256:aaaaaaaa", "node-1");
    assert_eq!(served.send("/v1/upgrades", again).await.1["code"], "LF4805");
    assert_eq!(*begun.lock().unwrap(), ["sha256:aaaaaaaa"]);
    assert_eq!(
        served.outcome("/v1/operations/abort", by_ada("00000008", json!({ "operation": 7 }))).await["state"],
        "done"
    );
    assert_eq!(begun.lock().unwrap()[1], "abort 7");
    assert_eq!(served.get("/v1/operation").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn restore_begins_only_at_its_route() {
    let begun = Arc::new(Mutex::new(Vec::new()));
    let looks_on = Arc::new(AtomicBool::new(false));
    let site = MemorySite { begun: begun.clone(), looks_on: looks_on.clone(), ..MemorySite::default() };
    let served = TestServer::begin(site);
    let change = json!({ "change": "restore", "backup": "aaaaaaaa", "components": ["db"] });
    let planned = served.outcome("/v1/plans", by_ada("00000001", change)).await;
    assert_eq!(planned["plan"], "sha256:aaaaaaaa");
    let approve = |request: &str, components: &[&str], plan: &str, name: &str| {
        let more = json!({
            "change": "restore", "backup": "aaaaaaaa", "components": components, "plan": plan, "confirm": name,
        });
        by_ada(request, more)
    };
    let refused = [
        ("/v1/restores", approve("00000002", &["db"], "sha256:bbbbbbbb", "node-1"), "LF4805"),
        ("/v1/restores", approve("00000003", &["db", "kv"], "sha256:aaaaaaaa", "node-1"), "LF4806"),
        ("/v1/restores", approve("00000004", &[], "sha256:aaaaaaaa", "node-1"), "LF4806"),
        ("/v1/restores", approve("00000005", &["db"], "sha256:aaaaaaaa", "node-2"), "LF4025"),
        ("/v1/upgrades", approve("00000006", &["db"], "sha256:aaaaaaaa", "node-1"), "LF5023"),
        ("/v1/rollbacks", approve("00000007", &["db"], "sha256:aaaaaaaa", "node-1"), "LF5023"),
    ];
    for (path, request, code) in refused {
        assert_eq!(served.send(path, request).await.1["code"], code, "{path}");
    }
    // Without a digest nothing can be begun.
    let bare = by_ada("00000008", json!({ "change": "restore", "confirm": "node-1" }));
    assert_eq!(served.send("/v1/restores", bare).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    looks_on.store(true, Ordering::Relaxed);
    served.send("/v1/media", by_ada("00000009", json!({}))).await;
    let good = approve("0000000a", &["db"], "sha256:aaaaaaaa", "node-1");
    let (status, problem) = served.send("/v1/restores", good.clone()).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("LF4810")), "the host is at work");
    assert!(begun.lock().unwrap().is_empty(), "nothing has begun");
    looks_on.store(false, Ordering::Relaxed);
    served.end_of("00000009").await;
    let done = served.outcome("/v1/restores", good).await;
    assert_eq!((&done["state"], &done["verb"]), (&json!("done"), &json!("restore")));
    assert_eq!(done["notes"], json!(["the restore has begun"]));
    let again = approve("0000000b", &["db"], "sha256:aaaaaaaa", "node-1");
    assert_eq!(served.send("/v1/restores", again).await.1["code"], "LF4805", "a plan counts once");
    assert_eq!(*begun.lock().unwrap(), ["sha256:aaaaaaaa"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn blockers_are_reported_and_odd_requests_refused() {
    let served = TestServer::begin(MemorySite::default());
    let rollback = by_ada("00000001", json!({ "change": "rollback", "version": "1.0.0" }));
    let failed = served.outcome("/v1/plans", rollback).await;
    assert_eq!((&failed["state"], &failed["blockers"][0]["code"]), (&json!("failed"), &json!("LF3008")));
    for request in ["../../x", "", "0000", "00000001\n", &"a".repeat(200)] {
        let (status, problem) = served.send("/v1/media", by_ada(request, json!({}))).await;
        assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("LF5023")), "{request}");
    }
    let unseen = json!({ "request": "00000002", "by": "ada\u{1b}[2J", "correlation": "c" });
    assert_eq!(served.post("/v1/media", unseen).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(served.get("/v1/requests/..%2f..%2fstatus").await.0, StatusCode::NOT_FOUND);
    assert_eq!(served.get("/v1/plans/sha256:00000000").await.1["code"], "LF4805");
    let kinds = by_ada("00000003", json!({ "change": "uninstall" }));
    assert_eq!(served.post("/v1/plans", kinds).await, StatusCode::UNPROCESSABLE_ENTITY);
    let path = by_ada("00000004", json!({ "change": "upgrade", "medium": "x".repeat(20_000) }));
    assert_eq!(served.post("/v1/plans", path).await, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn support_bundle_is_read_in_pieces() {
    let looks_on = Arc::new(AtomicBool::new(true));
    let served = TestServer::begin(MemorySite { looks_on: Arc::clone(&looks_on), ..MemorySite::default() });
    assert_eq!(served.get("/v1/support").await, (StatusCode::OK, json!({})));
    served.send("/v1/media", by_ada("00000001", json!({}))).await;
    for hours in [0, 169] {
        let (status, problem) = served.send("/v1/support", by_ada("00000002", json!({ "hours": hours }))).await;
        assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("LF5023")), "{hours}");
    }
    let done = served.outcome("/v1/support", by_ada("00000002", json!({ "hours": 24 }))).await;
    assert_eq!((&done["state"], &done["verb"]), (&json!("done"), &json!("support")), "although a look hangs");
    assert_eq!(served.end_of("00000002").await["state"], "done");
    let again = served.send("/v1/support", by_ada("00000002", json!({ "hours": 24 }))).await.0;
    assert_eq!(again, StatusCode::ACCEPTED, "it is known, and not collected again");
    let soon = served.send("/v1/support", by_ada("00000003", json!({ "hours": 24 }))).await.0;
    assert_eq!(soon, StatusCode::TOO_MANY_REQUESTS);
    looks_on.store(false, Ordering::Relaxed);

    let (_, page) = served.get("/v1/support").await;
    assert_eq!((&page["bundle"]["id"], &page["bundle"]["hours"]), (&json!("00000002"), &json!(24)), "{page}");
    let piece = async |id: &str, offset: usize| {
        let url = format!("https://{}/v1/support/{id}?offset={offset}", served.address);
        let answer = served.client(&served.console).get(url).send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap().to_vec())
    };
    let (first, last) = (piece("00000002", 0).await, piece("00000002", SUPPORT_PIECE_BYTES).await);
    assert_eq!((first.1.len(), last.1.len()), (SUPPORT_PIECE_BYTES, SUPPORT_BYTES - SUPPORT_PIECE_BYTES));
    assert_eq!([first.1, last.1].concat(), MemorySupport::bytes());
    assert!(piece("00000002", SUPPORT_BYTES).await.1.is_empty(), "its end");
    for id in ["00000003", "..%2f..%2fetc%2fshadow"] {
        assert_eq!(piece(id, 0).await.0, StatusCode::NOT_FOUND, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_collection_starts_no_pause() {
    let served = TestServer::begin(MemorySite::default());
    let hours = |request: &str, hours: u32| by_ada(request, json!({ "hours": hours }));
    for request in ["00000001", "00000002"] {
        let failed = served.outcome("/v1/support", hours(request, NO_ROOM_HOURS)).await;
        assert_eq!((&failed["state"], &failed["problem"]["code"]), (&json!("failed"), &json!("LF1202")));
    }
    assert_eq!(served.outcome("/v1/support", hours("00000003", 24)).await["state"], "done");
    assert_eq!(served.send("/v1/support", hours("00000004", 24)).await.0, StatusCode::TOO_MANY_REQUESTS);
}

/// Returns entries after another one, with at least this many bytes in total.
fn entries(begin: Head, bytes: usize) -> CheckpointRequest {
    let (mut follower, mut texts, mut length) = (Follower::behind(begin), Vec::new(), 0);
    while length < bytes {
        let entry = Entry {
            action: "user.create".to_owned(),
            actor: "\"\\".repeat(100),
            at: jiff::Timestamp::UNIX_EPOCH,
            correlation: "c".to_owned(),
            detail: "\u{1}".repeat(200),
            from: "192.0.2.7".to_owned(),
            number: follower.head().number + 1,
            object: "o".repeat(200),
            outcome: Outcome::Done,
        };
        let text = entry.canonical().unwrap();
        follower.extend(&text).unwrap();
        length += text.len();
        texts.push(text);
    }
    CheckpointRequest { entries: texts, head: follower.head(), restart: None, newer: None, start: None }
}

#[tokio::test]
async fn only_audit_continuations_are_signed() {
    let served = TestServer::begin(MemorySite::default());
    let post =
        async |request: &CheckpointRequest| served.send("/v1/audit", serde_json::to_value(request).unwrap()).await;
    let (status, page) = served.get("/v1/audit").await;
    assert!(status == StatusCode::OK && page["last"].is_null(), "{page}");
    // The entries contain many characters that take two bytes in JSON within JSON.
    let first = entries(Head::EMPTY, AUDIT_BYTES - 4000);
    let (status, signed) = post(&first).await;
    assert_eq!(
        (status, &signed["head"]),
        (StatusCode::OK, &json!(first.head)),
        "the largest request that the console makes"
    );
    assert_eq!(served.get("/v1/audit").await.1["last"], signed);
    let (status, refused) = post(&entries(Head { hash: Head::EMPTY.hash, ..first.head }, 1)).await;
    assert_eq!((status, &refused["code"]), (StatusCode::CONFLICT, &json!("LF5039")));
    let endless = post(&entries(first.head, 4 * AUDIT_BYTES)).await.0;
    assert_eq!(endless, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(post(&entries(first.head, 1)).await.0, StatusCode::OK);
}

/// A compromised console asks endlessly: the host signs and writes a bounded number of times, and states when it
/// continues.
#[tokio::test]
async fn checkpoint_refusal_says_when_to_retry() {
    let served = TestServer::begin(MemorySite::default());
    let client = served.client(&served.console);
    let post = async |checkpoint: &CheckpointRequest| {
        let request = client.post(format!("https://{}/v1/audit", served.address));
        let request = request.header("content-type", "application/json").body(json!(checkpoint).to_string());
        request.send().await.unwrap()
    };
    let mut head = Head::EMPTY;
    for number in 1..=AUDIT_BURST {
        let request = entries(head, 1);
        head = request.head;
        assert_eq!(post(&request).await.status(), StatusCode::OK, "{number}");
    }
    let one_more = entries(head, 1);
    let refused = post(&one_more).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(wait > 0 && wait <= AUDIT_PAUSE.as_secs(), "{wait}");
    let problem: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!(problem["code"], "LF4812");
    assert!(problem["title"].as_str().unwrap().ends_with(&format!("in {wait} seconds")), "{problem}");
    let page = served.get("/v1/audit").await.1;
    assert_eq!(page["last"]["head"], json!(head), "nothing more was signed, and questions are answered");
    let piece = json!({ "offset": 0, "text": "", "wish": CheckpointRequest { entries: Vec::new(), ..one_more } });
    assert_eq!(served.post("/v1/audit/entry", piece).await, StatusCode::TOO_MANY_REQUESTS, "the other way in");
}

/// An entry that fits into no request: the console currently writes none, but a database may contain one.
#[tokio::test]
async fn long_entry_is_signed_in_pieces() {
    let served = TestServer::begin(MemorySite::default());
    let entry: Entry = serde_json::from_str(&entries(Head::EMPTY, 1).entries[0]).unwrap();
    let text = Entry { object: "\"".repeat(2 * AUDIT_BYTES), ..entry }.canonical().unwrap();
    let mut follower = Follower::behind(Head::EMPTY);
    follower.extend(&text).unwrap();
    let request =
        CheckpointRequest { entries: Vec::new(), head: follower.head(), restart: None, newer: None, start: None };
    let send = async |offset: usize, request: Option<&CheckpointRequest>| {
        let piece = &text[offset..(offset + AUDIT_BYTES).min(text.len())];
        served.send("/v1/audit/entry", json!({ "offset": offset, "text": piece, "wish": request })).await
    };
    let whole = CheckpointRequest { entries: vec![text.clone()], ..request.clone() };
    assert_eq!(served.post("/v1/audit", json!(whole)).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send(AUDIT_BYTES, None).await.0, StatusCode::CONFLICT, "there is nothing before it");
    let last = text.len() / AUDIT_BYTES * AUDIT_BYTES;
    for offset in (0..last).step_by(AUDIT_BYTES) {
        assert_eq!(send(offset, None).await.0, StatusCode::NO_CONTENT);
    }
    let (status, signed) = send(last, Some(&request)).await;
    assert_eq!((status, &signed["head"]), (StatusCode::OK, &json!(request.head)), "{signed}");
    assert_eq!(served.post("/v1/audit", json!(entries(request.head, 1))).await, StatusCode::OK, "the log continues");
    assert!(text.len() < ENTRY_BYTES);
}

#[tokio::test]
async fn license_answers_are_signed_and_limited() {
    let served = TestServer::begin(MemorySite::default());
    let question = LicenseQuestion { subject: Subject::Feature("export".to_owned()), nonce: Nonce([7; 16]) };
    let client = served.client(&served.console);
    let ask = async |body: Value| {
        let request = client.post(format!("https://{}/v1/license/answers", served.address));
        request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap()
    };
    let answered = ask(json!(question)).await;
    assert_eq!(answered.status(), StatusCode::OK);
    let sealed = SealedAnswer::read(&answered.bytes().await.unwrap()).unwrap();
    let key = served.get("/v1/audit").await.1["key"].as_str().unwrap().to_owned();
    let key = landfall_bundle_spec::trust::PublicKey::from_pem("key", &key).unwrap();
    assert!(!sealed.open(&key, &question).unwrap().granted);

    let smuggled = json!({ "subject": { "kind": "feature", "name": "A B" }, "nonce": "00".repeat(16) });
    let refused = ask(smuggled).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().await.unwrap().contains("LF4720"));
    // The connection stays open, so a request takes far less than a pause.
    let mut asked = 1;
    let refused = loop {
        let answered = ask(json!(question)).await;
        if answered.status() != StatusCode::OK {
            break answered;
        }
        asked += 1;
        assert!(asked < 2 * ANSWER_BURST, "questions without end");
    };
    assert!(asked >= ANSWER_BURST, "{asked}");
    assert!(refused.status() == StatusCode::TOO_MANY_REQUESTS && refused.headers().contains_key("retry-after"));
    assert!(refused.text().await.unwrap().contains("LF4721"));
}

impl TestServer {
    /// Sends a piece of an upload.
    async fn add(&self, id: &str, offset: u64, piece: Vec<u8>) -> (StatusCode, Value) {
        let url = format!("https://{}/v1/uploads/{id}?offset={offset}", self.address);
        let answer = self.client(&self.console).patch(url).body(piece).send().await.unwrap();
        (answer.status(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_upload_becomes_a_medium() {
    let uploads = Arc::new(MemoryUploads::default());
    let served = TestServer::begin(MemorySite { uploads: uploads.clone(), ..MemorySite::default() });
    let begin = |request: &str, size: u64| by_ada(request, json!({ "name": "../a.landfall", "size_bytes": size }));
    let whole = 2 * PIECE_BYTES as u64 + 5;
    let (status, upload) = served.send("/v1/uploads", begin("00000001", whole)).await;
    assert_eq!((status, &upload["receivedBytes"]), (StatusCode::OK, &json!(0)), "{upload}");
    let (status, problem) = served.send("/v1/uploads", begin("00000002", 9)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("LF5048")));
    assert_eq!(served.add("00000001", 0, vec![1; PIECE_BYTES]).await.0, StatusCode::OK);
    assert_eq!(served.add("00000001", 0, vec![1; 9]).await.1["code"], "LF5049");
    let long = served.add("00000001", PIECE_BYTES as u64, vec![2; PIECE_BYTES + 1]).await;
    assert_eq!(long.0, StatusCode::PAYLOAD_TOO_LARGE, "no piece is longer than pieces are");
    assert_eq!(served.add("00000001", PIECE_BYTES as u64, vec![2; PIECE_BYTES]).await.0, StatusCode::OK);
    assert!(served.get("/v1/media").await.1["media"].as_array().unwrap().is_empty());
    let (_, last) = served.add("00000001", 2 * PIECE_BYTES as u64, vec![3; 5]).await;
    let media = served.get("/v1/media").await.1["media"].clone();
    assert_eq!((&media[0]["id"], &media[0]["place"]), (&last["medium"], &json!("uploaded by ada")));
    let expected = [vec![1; PIECE_BYTES], vec![2; PIECE_BYTES], vec![3; 5]].concat();
    assert!(uploads.bytes() == expected);
    let page = served.get("/v1/uploads").await.1;
    assert_eq!((&page["upload"]["medium"], page["roomBytes"].is_u64()), (&last["medium"], true));
    let client = served.client(&served.console);
    let remove = async |id: &str, by: &str| {
        let request = client.delete(format!("https://{}/v1/uploads/{id}", served.address));
        let body = json!({ "request": "00000003", "by": by, "correlation": "c" }).to_string();
        request.header("content-type", "application/json").body(body).send().await.unwrap().status()
    };
    assert_eq!(remove("00000001", "ada\n").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(remove("00000002", "ada").await, StatusCode::NOT_FOUND);
    assert_eq!(remove("..%2f..%2fstatus", "ada").await, StatusCode::NOT_FOUND);
    assert_eq!(remove("00000001", "ada").await, StatusCode::NO_CONTENT);
    assert!(served.get("/v1/uploads").await.1["upload"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_and_unsigned_uploads_are_refused() {
    let served = TestServer::begin(MemorySite::default());
    for (name, size) in [("", 5), ("a\u{1b}[2J", 5), ("a", 0), ("a", u64::MAX)] {
        let (status, problem) =
            served.send("/v1/uploads", by_ada("00000001", json!({ "name": name, "size_bytes": size }))).await;
        assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("LF5023")), "{name:?} {size}");
    }
    let path = by_ada("../../etc/x", json!({ "name": "a", "size_bytes": 5 }));
    assert_eq!(served.post("/v1/uploads", path).await, StatusCode::UNPROCESSABLE_ENTITY);
    let large = by_ada("00000001", json!({ "name": "a", "size_bytes": 1_u64 << 40 }));
    assert_eq!(served.post("/v1/uploads", large).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        served.post("/v1/uploads", by_ada("00000001", json!({ "name": "a", "size_bytes": 80 }))).await,
        StatusCode::OK
    );
    let (status, problem) = served.add("00000001", 0, UNSIGNED.to_vec()).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("LF1104")));
    assert_eq!(served.add("00000001", 8, vec![0; 8]).await.0, StatusCode::NOT_FOUND, "nothing of it is kept");
}
