//! Tests of the protocol over real connections, with a host in memory.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use landfall_host_api::testing::ROOM_BYTES;
use landfall_peer::PIECE_BYTES;
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::people::Scope;
use crate::testing::{REQUEST_IDS, Reply, Site, Visitor, until};

const UPLOADS: &str = "/api/v1/uploads";
const RESUMABLE: (&str, &str) = ("tus-resumable", "1.0.0");
const OCTETS: (&str, &str) = ("content-type", "application/offset+octet-stream");

impl Visitor {
    async fn begin_upload(&self, size: usize) -> Reply {
        // The name is `a.landfall`.
        let (length, metadata) = (size.to_string(), "filename YS5sYW5kZmFsbA==,filetype dGV4dA==");
        let csrf = ("x-csrf-token", self.csrf.as_str());
        let headers = [RESUMABLE, csrf, ("upload-length", &length), ("upload-metadata", metadata)];
        self.send(Method::POST, UPLOADS, &headers, "").await
    }

    /// Begins an upload, and returns its address.
    async fn new_upload_place(&self, size: usize) -> String {
        let reply = self.begin_upload(size).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
        reply.header("location").to_owned()
    }

    async fn add(&self, place: &str, offset: usize, bytes: &str) -> Reply {
        let (offset, csrf) = (offset.to_string(), ("x-csrf-token", self.csrf.as_str()));
        let headers = [RESUMABLE, csrf, OCTETS, ("upload-offset", &offset)];
        self.send(Method::PATCH, place, &headers, bytes).await
    }

    async fn head(&self, place: &str) -> Reply {
        self.send(Method::HEAD, place, &[RESUMABLE], "").await
    }

    async fn remove(&self, place: &str) -> Reply {
        let headers = [RESUMABLE, ("x-csrf-token", self.csrf.as_str())];
        self.send(Method::DELETE, place, &headers, "").await
    }
}

#[tokio::test]
async fn tus_upload_becomes_medium() {
    let site = Site::begin().await;
    let program = site.program("olga", &[Scope::Upgrade, Scope::Read]).await;
    let abilities = program.send(Method::OPTIONS, UPLOADS, &[], "").await;
    assert_eq!(abilities.status, StatusCode::NO_CONTENT);
    for (name, value) in [
        ("tus-version", "1.0.0"),
        ("tus-extension", "creation,expiration,termination"),
        ("tus-max-size", &ROOM_BYTES.to_string()),
    ] {
        assert_eq!(abilities.header(name), value);
    }
    let begun = program.begin_upload(11).await;
    assert_eq!((begun.status, begun.header("upload-offset")), (StatusCode::CREATED, "0"));
    assert_eq!(begun.json()["name"], "a.landfall");
    let place = begun.header("location").to_owned();
    let added = program.add(&place, 0, "hello ").await;
    assert_eq!((added.status, added.header("upload-offset")), (StatusCode::NO_CONTENT, "6"), "{}", added.body);
    assert!(added.header("upload-expires").ends_with(" GMT") && added.header("tus-resumable") == "1.0.0");
    let head = program.head(&place).await;
    assert_eq!((head.status, head.header("upload-offset"), head.header("upload-length")), (StatusCode::OK, "6", "11"));
    assert!(head.body.is_empty() && head.header("cache-control") == "no-store");
    assert_eq!(program.add(&place, 5, "world").await.refusal(), (409, "LF5049"));
    assert_eq!(program.add(&place, 6, "world").await.header("upload-offset"), "11");
    assert_eq!(site.host.uploads.bytes(), b"hello world");
    let upload = program.get(&place).await.json();
    let media = program.get("/api/v1/media").await.json();
    let medium = media["media"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&medium["id"], medium["place"].as_str().unwrap()), (&upload["medium"], upload_place(&upload).as_str()));
    assert_eq!(program.get(UPLOADS).await.json()["upload"], upload);
    assert_eq!(program.remove(&place).await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        (program.head(&place).await.status, program.remove(&place).await.status.as_u16()),
        (StatusCode::NOT_FOUND, 404)
    );
}

