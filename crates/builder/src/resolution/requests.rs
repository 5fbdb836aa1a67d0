//! `landfall lock --dry-run`: lists every URL that a lock would request, without sending a request.

use std::collections::BTreeSet;
use std::path::PathBuf;

use landfall_release_document::{COSIGN_SUFFIXES, referrers_tag};
use schemars::JsonSchema;
use serde::Serialize;

use super::command::path_of;
use super::discovery::{UnrenderedComponent, preview_lock};
use super::npm::NpmSet;
use super::resolve::{ResolutionTarget, resolution_targets};
use super::wheels::{ApplicableRequirement, WheelSet};
use crate::error::Result;
use crate::fetch::Registries;
use crate::file_url::FileUrl;
use crate::lock::set::SetKind;
use crate::lock::wheel_source::WheelSource;
use crate::lock::{ArchiveOrigin, List, Lock, LockEntry, LockedFile, SetFields};
use crate::npm::Package;
use crate::options::LockOptions;
#[cfg(test)]
use crate::options::SourceOptions;
use crate::reference::Reference;
use crate::release;
use crate::wheels::{IndexFile, Tags};

/// Path of the API of each registry.
const API: &str = "/v2/";

/// Requests that follow the first one to a registry: kind, and path below [`API`].
const FORMS: [(FollowUpKind, &str); 3] = [
    (FollowUpKind::Registry, ""),
    (FollowUpKind::ManifestByDigest, "NAME/manifests/DIGEST"),
    (FollowUpKind::Blob, "NAME/blobs/DIGEST"),
];

/// Placeholder for an index that is not named yet.
const INDEX: &str = "INDEX";

/// Requests that `landfall lock` would send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockRequests {
    /// Lock that was read.
    pub lock: PathBuf,
    /// First request for each object, in the order of the lock. Images that it does not have yet follow those that it
    /// has.
    pub requests: Vec<LockRequest>,
    /// Later requests that depend on the answers, in `lock` and in `build`, once for each registry.
    pub follow_ups: Vec<FollowUp>,
    /// Components whose objects were not examined: their images that the lock lacks would also be requested.
    pub unrendered: Vec<UnrenderedComponent>,
}

/// First request for an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockRequest {
    /// Reference of the entry.
    pub entry: String,
    /// Kind of the requested object.
    pub what: RequestKind,
    /// Upstream address.
    pub upstream: String,
    /// Address of the mirror that is asked instead, if one is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
}

/// Requests of one form. `NAME` stands for the name of a repository, and `DIGEST` for a digest that an answer or the
/// lock names. A registry may name a server of tokens, and any server may redirect: these addresses are not known in
/// advance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FollowUp {
    /// Kind of the requested object.
    pub what: FollowUpKind,
    /// Upstream address.
    pub upstream: String,
    /// Address of the mirror that is asked instead, if one is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
}

/// Kind of a request after the first requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FollowUpKind {
    /// Query of a registry's need for a token, and of the token's issuer.
    Registry,
    /// Manifest by its digest: the platform's manifest that an index names, or a manifest that `build` fetches.
    ManifestByDigest,
    /// Configuration, layer or file of an artifact, which `build` fetches.
    Blob,
}

/// Kind of a first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RequestKind {
    /// Manifest; also the platform's manifest, if an index names it.
    Manifest,
    /// File.
    File,
    /// Checksum file, which states the SHA-256 of a file.
    Sums,
    /// Index of a repository of charts, which names the address of the archive.
    ChartIndex,
    /// List of a hub, which names the files of a repository of models.
    ModelList,
    /// Small file of that list; `COMMIT` and `PATH` stand for names from the list.
    ModelFile,
    /// Page of the list of a bucket's objects.
    ObjectList,
    /// Object of that list, which is read for its SHA-256; `PATH` stands for a name from the list.
    Object,
    /// Signatures of an image under cosign's tag for them, if a rule concerns the image. Attestations and the list of
    /// referrers are also requested. `HEX` stands for a digest that is not known yet.
    Signatures,
    /// Page of a project on a package index, which names its wheels. A wheel is requested if the page does not state
    /// its size. `INDEX` stands for an index that neither the lock nor the registries file names.
    PackagePage,
}

