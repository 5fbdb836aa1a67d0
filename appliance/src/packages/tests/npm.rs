//! Tests of npm packages: documents and tarballs.

use std::path::Path;

use landfall_media::durable;
use landfall_packages::npm::{NpmList, Registry, inspect, sample};
use landfall_packages::{Index, sample as wheel_sample};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Site, header, place_files, wheels, write};

const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";

/// Header that npm sends.
const ACCEPT: (&str, &str) = ("accept", "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*");

/// Returns two packages, one of them in two versions.
pub fn packages() -> Vec<(String, Vec<u8>)> {
    let more = json!({ "dependencies": { "small": "^1.0.0" }, "bin": "index.js", "description": "A tool" });
    vec![
        sample::package("@scope/tool", "1.0.0", &more),
        sample::package("small", "1.0.0", &json!({})),
        sample::package("small", "1.1.0", &json!({ "os": ["linux"] })),
    ]
}

pub fn npm_list(folder: &Path, packages: &[(String, Vec<u8>)]) -> NpmList {
    let inspect = |path: &str, sha256, size, bytes: &[u8]| inspect(path, sha256, size, bytes).unwrap();
    NpmList::new(place_files(folder, "web", packages, inspect)).unwrap()
}

fn begin() -> Site {
    let folder = tempfile::tempdir().unwrap();
    let list = npm_list(folder.path(), &packages());
    Site::begin(folder, None, Some(Registry::new(list).unwrap()))
}

impl Site {
    async fn document(&self, path: &str, headers: &[(&str, &str)]) -> Value {
        let answer = self.get(path, headers).await;
        assert_eq!(answer.status(), 200, "{path}");
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }
}

#[tokio::test]
async fn packuments_follow_accept_header() {
    let site = begin();
    for path in ["/npm/@scope%2ftool", "/npm/@scope%2Ftool", "/npm/%40scope%2ftool", "/npm/@scope/tool", "/npm/small"] {
        let mut tags = Vec::new();
        for (headers, form) in [(vec![ACCEPT], ABBREVIATED), (vec![], "application/json")] {
            let answer = site.get(path, &headers).await;
            assert_eq!((answer.status().as_u16(), header(&answer, "content-type")), (200, form), "{path}");
            assert_eq!((header(&answer, "vary"), header(&answer, "cache-control")), ("accept", "no-cache"));
            assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
            let tag = header(&answer, "etag").to_owned();
            let again = site.get(path, &[headers.as_slice(), &[("if-none-match", tag.as_str())]].concat()).await;
            assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, tag.as_str()));
            tags.push(tag);
        }
        tags.dedup();
        assert_eq!(tags.len(), 2);
    }
    let packument = site.document("/npm/@scope%2ftool", &[ACCEPT]).await;
    assert_eq!((&packument["name"], &packument["dist-tags"]["latest"]), (&json!("@scope/tool"), &json!("1.0.0")));
    let version = &packument["versions"]["1.0.0"];
    assert_eq!((&version["bin"]["tool"], &version["dependencies"]["small"]), (&json!("index.js"), &json!("^1.0.0")));
    assert!(version.get("description").is_none());
    let full = site.document("/npm/@scope%2ftool", &[]).await;
    assert_eq!(full["versions"]["1.0.0"]["description"], "A tool");
    let small = site.document("/npm/small", &[ACCEPT]).await;
    assert_eq!(small["versions"].as_object().unwrap().keys().collect::<Vec<_>>(), ["1.0.0", "1.1.0"]);
}