fn upload_place(upload: &serde_json::Value) -> String {
    format!("uploaded by {}", upload["by"].as_str().unwrap())
}

#[tokio::test]
async fn large_bodies_need_form_token() {
    let site = Site::begin().await;
    let olga = site.sign_in("olga").await;
    let long = "x".repeat(2 * PIECE_BYTES + 9);
    let place = olga.new_upload_place(long.len()).await;
    let other_page = Visitor { csrf: "0".repeat(64), ..olga.clone() };
    assert_eq!(other_page.add(&place, 0, &long).await.refusal(), (403, "LF5022"));
    let foreign = Visitor { origin: Some("https://evil.example".to_owned()), ..olga.clone() };
    assert_eq!(foreign.add(&place, 0, &long).await.refusal(), (403, "LF5022"));
    assert!(site.host.pieces.lock().unwrap().is_empty(), "a piece reached the host");
    assert_eq!(olga.add(&place, 0, &long).await.header("upload-offset"), long.len().to_string());
    assert_eq!(*site.host.pieces.lock().unwrap(), [PIECE_BYTES, PIECE_BYTES, 9]);
}

#[tokio::test]
async fn other_upload_protocols_are_refused() {
    let site = Site::begin().await;
    let program = site.program("olga", &[Scope::Upgrade]).await;
    let place = program.new_upload_place(10).await;
    let sent =
        async |method: Method, place: &str, headers: &[(&str, &str)]| program.send(method, place, headers, "").await;
    for (method, headers) in [
        (Method::POST, vec![("upload-length", "7")]),
        (Method::POST, vec![("tus-resumable", "0.2.2"), ("upload-length", "7")]),
        (Method::PATCH, vec![OCTETS, ("upload-offset", "0")]),
        (Method::DELETE, vec![]),
        (Method::GET, vec![("tus-resumable", "2.0.0")]),
    ] {
        let path = if method == Method::POST { UPLOADS } else { &place };
        let reply = sent(method.clone(), path, &headers).await;
        assert_eq!(reply.refusal(), (412, "LF5052"), "{method} {headers:?}");
        assert_eq!((reply.header("tus-version"), reply.header("tus-resumable")), ("1.0.0", "1.0.0"));
    }
    assert_eq!(sent(Method::HEAD, &place, &[]).await.status.as_u16(), 412);
    for length in
        [vec![], vec![("upload-length", "0")], vec![("upload-length", "-1")], vec![("upload-defer-length", "1")]]
    {
        let headers: Vec<_> = length.into_iter().chain([RESUMABLE]).collect();
        assert_eq!(sent(Method::POST, UPLOADS, &headers).await.refusal(), (422, "LF5023"), "{headers:?}");
    }
    let kinds = [RESUMABLE, ("content-type", "application/json"), ("upload-offset", "0")];
    assert_eq!(sent(Method::PATCH, &place, &kinds).await.refusal(), (415, "LF5023"));
    assert_eq!(sent(Method::PATCH, &place, &[RESUMABLE, OCTETS]).await.refusal(), (422, "LF5023"));
    let overridden = [RESUMABLE, ("x-http-method-override", "DELETE"), ("upload-length", "7")];
    assert_eq!(sent(Method::POST, UPLOADS, &overridden).await.status.as_u16(), 409, "the method was overridden");
    for odd in ["/api/v1/uploads/..%2f..%2fstatus", "/api/v1/uploads/0123abcd", "/api/v1/uploads/%00"] {
        for reply in [program.add(odd, 0, "x").await, program.remove(odd).await, program.get(odd).await] {
            assert_eq!(reply.status, StatusCode::NOT_FOUND, "{odd}: {}", reply.body);
        }
    }
}

