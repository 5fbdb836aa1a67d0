//! Tests with failing servers: each kind of trouble has its code, ends in time, and persists.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use landfall_error_codes::{CodedError as _, codes};
use uuid::Uuid;

use super::*;
use crate::{Place, Repository, RepositoryKey};

const SECRET: &str = "s3cret-access-key";

const SHORT: Limits = Limits {
    connect: Duration::from_millis(500),
    answer: Duration::from_millis(300),
    least_rate: 1 << 30,
    tries: 3,
    pause: Duration::from_millis(10),
    total: Duration::from_mins(1),
    signed: Duration::from_mins(1),
    at_a_time: 4,
};

fn bucket_at(address: SocketAddr, limits: Limits) -> Bucket {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    let text = format!("aws_access_key_id = AKIAKEY\naws_secret_access_key = {SECRET}\n");
    landfall_media::durable::write_file(&path, text.as_bytes(), 0o600).unwrap();
    let address = BucketAddress {
        endpoint: format!("http://{address}"),
        region: "us-east-1".to_owned(),
        bucket: "backups".to_owned(),
        prefix: "sites/one".to_owned(),
        path_style: true,
    };
    Bucket::with_limits(&address, BucketCredentials::read(&path).unwrap(), None, None, limits).unwrap()
}

/// Checks every form in which the failure of a bucket may be shown; none may contain the credentials or a signature.
fn refuse_secrets(error: &BackupError, bucket: &Bucket) {
    for text in [format!("{error}"), format!("{error:?}"), format!("{bucket:?}")] {
        for secret in [SECRET, "AKIAKEY", "X-Amz", "Signature"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

/// Starts a server that gives every request this answer; with `None` it never answers.
fn server(answer: Option<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            match answer {
                Some(answer) => {
                    let _ = stream.read(&mut [0; 8192]);
                    let _ = stream.write_all(answer.as_bytes());
                }
                None => silent.push(stream),
            }
        }
    });
    address
}

fn trouble_at(address: SocketAddr) -> BackupError {
    let bucket = bucket_at(address, SHORT);
    let begun = Instant::now();
    let error = BackupError::io("list", bucket.place(), bucket.list("index").unwrap_err());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    refuse_secrets(&error, &bucket);
    // Every later request fails with the same error, immediately.
    let begun = Instant::now();
    let again = bucket.write(Path::new("config"), b"config").unwrap_err();
    assert_eq!((again.code(), again.to_string()), (error.code(), error.to_string()));
    assert_eq!(bucket.failure().unwrap().to_string(), error.to_string());
    assert!(begun.elapsed() < SHORT.answer, "{:?}", begun.elapsed());
    error
}

#[test]
fn server_failures_have_distinct_codes() {
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    assert_eq!(trouble_at(nobody).code(), codes::BUCKET_UNREACHABLE);
    assert_eq!(trouble_at(server(None)).code(), codes::BUCKET_SLOW);
    let of = |answer: &'static str| trouble_at(server(Some(answer))).code();
    assert_eq!(of("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"), codes::BUCKET_ANSWER);
    assert_eq!(of("SSH-2.0-OpenSSH_9.2\r\n"), codes::BUCKET_UNREACHABLE);
    assert_eq!(of("HTTP/1.1 500 no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"), codes::BUCKET_UNREACHABLE);
    assert_eq!(of("HTTP/1.1 507 full\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"), codes::BUCKET_FULL);
    // A redirect is not followed: the signature is for this server.
    let elsewhere =
        "HTTP/1.1 307 there\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    assert_eq!(of(elsewhere), codes::BUCKET_REFUSED);
    // The response is truncated.
    assert_eq!(
        of("HTTP/1.1 200 OK\r\ncontent-length: 500\r\nconnection: close\r\n\r\nhello"),
        codes::BUCKET_UNREACHABLE
    );
}

#[test]
fn total_timeout_ends_request() {
    let bucket = bucket_at(server(None), Limits { total: Duration::ZERO, ..SHORT });
    let error = BackupError::io("list", bucket.place(), bucket.list("index").unwrap_err());
    assert_eq!(error.code(), codes::BUCKET_SLOW);
}

/// A silent server must not look like a repository that lost its files.
#[test]
fn silent_server_is_reported_as_slow() {
    let (key, site) = (RepositoryKey::generate(), Uuid::from_u128(7));
    let opened = Repository::open(Place::from(bucket_at(server(None), SHORT)), site, &key);
    assert_eq!(opened.err().unwrap().code(), codes::BUCKET_SLOW);
    let made = Repository::create(Place::from(bucket_at(server(None), SHORT)), site, &key);
    assert_eq!(made.err().unwrap().code(), codes::BUCKET_SLOW);
}

#[test]
fn malformed_address_is_refused() {
    let address = |endpoint: &str| BucketAddress {
        endpoint: endpoint.to_owned(),
        region: "us-east-1".to_owned(),
        bucket: "backups".to_owned(),
        prefix: String::new(),
        path_style: true,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    landfall_media::durable::write_file(&path, b"aws_access_key_id = a\naws_secret_access_key = b\n", 0o600).unwrap();
    let credentials = BucketCredentials::read(&path).unwrap();
    for bad in ["", "no address", "ftp://127.0.0.1"] {
        let made = Bucket::new(&address(bad), credentials.clone(), None, None);
        assert_eq!(made.err().unwrap().code(), codes::BACKUP_COPY_PLACE, "{bad}");
    }
    let authority =
        Bucket::new(&address("https://127.0.0.1"), credentials, Some(b"-----BEGIN CERTIFICATE-----\nno\n"), None);
    assert_eq!(authority.err().unwrap().code(), codes::BACKUP_COPY_PLACE);
}

/// Object names that lead out of the folder of a copy: as an absolute path, by `..`, and as a folder's own marker.
#[test]
fn escaping_object_names_stay_inside() {
    const NAMES: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<?xml version=\"1.0\"?>\
        <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>backups</Name>\
        <Prefix></Prefix><KeyCount>5</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>\
        <Contents><Key>sites/one/config</Key><Size>1</Size></Contents>\
        <Contents><Key>sites/one//etc/cron.d/evil</Key><Size>1</Size></Contents>\
        <Contents><Key>sites/one/index/..</Key><Size>1</Size></Contents>\
        <Contents><Key>sites/one/index/</Key><Size>0</Size></Contents>\
        <Contents><Key>sites/one/index/0a1b</Key><Size>1</Size></Contents>\
        <CommonPrefixes><Prefix>sites/one//</Prefix></CommonPrefixes>\
        <CommonPrefixes><Prefix>sites/one/../</Prefix></CommonPrefixes>\
        <CommonPrefixes><Prefix>sites/one/index/</Prefix></CommonPrefixes></ListBucketResult>";
    let files = Place::from(bucket_at(server(Some(NAMES)), SHORT)).files().unwrap();
    let is_inside = |file: &PathBuf| {
        file.is_relative() && file.components().all(|part| matches!(part, std::path::Component::Normal(_)))
    };
    assert!(files.iter().all(is_inside), "{files:?}");
    assert!(files.contains(&PathBuf::from("config")) && files.contains(&PathBuf::from("index/0a1b")), "{files:?}");
    assert!(files.iter().all(|file| !file.ends_with("evil") || file.starts_with("index")), "{files:?}");
}
