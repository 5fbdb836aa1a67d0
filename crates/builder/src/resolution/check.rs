//! `landfall lock --check`: checks that all pins are resolved, fresh, and still what upstream has.
//!
//! Nothing is written, and no pinned content is fetched except charts. These are rendered with the rest of the release,
//! because the lock must have every image that it names.

use std::collections::BTreeSet;
use std::path::PathBuf;

use futures_util::{StreamExt as _, stream};
use landfall_error_codes::{Code, CodedError as _, codes};
use landfall_media::progress::Progress;
use schemars::JsonSchema;
use serde::Serialize;

use super::command::OpenLock;
use super::discovery::{Discovery, LockComparison, LockFindings, compare};
use super::resolve::{MovedPin, Outcome, Resolver};
use super::wheels::WheelSet;
use crate::error::{BuildError, Place, Result};
use crate::fetch::{Client, FileRequest, RequestTarget};
use crate::hub::HubName;
use crate::lock::set::{SetKind, SetPinned};
use crate::lock::{Content, List, LockEntry, LockedFile, SetFields};
use crate::options::LockOptions;
use crate::reference::Reference;
use crate::signatures;

/// Number of entries and files that are requested in parallel.
const PARALLEL: usize = 8;

/// Error codes for content that is no longer published.
const WITHDRAWN: [Code; 4] =
    [codes::IMAGE_MISSING, codes::FILE_MISSING, codes::CHART_NOT_OFFERED, codes::PACKAGE_MISSING];

/// Error codes for content that has changed.
const CHANGED: [Code; 3] = [codes::FETCH_MISMATCH, codes::SUMS_DIFFER, codes::SUMS_WITHOUT_FILE];

/// Result of a check that found the lock unchanged upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockCheck {
    /// Lock that was read.
    pub lock: PathBuf,
    /// Number of manifests, repositories and files that were requested.
    pub asked: usize,
    /// Comparison of the release with the lock. `added` and `unlisted` are empty: an image without an entry is an
    /// error.
    pub found: LockFindings,
}

