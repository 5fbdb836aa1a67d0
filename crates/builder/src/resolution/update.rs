//! `landfall lock --update`: replaces the pins of some entries with upstream's current content. All other text stays
//! unchanged, byte for byte.

use std::collections::BTreeSet;
use std::path::PathBuf;

use landfall_media::durable;
use landfall_media::progress::Progress;
use schemars::JsonSchema;
use serde::Serialize;

use super::chosen::chosen_entries;
use super::command::{OpenLock, Renderers, SignedLock, failure};
use super::difference::{EntryChange, difference};
use super::resolve::{Resolution, Resolver, answers, asked_of};
use crate::error::Result;
use crate::fetch::Client;
use crate::lock::position::Position;
use crate::lock::{List, Lock, LockEntry};
use crate::options::LockOptions;
use crate::program::Renderer;
use crate::tool::Tool;

/// Result of an update of the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockUpdate {
    /// Lock. It was written, synced, if anything changed or if another file receives it.
    pub lock: PathBuf,
    /// Number of requested entries.
    pub entries: usize,
    /// Entries, and programs that render, whose pins have changed.
    pub changed: Vec<EntryChange>,
}

/// Updates the named entries; without names, all entries and the renderers. If one of them cannot be resolved, nothing
/// is written.
pub async fn update(options: &LockOptions, names: &[String], progress: &dyn Progress) -> Result<LockUpdate> {
    let opened = OpenLock::read(options)?;
    let OpenLock { path, lock, store, digests, .. } = &opened;
    let chosen = chosen_entries(lock, names)?;
    let renderers = if names.is_empty() { Some(Renderers::find(options, &opened)?) } else { None };
    let renderers = renderers.as_ref().map(Renderers::all).unwrap_or_default();
    let client = Client::from_configuration(options.source.registries.as_deref())?;
    let asking = Resolver { lock, client: &client, store, progress };
    let resolution = renewed(asking, &chosen, &renderers).await;
    if let Some(error) = failure(lock, &resolution) {
        return Err(error);
    }
    let again = names.is_empty();
    let SignedLock { text, refused, .. } = opened.with_signatures(&client, resolution.text, again, progress).await?;
    if let Some(error) = refused {
        return Err(error);
    }
    let (output, written) = opened.parse_output(options, text)?;
    if output != *path || written.text() != lock.text() {
        durable::write_file(&output, written.text().as_bytes(), 0o644)?;
    }
    digests.keep()?;
    Ok(LockUpdate { lock: output, entries: chosen.len(), changed: difference(lock, &written) })
}

/// Resolves the chosen entries of a lock as if they had no pins.
async fn renewed(asking: Resolver<'_>, chosen: &BTreeSet<Position>, renderers: &[(Tool, &Renderer)]) -> Resolution {
    let opened = asking.lock.with_open(|position| chosen.contains(&position));
    let asked = opened.entries().filter(|(position, _)| chosen.contains(position));
    let asked = asked.flat_map(|(position, entry)| asked_of(&opened, position, entry)).collect();
    answers(Resolver { lock: &opened, ..asking }, asked, renderers).await
}

impl Lock {
    /// A copy of the lock with some entries unresolved.
    fn with_open(&self, is_open: impl Fn(Position) -> bool) -> Self {
        let mut lock = self.clone();
        for list in List::ALL {
            for (number, entry) in lock.list_mut(list).iter_mut().enumerate() {
                if is_open(Position { list, number }) {
                    entry.open();
                }
            }
        }
        lock
    }