#[tokio::test]
async fn version_has_own_document() {
    let site = begin();
    for (path, version) in [
        ("small/1.0.0", "1.0.0"),
        ("small/latest", "1.1.0"),
        ("@scope%2ftool/1.0.0", "1.0.0"),
        ("@scope/tool/latest", "1.0.0"),
    ] {
        let document = site.document(&format!("/npm/{path}"), &[]).await;
        assert_eq!(document["version"], version, "{path}");
        assert!(document["dist"]["integrity"].as_str().unwrap().starts_with("sha512-"));
    }
    for path in ["small/2.0.0", "small/^1.0.0", "other/1.0.0", "small/1.0.0/"] {
        assert_eq!(site.get(&format!("/npm/{path}"), &[]).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn tarball_links_follow_host_header() {
    let site = begin();
    let own = site.address.to_string();
    for host in [own.as_str(), "packages.packages.svc.cluster.local", "packages.packages", "[::1]:4873"] {
        let document = site.document("/npm/@scope%2ftool/1.0.0", &[("host", host)]).await;
        let address = document["dist"]["tarball"].as_str().unwrap();
        assert_eq!(address, format!("http://{host}/npm/@scope/tool/-/tool-1.0.0.tgz"));
    }
    for host in ["a b", "user@host", "host/path", "host:port", "a\"b"] {
        let answer = site.get("/npm/small", &[("host", host)]).await;
        assert_eq!(answer.status(), 400, "{host}");
        assert!(!answer.text().await.unwrap().contains(host));
    }
    let (_, bytes) = packages().swap_remove(0);
    // Below the registry; at the path in a lock of another registry; with the slash encoded.
    for path in [
        "/npm/@scope/tool/-/tool-1.0.0.tgz",
        "/@scope/tool/-/tool-1.0.0.tgz",
        "/npm/@scope%2ftool/-/tool-1.0.0.tgz",
        "/@scope%2ftool/-/tool-1.0.0.tgz",
    ] {
        let whole = site.get(path, &[]).await;
        assert_eq!(
            (whole.status().as_u16(), header(&whole, "content-type")),
            (200, "application/octet-stream"),
            "{path}"
        );
        let tag = header(&whole, "etag").to_owned();
        assert_eq!(whole.bytes().await.unwrap(), bytes);
        let part = site.get(path, &[("range", "bytes=5-9"), ("if-range", &tag)]).await;
        assert_eq!((part.status().as_u16(), part.bytes().await.unwrap()), (206, bytes[5..10].to_vec().into()));
        assert_eq!(site.get(path, &[("if-none-match", &tag)]).await.status(), 304);
        let head = site.ask(Method::HEAD, path, &[]).await;
        assert_eq!(header(&head, "content-length"), bytes.len().to_string());
    }
}

#[tokio::test]
async fn only_listed_files_are_served() {
    let site = begin();
    let folder = site.folder.path();
    let (_, unlisted) = sample::package("unlisted", "1.0.0", &json!({}));
    write(&folder.join("web/unlisted/-/unlisted-1.0.0.tgz"), &unlisted);
    write(&folder.join("web/package-lock.json"), b"{}");
    for path in [
        "/npm/unlisted",
        "/npm/unlisted/-/unlisted-1.0.0.tgz",
        "/unlisted/-/unlisted-1.0.0.tgz",
        "/npm/package-lock.json",
        "/npm/..%2fweb%2fpackage-lock.json",
        "/npm/small/-/..%2f..%2fpackage-lock.json",
        "/npm/small/-/small-1.0.0.tgz%00",
        "/npm/small/-/small-9.0.0.tgz",
        "/npm/small/-/tool-1.0.0.tgz",
        "/npm/tool/-/tool-1.0.0.tgz",
        "/npm/%2fetc%2fpasswd",
        "/npm/-/v1/search",
        "/npm/-/npm-1.0.0.tgz",
        "/npm/-/npm/v1/security/advisories/bulk",
        "/npm/",
        "/small",
        "/web/unlisted/-/unlisted-1.0.0.tgz",
        "/",
        "/simple/",
    ] {
        assert_eq!(site.get(path, &[]).await.status(), 404, "{path}");
    }
    for (method, path) in [
        (Method::PUT, "/npm/small"),
        (Method::POST, "/npm/-/npm/v1/security/advisories/bulk"),
        (Method::DELETE, "/npm/small/-/small-1.0.0.tgz"),
    ] {
        assert_eq!(site.ask(method, path, &[]).await.status(), 405, "{path}");
    }
    assert_eq!(site.get("/npm/-/ping", &[]).await.text().await.unwrap(), "{}");
    assert_eq!(site.get("/health/live", &[]).await.status(), 200);
}

#[tokio::test]
async fn changed_tarball_has_no_document() {
    let site = begin();
    let path = site.folder.path().join("web/small/-/small-1.0.0.tgz");
    let (_, bytes) = packages().swap_remove(1);
    durable::remove_file(&path).unwrap();
    let missing = site.get("/npm/small/1.0.0", &[]).await;
    assert_eq!(missing.status(), 500);
    assert!(missing.text().await.unwrap().contains("the log of the index says why"));
    // The packument needs each version, but the other version's document does not.
    assert_eq!(site.get("/npm/small", &[]).await.status(), 500);
    assert_eq!(site.get("/npm/small/1.1.0", &[]).await.status(), 200);
    write(&path, &vec![0; bytes.len()]);
    assert_eq!(site.get("/npm/small/1.0.0", &[]).await.status(), 500, "no archive");
    let files: [(&str, &[u8]); 1] = [("package/package.json", br#"{"name":"small","version":"1.0.0"}"#)];
    let mut other = sample::archive(&files);
    other.resize(bytes.len(), 0);
    write(&path, &other);
    let answer = site.get("/npm/small/1.0.0", &[]).await;
    assert_eq!(answer.status(), 500, "another package.json");
    // A client with the integrity value refuses these bytes.
    assert_eq!(site.get("/npm/small/-/small-1.0.0.tgz", &[]).await.bytes().await.unwrap(), other);
}

#[tokio::test]
async fn wheels_and_npm_share_server() {
    let folder = tempfile::tempdir().unwrap();
    // Packages with the names of the routes.
    let named = ["npm", "simple", "files", "health"].map(|name| sample::package(name, "1.0.0", &json!({})));
    let list = npm_list(folder.path(), &named);
    let index = Index::new(&wheels::wheel_list(folder.path(), &[wheel_sample::wheel("small", "1.0", "")])).unwrap();
    let site = Site::begin(folder, Some(index), Some(Registry::new(list).unwrap()));
    for path in
        ["/simple/", "/simple/small/", "/files/small-1.0-py3-none-any.whl", "/npm/npm", "/npm/simple", "/health/live"]
    {
        assert_eq!(site.get(path, &[]).await.status(), 200, "{path}");
    }
    for name in ["npm", "simple", "files", "health"] {
        for path in [format!("/npm/{name}/-/{name}-1.0.0.tgz"), format!("/{name}/-/{name}-1.0.0.tgz")] {
            assert_eq!(site.get(&path, &[]).await.status(), 200, "{path}");
        }
    }
    assert_eq!(site.get("/simple/missing/", &[]).await.status(), 404);
}
