//! A package server, and a folder with a lock that names a package set on it.

use std::fmt::Write as _;

use super::*;
use crate::lock::{List, Lock};
use crate::resolution::Resolution;
use landfall_test_support::package_server::{PackageServer, Resource};

/// The server, a folder with lock and store, and recorded notes.
pub(super) struct SetBench {
    pub(super) server: PackageServer,
    pub(super) folder: tempfile::TempDir,
    pub(super) notes: Notes,
}

impl SetBench {
    /// Serves these files below `files`.
    pub(super) fn of(files: &str, packages: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let server = PackageServer::start().expect("server");
        for (name, bytes) in packages {
            server.put(&format!("/{files}/{name}"), Resource::File(bytes));
        }
        Self { server, folder: tempfile::tempdir().expect("folder"), notes: Notes::default() }
    }

    /// Writes a file next to the lock.
    pub(super) fn write(&self, name: &str, text: &str) {
        landfall_media::durable::write_file(&self.folder.path().join(name), text.as_bytes(), 0o644).expect("file");
    }

    pub(super) fn store(&self) -> ContentStore {
        ContentStore::at(self.folder.path().join("store"))
    }

    pub(super) fn lock(&self, text: &str) -> Lock {
        Lock::parse(&self.folder.path().join("images.lock.yaml"), text.to_owned()).expect("lock")
    }

    pub(super) async fn resolve(&self, text: &str) -> Resolution {
        self.resolve_by(text, &client()).await
    }

    /// Resolves the lock with another client.
    pub(super) async fn resolve_by(&self, text: &str, client: &Client) -> Resolution {
        crate::resolution::resolve(&self.lock(text), &[], client, &self.store(), &self.notes).await
    }

    pub(super) async fn fetch(&self, text: &str) -> crate::error::Result<FetchedContent> {
        let lock = self.lock(text);
        let pin = lock.artifact_pin(&lock.list(List::Artifacts)[0]).expect("pinned");
        fetch_all(&client(), &self.store(), "linux/amd64", &[], &[pin], &self.notes).await
    }

    /// Sorted paths of the requests since the last call.
    pub(super) fn requested_paths(&self) -> Vec<String> {
        let mut paths: Vec<_> = self.server.take_requests().into_iter().map(|seen| seen.path).collect();
        paths.sort();
        paths
    }

    /// Errors as shown to a user, without text that varies between runs.
    pub(super) fn errors_text(&self, errors: &[crate::BuildError]) -> String {
        let folder = format!("{}/", self.folder.path().display());
        let shown = errors.iter().fold(String::new(), |mut text, error| {
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            let _ = writeln!(text, "{} {error}{cause}", error.code().id);
            text
        });
        let host = self.server.endpoint().replace("http://", "");
        shown.replace(&folder, "").replace(&host, "SERVER")
    }
}
