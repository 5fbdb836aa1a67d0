//! Access to registries: proxies, unknown names, rate limits.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A client with this registries file.
fn client_with(text: &str) -> Client {
    client_with_credentials(text, "{}")
}

/// A client with this registries file and this Docker configuration.
fn client_with_credentials(text: &str, docker: &str) -> Client {
    let folder = tempfile::tempdir().expect("folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        landfall_media::durable::write_file(&path, text.as_bytes(), 0o600).expect("file");
        path
    };
    let registries = Registries::read(&write("registries.yaml", text)).expect("read");
    let docker = DockerConfiguration::read(&write("config.json", docker)).expect("read");
    Client::new(registries, docker, Retry::default())
}

/// A proxy with a fixed response, and the first line of each request.
async fn proxy(answer: &'static str) -> (std::net::SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 2048];
            let count = stream.read(&mut bytes).await.expect("request");
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            seen.lock().expect("seen").push(text.lines().next().unwrap_or_default().to_owned());
            stream.write_all(answer.as_bytes()).await.expect("answer");
            stream.shutdown().await.expect("end");
            // Closing a socket with unread bytes would discard the response.
            while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
        }
    });
    (address, asked)
}

/// A port without a listener: every request through it would fail.
const DEAD: &str = "proxies: {http: 'http://127.0.0.1:9', https: 'http://127.0.0.1:9'}\n";

/// A registries file with a mirror on another machine for all hosts, behind this proxy.
fn elsewhere(proxy: std::net::SocketAddr) -> String {
    let mirror = "{host: '*', endpoint: 'http://192.0.2.1', plainHttp: true}";
    format!("mirrors: [{mirror}]\nproxies: {{http: 'http://{proxy}'}}\n")
}

const NOT_FOUND: &str = "HTTP/1.1 404 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

