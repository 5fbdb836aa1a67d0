//! Tests of wheels: pages and files.

use std::os::unix::fs::symlink;
use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_media::durable;
use landfall_packages::{Index, WheelList, inspect, sample};
use reqwest::Method;
use serde_json::Value;

use super::{Site, header, place_files, write};

const FILE: &str = "small-1.0-py3-none-any.whl";

pub fn wheel_list(folder: &Path, wheels: &[(String, Vec<u8>)]) -> WheelList {
    let inspect = |path: &str, sha256, size, bytes: &[u8]| inspect(path, sha256, size, bytes).unwrap();
    WheelList::new(place_files(folder, "set", wheels, inspect)).unwrap()
}

/// Starts an index of two wheels, and returns the bytes of the first one.
fn begin() -> (Site, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let wheels = [sample::wheel("small", "1.0", "Requires-Python: >=3.8\n"), sample::wheel("Other_One", "2.0+cpu", "")];
    let index = Index::new(&wheel_list(folder.path(), &wheels)).unwrap();
    let [(_, small), _] = wheels;
    (Site::begin(folder, Some(index), None), small)
}

#[tokio::test]
async fn pages_follow_accept_header() {
    let (site, small) = begin();
    for (accept, form) in [
        ("text/html", "text/html; charset=utf-8"),
        ("application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.v1+html"),
        ("application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v1+json"),
    ] {
        let mut tags = Vec::new();
        for path in ["/simple/", "/simple/small/", "/simple/other-one/"] {
            let page = site.get(path, &[("accept", accept)]).await;
            assert_eq!((page.status().as_u16(), header(&page, "content-type")), (200, form), "{path}");
            assert_eq!((header(&page, "vary"), header(&page, "cache-control")), ("accept", "no-cache"));
            let tag = header(&page, "etag").to_owned();
            let again = site.get(path, &[("accept", accept), ("if-none-match", &tag)]).await;
            assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, tag.as_str()));
            tags.push(tag);
        }
        tags.dedup();
        assert_eq!(tags.len(), 3);
    }
    let page = site.get("/simple/small/", &[("accept", "application/vnd.pypi.simple.v1+json")]).await;
    let page: Value = serde_json::from_slice(&page.bytes().await.unwrap()).unwrap();
    assert_eq!((&page["meta"]["api-version"], &page["versions"][0]), (&"1.1".into(), &"1.0".into()));
    assert_eq!(page["files"][0]["hashes"]["sha256"], Sha256::of(&small).to_hex());
    assert_eq!(site.get("/simple/", &[("accept", "application/json")]).await.status(), 406);
    assert_eq!(site.get("/simple/missing/", &[]).await.status(), 404);
    assert_eq!(site.ask(Method::POST, "/simple/", &[]).await.status(), 405);
    assert_eq!(site.ask(Method::DELETE, &format!("/files/{FILE}"), &[]).await.status(), 405);
}

#[tokio::test]
async fn spellings_redirect_to_page() {
    let (site, _) = begin();
    for (path, to) in [
        ("/simple", "simple/"),
        ("/simple/small", "small/"),
        ("/simple/Other.One", "other-one/"),
        ("/simple/Other__One/", "../other-one/"),
    ] {
        let answer = site.get(path, &[]).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (308, to), "{path}");
    }
    assert_eq!(site.get("/simple/x%0d%0aset-cookie:%20a", &[]).await.status(), 404);
}