/// Reads a release's lock, renders what needs no network, and lists the requests that a lock would send. Sends and
/// writes nothing.
pub fn requests(options: &LockOptions) -> Result<LockRequests> {
    let source = &options.source;
    let definition = release::read(&source.release)?;
    let path = path_of(source, &definition);
    let (lock, unrendered) = preview_lock(options, &definition, Lock::read(&path)?)?;
    let registries = source.registries.as_deref().map_or_else(|| Ok(Registries::default()), Registries::read)?;
    let mut requests = Vec::new();
    for (_, asked) in resolution_targets(&lock) {
        requests.extend(of(asked, &registries)?);
    }
    requests.extend(signatures(&lock, &registries));
    let follow_ups = follow_ups(&requests);
    Ok(LockRequests { lock: path, requests, follow_ups, unrendered })
}

/// Lists the requests from the lock alone, without a rendering.
#[cfg(test)]
pub(crate) fn requests_of_lock(source: &SourceOptions) -> Result<Vec<LockRequest>> {
    let missing = || PathBuf::from("/nonexistent/program");
    let options =
        LockOptions { source: source.clone(), store: missing(), kubectl: missing(), helm: missing(), output: None };
    let found = requests(&options)?;
    assert_eq!(found.unrendered.len(), release::read(&source.release)?.release.components.len());
    Ok(found.requests)
}

/// Requests that follow from the responses of the registries.
fn follow_ups(requests: &[LockRequest]) -> Vec<FollowUp> {
    let root = |address: &String| address.split_once(API).map(|(root, _)| format!("{root}{API}"));
    let manifests = requests.iter().filter(|request| request.what == RequestKind::Manifest);
    let registries: BTreeSet<(String, Option<String>)> = manifests
        .filter_map(|request| Some((root(&request.upstream)?, request.mirror.as_ref().and_then(root))))
        .collect();
    let of_registry = |(upstream, mirror): &(String, Option<String>)| {
        FORMS.map(|(what, form)| FollowUp {
            what,
            upstream: format!("{upstream}{form}"),
            mirror: mirror.as_ref().map(|mirror| format!("{mirror}{form}")),
        })
    };
    registries.iter().flat_map(of_registry).collect()
}

/// Requests about the signatures of images, once per image.
fn signatures(lock: &Lock, registries: &Registries) -> Vec<LockRequest> {
    let of_entry = |entry: &LockEntry| {
        let reference: Reference = entry.reference.value.parse().ok()?;
        if !lock.document.signatures.iter().any(|rule| rule.is_about(&reference)) {
            return None;
        }
        let subject = entry.digest().map_or_else(|| "sha256-HEX".to_owned(), referrers_tag);
        let tagged = Reference { tag: Some(format!("{subject}{}", COSIGN_SUFFIXES[0])), ..reference };
        let (upstream, mirror) = registries.manifest_addresses(&tagged);
        Some(LockRequest { entry: entry.reference.value.clone(), what: RequestKind::Signatures, upstream, mirror })
    };
    lock.list(List::Images).iter().filter_map(of_entry).collect()
}

