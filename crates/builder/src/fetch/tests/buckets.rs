//! Objects of a bucket through lock and fetch, and attacks by a hostile S3 server: each has its own error code, and
//! leaves nothing in the store.
//!
//! A small fake server takes the place of a real one, which would not lie; the tests crate uses a real one.

use std::path::Path;

use landfall_media::durable;

use super::*;
use crate::lock::{List, Lock};
use crate::resolution::Resolution;
use landfall_test_support::package_server::{PackageServer, Resource};

const LIST: &str = "/models?encoding-type=url&list-type=2&prefix=llama%2F";
const WEIGHTS: &str = "/models/llama/model%20a.gguf";

struct Case {
    server: PackageServer,
    folder: tempfile::TempDir,
    notes: Notes,
}

impl Case {
    fn new() -> Self {
        let server = PackageServer::start().expect("server");
        server.put(WEIGHTS, Resource::File(b"weights".to_vec()));
        server.put("/models/llama/config.json", Resource::Page("application/json\r\nETag: \"two\"", "{}".to_owned()));
        let case = Self { server, folder: tempfile::tempdir().expect("folder"), notes: Notes::default() };
        case.list(&[
            ("llama/model%20a.gguf", 7, "one"),
            ("llama/config.json", 2, "two"),
            ("llama/notes.md", 9, "three"),
        ]);
        case
    }

    /// Sets the server's list: key, size and tag.
    fn list(&self, objects: &[(&str, u64, &str)]) {
        let object = |(key, size, tag): &(&str, u64, &str)| {
            format!("<Contents><Key>{key}</Key><ETag>\"{tag}\"</ETag><Size>{size}</Size></Contents>")
        };
        let objects: String = objects.iter().map(object).collect();
        let list = format!(
            "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><EncodingType>url</EncodingType>\
             <IsTruncated>false</IsTruncated>{objects}</ListBucketResult>"
        );
        self.server.put(LIST, Resource::Page("application/xml", list));
    }

    fn store(&self, name: &str) -> ContentStore {
        ContentStore::at(self.folder.path().join(name))
    }

    fn lock(&self) -> String {
        format!(
            "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: \
             models.example/llama:1\n    s3:\n      endpoint: {}\n      bucket: models\n      prefix: llama\n      \
             exclude: ['*.md']\n      pinned: unresolved\n",
            self.server.endpoint()
        )
    }

    async fn resolve(&self, client: &Client, text: &str) -> Resolution {
        let lock = Lock::parse(Path::new("images.lock"), text.to_owned()).expect("lock");
        crate::resolution::resolve(&lock, &[], client, &self.store("store"), &self.notes).await
    }

    /// Code and text of the only failure, with its causes.
    async fn refusal(&self, client: &Client) -> (&'static str, String) {
        let resolution = self.resolve(client, &self.lock()).await;
        let error = resolution.failures.first().expect("refused");
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        (error.code().id, format!("{error}{cause}"))
    }

    async fn fetch(&self, text: &str, store: &str) -> crate::error::Result<FetchedContent> {
        let lock = Lock::parse(Path::new("images.lock"), text.to_owned()).expect("lock");
        let pin = lock.artifact_pin(&lock.list(List::Artifacts)[0]).expect("pinned");
        fetch_all(&client(), &self.store(store), "linux/amd64", &[], &[pin], &self.notes).await
    }

    /// Paths of the requests since the last call.
    fn requested_paths(&self) -> Vec<String> {
        self.server.take_requests().into_iter().map(|seen| seen.path).collect()
    }
}

