use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use landfall_peer::BoundedAcceptor;

use super::*;
use crate::certificate;
use crate::configuration::{Certificates, ServerFiles, SuppliedCertificate, server_config};
use crate::database::query;
use crate::host::fake::sample;
use crate::listener::{Limits, serve_plain};
use crate::people::Scope;
use crate::testing::{Site, Visitor, new_certificate, pinning, until};

#[tokio::test]
async fn probes_report_working_parts() {
    let site = Site::empty().await;
    let visitor = site.visitor();
    assert_eq!(visitor.get("/health/live").await.body, "live\n");
    let health = visitor.get("/health").await.json();
    assert_eq!((health["ready"].as_bool(), health["checks"][1]["works"].as_bool()), (Some(true), Some(true)));
    site.host.is_silent.store(true, Ordering::SeqCst);
    until(async || site.visitor().get("/health").await.json()["checks"][1]["works"] == false).await;
    let health = visitor.get("/health").await;
    assert_eq!(health.status, StatusCode::OK, "the console depends on the host");
    assert!(health.json()["checks"][1]["since"].is_string());
    site.context.database.close().await;
    assert_eq!(visitor.get("/health").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn metrics_omit_request_paths() {
    let site = Site::begin().await;
    let program = site.program("vera", &[Scope::Metrics]).await;
    site.visitor().get("/secret-path-of-an-attacker").await;
    program.get("/metrics").await;
    let metrics = program.get("/metrics").await.body;
    for line in [
        "requests_total{method=\"GET\",route=\"/metrics\",status=\"200\"} 1",
        "host_answers 1",
        "license_used{metric=\"nodes\"} 4",
        "license_limit{metric=\"nodes\"} 3",
    ] {
        assert!(has_line(&metrics, &format!("landfall_console_{line}")), "no {line}: {metrics}");
    }
    for absent in ["attacker", "license_used{metric=\"users\"}"] {
        assert!(!metrics.contains(absent), "{absent}: {metrics}");
    }
    site.host.usage.lock().unwrap().take();
    until(async || !program.get("/metrics").await.body.contains("license_used{")).await;
}

/// Returns true if the text has exactly this line.
fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|found| found == line)
}

#[tokio::test]
async fn metrics_mirror_host_reports() {
    let site = Site::begin().await;
    let program = site.program("vera", &[Scope::Metrics]).await;
    let metrics = program.get("/metrics").await.body;
    let mut gauges: Vec<_> = metrics.lines().filter(|line| line.starts_with("landfall_site_")).collect();
    gauges.sort_unstable();
    insta::assert_snapshot!(gauges.join("\n"));
    assert_eq!(metrics.matches("# EOF\n").count(), 1, "{metrics}");
    site.host.is_silent.store(true, Ordering::SeqCst);
    until(async || site.context.site.silent_since().is_some()).await;
    let silent = program.get("/metrics").await.body;
    assert!(has_line(&silent, "landfall_console_host_answers 0") && !silent.contains("landfall_site_"), "{silent}");
    assert!(silent.ends_with("# EOF\n"));
}

#[tokio::test]
async fn metrics_wait_for_slow_host() {
    let site = Site::begin().await;
    *site.host.document_pause.lock().unwrap() = Duration::from_secs(3);
    let program = site.program("vera", &[Scope::Metrics]).await;
    let metrics = program.get("/metrics").await.body;
    assert!(has_line(&metrics, "landfall_site_ready 1"), "{metrics}");
}

