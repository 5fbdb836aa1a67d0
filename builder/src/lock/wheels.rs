//! Resolving sets of wheels: the one wheel of each requirement that fits the target, by the index's page of its project.
//!
//! The file of requirements states the SHA-256 of what may be taken; it is pinned as it is, and `landfall build` refuses other
//! bytes. A size that a page does not state is asked of the wheel's server.

use std::path::Path;

use futures_util::{StreamExt as _, stream};
use landfall_bundle_spec::{Sha256, limits};
use landfall_error_codes::{Coded as _, codes};
use landfall_media::durable;
use landfall_media::progress::Event;
use landfall_packages::WheelName;

use super::LockEntry;
use super::resolve::{Asking, Outcome};
use super::set::{PARALLEL, SetFields, SetPackage, SetPinned};
use crate::error::{BuildError, Place, Result};
use crate::fetch::{Asked, Measured};
use crate::file_url::FileUrl;
use crate::wheels::{self, Listed, ProjectPage, Requirement, Tags, Target};

/// A set of wheels.
#[derive(Clone, Copy)]
pub(super) struct WheelSet<'a> {
    pub(super) fields: &'a SetFields,
    pub(super) index: &'a FileUrl,
    pub(super) target: &'a Target,
}

impl WheelSet<'_> {
    /// The requirements that apply to the target, and everything that is wrong with the file.
    pub(super) fn requirements(&self) -> (Vec<Requirement>, Vec<BuildError>) {
        let path = self.fields.file.path.as_path();
        let text = match self.text() {
            Ok(text) => text,
            Err(error) => return (Vec::new(), vec![error]),
        };
        let (all, mut faults) = wheels::read(path, text);
        let (taken, more) = wheels::applicable(path, all, self.target);
        faults.extend(more);
        if taken.is_empty() && faults.is_empty() {
            let what = format!("no requirement applies to {}", self.target);
            faults.push(BuildError::at(codes::REQUIREMENTS_UNREADABLE, Place::file(path), what));
        }
        (taken, faults)
    }

    fn text(&self) -> Result<&str> {
        let (bytes, _) = self.fields.content()?;
        std::str::from_utf8(bytes).map_err(|error| {
            let place = Place::file(&self.fields.file.path);
            BuildError::at(codes::REQUIREMENTS_UNREADABLE, place, "is not UTF-8").because(error)
        })
    }

    /// The address of a project's page, without `/` at the end; `project` is its normalized name.
    pub(super) fn page(&self, project: &str) -> Result<FileUrl> {
        format!("{}/{project}", self.index)
            .parse()
            .map_err(|error| BuildError::new(codes::LOCK_UNREADABLE, format!("{error}")))
    }
}

impl Asking<'_> {
    /// Finds and pins a wheel for each requirement; every requirement that has none is an error of its own.
    pub(super) async fn wheels(self, entry: &LockEntry, set: WheelSet<'_>) -> Result<Outcome, Vec<BuildError>> {
        let (requirements, faults) = set.requirements();
        let tags = Tags::of(set.target);
        let path = set.fields.file.path.as_path();
        let found = stream::iter(&requirements).map(|requirement| self.wheel(set, requirement, &tags, path));
        let found = found.buffered(PARALLEL).collect().await;
        self.pin_set(entry, set.fields, found, faults)
    }

    /// The wheel of a requirement. An error is at the requirement's line.
    async fn wheel(self, set: WheelSet<'_>, requirement: &Requirement, tags: &Tags, path: &Path) -> Result<SetPackage> {
        let place = Place::field(path, requirement.line, requirement.name.as_str());
        let found = async {
            let page = self.page(set, &requirement.name).await?;
            let wheel = wheels::choose(requirement, &page.files, set.target, tags)
                .map_err(|(code, what)| BuildError::new(code, what))?;
            if wheel.is_yanked {
                let what = format!("{} was withdrawn by its publisher, and is still there", wheel.file_name);
                self.progress.event(Event::Note(what));
            }
            self.pinned_wheel(&page, wheel).await
        };
        found.await.map_err(|error| error.within(place))
    }

    /// The page of a project, whose normalized name is given.
    async fn page(self, set: WheelSet<'_>, project: &str) -> Result<ProjectPage> {
        let url = set.page(project)?;
        let page = self.client.page(&url, ProjectPage::LIMIT_BYTES, self.progress).await;
        let page = page.map_err(|error| match error {
            error if error.code() == codes::FILE_MISSING => {
                BuildError::new(codes::PACKAGE_MISSING, format!("the index has no page {url}/"))
            }
            error => error,
        })?;
        ProjectPage::read(&url, project, page)
    }

    async fn pinned_wheel(self, page: &ProjectPage, wheel: &Listed) -> Result<SetPackage> {
        let url = page.url(wheel)?;
        // An address without TLS is refused here already, and not only where it is fetched.
        self.client.check_address(&url)?;
        let digest = wheel.sha256.ok_or_else(|| BuildError::new(codes::BUG, "a wheel was chosen without a hash"))?;
        let size = match wheel.size {
            Some(size) => Some(size),
            None => self.client.published(Asked::file(&url), self.progress).await?,
        };
        let size = if let Some(size) = size { size } else { self.measured_wheel(&url, digest).await? };
        if size > limits::BLOB_BYTES {
            let what = format!("{url} has {size} bytes, more than any file of a bundle");
            return Err(BuildError::new(codes::INDEX_ANSWER, what));
        }
        Ok(SetPackage { path: wheel.file_name.clone(), url: url.to_string(), digest, size })
    }

    /// The bytes of a wheel whose server states no length: all of it is read, and must be what the index states.
    async fn measured_wheel(self, url: &FileUrl, digest: Sha256) -> Result<u64> {
        let Measured { digest: found, size } = self.client.measure(url, self.store, self.progress).await?;
        if found != digest {
            durable::remove_file(&self.store.path(found))?;
            let what = format!("{url} is {found} where the index states {digest}");
            return Err(BuildError::new(codes::FETCH_MISMATCH, what));
        }
        Ok(size)
    }

    /// Asks the index whether it still has the pinned wheels with their hashes; each that it has not is an error.
    pub(super) async fn check_wheels(self, set: WheelSet<'_>, pinned: &SetPinned) -> Vec<BuildError> {
        let each = stream::iter(&pinned.files).map(|wheel| self.check_wheel(set, wheel));
        let each: Vec<_> = each.buffered(PARALLEL).collect().await;
        each.into_iter().filter_map(Result::err).collect()
    }

    async fn check_wheel(self, set: WheelSet<'_>, wheel: &SetPackage) -> Result<()> {
        let name = WheelName::read(&wheel.path).map_err(|fault| {
            BuildError::new(codes::LOCK_UNREADABLE, format!("`{}` is not a wheel", wheel.path.escape_default()))
                .because(fault)
        })?;
        let page = self.page(set, &name.project).await?;
        let listed = page.files.iter().find(|file| file.file_name == wheel.path);
        match listed.map(|file| file.sha256) {
            None => Err(BuildError::new(codes::PACKAGE_MISSING, format!("the index no longer lists {}", wheel.path))),
            Some(now) if now != Some(wheel.digest) => {
                let now = now.map_or_else(|| "without a SHA-256".to_owned(), |now| format!("as {now}"));
                let what = format!("the index lists {} {now} where {} is pinned", wheel.path, wheel.digest);
                Err(BuildError::new(codes::FETCH_MISMATCH, what))
            }
            Some(_) => Ok(()),
        }
    }
}