#[tokio::test]
async fn bucket_objects_are_fetched_by_digest() {
    let case = Case::new();
    let resolution = case.resolve(&client(), &case.lock()).await;
    assert!(resolution.failures.is_empty(), "{:?}", resolution.failures);
    let endpoint = case.server.endpoint();
    let expected = format!(
        "      pinned:\n        resolved: '{endpoint}/models/llama/ exclude *.md'\n        files:\n          \
         - {{path: 'config.json', etag: 'two', digest: '{}', size: 2}}\n          \
         - {{path: 'model a.gguf', etag: 'one', digest: '{}', size: 7}}\n",
        digest(b"{}"),
        digest(b"weights")
    );
    let text = case.lock().replace("      pinned: unresolved\n", &expected);
    assert_eq!(resolution.text, text);
    assert_eq!(case.requested_paths().len(), 3, "the list and two objects");

    // Known content is not read again, pinned or not; content in the store is not requested.
    let again = case.resolve(&client(), &case.lock()).await;
    assert_eq!((again.text.as_str(), case.requested_paths().as_slice()), (text.as_str(), &[LIST.to_owned()][..]));
    let holds = case.resolve(&client(), &text).await;
    assert_eq!((holds.resolved, holds.moved.len(), case.requested_paths().len()), (0, 0, 1));
    let fetched = case.fetch(&text, "store").await.expect("at hand");
    assert_eq!(case.requested_paths(), Vec::<String>::new());
    let sources: Vec<_> = fetched.artifacts[0]
        .manifest
        .layers
        .iter()
        .map(|layer| layer.annotations["dev.landfall.source"].clone())
        .collect();
    assert_eq!(sources, [format!("{endpoint}/models/llama/config.json"), format!("{endpoint}{WEIGHTS}")]);
    case.fetch(&text, "another").await.expect("fetched");
    assert_eq!(case.requested_paths().len(), 2);

    // A replaced object is detected by its tag, and its bytes are refused.
    case.list(&[("llama/model%20a.gguf", 7, "four"), ("llama/config.json", 2, "two")]);
    case.server.put(WEIGHTS, Resource::File(b"changed".to_vec()));
    let moved = case.resolve(&client(), &text).await.moved;
    assert!(moved[0].pinned.contains("ETag `one`") && moved[0].now.contains("ETag `four`"), "{moved:?}");
    let error = case.fetch(&text, "third").await.expect_err("refused");
    assert_eq!(error.code(), codes::FETCH_MISMATCH, "{error}");
    assert!(!case.store("third").contains(digest(b"changed")));
}

#[tokio::test]
async fn bucket_server_faults_are_reported() {
    let other = PackageServer::start().expect("server");
    let elsewhere = other.put("/weights", Resource::File(b"weights".to_vec()));
    for (path, resource, code) in [
        (LIST, Resource::Status(403), codes::OBJECT_REFUSED),
        (LIST, Resource::Status(301), codes::OBJECT_REFUSED),
        (LIST, Resource::Redirect(elsewhere.clone()), codes::OBJECT_REFUSED),
        (LIST, Resource::Status(404), codes::FILE_MISSING),
        (LIST, Resource::Page("text/html", "<html></html>".to_owned()), codes::OBJECT_LIST),
        (LIST, Resource::Endless("application/xml"), codes::BODY_TOO_LONG),
        (WEIGHTS, Resource::Redirect(elsewhere.clone()), codes::OBJECT_REFUSED),
        (WEIGHTS, Resource::Status(403), codes::OBJECT_REFUSED),
        (WEIGHTS, Resource::File(b"longer than listed".to_vec()), codes::FETCH_MISMATCH),
        // The size is the same, but the content differs from the listing.
        (WEIGHTS, Resource::Page("text/plain\r\nETag: \"five\"", "weights".to_owned()), codes::FETCH_MISMATCH),
    ] {
        let case = Case::new();
        case.server.put(path, resource.clone());
        let (found, what) = case.refusal(&client()).await;
        assert_eq!(found, code.id, "{resource:?}: {what}");
        let kept = [&b"weights"[..], b"longer than listed"]
            .into_iter()
            .any(|bytes| case.store("store").contains(digest(bytes)));
        assert!(!kept, "{resource:?}");
    }
    assert!(other.take_requests().is_empty(), "a server of S3 leads nowhere");
}

#[tokio::test]
async fn bucket_requests_are_signed_secretly() {
    let case = Case::new();
    let host = case.server.endpoint().replace("http://", "");
    let write = |name: &str, text: &str| {
        let path = case.folder.path().join(name);
        durable::write_file(&path, text.as_bytes(), 0o600).expect("file");
        path
    };
    write(
        "keys",
        "aws_access_key_id = AKIATEST\naws_secret_access_key = of-the-tests\naws_session_token = a-session\n",
    );
    let registries = write("registries.yaml", &format!("buckets: [{{host: '{host}', credentials: keys}}]\n"));
    let registries = Registries::read(&registries).expect("read");
    let with_keys = Client::new(registries, DockerConfiguration::default(), QUICK);
    // The server offers the listing only at its unsigned URL.
    let (code, what) = case.refusal(&with_keys).await;
    assert_eq!(code, codes::FILE_MISSING.id, "{what}");
    let asked = case.requested_paths();
    let parts = ["X-Amz-Signature=", "X-Amz-Credential=AKIATEST", "X-Amz-Security-Token=a-session", "prefix=llama%2F"];
    assert!(parts.iter().all(|part| asked[0].contains(part)), "{asked:?}");
    let said = case.notes.all().concat() + &what;
    assert!(!["X-Amz", "of-the-tests", "a-session"].iter().any(|secret| said.contains(secret)), "{said}");
    assert!(!asked[0].contains("of-the-tests"), "the secret leaves the machine");
}