/// A pinned entry or file.
enum PinnedItem<'a> {
    Entry(&'a LockEntry),
    File(&'a LockedFile),
}

/// Checks the lock of a release. One error names all pins that are unresolved, stale, moved or withdrawn, all failed
/// requests, and each image that the lock lacks.
pub async fn check(options: &LockOptions, progress: &dyn Progress) -> Result<LockCheck> {
    let opened = OpenLock::read(options)?;
    let client = Client::from_configuration(options.source.registries.as_deref())?;
    let OpenLock { path, lock, store, .. } = &opened;
    let looked = look(Resolver { lock, client: &client, store, progress }).await;
    let LockComparison { found, missing } =
        compare(Discovery { options, opened: &opened, client: &client, progress }).await;
    let outdated = looked.fault().map(|what| (codes::LOCK_OUTDATED, what));
    let lacking = lacking(&missing).map(|what| (codes::LOCK_LACKS_IMAGES, what));
    let faults: Vec<_> = outdated.into_iter().chain(lacking).collect();
    let Some((code, _)) = faults.first() else {
        return Ok(LockCheck { lock: path.clone(), asked: looked.asked, found });
    };
    let what: Vec<_> = faults.iter().map(|(_, what)| what.as_str()).collect();
    Err(BuildError::at(*code, Place::file(path), what.join("\n")))
}

/// Error text with all images that the lock lacks, by their lines; `None` if it lacks none.
fn lacking(missing: &[String]) -> Option<String> {
    let images = if missing.len() == 1 { "1 image".to_owned() } else { format!("{} images", missing.len()) };
    let what = || format!("the release names {images} for which there is no entry:{}", missing.concat());
    (!missing.is_empty()).then(what)
}

/// Results for all pins.
struct PinResults {
    /// Number of requested pins.
    asked: usize,
    /// Number of outdated entries.
    outdated: usize,
    /// Problems of the entries; one may have several lines.
    lines: Vec<String>,
}

impl PinResults {
    /// Error text with all problems; `None` if there are none.
    fn fault(&self) -> Option<String> {
        let noun = if self.outdated == 1 { "entry is" } else { "entries are" };
        let what = || format!("{} {noun} not what upstream has now:{}", self.outdated, self.lines.concat());
        (!self.lines.is_empty()).then(what)
    }
}

async fn look(asking: Resolver<'_>) -> PinResults {
    let (mut lines, mut pinned, mut outdated) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (number, entry) in List::ALL.into_iter().flat_map(|list| asking.lock.list(list)).enumerate() {
        let open = entry.unresolved_lines();
        let stale = if open.is_empty() { entry.stale() } else { Vec::new() };
        let is_fine = open.is_empty() && stale.is_empty();
        lines.extend(open.into_iter().map(|line| format!("{line} is unresolved")));
        lines.extend(stale.into_iter().map(|line| format!("{line} is stale")));
        match &entry.content {
            _ if !is_fine => {
                outdated.insert(number);
            }
            Content::Files(files) => pinned.extend(files.iter().map(|file| (number, PinnedItem::File(file)))),
            _ => pinned.push((number, PinnedItem::Entry(entry))),
        }
    }
    let asked = pinned.len();
    let each = stream::iter(pinned).map(|(number, pinned)| async move { (number, one(asking, pinned).await) });
    let found: Vec<_> = each.buffered(PARALLEL).collect().await;
    for (number, wrong) in found.into_iter().filter(|(_, wrong)| !wrong.is_empty()) {
        outdated.insert(number);
        lines.extend(wrong);
    }
    // Images are the first of the lists.
    for (number, line) in signatures::unsigned_images(asking.lock) {
        outdated.insert(number);
        lines.push(line);
    }
    PinResults { asked, outdated: outdated.len(), lines }
}

/// Problems of a pinned entry or file, as lines.
async fn one(asking: Resolver<'_>, pinned: PinnedItem<'_>) -> Vec<String> {
    match pinned {
        PinnedItem::File(file) => {
            let at = format!("\n  line {}: {}", file.line(), file.url);
            let published = match asking.client.published_size(FileRequest::file(&file.url), asking.progress).await {
                Ok(Some(size)) if file.size.value.as_known().is_some_and(|pinned| *pinned != size) => {
                    Some(format!("{at} has {size} bytes now"))
                }
                Ok(_) => None,
                Err(error) => Some(failure_text(&at, &error)),
            };
            let stated = asking.must_confirm(file).await.err().map(|error| failed_sums(file, &error));
            published.into_iter().chain(stated).collect()
        }
        PinnedItem::Entry(entry) => {
            let at = format!("\n  line {}: {}", entry.reference.referenced.line(), entry.reference.value);
            let outcome = match &entry.content {
                Content::Manifest(fields) => asking.manifest(entry, fields).await,
                Content::Archive(fields) => asking.archive(entry, fields).await,
                Content::Hub(fields) => asking.hub(entry, fields).await,
                Content::Bucket(fields) => asking.bucket(entry, fields).await,
                Content::Folder(fields) => asking.folder(entry, fields).await,
                Content::Set(fields) => {
                    let wrong = of_set(asking, fields).await;
                    return wrong.iter().map(|error| failure_text(&at, error)).collect();
                }
                Content::Files(_) => return Vec::new(),
            };
            match outcome {
                Ok(Outcome::Holds | Outcome::Resolved(_)) => Vec::new(),
                Ok(Outcome::Moved(MovedPin { pinned, now, .. })) => {
                    let moved = format!("{at} names {now} now, and the lock keeps {pinned}");
                    let gone = withdrawn(asking, entry).await.err().map(|error| failure_text(&at, &error));
                    std::iter::once(moved).chain(gone).collect()
                }
                Err(error) => vec![failure_text(&at, &error)],
            }
        }
    }
}

/// Requests the pinned content of an entry that has moved.
async fn withdrawn(asking: Resolver<'_>, entry: &LockEntry) -> Result<()> {
    match &entry.content {
        Content::Manifest(fields) => {
            let reference: Option<Reference> = entry.reference.value.parse().ok();
            let digest = fields.digest.value.as_known().copied();
            if let Some(pinned) = reference.zip(digest).map(|(reference, digest)| reference.with_digest(digest)) {
                asking.client.manifest(&pinned, asking.progress).await?;
            }
        }
        Content::Hub(fields) => {
            let commit = fields.pinned.as_ref().map(|pinned| pinned.commit.as_str());
            if let Some(url) = commit.and_then(|commit| fields.name.at(commit)).as_ref().and_then(HubName::list_url) {
                asking
                    .client
                    .published_size(FileRequest { url: &url, of: RequestTarget::HubList }, asking.progress)
                    .await?;
            }
        }
        Content::Archive(fields) => {
            if let Some(url) = fields.address() {
                asking.client.published_size(FileRequest::file(&url), asking.progress).await?;
            }
        }
        // The problems of a bucket or a folder already name the file.
        Content::Files(_) | Content::Bucket(_) | Content::Folder(_) | Content::Set(_) => {}
    }
    Ok(())
}

/// All problems with the packages of a set.
async fn of_set(asking: Resolver<'_>, fields: &SetFields) -> Vec<BuildError> {
    let Some(pinned) = &fields.pinned else { return Vec::new() };
    match &fields.kind {
        SetKind::Wheels(source) => asking.check_wheels(WheelSet { fields, source }, pinned).await,
        SetKind::Npm { .. } => asking.check_addresses(pinned).await,
    }
}

impl Resolver<'_> {
    /// Requests each pinned package without its content; returns an error for each that is missing or has another size.
    pub(super) async fn check_addresses(self, pinned: &SetPinned) -> Vec<BuildError> {
        let each = stream::iter(&pinned.files).map(|file| async move {
            let url = file.url.parse().map_err(|error| BuildError::new(codes::LOCK_UNREADABLE, format!("{error}")))?;
            match self.client.published_size(FileRequest::file(&url), self.progress).await? {
                Some(size) if size != file.size => {
                    let what = format!("{url} has {size} bytes where {} are pinned", file.size);
                    Err(BuildError::new(codes::FETCH_MISMATCH, what))
                }
                _ => Ok(()),
            }
        });
        let each: Vec<Result<()>> = each.buffered(PARALLEL).collect().await;
        each.into_iter().filter_map(Result::err).collect()
    }
}