fn of(asked: ResolutionTarget<'_>, registries: &Registries) -> Result<Vec<LockRequest>> {
    Ok(match asked {
        ResolutionTarget::Manifest(entry, fields) => {
            let name = entry.reference.value.clone();
            let by = fields.found_by(&name).or_else(|| name.parse().ok());
            let Some(reference) = by else { return Ok(Vec::new()) };
            let (upstream, mirror) = registries.manifest_addresses(&reference);
            vec![LockRequest { entry: name, what: RequestKind::Manifest, upstream, mirror }]
        }
        ResolutionTarget::File(file) => of_file(file, registries)?,
        ResolutionTarget::Archive(entry, archive) => match &archive.origin {
            ArchiveOrigin::File(_) => Vec::new(),
            ArchiveOrigin::Repository(address) => {
                let index: Option<FileUrl> = format!("{address}/index.yaml").parse().ok();
                let index =
                    index.map(|url| request(&entry.reference.value, RequestKind::ChartIndex, &url, "", registries));
                index.into_iter().collect::<Result<_>>()?
            }
        },
        ResolutionTarget::Hub(entry, hub) => {
            let name = &entry.reference.value;
            let list = hub.name.list_url();
            let list = list.map(|url| request(name, RequestKind::ModelList, &url, "?blobs=true", registries));
            let files = hub.name.any_file_url().filter(|_| !hub.is_confirmed());
            let files = files.map(|url| request(name, RequestKind::ModelFile, &url, "", registries));
            list.into_iter().chain(files).collect::<Result<_>>()?
        }
        ResolutionTarget::Bucket(entry, bucket) => {
            let (name, query) = (&entry.reference.value, bucket.name.list_query());
            let list = bucket.name.list_url();
            let list = list.map(|url| request(name, RequestKind::ObjectList, &url, &query, registries));
            let objects = bucket.name.object_url("PATH").filter(|_| !bucket.is_confirmed());
            let objects = objects.map(|url| request(name, RequestKind::Object, &url, "", registries));
            list.into_iter().chain(objects).collect::<Result<_>>()?
        }
        // Local files need no request.
        ResolutionTarget::Folder(..) => Vec::new(),
        ResolutionTarget::Set(entry, set) => of_set(&entry.reference.value, set, registries)?,
    })
}

/// Requests for the checksums of a file, and for the file itself unless only the checksums are new.
fn of_file(file: &LockedFile, registries: &Registries) -> Result<Vec<LockRequest>> {
    let asked = |what, url| request(&file.written.value, what, url, "", registries);
    let sums = file.sums.as_ref().map(|sums| asked(RequestKind::Sums, &sums.url));
    let is_known = file.unresolved_fields().is_empty() && file.is_confirmed();
    let bytes = (!is_known).then(|| asked(RequestKind::File, &file.url));
    sums.into_iter().chain(bytes).collect()
}

/// Requests of a package set, as far as its file names them. An invalid file is an error only when the lock is made.
fn of_set(entry: &str, fields: &SetFields, registries: &Registries) -> Result<Vec<LockRequest>> {
    match &fields.kind {
        SetKind::Wheels(source) => {
            let (wanted, _) = WheelSet { fields, source }.wanted();
            let tags = Tags::of(&source.target);
            let requests = wanted.iter().map(|wanted| of_wheel(entry, source, (wanted, &tags), registries));
            requests.filter_map(Result::transpose).collect()
        }
        SetKind::Npm { registry, omit } => {
            let set = NpmSet { fields, registry: registry.as_ref(), omit, cpu: None };
            let tarball = |package: &Package| request(entry, RequestKind::File, &package.url, "", registries);
            set.packages().packages.iter().map(tarball).collect()
        }
    }
}

/// Request for the page that lists the wheels of a requirement; otherwise for the wheel, if its size is unknown.
fn of_wheel(
    entry: &str,
    source: &WheelSource,
    (wanted, tags): (&ApplicableRequirement, &Tags),
    registries: &Registries,
) -> Result<Option<LockRequest>> {
    let ApplicableRequirement { requirement, listed } = wanted;
    let Some(files) = listed else {
        let common = registries.package_index();
        if source.index.as_ref().or(common).is_none() {
            let upstream = format!("{INDEX}/{}/", requirement.name);
            let (entry, what) = (entry.to_owned(), RequestKind::PackagePage);
            return Ok(Some(LockRequest { entry, what, upstream, mirror: None }));
        }
        let page = source.page(&requirement.name, common)?;
        return request(entry, RequestKind::PackagePage, &page, "/", registries).map(Some);
    };
    match source.best_wheel(requirement, files, tags).ok().filter(|wheel| wheel.size.is_none()).map(IndexFile::url) {
        Some(Ok(url)) => request(entry, RequestKind::File, &url, "", registries).map(Some),
        // An invalid file is an error only when the lock is made.
        Some(Err(_)) | None => Ok(None),
    }
}

