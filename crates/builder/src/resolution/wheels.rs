//! Resolves sets of wheels: for each requirement, the one wheel that fits the target, from the project's page in the
//! index or from a project lock.
//!
//! The file states the accepted SHA-256 digests; they are pinned as stated, and `landfall build` refuses other content.
//! If a page does not state a size, the wheel's server is asked for it.

use std::path::Path;

use futures_util::{StreamExt as _, stream};
use landfall_bundle_spec::{Sha256, limits};
use landfall_error_codes::{CodedError as _, codes};
use landfall_media::durable;
use landfall_media::progress::Event;
use landfall_packages::WheelName;

use super::resolve::{Outcome, Resolver};
use crate::documents;
use crate::error::{BuildError, Place, Result};
use crate::fetch::{FileRequest, MeasuredFile};
use crate::file_url::FileUrl;
use crate::lock::LockEntry;
use crate::lock::set::{PARALLEL, SetFields, SetPackage, SetPinned};
use crate::lock::wheel_source::WheelSource;
use crate::wheels::{self, Form, IndexFile, LockedPackage, ProjectForm, ProjectPage, Requirement, Tags};

/// A set of wheels.
#[derive(Clone, Copy)]
pub(super) struct WheelSet<'a> {
    pub(super) fields: &'a SetFields,
    pub(super) source: &'a WheelSource,
}

/// A requirement that applies to the target.
pub(super) struct ApplicableRequirement {
    pub(super) requirement: Requirement,
    /// Files in a project lock, with their URLs; `None` if the index lists them.
    pub(super) listed: Option<Vec<IndexFile>>,
}

impl WheelSet<'_> {
    /// Requirements that apply to the target, and all errors in the file.
    pub(super) fn wanted(&self) -> (Vec<ApplicableRequirement>, Vec<BuildError>) {
        let path = self.fields.file.path.as_path();
        let text = match self.text() {
            Ok(text) => text,
            Err(error) => return (Vec::new(), vec![error]),
        };
        let WheelSource { form, index, target, selection } = self.source;
        let form = match form {
            Form::Requirements => return self.required(path, text),
            Form::Project(form) => *form,
        };
        let (locked, mut faults) = wheels::read_project(form, path, text, target, selection);
        faults.extend(self.outdated(text));
        // Files of packages from an index are taken from its pages; a file with a URL of its own is only in the project
        // lock.
        let wanted = |LockedPackage { requirement, files, is_direct }: LockedPackage| ApplicableRequirement {
            requirement,
            listed: (index.is_none() || is_direct).then_some(files),
        };
        (locked.into_iter().map(wanted).collect(), faults)
    }

    /// Requirements of a requirements file that apply to the target, and all errors in it.
    fn required(&self, path: &Path, text: &str) -> (Vec<ApplicableRequirement>, Vec<BuildError>) {
        let target = &self.source.target;
        let (all, mut faults) = wheels::read(path, text);
        let (taken, more) = wheels::applicable(path, all, target);
        faults.extend(more);
        if taken.is_empty() && faults.is_empty() {
            let what = format!("no requirement applies to {target}");
            faults.push(BuildError::at(codes::REQUIREMENTS_UNREADABLE, Place::file(path), what));
        }
        (taken.into_iter().map(|requirement| ApplicableRequirement { requirement, listed: None }).collect(), faults)
    }

    /// Error if a `uv.lock` is older than the `pyproject.toml` next to it.
    fn outdated(&self, text: &str) -> Option<BuildError> {
        let path = self.fields.file.path.as_path();
        let declaration = path.with_file_name(wheels::PYPROJECT);
        if self.source.form != Form::Project(ProjectForm::Uv) || !declaration.is_file() {
            return None;
        }
        let read = documents::text(&declaration, codes::PROJECT_LOCK_UNREADABLE);
        read.map_or_else(Some, |declared| {
            wheels::outdated_error((path, text), (declaration.as_path(), declared.as_str()))
        })
    }

    fn text(&self) -> Result<&str> {
        let (bytes, _) = self.fields.content()?;
        std::str::from_utf8(bytes).map_err(|error| {
            let place = Place::file(&self.fields.file.path);
            BuildError::at(self.source.unreadable(), place, "is not UTF-8").because(error)
        })
    }
}