fn text_with_causes(error: &crate::BuildError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[tokio::test]
async fn loopback_bypasses_proxy() {
    let registry = Registry::start(|_| ()).await;
    registry.add_manifest("library/thing", "1", MANIFEST, br#"{"schemaVersion": 2, "layers": []}"#);
    let client = client_with(DEAD);
    client.manifest(&reference(&registry), &Notes::default()).await.expect("directly");
    // Files have their own HTTP client.
    let url = registry.add_file("kubelet", &bytes(1000)).parse().expect("address");
    let folder = tempfile::tempdir().expect("folder");
    client.measure(&url, &ContentStore::at(folder.path()), &Notes::default()).await.expect("directly");
}

/// The registry's root is requested for a challenge, and identity tokens are exchanged.
#[tokio::test]
async fn loopback_tokens_bypass_proxy() {
    for secret in [r#""username": "user", "password": "word""#, r#""identitytoken": "who I am""#] {
        let registry = Registry::start(|faults| faults.ask_for_token("http://SELF/token")).await;
        registry.add_manifest("library/thing", "1", MANIFEST, br#"{"schemaVersion": 2, "layers": []}"#);
        let docker = format!(r#"{{"auths": {{"{}": {{{secret}}}}}}}"#, registry.address());
        let client = client_with_credentials(DEAD, &docker);
        client.manifest(&reference(&registry), &Notes::default()).await.expect("directly");
        assert_eq!(registry.token_requests().len(), 1);
    }
}

/// Files, challenges, and the exchange of an identity token: each has its own HTTP client.
#[tokio::test]
async fn files_and_tokens_use_proxy() {
    let (address, asked) = proxy(NOT_FOUND).await;
    let folder = tempfile::tempdir().expect("folder");
    let url = "https://dl.example/kubelet".parse().expect("address");
    let client = client_with(&elsewhere(address));
    let refused = client.measure(&url, &ContentStore::at(folder.path()), &Notes::default()).await;
    assert_eq!(refused.expect_err("404").code(), codes::FILE_MISSING);
    assert_eq!(*asked.lock().expect("asked"), ["GET http://192.0.2.1/dl.example/kubelet HTTP/1.1"]);

    let realm = "HTTP/1.1 401 X\r\nWWW-Authenticate: Bearer realm=\"http://192.0.2.1/token\",service=\"it\"\r\n\
                 Content-Length: 0\r\nConnection: close\r\n\r\n";
    let (address, asked) = proxy(realm).await;
    let docker = r#"{"auths": {"192.0.2.1": {"identitytoken": "who I am"}}}"#;
    let client = client_with_credentials(&elsewhere(address), docker);
    let refused = client.manifest(&"ghcr.io/a/b:1".parse().expect("reference"), &Notes::default()).await;
    assert_eq!(refused.expect_err("401").code(), codes::CREDENTIALS_REFUSED);
    let expected = ["GET http://192.0.2.1/v2/ HTTP/1.1", "POST http://192.0.2.1/token HTTP/1.1"];
    assert_eq!(*asked.lock().expect("asked"), expected);
}

#[tokio::test]
async fn manifests_use_proxy() {
    let (address, asked) = proxy(NOT_FOUND).await;
    let client = client_with(&elsewhere(address));
    let refused = client.manifest(&"ghcr.io/a/b:1".parse().expect("reference"), &Notes::default()).await;
    assert_eq!(refused.expect_err("404").code(), codes::IMAGE_MISSING);
    let asked = asked.lock().expect("asked").clone();
    assert!(asked.iter().all(|line| line.starts_with("GET http://192.0.2.1/v2/")), "{asked:?}");
    assert!(asked.iter().any(|line| line.contains("/v2/ghcr.io/a/b/manifests/1 ")), "{asked:?}");
}

#[tokio::test]
async fn dead_proxy_is_reported_once() {
    let client = client_with(
        "mirrors: [{host: '*', endpoint: 'https://192.0.2.1'}]\nproxies: {https: 'http://user:word@127.0.0.1:9'}\n",
    );
    let (notes, begun) = (Notes::default(), Instant::now());
    let references: Vec<_> =
        (0..20).map(|number| format!("ghcr.io/a/b:{number}").parse().expect("reference")).collect();
    let all = references.iter().map(|reference| client.manifest(reference, &notes));
    for refused in futures_util::future::join_all(all).await {
        let refused = refused.expect_err("no listener");
        assert_eq!(refused.code(), codes::HOST_UNREACHABLE, "{}", text_with_causes(&refused));
        assert!(text_with_causes(&refused).contains("through the proxy 127.0.0.1:9"), "{}", text_with_causes(&refused));
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let notes = notes.all();
    assert_eq!(notes.len(), 1, "identical failures share one line: {notes:?}");
    assert!(notes[0].starts_with("the proxy 127.0.0.1:9 does not answer") && !notes[0].contains("word"), "{notes:?}");
}

#[tokio::test]
async fn unknown_host_is_given_up_soon() {
    let client = client_with("mirrors: [{host: '*', endpoint: 'https://registry.invalid'}]\n");
    let (notes, begun) = (Notes::default(), Instant::now());
    let refused =
        client.manifest(&"ghcr.io/a/b:1".parse().expect("reference"), &notes).await.expect_err("no such name");
    assert_eq!(refused.code(), codes::HOST_UNREACHABLE, "{}", text_with_causes(&refused));
    // An unreachable resolver takes time itself; waits between attempts take seconds.
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
    assert!(notes.all().len() <= 2, "{:?}", notes.all());
}

/// A status, the requested wait, and that wait in seconds if Landfall honors it.
const WAITS: [(u16, &str, Option<u64>); 4] = [
    (429, "1", Some(1)),
    (503, "Sun, 06 Nov 1994 08:49:38 GMT", Some(1)),
    (429, "21600", None),
    (503, "Sun, 06 Nov 1994 14:49:37 GMT", None),
];

/// Asserts that a fetch that started at `begun` waited as requested and reported it, or failed with the requested wait.
fn expect_wait<T: std::fmt::Debug>(
    (status, _, waited): (u16, &str, Option<u64>),
    fetched: crate::error::Result<T>,
    begun: Instant,
    host: &str,
    notes: &Notes,
) {
    if let Some(seconds) = waited {
        fetched.expect("after a second");
        assert!(begun.elapsed() >= Duration::from_secs(seconds), "{status}: {:?}", begun.elapsed());
        let notes = notes.all();
        let says_so =
            |note: &&String| note.contains(host) && note.ends_with(&format!("after the {seconds} s that it asks for"));
        assert_eq!(notes.iter().filter(says_so).count(), 1, "{notes:?}");
        return;
    }
    let refused = fetched.expect_err("six hours");
    let code = if status == 429 { codes::RATE_LIMITED } else { codes::FETCH_FAILED };
    assert_eq!(refused.code(), code, "{}", text_with_causes(&refused));
    assert!(begun.elapsed() < Duration::from_secs(20), "{status}: {:?}", begun.elapsed());
    let said = text_with_causes(&refused);
    assert!(said.contains(host) && said.contains("asks for a wait of 21600 s"), "{said}");
    assert!(said.contains("waits at most 120 s in all"), "{said}");
}

#[tokio::test]
async fn file_server_wait_is_bounded() {
    let bytes = bytes(1000);
    for wait in WAITS {
        let server = Registry::start(|faults| faults.on_files([Fault::Wait(wait.0, wait.1)])).await;
        let url = server.add_file("kubelet", &bytes).parse().expect("address");
        let folder = tempfile::tempdir().expect("folder");
        let (notes, begun) = (Notes::default(), Instant::now());
        let measured = client().measure(&url, &ContentStore::at(folder.path()), &notes).await;
        expect_wait(wait, measured, begun, &server.address().to_string(), &notes);
    }
    assert!(codes::RATE_LIMITED.fix.contains("Log in"));
}

#[tokio::test]
async fn registry_wait_is_bounded() {
    for wait in WAITS {
        let fault = || [Fault::Wait(wait.0, wait.1)];
        let registry = Registry::start(|faults| {
            faults.on_manifests(fault());
            // Only requests with a token are asked to wait.
            faults.ask_for_token("http://SELF/token");
        })
        .await;
        let pin = image(&registry, "library/thing", &[&bytes(10)]);
        let (notes, begun) = (Notes::default(), Instant::now());
        let manifest = client().manifest(&pin.reference, &notes).await;
        expect_wait(wait, manifest, begun, &registry.address().to_string(), &notes);

        let registry = Registry::start(|faults| faults.on_blobs(fault())).await;
        let blob = bytes(11);
        registry.add_blob(&blob);
        let folder = tempfile::tempdir().expect("folder");
        let (notes, begun) = (Notes::default(), Instant::now());
        let (origin, store) = (reference(&registry), ContentStore::at(folder.path()));
        let fetched = fetch_blob(&client(), Origin::Registry(&origin), expected_blob(&blob), &store, &notes).await;
        expect_wait(wait, fetched, begun, &registry.address().to_string(), &notes);
    }
}

#[tokio::test]
async fn token_server_wait_is_bounded() {
    for wait in WAITS {
        let registry = Registry::start(|faults| {
            faults.ask_for_token("http://SELF/token");
            faults.on_tokens([Fault::Wait(wait.0, wait.1)]);
        })
        .await;
        let pin = image(&registry, "library/thing", &[&bytes(12)]);
        let (notes, begun) = (Notes::default(), Instant::now());
        let manifest = client().manifest(&pin.reference, &notes).await;
        expect_wait(wait, manifest, begun, &format!("its token server {}", registry.address()), &notes);
    }
}

#[tokio::test]
async fn token_rate_limit_suggests_login() {
    for (status, secret, code, says_login) in [
        (429, None, codes::RATE_LIMITED, true),
        (429, Some(r#""username": "user", "password": "word""#), codes::RATE_LIMITED, false),
        (503, None, codes::FETCH_FAILED, false),
        (401, None, codes::CREDENTIALS_REFUSED, false),
    ] {
        let registry = Registry::start(|faults| {
            faults.ask_for_token("http://SELF/token");
            faults.on_tokens(vec![Fault::Status(status); 20]);
        })
        .await;
        let address = registry.address();
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("config.json");
        if let Some(secret) = secret {
            let text = format!(r#"{{"auths": {{"{address}": {{{secret}}}}}}}"#);
            landfall_media::durable::write_file(&file, text.as_bytes(), 0o600).expect("file");
        }
        let docker = DockerConfiguration::read(&file).expect("read");
        let pin = image(&registry, "library/thing", &[&bytes(13)]);
        let client = Client::new(Registries::default(), docker, QUICK);
        let refused = client.manifest(&pin.reference, &Notes::default()).await.expect_err("no token");
        let said = text_with_causes(&refused);
        assert_eq!(refused.code(), code, "{said}");
        let is_named = said.contains(&format!("its token server {address} answers {status}"));
        assert_eq!(is_named, status != 401, "{said}");
        assert_eq!(said.contains(&format!("`docker login {address}`")), says_login, "{said}");
    }
}

#[tokio::test]
async fn passed_token_limit_is_no_failure() {
    let registry = Registry::start(|faults| {
        faults.ask_for_token("http://SELF/token");
        faults.on_tokens([Fault::Status(429)]);
    })
    .await;
    let pin = image(&registry, "library/thing", &[&bytes(14)]);
    client().manifest(&pin.reference, &Notes::default()).await.expect("with the next token");
    assert_eq!(registry.token_requests().len(), 2, "refused, and had");
}