#[tokio::test]
async fn files_support_range_requests() {
    let (site, small) = begin();
    let path = format!("/files/{FILE}");
    let whole = site.get(&path, &[]).await;
    assert_eq!((whole.status().as_u16(), header(&whole, "accept-ranges")), (200, "bytes"));
    assert_eq!(header(&whole, "content-length"), small.len().to_string());
    let tag = header(&whole, "etag").to_owned();
    assert_eq!(whole.bytes().await.unwrap(), small);

    let part = site.get(&path, &[("range", "bytes=5-9"), ("if-range", &tag)]).await;
    let range = format!("bytes 5-9/{}", small.len());
    assert_eq!((part.status().as_u16(), header(&part, "content-range")), (206, range.as_str()));
    assert_eq!(part.bytes().await.unwrap(), small[5..10]);
    let end = site.get(&path, &[("range", "bytes=-7")]).await;
    assert_eq!(end.bytes().await.unwrap(), small[small.len() - 7..]);
    let changed = site.get(&path, &[("range", "bytes=5-9"), ("if-range", "\"other\"")]).await;
    assert_eq!((changed.status().as_u16(), changed.bytes().await.unwrap().len()), (200, small.len()));
    let beyond = site.get(&path, &[("range", "bytes=99999999-")]).await;
    assert_eq!(beyond.status(), 416);
    assert_eq!(header(&beyond, "content-range"), format!("bytes */{}", small.len()));
    assert_eq!(site.get(&path, &[("if-none-match", &tag)]).await.status(), 304);

    let head = site.ask(Method::HEAD, &path, &[]).await;
    assert_eq!(header(&head, "content-length"), small.len().to_string());
    assert_eq!(site.get("/files/Other_One-2.0%2Bcpu-py3-none-any.whl", &[]).await.status(), 200);

    let metadata = site.get(&format!("{path}.metadata"), &[]).await;
    let tag = header(&metadata, "etag").to_owned();
    assert_eq!(metadata.text().await.unwrap(), sample::metadata("small", "1.0", "Requires-Python: >=3.8\n"));
    assert_eq!(site.get(&format!("{path}.metadata"), &[("if-none-match", &tag)]).await.status(), 304);
}

#[tokio::test]
async fn large_file_is_streamed() {
    let folder = tempfile::tempdir().unwrap();
    let noise: Vec<u8> = (0_u32..1 << 20).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let metadata = sample::metadata("small", "1.0", "");
    let bytes = sample::archive(&[("small.bin", &noise), ("small-1.0.dist-info/METADATA", metadata.as_bytes())]);
    let index = Index::new(&wheel_list(folder.path(), &[(FILE.to_owned(), bytes.clone())])).unwrap();
    let site = Site::begin(folder, Some(index), None);
    let asked = site.get(&format!("/files/{FILE}"), &[]).await;
    assert!(bytes.len() > 1 << 20 && asked.bytes().await.unwrap() == bytes);
}

#[tokio::test]
async fn only_listed_files_are_served() {
    let (site, small) = begin();
    let folder = site.folder.path();
    write(&folder.join("set/unlisted-1.0-py3-none-any.whl"), b"unlisted");
    write(&folder.join("requirements.txt"), b"text");
    for name in [
        "unlisted-1.0-py3-none-any.whl",
        "requirements.txt",
        "..%2frequirements.txt",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "set%2fsmall-1.0-py3-none-any.whl",
        "small-1.0-py3-none-any.whl%00",
        "small-1.0-py3-none-any.whl.metadata.metadata",
        ".metadata",
    ] {
        assert_eq!(site.get(&format!("/files/{name}"), &[]).await.status(), 404, "{name}");
    }
    assert_eq!(site.get("/files/", &[]).await.status(), 404);
    assert_eq!(site.get("/", &[]).await.status(), 404);
    assert_eq!(site.get("/health/live", &[]).await.status(), 200);

    let path = folder.join("set").join(FILE);
    durable::remove_file(&path).unwrap();
    let missing = site.get(&format!("/files/{FILE}"), &[]).await;
    assert_eq!(missing.status(), 500);
    assert!(missing.text().await.unwrap().contains("the log of the index says why"));
    symlink("/etc/passwd", &path).unwrap();
    assert_eq!(site.get(&format!("/files/{FILE}"), &[]).await.status(), 500, "a link");
    durable::remove_file(&path).unwrap();
    write(&path, &[0; 20]);
    assert_eq!(site.get(&format!("/files/{FILE}"), &[]).await.status(), 500, "another length");
    let (_, other) = sample::wheel("small", "1.0", "Requires-Python: >=3.9\n");
    assert_eq!(other.len(), small.len());
    write(&path, &other);
    assert_eq!(site.get(&format!("/files/{FILE}.metadata"), &[]).await.status(), 500, "other METADATA");
}
