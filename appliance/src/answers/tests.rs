//! Tests of the listener from the software's side, on loopback.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use landfall_bundle_spec::trust::PublicKey;
use landfall_license::answer::{ANSWER_BYTES, AnswerError, Nonce, Question, SealedAnswer, Subject};
use reqwest::{Client, Method, Response};
use serde_json::Value;

use super::serve::serve_on;
use crate::host::Site;
use crate::host::fake::FakeHost;

/// Listener in front of a fake host.
struct AnswerServer {
    host: Arc<FakeHost>,
    address: SocketAddr,
    client: Client,
    handle: axum_server::Handle<SocketAddr>,
}

impl Drop for AnswerServer {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

impl AnswerServer {
    fn begin() -> Self {
        let host = FakeHost::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let handle = axum_server::Handle::new();
        tokio::spawn(serve_on(listener, Site::new(host.clone()), handle.clone()));
        Self { host, address, client: Client::builder().no_proxy().build().unwrap(), handle }
    }

    async fn send(&self, method: Method, path: &str) -> Response {
        self.client.request(method, format!("http://{}{path}", self.address)).send().await.unwrap()
    }

    async fn ask(&self, question: &Question) -> Response {
        let (kind, name) = (question.subject.kind(), question.subject.name());
        self.send(Method::GET, &format!("/v1/license?{kind}={name}&nonce={}", question.nonce)).await
    }

    fn key(&self) -> PublicKey {
        PublicKey::from_pem("key", &self.host.audit.lock().unwrap().page().key).unwrap()
    }
}

fn question(number: u8) -> Question {
    Question { subject: Subject::Entitlement("analytics".to_owned()), nonce: Nonce([number; 16]) }
}

async fn code_of(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    (status, problem["code"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn software_gets_host_answer() {
    let server = AnswerServer::begin();
    let key = server.key();
    let answered = server.ask(&question(1)).await;
    assert_eq!((answered.status().as_u16(), &answered.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
    let bytes = answered.bytes().await.unwrap();
    assert!(bytes.len() < ANSWER_BYTES);
    let sealed = SealedAnswer::read(&bytes).unwrap();
    assert_eq!(sealed.open(&key, &question(1)).unwrap().standing, "none");
    let other = sealed.open(&key, &question(2));
    assert!(matches!(other, Err(AnswerError::OtherQuestion("nonce"))), "the answer fits another question");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_are_refused() {
    let server = AnswerServer::begin();
    for path in ["/", "/v1/license/", "/v1/status", "/health", "/metrics", "/api/v1/license", "/first", "/assets/x"] {
        assert_eq!(server.send(Method::GET, path).await.status(), 404, "{path}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        assert_eq!(server.send(method, "/v1/license").await.status(), 405);
    }
    for query in
        ["", "?entitlement=analytics", "?nonce=00", "?entitlement=A%20B&nonce=00000000000000000000000000000000"]
    {
        let refused = server.send(Method::GET, &format!("/v1/license{query}")).await;
        assert_eq!(code_of(refused).await, (422, "LF4720".to_owned()), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_host_gives_no_answer() {
    let server = AnswerServer::begin();
    server.host.is_silent.store(true, Ordering::SeqCst);
    assert_eq!(code_of(server.ask(&question(1)).await).await, (503, "LF5010".to_owned()));
    server.host.is_silent.store(false, Ordering::SeqCst);
    assert_eq!(server.ask(&question(1)).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_queries_must_wait() {
    let server = AnswerServer::begin();
    let mut asked = 0;
    let refused = loop {
        let answered = server.ask(&question(1)).await;
        if answered.status() != 200 {
            break answered;
        }
        asked += 1;
        assert!(asked < 600, "endless questions are answered");
    };
    assert!(asked >= 60, "{asked}");
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(code_of(refused).await, (429, "LF4721".to_owned()));
}