    fn list_mut(&mut self, list: List) -> &mut [LockEntry] {
        match list {
            List::Images => &mut self.document.images,
            List::Artifacts => &mut self.document.artifacts,
            List::Charts => &mut self.document.charts,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use landfall_error_codes::{CodedError as _, codes};
    use landfall_media::progress::SilentProgress;
    use landfall_media::store::ContentStore;

    use super::*;
    use crate::fetch::{DockerConfiguration, Registries, Retry};
    use crate::pack::tests::Bench;
    use crate::resolution::{ChangedKind, InputChange};
    use landfall_test_registry::digest;
    use landfall_test_support::hub_server::Hub;
    use landfall_test_support::package_server::{PackageServer, Resource};

    const LOCK: &str = "release/images.lock";
    const DATABASE: &str = "ghcr.io/small/database:1";
    const PAUSE: &str = "registry.k8s.io/pause:3.10.2";
    const COMMITS: [&str; 2] = ["1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"];

    async fn updated(bench: &Bench, names: &[&str]) -> Result<LockUpdate> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        update(&bench.lock_options(), &names, &SilentProgress).await
    }

    fn text(bench: &Bench) -> String {
        fs_err::read_to_string(bench.path(LOCK)).expect("lock")
    }

    fn entries(update: &LockUpdate) -> Vec<&str> {
        update.changed.iter().map(|change| change.entry.as_str()).collect()
    }

    #[tokio::test]
    async fn update_changes_only_named_entries() {
        let bench = Bench::new(false, false).await;
        bench.lock().await.expect("locked");
        let before = text(&bench);
        for reference in [DATABASE, PAUSE] {
            bench.push_image_of(reference, false, &[b"another layer".to_vec()]);
        }
        let update = updated(&bench, &["database"]).await.expect("updated");
        assert_eq!((update.entries, entries(&update)), (1, vec![DATABASE]));
        let change = &update.changed[0];
        let [InputChange { name: None, before: Some(was), after: Some(is) }] = &change.inputs[..] else {
            panic!("{change:?}")
        };
        assert_eq!(
            (change.kind, was.version.as_deref(), is.version.as_deref()),
            (ChangedKind::Image, Some("1"), Some("1"))
        );
        assert_ne!(was.digest, is.digest);
        let after = text(&bench);
        let different: Vec<_> = before.lines().zip(after.lines()).filter(|(one, other)| one != other).collect();
        assert_eq!((different.len(), before.lines().count()), (1, after.lines().count()), "{different:?}");
        assert!(different[0].1.contains(DATABASE) && different[0].1.contains("license: MIT"), "{different:?}");

        let update = updated(&bench, &[]).await.expect("updated");
        assert_eq!((update.entries, entries(&update)), (10, vec![PAUSE]));
        let after = text(&bench);
        let update = updated(&bench, &[]).await.expect("updated");
        assert_eq!((update.changed, text(&bench)), (Vec::new(), after));
    }

    #[tokio::test]
    async fn renderer_is_updated_with_everything() {
        let bench = Bench::new(false, false).await;
        bench.lock().await.expect("locked");
        let kubectl = fs_err::read_to_string(bench.path("kubectl")).expect("kubectl").replace("v1.36.3", "v1.36.4");
        bench.write("kubectl", kubectl.as_bytes(), 0o755);
        assert_eq!(updated(&bench, &["database"]).await.expect("updated").changed, []);
        let update = updated(&bench, &[]).await.expect("updated");
        assert_eq!(entries(&update), ["kubectl"]);
        let versions = [&update.changed[0].inputs[0].before, &update.changed[0].inputs[0].after];
        let versions = versions.map(|pinned| pinned.as_ref().and_then(|pinned| pinned.version.as_deref()));
        assert_eq!(versions, [Some("v1.36.3"), Some("v1.36.4")]);
    }

    #[tokio::test]
    async fn failed_update_writes_nothing() {
        let bench = Bench::new(false, false).await;
        bench.lock().await.expect("locked");
        bench.edit(LOCK, DATABASE, "ghcr.io/small/database:gone");
        bench.push_image_of(PAUSE, false, &[b"another layer".to_vec()]);
        let before = text(&bench);
        for (names, code) in [
            (&["pause", "databse"][..], codes::IMAGE_NOT_LOCKED),
            (&["pause", "database"], codes::IMAGE_MISSING),
            (&[], codes::IMAGE_MISSING),
        ] {
            assert_eq!(updated(&bench, names).await.expect_err("refused").code(), code, "{names:?}");
            assert_eq!(text(&bench), before, "{names:?}");
        }
        // Entries that cannot be resolved do not prevent the update of the named one.
        assert_eq!(entries(&updated(&bench, &["pause"]).await.expect("updated")), [PAUSE]);
    }

    /// Text of a lock with an unresolved file, model and set of npm packages.
    fn files(server: &PackageServer, hub: &Hub) -> String {
        let (server, hub) = (server.endpoint(), hub.endpoint());
        format!(
            "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: dl.example/tool:1\n    \
             files:\n      - {{url: '{server}/tool', digest: unresolved, size: unresolved, path: tool}}\n  - \
             reference: hub.example/a/b:main\n    hub:\n      address: {hub}\n      repository: a/b\n      revision: \
             main\n      pinned: unresolved\n  - reference: shop.example/npm:1\n    npm:\n      lockfile: \
             package-lock.json\n      pinned: unresolved\n"
        )
    }

    /// A `package-lock.json` with a version of `lyre`, whose tarball is served with this content.
    fn package_lock(server: &PackageServer, version: &str, bytes: &[u8]) -> String {
        use base64::Engine as _;
        let path = format!("/lyre/-/lyre-{version}.tgz");
        let resolved = server.put(&path, Resource::File(bytes.to_vec()));
        let hash: [u8; 64] = <sha2::Sha512 as sha2::Digest>::digest(bytes).into();
        let integrity = format!("sha512-{}", base64::engine::general_purpose::STANDARD.encode(hash));
        let package = serde_json::json!({ "version": version, "resolved": resolved, "integrity": integrity });
        serde_json::json!({ "lockfileVersion": 3, "packages": { "node_modules/lyre": package } }).to_string()
    }

    /// Text of the updated lock, and its differences.
    async fn renewed_text(folder: &Path, text: &str) -> (String, String) {
        let lock = Lock::parse(&folder.join("images.lock"), text.to_owned()).expect("lock");
        let store = ContentStore::at(folder.join("store"));
        let client = Client::new(Registries::default(), DockerConfiguration::default(), Retry::default());
        let asking = Resolver { lock: &lock, client: &client, store: &store, progress: &SilentProgress };
        let resolution = renewed(asking, &chosen_entries(&lock, &[]).expect("all"), &[]).await;
        assert!(resolution.failures.is_empty(), "{:?}", resolution.failures);
        let written = Lock::parse(&lock.path, resolution.text).expect("lock");
        let found = serde_json::to_string_pretty(&difference(&lock, &written)).expect("JSON");
        (written.text().to_owned(), found)
    }

    #[tokio::test]
    async fn update_compares_inputs_individually() {
        let (server, hub) = (PackageServer::start().expect("server"), Hub::start().expect("hub"));
        let folder = tempfile::tempdir().expect("folder");
        let write = |text: &str| {
            durable::write_file(&folder.path().join("package-lock.json"), text.as_bytes(), 0o644).expect("file");
        };
        let locks = [package_lock(&server, "1.0.0", b"a tarball"), package_lock(&server, "1.1.0", b"another tarball")];
        server.put("/tool", Resource::File(b"tool".to_vec()));
        hub.push("a/b", COMMITS[0], &[("x.json", b"{}", false), ("y.json", b"{}", false)]);
        write(&locks[0]);
        let (first, found) = renewed_text(folder.path(), &files(&server, &hub)).await;
        assert_eq!(found.matches("\"after\"").count(), 6, "{found}");
        assert!(!found.contains("\"before\""), "{found}");
        let (same, found) = renewed_text(folder.path(), &first).await;
        assert_eq!((same.as_str(), found.as_str()), (first.as_str(), "[]"));

        server.put("/tool", Resource::File(b"longer".to_vec()));
        hub.push("a/b", COMMITS[1], &[("x.json", b"[1]", false), ("z.json", b"{}", false)]);
        write(&locks[1]);
        let (second, found) = renewed_text(folder.path(), &first).await;
        // The files that name packages also contain the server's port.
        let [one, other] = locks.map(|lock| digest(lock.as_bytes()).to_string());
        let found = found.replace(&one, "sha256:ONE").replace(&other, "sha256:OTHER");
        insta::assert_snapshot!(found.replace(&server.endpoint(), "http://SERVER"));
        assert!(second.contains(&digest(b"longer").to_string()) && second.contains(COMMITS[1]), "{second}");
    }
}