/// A line with the problem of a file's published checksums.
fn failed_sums(file: &LockedFile, error: &BuildError) -> String {
    let name = file.sums.as_ref().map(|sums| sums.url.to_string()).unwrap_or_default();
    failure_text(&format!("\n  line {}: {name}", file.line()), error)
}

fn failure_text(at: &str, error: &BuildError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let withdrawn = match error.code() {
        code if WITHDRAWN.contains(&code) => "is withdrawn",
        code if CHANGED.contains(&code) => "has changed",
        code if code == codes::PROJECT_LOCK_OUTDATED => "is stale",
        _ => "could not be asked for",
    };
    format!("{at} {withdrawn}: {error}{cause}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use landfall_media::progress::SilentProgress;
    use landfall_media::store::ContentStore;

    use super::*;
    use crate::fetch::{DockerConfiguration, Registries, Retry};
    use crate::lock::Lock;
    use landfall_test_registry::{Registry, digest};
    use landfall_test_support::hub_server::Hub;
    use landfall_test_support::package_server::{PackageServer, Resource};

    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    const COMMITS: [&str; 2] = ["1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"];

    fn manifest(name: &str) -> Vec<u8> {
        format!("{{\"mediaType\":\"{MANIFEST}\",\"name\":\"{name}\"}}").into_bytes()
    }

    /// A resolved lock with an image, a file and a model.
    fn text(registry: &Registry, hub: &Hub) -> String {
        let host = registry.address();
        let pinned = |name: &str| {
            let manifest = manifest(name);
            format!(
                "    index: none\n    digest: {}\n    mediaType: {MANIFEST}\n    size: {}\n",
                digest(&manifest),
                manifest.len()
            )
        };
        let (file, endpoint) = (format!("http://{host}/files/tool"), hub.endpoint());
        format!(
            "assembled: false\nplatform: linux/amd64\nimages:\n  - reference: {host}/a:1\n    resolved: {host}/a:1\n\
             {}artifacts:\n  - reference: dl.example/tool:1\n    files:\n      - \
             {{url: '{file}', resolved: '{file}', digest: '{}', size: 4, path: tool}}\n  - reference: \
             hub.example/a/b:main\n    hub:\n      address: {endpoint}\n      repository: a/b\n      revision: \
             main\n      pinned:\n        resolved: '{endpoint}/a/b@main'\n        commit: '{}'\n        \
             files:\n          - {{path: x.json, digest: '{}', size: 2}}\n",
            pinned("one"),
            digest(b"tool"),
            COMMITS[0],
            digest(b"{}")
        )
    }

    async fn check_pins(text: &str) -> PinResults {
        looked_in(Path::new(""), text).await
    }

    /// Results for a lock in a folder.
    async fn looked_in(beside: &Path, text: &str) -> PinResults {
        let lock = Lock::parse(&beside.join("images.lock"), text.to_owned()).expect("lock");
        let client = Client::new(Registries::default(), DockerConfiguration::default(), Retry::default());
        let folder = tempfile::tempdir().expect("folder");
        let store = ContentStore::at(folder.path().join("store"));
        let found = look(Resolver { lock: &lock, client: &client, store: &store, progress: &SilentProgress }).await;
        assert!(!store.root().exists(), "a check keeps nothing");
        found
    }

    #[tokio::test]
    async fn moved_or_missing_pins_are_reported() {
        let (registry, hub) = (Registry::start(|_| ()).await, Hub::start().expect("hub"));
        registry.add_manifest("a", "1", MANIFEST, &manifest("one"));
        registry.add_file("tool", b"tool");
        hub.push("a/b", COMMITS[0], &[("x.json", b"{}", false)]);
        let text = text(&registry, &hub);
        let fine = check_pins(&text).await;
        assert_eq!((fine.asked, fine.fault()), (3, None));
        assert!(hub.requests().iter().all(|seen| !seen.path.contains("/resolve/")), "{:?}", hub.requests());

        registry.add_manifest("a", "1", MANIFEST, &manifest("two"));
        registry.add_file("tool", b"longer");
        hub.push("a/b", COMMITS[1], &[("x.json", b"[]", false)]);
        let moved = check_pins(&text).await.lines;
        assert_eq!(moved.len(), 3, "{moved:?}");
        assert!(moved[0].contains(&format!("names {} now", digest(&manifest("two")))), "{moved:?}");
        assert!(
            moved[1].contains("has 6 bytes now") && moved[2].contains(&format!("names {} now", COMMITS[1])),
            "{moved:?}"
        );

        // The pinned commit is gone as well, and so is the file's URL.
        hub.state().repositories.clear();
        hub.push("a/b", COMMITS[1], &[("x.json", b"[]", false)]);
        let looked_at = check_pins(&text.replace("files/tool'", "files/gone'")).await;
        let (fault, gone) = (looked_at.fault().unwrap_or_default(), looked_at.lines);
        assert!(fault.starts_with("3 entries are not what upstream has now:"), "{fault}");
        assert_eq!(gone.len(), 4, "the model has two lines: {gone:?}");
        assert_eq!(gone.iter().filter(|line| line.contains("is withdrawn")).count(), 2, "{gone:?}");

        let open = check_pins(&text.replacen("a:1\n    resolved", "a:2\n    resolved", 1)).await;
        assert!(open.asked == 2 && open.lines[0].contains("is stale"), "{:?}", open.lines);
    }

    #[tokio::test]
    async fn changed_checksums_are_reported() {
        let registry = Registry::start(|_| ()).await;
        let file = registry.add_file("tool", b"tool");
        let line = |bytes: &[u8]| format!("{} *tool\n", digest(bytes).to_hex()).into_bytes();
        let sums = registry.add_file("tool.sha256", &line(b"tool"));
        let text = format!(
            "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: dl.example/tool:1\n    \
             files:\n      - \
             {{url: '{file}', resolved: '{file}', digest: '{}', size: 4, \
             sums: '{sums}', confirmed: '{sums}', path: tool}}\n",
            digest(b"tool")
        );
        assert_eq!(check_pins(&text).await.fault(), None);
        registry.add_file("tool.sha256", &line(b"other"));
        let changed = check_pins(&text).await;
        assert_eq!((changed.outdated, changed.lines.len()), (1, 1), "{:?}", changed.lines);
        assert!(changed.lines[0].starts_with(&format!("\n  line 7: {sums} has changed: ")), "{:?}", changed.lines);
        for found in [b"tool".as_slice(), b"other"] {
            assert!(changed.lines[0].contains(&digest(found).to_string()), "{:?}", changed.lines);
        }
        let gone = text.replace("tool.sha256", "gone.sha256");
        let gone = check_pins(&gone).await.lines;
        assert!(gone.len() == 1 && gone[0].contains("gone.sha256 is withdrawn"), "{gone:?}");
        let new = text.replace(&format!(", confirmed: '{sums}'"), "");
        let new = check_pins(&new).await.lines;
        assert!(new.len() == 1 && new[0].ends_with(&format!("(not held against {sums}) is stale")), "{new:?}");
    }

    #[tokio::test]
    async fn changed_wheel_listings_are_reported() {
        let (server, folder) = (PackageServer::start().expect("server"), tempfile::tempdir().expect("folder"));
        let requirements = "by hand\n";
        let file = folder.path().join("requirements.txt");
        landfall_media::durable::write_file(&file, requirements.as_bytes(), 0o644).expect("file");
        let endpoint = server.endpoint();
        let wheel = |name: &str| {
            let name = format!("{name}-1-py3-none-any.whl");
            format!(
                "          - {{path: '{name}', url: '{endpoint}/{name}', digest: '{}', size: 1}}\n",
                digest(name.as_bytes())
            )
        };
        let text = format!(
            "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: \
             shop.example/wheels:1\n    wheels:\n      index: {endpoint}/simple\n      requirements: \
             requirements.txt\n      python: '3.12'\n      platform: manylinux_2_28_x86_64\n      pinned:\n        \
             resolved: 'requirements.txt of {endpoint}/simple, Python 3.12 on manylinux_2_28_x86_64'\n        digest: \
             '{}'\n        files:\n{}",
            digest(requirements.as_bytes()),
            ["same", "moved", "gone", "left"].map(wheel).concat()
        );
        let page = |name: &str, hashed: &str| {
            let (file, hash) = (format!("{name}-1-py3-none-any.whl"), digest(hashed.as_bytes()).to_hex());
            let page = format!("<a href='/{file}#sha256={hash}'>{file}</a>");
            server.put(&format!("/simple/{name}/"), Resource::Page("text/html", page));
        };
        page("same", "same-1-py3-none-any.whl");
        page("moved", "other");
        server.put("/simple/left/", Resource::Page("text/html", String::new()));
        let looked = looked_in(folder.path(), &text).await;
        assert_eq!((looked.asked, looked.outdated, looked.lines.len()), (1, 1, 3), "{:?}", looked.lines);
        let says = |number: usize, parts: [&str; 2]| {
            let line: &String = &looked.lines[number];
            assert!(parts.iter().all(|part| line.contains(part)), "{line}");
        };
        says(0, ["line 5: shop.example/wheels:1 has changed", "lists moved-1-py3-none-any.whl as sha256:"]);
        says(1, ["is withdrawn", "the index has no page"]);
        says(2, ["is withdrawn", "no longer lists left-1-py3-none-any.whl"]);
        assert!(server.take_requests().iter().all(|seen| seen.path.starts_with("/simple/")), "no wheel is fetched");

        landfall_media::durable::write_file(&file, b"changed\n", 0o644).expect("file");
        let changed = looked_in(folder.path(), &text).await;
        assert!(changed.asked == 0 && changed.lines[0].ends_with("is stale"), "{:?}", changed.lines);
    }
}
