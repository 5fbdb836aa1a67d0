//! The API over real connections, with a host that remembers what it was asked.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use landfall_peer::{
    Certificate, ComponentLogs, Identity, LogLine, NumberedEvent, Problem, ProgressPage, client, server,
};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use super::{Question, Site, serve};

#[derive(Default)]
struct Remembering {
    token: Mutex<Option<String>>,
    is_backing_up: AtomicBool,
    asked: AtomicU64,
}

impl Site for Remembering {
    fn document(&self, question: Question) -> Result<Option<String>, Problem> {
        match question {
            Question::License => Ok(None),
            Question::Backups => Err(Problem {
                status: 503,
                title: "the repository is damaged".to_owned(),
                detail: None,
                code: Some("LF4603".to_owned()),
                hint: Some("look at it".to_owned()),
            }),
            _ => Ok(Some(json!({ "kind": format!("{question:?}") }).to_string())),
        }
    }

    fn logs(&self, component: &str, lines: usize) -> Result<ComponentLogs, Problem> {
        let line = LogLine { pod: "a".to_owned(), container: "b".to_owned(), text: lines.to_string() };
        Ok(ComponentLogs { component: component.to_owned(), lines: vec![line] })
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
}

fn landfall_event(text: &str) -> landfall_peer::Event {
    landfall_peer::Event::Note(text.to_owned())
}

fn identity(name: &str) -> Identity {
    let (certificate, key) = Identity::generate(name).unwrap();
    Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
}

struct Served {
    address: SocketAddr,
    host: Certificate,
    console: Identity,
}

impl Served {
    fn begin(site: Remembering) -> Self {
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
        let url = format!("https://{}{path}", self.address);
        let request = self.client(&self.console).post(url).header("content-type", "application/json");
        request.body(body.to_string()).send().await.unwrap().status()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_with_documents_and_problems_with_their_code() {
    let served = Served::begin(Remembering::default());
    assert_eq!(served.get("/v1/status").await, (StatusCode::OK, json!({ "kind": "Status" })));
    assert_eq!(served.get("/v1/releases").await, (StatusCode::OK, json!({ "kind": "Releases" })));
    assert_eq!(served.get("/v1/license").await.0, StatusCode::NOT_FOUND);
    let (status, problem) = served.get("/v1/backups").await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("LF4603")));
    let (_, logs) = served.get("/v1/logs/postgres?lines=7").await;
    assert_eq!(logs, json!({ "component": "postgres", "lines": [{ "pod": "a", "container": "b", "text": "7" }] }));
    let (_, logs) = served.get("/v1/logs/postgres?lines=99999999").await;
    assert_eq!(logs["lines"][0]["text"], "2000");
}

#[tokio::test(flavor = "multi_thread")]
async fn news_are_waited_for() {
    let served = Served::begin(Remembering::default());
    let (_, page) = served.get("/v1/progress?after=2").await;
    assert_eq!(page["events"][0]["number"], 3, "{page}");
    assert_eq!(page["events"][0]["event"], json!({ "event": "note", "text": "note 3" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_parallel_claims_one_counts_and_a_second_backup_does_not_begin() {
    let served = Served::begin(Remembering { token: Mutex::new(Some("K7".to_owned())), ..Remembering::default() });
    assert_eq!(served.post("/v1/claims", json!({ "token": "K8" })).await, StatusCode::FORBIDDEN);
    let mut counted = 0;
    for _ in 0..5 {
        counted += usize::from(served.post("/v1/claims", json!({ "token": "K7" })).await == StatusCode::NO_CONTENT);
    }
    assert_eq!(counted, 1);
    let wish = json!({ "by": "alice", "correlation": "1" });
    assert_eq!(served.post("/v1/backups", wish.clone()).await, StatusCode::ACCEPTED);
    assert_eq!(served.post("/v1/backups", wish.clone()).await, StatusCode::TOO_MANY_REQUESTS);
    let busy = Served::begin(Remembering { is_backing_up: AtomicBool::new(true), ..Remembering::default() });
    assert_eq!(busy.post("/v1/backups", wish).await, StatusCode::CONFLICT);
    assert_eq!(served.post("/v1/backups", json!({ "by": "x".repeat(20_000), "correlation": "" })).await.as_u16(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_no_answer() {
    let served = Served::begin(Remembering::default());
    let url = format!("https://{}/v1/status", served.address);
    let stranger = served.client(&identity("console"));
    assert!(stranger.get(&url).send().await.is_err());
    let plain = Client::builder().no_proxy().build().unwrap();
    assert!(plain.get(url.replace("https", "http")).send().await.is_err());
    assert_eq!(served.get("/v1/status").await.0, StatusCode::OK, "the console is still answered");
}