impl Resolver<'_> {
    /// Selects and pins a wheel for each requirement; each requirement without one is a separate error.
    pub(super) async fn wheels(self, entry: &LockEntry, set: WheelSet<'_>) -> Result<Outcome, Vec<BuildError>> {
        let (wanted, faults) = set.wanted();
        let tags = Tags::of(&set.source.target);
        let path = set.fields.file.path.as_path();
        let found = stream::iter(&wanted).map(|wanted| self.wheel(set.source, wanted, &tags, path));
        let found = found.buffered(PARALLEL).collect().await;
        self.pin_set(entry, set.fields, found, faults)
    }

    /// The wheel for a requirement. Errors are at the line of the requirement.
    async fn wheel(
        self,
        source: &WheelSource,
        wanted: &ApplicableRequirement,
        tags: &Tags,
        path: &Path,
    ) -> Result<SetPackage> {
        let ApplicableRequirement { requirement, listed } = wanted;
        let place = Place::field(path, requirement.line, requirement.name.as_str());
        let found = async {
            if let Some(files) = listed {
                let wheel = source.best_wheel(requirement, files, tags)?;
                return self.pinned_wheel(wheel.url()?, wheel).await;
            }
            let page = self.page(source, &requirement.name).await?;
            let wheel = source.best_wheel(requirement, &page.files, tags)?;
            if wheel.is_yanked {
                let what = format!("{} was withdrawn by its publisher, and is still there", wheel.file_name);
                self.progress.event(Event::Note(what));
            }
            self.pinned_wheel(page.url(wheel)?, wheel).await
        };
        found.await.map_err(|error| error.within(place))
    }

    /// The page of a project, by its normalized name.
    async fn page(self, source: &WheelSource, project: &str) -> Result<ProjectPage> {
        let url = source.page(project, self.client.package_index())?;
        let page = self.client.page(&url, ProjectPage::LIMIT_BYTES, self.progress).await;
        let page = page.map_err(|error| match error {
            error if error.code() == codes::FILE_MISSING => {
                BuildError::new(codes::PACKAGE_MISSING, format!("the index has no page {url}/"))
            }
            error => error,
        })?;
        ProjectPage::read(&url, project, page)
    }

    async fn pinned_wheel(self, url: FileUrl, wheel: &IndexFile) -> Result<SetPackage> {
        // A URL without TLS is refused here, rather than only at the fetch.
        self.client.check_address(&url)?;
        let digest = wheel.sha256.ok_or_else(|| BuildError::new(codes::BUG, "a wheel was chosen without a hash"))?;
        let size = match wheel.size {
            Some(size) => Some(size),
            None => self.client.published_size(FileRequest::file(&url), self.progress).await?,
        };
        let size = if let Some(size) = size { size } else { self.measured_wheel(&url, digest).await? };
        if size > limits::BLOB_BYTES {
            let what = format!("{url} has {size} bytes, more than any file of a bundle");
            return Err(BuildError::new(codes::INDEX_ANSWER, what));
        }
        Ok(SetPackage { path: wheel.file_name.clone(), url: url.to_string(), digest, size })
    }

    /// Size of a wheel whose server states no length: it is read completely, and its digest must be the one that the
    /// index states.
    async fn measured_wheel(self, url: &FileUrl, digest: Sha256) -> Result<u64> {
        let MeasuredFile { digest: found, size } = self.client.measure(url, self.store, self.progress).await?;
        if found != digest {
            durable::remove_file(&self.store.path(found))?;
            let what = format!("{url} is {found} where {digest} is stated");
            return Err(BuildError::new(codes::FETCH_MISMATCH, what));
        }
        Ok(size)
    }

    /// Checks that the pinned wheels are still published: in the index with their hashes, or at the URLs of a project
    /// lock with their sizes. Each that is not is an error.
    pub(super) async fn check_wheels(self, set: WheelSet<'_>, pinned: &SetPinned) -> Vec<BuildError> {
        if let Form::Project(_) = set.source.form {
            let outdated = set.text().ok().and_then(|text| set.outdated(text));
            return self.check_addresses(pinned).await.into_iter().chain(outdated).collect();
        }
        let each = stream::iter(&pinned.files).map(|wheel| self.check_wheel(set.source, wheel));
        let each: Vec<_> = each.buffered(PARALLEL).collect().await;
        each.into_iter().filter_map(Result::err).collect()
    }

    async fn check_wheel(self, source: &WheelSource, wheel: &SetPackage) -> Result<()> {
        let name = WheelName::read(&wheel.path).map_err(|fault| {
            BuildError::new(codes::LOCK_UNREADABLE, format!("`{}` is not a wheel", wheel.path.escape_default()))
                .because(fault)
        })?;
        let page = self.page(source, &name.project).await?;
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
