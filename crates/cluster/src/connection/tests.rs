//! Tests against a server that answers as an API server does while it starts, a state in which a real one cannot be
//! held.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use landfall_error_codes::{CodedError, codes};

use super::*;
use landfall_engine::causes::with_causes;

/// Starts a server that gives each answer once, in order, to a request for exactly that path. Returns the connection to
/// it.
fn server(answers: &[(&'static str, u16)]) -> (tempfile::TempDir, Cluster, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut answers: VecDeque<_> = answers.iter().copied().collect();
    let serving = std::thread::spawn(move || {
        while let Some((path, code)) = answers.pop_front() {
            answer(&mut listener.accept().unwrap().0, path, code);
        }
    });
    let (folder, cluster) = at(address);
    (folder, cluster, serving)
}

/// Returns the cluster whose API server has this address, and the folder of its kubeconfig.
pub(crate) fn at(address: SocketAddr) -> (tempfile::TempDir, Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [{"name": "x", "user": {}}],
        "clusters": [{"name": "x", "cluster": {"server": format!("http://{address}")}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    });
    let path = folder.path().join("x.conf");
    landfall_media::durable::write_file(&path, kubeconfig.to_string().as_bytes(), 0o600).unwrap();
    let cluster = Cluster::connect(&path).unwrap();
    (folder, cluster)
}

fn answer(connection: &mut TcpStream, path: &str, code: u16) {
    let mut lines = BufReader::new(connection.try_clone().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), format!("GET {path} HTTP/1.1"));
    assert!(lines.any(|line| line.is_empty()));
    let status =
        serde_json::json!({"kind": "Status", "status": "Failure", "code": code, "message": "no", "reason": "r"});
    let body = if code == 200 { "ok".to_owned() } else { status.to_string() };
    let length = body.len();
    write!(connection, "HTTP/1.1 {code} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
}

fn call() -> Call<'static> {
    Call { method: Method::GET, path: "/x".to_owned(), content_type: "", body: Vec::new(), verb: "read", what: &"x" }
}

#[test]
fn refusal_before_readiness_is_retried() {
    let answers =
        [("/x", 403), ("/readyz", 403), ("/x", 401), ("/readyz", 500), ("/x", 403), ("/readyz", 200), ("/x", 200)];
    let (_folder, cluster, serving) = server(&answers);
    assert_eq!(cluster.call(&call()).unwrap(), "ok");
    serving.join().unwrap();
}

#[test]
fn refusal_by_ready_server_is_final() {
    let (_folder, cluster, serving) = server(&[("/x", 403), ("/readyz", 200), ("/x", 403)]);
    let error = cluster.call(&call()).unwrap_err();
    assert_eq!((error.code(), error.is_transient()), (codes::CLUSTER_REFUSED, false), "{error}");
    serving.join().unwrap();
}

#[test]
fn single_request_reports_starting_server() {
    let (_folder, cluster, serving) = server(&[("/x", 403), ("/readyz", 403)]);
    let error = cluster.with_patience(Duration::ZERO).call(&call()).unwrap_err();
    assert_eq!((error.code(), error.is_transient()), (codes::CLUSTER_UNREACHABLE, true), "{error}");
    assert!(with_causes(&error).contains(": it is still starting: "), "{}", with_causes(&error));
    serving.join().unwrap();
}

/// Returns a server that accepts connections and never answers, like one stopped by a signal. It ends with the test.
fn silent() -> (tempfile::TempDir, Cluster, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // The kernel itself accepts connections for a listener.
    let (folder, cluster) = at(listener.local_addr().unwrap());
    (folder, cluster, listener)
}

#[test]
fn silent_server_is_abandoned_at_limit() {
    let (_folder, cluster, _listener) = silent();
    let limit = Duration::from_secs(1);
    let begun = Instant::now();
    let error = cluster.answers(limit).unwrap_err();
    assert_eq!((error.code(), error.is_transient()), (codes::CLUSTER_UNREACHABLE, true), "{error}");
    assert!(with_causes(&error).contains("no answer within"), "{}", with_causes(&error));
    // One limit covers all requests together, whatever each of them would wait.
    let bounded = cluster.within(limit);
    for _ in 0..3 {
        assert_eq!(bounded.call(&call()).unwrap_err().code(), codes::CLUSTER_UNREACHABLE);
    }
    assert!(begun.elapsed() < 4 * limit, "{:?}", begun.elapsed());
}

#[test]
fn absent_server_is_abandoned_at_limit() {
    // Nothing is bound to the address: the listener is dropped immediately.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_folder, cluster) = at(address);
    let begun = Instant::now();
    let error = cluster.answers(Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.code(), codes::CLUSTER_UNREACHABLE, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn unready_server_still_answers() {
    let (_folder, cluster, serving) = server(&[("/readyz", 200)]);
    cluster.answers(Duration::from_secs(5)).unwrap();
    serving.join().unwrap();
    let (_folder, cluster, serving) = server(&[("/readyz", 404)]);
    cluster.answers(Duration::from_secs(5)).unwrap();
    serving.join().unwrap();
}

#[test]
fn node_statistics_come_through_proxy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_folder, cluster) = at(listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let mut connection = listener.accept().unwrap().0;
        let mut lines = BufReader::new(connection.try_clone().unwrap()).lines().map(Result::unwrap);
        let asked = lines.next().unwrap();
        assert!(lines.any(|line| line.is_empty()));
        let body = r#"{"pods":[]}"#;
        let length = body.len();
        write!(connection, "HTTP/1.1 200 x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
        asked
    });
    assert_eq!(cluster.node_statistics("node-1").unwrap(), serde_json::json!({"pods": []}));
    assert_eq!(serving.join().unwrap(), "GET /api/v1/nodes/node-1/proxy/stats/summary HTTP/1.1");
}