#[tokio::test]
async fn pages_load_despite_silent_host() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    assert!(root.get("/").await.notices().is_empty());
    site.host.is_silent.store(true, Ordering::SeqCst);
    until(async || site.context.site.silent_since().is_some()).await;
    for page in [
        "/",
        "/components",
        "/releases",
        "/upgrade",
        "/backups",
        "/license",
        "/node",
        "/gpus",
        "/activity",
        "/dashboard",
        "/support",
        "/users",
        "/keys",
        "/audit",
        "/account",
    ] {
        let begun = Instant::now();
        let reply = root.get(page).await;
        assert!(reply.is_success(), "{page}: {}", reply.status);
        assert!(reply.notices()[0].starts_with("The host has not answered since"), "{page} does not say so");
        assert!(begun.elapsed() < Duration::from_secs(2), "{page} waits");
    }
    let status = root.get("/api/v1/status").await;
    assert_eq!(status.refusal(), (503, "LF5010"));
    assert_eq!(status.header("content-type"), "application/problem+json");
    site.host.is_silent.store(false, Ordering::SeqCst);
    until(async || root.get("/").await.notices().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_browsers_share_host_query() {
    let site = Site::begin().await;
    let vera = site.sign_in("vera").await;
    let before = site.host.questions.load(Ordering::SeqCst);
    let loads: Vec<_> = (0..50)
        .map(|_| {
            tokio::spawn({
                let vera = vera.clone();
                async move { vera.get("/api/v1/status").await.status }
            })
        })
        .collect();
    for load in loads {
        assert_eq!(load.await.unwrap(), StatusCode::OK);
    }
    assert!(site.host.questions.load(Ordering::SeqCst) - before <= 3);
    assert_eq!(vera.get("/api/v1/status").await.json(), sample("status"), "the document was changed");
}

#[tokio::test]
async fn missing_license_is_no_error() {
    let site = Site::begin().await;
    *site.host.license.lock().unwrap() = None;
    let vera = site.sign_in("vera").await;
    assert!(vera.get("/license").await.body.contains("needs none"));
    assert_eq!(vera.get("/api/v1/license").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn unknown_document_schema_is_refused() {
    let site = Site::begin().await;
    site.host.status.lock().unwrap()["schema"] = 2.into();
    let vera = site.sign_in("vera").await;
    assert_eq!(vera.get("/").await.refusal(), (200, "LF5011"));
    assert_eq!(vera.get("/api/v1/status").await.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn second_backup_request_is_refused() {
    let site = Site::begin().await;
    let olga = site.sign_in("olga").await;
    assert!(olga.post("/backups", &[]).await.header("location").starts_with("/backups?done=begun&"));
    site.host.is_busy.store(true, Ordering::SeqCst);
    let second = olga.post("/backups", &[]).await;
    assert_eq!(second.refusal(), (409, "LF4607"));
    insta::assert_snapshot!(site.audit_lines("backup.").await.join("\n"));
    let exported = site.sign_in("root").await.get("/api/v1/audit").await;
    let keys = vec![site.host.audit.lock().unwrap().key.public().clone()];
    let known = landfall_audit::LogKnowledge { keys, ..Default::default() };
    let report = landfall_audit::verify(exported.body.as_bytes(), &known).unwrap();
    assert_eq!(report.covered.map(|covered| covered.head), Some(report.head), "the export's end is not signed");
}

#[tokio::test]
async fn pages_load_only_own_assets() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    let pages = [
        "/",
        "/components",
        "/components/assistant",
        "/releases",
        "/upgrade",
        "/backups",
        "/license",
        "/node",
        "/gpus",
        "/activity",
        "/dashboard",
        "/support",
        "/users",
        "/users/vera",
        "/keys",
        "/audit",
        "/account",
    ];
    for page in pages {
        let reply = root.get(page).await;
        assert!(reply.is_success(), "{page}: {}", reply.body);
        let body = reply.body.to_lowercase();
        for forbidden in
            ["style=\"", "<style", "javascript:", " onclick", " onload", "hx-on", "http://", "https://", "<script>"]
        {
            assert!(!body.contains(forbidden), "{page} has {forbidden}");
        }
        assert!(reply.has("action", "/sign-out"), "{page} has no way out");
        assert!(reply.header("content-security-policy").starts_with("default-src 'none'"));
        assert_eq!(reply.header("cache-control"), "no-store");
        for asset in body.split(['"', '\'']).filter(|text| text.starts_with("/assets/")) {
            let file = root.get(asset).await;
            assert!(file.is_success() && file.header("cache-control").ends_with(", immutable"), "{asset}");
        }
    }
    let log = root.get("/components/assistant").await.body;
    assert!(log.contains("&#60;script&#62;"), "a log line is no text");
}

#[tokio::test]
async fn new_certificate_needs_no_restart() {
    let keys = tempfile::tempdir().unwrap();
    let files = ServerFiles { certificate: keys.path().join("tls.crt"), key: keys.path().join("tls.key") };
    new_certificate(&files);
    let tls = RustlsConfig::from_config(server_config(&files).unwrap());
    let begun = tls.get_inner();
    let first = new_certificate(&files);
    let site = Site::empty().await;
    let own = keys.path().join("supplied");
    landfall_media::durable::create_folder(&own).unwrap();
    let supplied = ServerFiles { certificate: own.join("tls.crt"), key: own.join("tls.key") };
    let certificates = Certificates { issued: files.clone(), supplied: Some(supplied.clone()) };
    let standing = site.context.certificate.clone();
    let renewing = tokio::spawn(certificate::renew(certificates, tls.clone(), standing.clone()));
    until(async || !std::sync::Arc::ptr_eq(&begun, &tls.get_inner())).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let handle = axum_server::Handle::new();
    tokio::spawn(serve_on(listener, tls.clone(), site.context.clone(), handle.clone()));
    let old = Visitor { address, tls: pinning(first), ..site.visitor() };
    assert!(old.get("/health/live").await.is_success());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let second = new_certificate(&files);
    let new = Visitor { tls: pinning(second), ..old };
    until(async || {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("console").unwrap();
        new.tls.connect(name, stream).await.is_ok()
    })
    .await;
    assert!(new.get("/health/live").await.is_success());
    let used = tls.get_inner();
    landfall_media::durable::write_file(&files.certificate, b"nonsense", 0o600).unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(std::sync::Arc::ptr_eq(&used, &tls.get_inner()), "an unusable certificate was used");
    assert_eq!(standing.supplied(), SuppliedCertificate::Missing);
    let third = new_certificate(&files);
    let fourth = new_certificate(&supplied);
    until(async || matches!(standing.supplied(), SuppliedCertificate::Used { ends: None })).await;
    let by_supplied = Visitor { tls: pinning(fourth), ..new.clone() };
    assert!(by_supplied.get("/health/live").await.is_success(), "the supplied certificate is not used");
    landfall_media::durable::write_file(&supplied.key, b"nonsense", 0o600).unwrap();
    until(async || matches!(standing.supplied(), SuppliedCertificate::Unusable(_))).await;
    let by_issued = Visitor { tls: pinning(third), ..new };
    assert!(by_issued.get("/health/live").await.is_success(), "an unusable key stopped the server");
    handle.shutdown();
    renewing.abort();
}

#[tokio::test]
async fn connections_are_bounded() {
    use axum_server::accept::Accept as _;
    let keys = tempfile::tempdir().unwrap();
    let files = ServerFiles { certificate: keys.path().join("tls.crt"), key: keys.path().join("tls.key") };
    let client = pinning(new_certificate(&files));
    let acceptor =
        BoundedAcceptor::new(RustlsAcceptor::new(RustlsConfig::from_config(server_config(&files).unwrap())), 1);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let arrive = async || {
        let outgoing = tokio::net::TcpStream::connect(address).await.unwrap();
        let (incoming, _) = listener.accept().await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("console").unwrap();
        tokio::join!(client.connect(name, outgoing), acceptor.accept(incoming, ()))
    };
    let (browser, held) = arrive().await;
    assert!(browser.is_ok() && held.is_ok());
    let refused = arrive().await.1.err().unwrap();
    assert_eq!(refused.to_string(), "too many connections", "a second connection was accepted");
    drop(held);
    assert!(arrive().await.1.is_ok(), "the place was not freed");
}

#[tokio::test]
async fn unhandled_responses_carry_codes() {
    use axum::response::IntoResponse as _;
    for (path, status, text) in [("/late", 504, "LF5010"), ("/api/v1/panics", 500, r#""code":"LF9001""#)] {
        let request = axum::extract::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let (_, caller, audience) = guard::unchecked(request);
        let bare = StatusCode::from_u16(status).unwrap().into_response();
        let response = refuse::with_code(bare, &caller, audience);
        assert_eq!(response.status().as_u16(), status);
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains(text), "{path}: {}", String::from_utf8_lossy(&body));
    }
}

#[tokio::test]
async fn unreadable_audit_entry_keeps_place() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    let mut write = site.context.database.write().await.unwrap();
    query("UPDATE audit SET entry = 'nonsense' WHERE number = 2").execute(&mut *write).await.unwrap();
    write.commit().await.unwrap();
    let page = root.get("/audit").await;
    assert!(page.is_success() && page.body.contains("Entry 2 cannot be read."), "{}", page.body);
}

/// Returns a server's answer to these bytes, up to its end or 4 KiB.
async fn answer_to(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, bytes: &[u8]) -> Vec<u8> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let _closed = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut bounded = stream.take(4096);
    let read = bounded.read_to_end(&mut answer);
    let _cut = tokio::time::timeout(Duration::from_secs(10), read).await.expect("the server ends the connection");
    answer
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Starts a listener without TLS, with short limits.
fn plain() -> (std::net::SocketAddr, axum_server::Handle<std::net::SocketAddr>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, handle) = (listener.local_addr().unwrap(), axum_server::Handle::new());
    let limits = Limits { head: Duration::from_secs(1), buffer: 8 << 10, connections: 10, stalled_ms: 2_000 };
    let router = axum::Router::new().route("/", axum::routing::get(async || "here"));
    tokio::spawn(serve_plain(listener, router, limits, handle.clone()));
    (address, handle)
}

#[tokio::test]
async fn odd_methods_add_no_metrics() {
    use http_body_util::{BodyExt as _, Empty};
    let site = Site::begin().await;
    let stream = hyper_util::rt::TokioIo::new(site.visitor().connect().await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for number in 0..10_000 {
        let method = if number % 100 == 0 { "M".repeat(30_000) + &number.to_string() } else { format!("M{number}") };
        let request = axum::http::Request::builder().method(method.as_str()).uri("/nowhere").header("host", "console");
        let response = sender.send_request(request.body(Empty::<axum::body::Bytes>::new()).unwrap()).await.unwrap();
        response.into_body().collect().await.unwrap();
        sender.ready().await.unwrap();
    }
    let mut text = String::new();
    let context = &site.context;
    context.metrics.write(&mut text, true, None, &context.signing, &context.forward).unwrap();
    assert!(text.len() < 64 << 10, "{}", text.len());
    assert!(text.contains("method=\"other\"") && !text.contains("method=\"M"));
}

#[tokio::test]
async fn http2_is_refused_everywhere() {
    let site = Site::begin().await;
    let (address, _plain) = plain();
    let bare = tokio::net::TcpStream::connect(address).await.unwrap();
    let answers = [answer_to(site.visitor().connect().await, PREFACE).await, answer_to(bare, PREFACE).await];
    for answer in answers {
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4") || answer.starts_with(b"HTTP/1.1 5"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn request_names_one_host() {
    let site = Site::begin().await;
    for hosts in ["", "Host: a\r\nHost: b\r\n"] {
        let request = format!("GET /health/live HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        let answer = answer_to(site.visitor().connect().await, request.as_bytes()).await;
        assert!(answer.starts_with(b"HTTP/1.1 400"), "{hosts:?}: {}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn idle_connections_end() {
    let (address, _plain) = plain();
    let silent = tokio::net::TcpStream::connect(address).await.unwrap();
    assert!(!answer_to(silent, b"").await.starts_with(b"HTTP/1.1 2"));
    let idle = tokio::net::TcpStream::connect(address).await.unwrap();
    let answer = answer_to(idle, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "no answer came: {answer:?}");
}

#[tokio::test]
async fn idle_connections_block_no_clients() {
    let site = Site::begin().await;
    let mut held = Vec::new();
    for _ in 0..1000 {
        held.extend(tokio::net::TcpStream::connect(site.address).await);
    }
    for from in [[127, 0, 0, 2], [127, 0, 0, 3]] {
        let other = Visitor { from: from.into(), ..site.visitor() };
        assert!(other.get("/health/live").await.is_success(), "{from:?}");
    }
    assert_eq!(held.len(), 1000);
}