fn request(entry: &str, what: RequestKind, url: &FileUrl, query: &str, registries: &Registries) -> Result<LockRequest> {
    let mirror = Some(registries.file(url)?.to_string()).filter(|asked| *asked != url.to_string());
    let with_query = |address: String| address + query;
    Ok(LockRequest {
        entry: entry.to_owned(),
        what,
        upstream: with_query(url.to_string()),
        mirror: mirror.map(with_query),
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    fn requests_text(registries: Option<PathBuf>) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let source = SourceOptions { release: root.join("releases/starter"), lock: None, registries };
        let found = requests_of_lock(&source).expect("read");
        found.iter().fold(String::new(), |mut text, request| {
            let LockRequest { entry, what, upstream, mirror } = request;
            let mirror = mirror.as_ref().map(|mirror| format!(" by way of {mirror}")).unwrap_or_default();
            let entry = if entry == upstream { String::new() } else { format!(" for {entry}") };
            let _ = writeln!(text, "{what:?} {upstream}{entry}{mirror}");
            text
        })
    }

    #[test]
    fn starter_requests_are_listed() {
        insta::assert_snapshot!(requests_text(None));
    }

    #[test]
    fn blob_requests_are_listed_per_registry() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folder = tempfile::tempdir().expect("folder");
        let registries = folder.path().join("registries.yaml");
        let text = "mirrors: [{host: ghcr.io, endpoint: 'https://mirror.example/ghcr'}]\n";
        landfall_media::durable::write_file(&registries, text.as_bytes(), 0o644).expect("file");
        let source = SourceOptions { release: root.join("releases/starter"), lock: None, registries: Some(registries) };
        let found = follow_ups(&requests_of_lock(&source).expect("read"));
        let shown: Vec<_> = found.iter().map(|one| (one.upstream.as_str(), one.mirror.as_deref())).collect();
        assert_eq!(
            shown,
            [
                ("https://ghcr.io/v2/", Some("https://mirror.example/v2/")),
                ("https://ghcr.io/v2/NAME/manifests/DIGEST", Some("https://mirror.example/v2/NAME/manifests/DIGEST")),
                ("https://ghcr.io/v2/NAME/blobs/DIGEST", Some("https://mirror.example/v2/NAME/blobs/DIGEST")),
                ("https://index.docker.io/v2/", None),
                ("https://index.docker.io/v2/NAME/manifests/DIGEST", None),
                ("https://index.docker.io/v2/NAME/blobs/DIGEST", None),
                ("https://registry.k8s.io/v2/", None),
                ("https://registry.k8s.io/v2/NAME/manifests/DIGEST", None),
                ("https://registry.k8s.io/v2/NAME/blobs/DIGEST", None),
            ]
        );
    }

    #[test]
    fn registries_file_names_listed_index() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("registries.yaml");
        let text = "packageIndex: https://packages.example/simple\n";
        landfall_media::durable::write_file(&file, text.as_bytes(), 0o644).expect("file");
        let shown = requests_text(Some(file));
        let page = "PackagePage https://packages.example/simple/numpy/ for landfall.internal/wheels/starter:1.0.0\n";
        assert!(shown.contains(page) && !shown.contains(INDEX), "{shown}");
    }

    #[test]
    fn mirrors_are_shown_beside_addresses() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("registries.yaml");
        let text = "mirrors: [{host: registry.k8s.io, endpoint: 'https://mirror.example/k8s'}, \
            {host: dl.k8s.io, endpoint: 'https://mirror.example/files'}]\n";
        landfall_media::durable::write_file(&file, text.as_bytes(), 0o644).expect("file");
        let shown = requests_text(Some(file));
        for part in [
            "https://registry.k8s.io/v2/pause/manifests/3.10.2 for registry.k8s.io/pause:3.10.2 by way of \
             https://mirror.example/v2/k8s/pause/manifests/3.10.2",
            "by way of https://mirror.example/files/release/",
        ] {
            assert!(shown.contains(part), "{part} is not in\n{shown}");
        }
    }
}