#[tokio::test]
async fn excess_uploads_are_refused() {
    let site = Site::begin().await;
    let (olga, root) = (site.program("olga", &[Scope::Upgrade]).await, site.program("root", &[Scope::Upgrade]).await);
    let large = usize::try_from(ROOM_BYTES).unwrap() + 1;
    assert_eq!(olga.begin_upload(large).await.refusal(), (413, "LF1202"));
    let place = olga.new_upload_place(PIECE_BYTES + 5).await;
    let second = root.begin_upload(9).await;
    assert_eq!(second.refusal(), (409, "LF5048"));
    assert!(second.body.contains("ada uploads"), "the owner is not named: {}", second.body);
    let endless = "x".repeat(3 * PIECE_BYTES);
    assert_eq!(olga.add(&place, 0, &endless).await.refusal(), (413, "LF5050"));
    assert_eq!(
        olga.head(&place).await.header("upload-offset"),
        PIECE_BYTES.to_string(),
        "more than one extra piece was sent"
    );

    *site.host.piece_pause.lock().unwrap() = Duration::from_secs(1);
    let first = tokio::spawn({
        let (olga, place) = (olga.clone(), place.clone());
        async move { olga.add(&place, PIECE_BYTES, "12345").await.status }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(root.add(&place, PIECE_BYTES, "12345").await.refusal(), (423, "LF5048"));
    assert_eq!(first.await.unwrap(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn interrupted_upload_continues() {
    let site = Site::begin().await;
    let program = site.program("olga", &[Scope::Upgrade]).await;
    let place = program.new_upload_place(1000).await;
    let stream = TcpStream::connect(site.address).await.unwrap();
    let mut stream = site.tls.connect(ServerName::try_from("console").unwrap(), stream).await.unwrap();
    let key = program.key.clone().unwrap();
    let head = format!(
        "PATCH {place} HTTP/1.1\r\nhost: console\r\nauthorization: Bearer {key}\r\ntus-resumable: 1.0.0\r\n\
         upload-offset: 0\r\n\
         content-type: application/offset+octet-stream\r\ncontent-length: 1000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b'a'; 300]).await.unwrap();
    stream.flush().await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(stream);
    until(async || program.head(&place).await.header("upload-offset") == "300").await;
    assert_eq!(program.add(&place, 300, &"b".repeat(700)).await.header("upload-offset"), "1000");
    assert_eq!(site.host.uploads.bytes(), [[b'a'; 300].as_slice(), &[b'b'; 700]].concat());
}

#[tokio::test]
async fn hostile_bundle_is_refused_and_recorded() {
    let site = Site::begin().await;
    let olga = site.sign_in("olga").await;
    let place = olga.new_upload_place(100).await;
    assert_eq!(olga.add(&place, 0, "unsigned nonsense").await.refusal(), (422, "LF1104"));
    assert_eq!(olga.head(&place).await.status, StatusCode::NOT_FOUND, "the refused bundle is kept");
    let place = olga.new_upload_place(5).await;
    assert_eq!(olga.add(&place, 0, "12345").await.status, StatusCode::NO_CONTENT);
    assert_eq!(olga.begin_upload(6).await.refusal(), (409, "LF5048"));
    assert_eq!(olga.remove(&place).await.status, StatusCode::NO_CONTENT);
    let lines = site.audit_lines("upload.").await.join("\n");
    insta::with_settings!({ filters => [REQUEST_IDS] }, { insta::assert_snapshot!(lines) });
}

#[tokio::test]
async fn silent_host_receives_no_upload() {
    let site = Site::begin().await;
    let program = site.program("olga", &[Scope::Upgrade]).await;
    let place = program.new_upload_place(10).await;
    site.host.is_silent.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(program.add(&place, 0, "x").await.refusal(), (503, "LF5010"));
    let abilities = program.send(Method::OPTIONS, UPLOADS, &[], "").await;
    assert_eq!((abilities.status, abilities.header("tus-max-size")), (StatusCode::NO_CONTENT, ""));
}
