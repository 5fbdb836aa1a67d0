//! Sets of wheels: their entry in the lock.

use landfall_error_codes::{Code, codes};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::document::Refuse;
use super::pinned::WrittenPinned;
use super::set::{self, SetContext, SetFields, SetFile, SetKind, SetPinned};
use crate::error::{BuildError, Result};
use crate::file_url::FileUrl;
use crate::wheels::{self, Form, IndexFile, Requirement, Selection, Tags, Target};

/// The field `wheels`, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenWheels {
    #[serde(default)]
    index: Option<String>,
    requirements: String,
    #[serde(default)]
    project: Option<String>,
    #[serde(default)]
    extras: Vec<String>,
    #[serde(default)]
    groups: Option<Vec<String>>,
    python: String,
    platform: String,
    pinned: Spanned<WrittenPinned<SetPinned>>,
}

/// Source and selection of the wheels in a set.
#[derive(Debug, Clone)]
pub struct WheelSource {
    /// Form of the file that names them.
    pub form: Form,
    /// URL of the package index, without a trailing `/`. A project lock needs none, because it contains URLs itself.
    /// Requirements without one are looked up in the index of the registries file.
    pub index: Option<FileUrl>,
    /// Python version and platform.
    pub target: Target,
    /// Project, extras and groups of a project lock.
    pub selection: Selection,
}

/// Checks the written entry of a set of wheels.
pub(super) fn read(written: WrittenWheels, within: SetContext<'_>, refuse: Refuse<'_>) -> Result<SetFields> {
    let WrittenWheels { index, requirements, project, extras, groups, python, platform, pinned } = written;
    let index = index.map(|text| text.trim_end_matches('/').parse::<FileUrl>());
    let index = index.transpose().map_err(|error| refuse("wheels.index", format!("{error}")))?;
    let target = Target::new(&python, &platform)
        .map_err(|invalid| refuse(&format!("wheels.{}", invalid.field), invalid.what))?;
    if within.platform.split_once('/').is_some_and(|(_, architecture)| architecture != target.architecture()) {
        let what = format!("{platform} is not for {}, the platform of this lock", within.platform);
        return Err(refuse("wheels.platform", what));
    }
    let refuse_file = |what| refuse("wheels.requirements", what);
    let file = SetFile::read(within.lock, requirements, &refuse_file)?;
    let form = Form::of(file.name()).map_err(refuse_file)?;
    let selection = Selection::new(project.as_deref(), &extras, groups.as_deref());
    let source = WheelSource { form, index, target, selection };
    source.check(refuse)?;
    set::fields(SetKind::Wheels(Box::new(source)), file, pinned, within, refuse)
}

impl WheelSource {
    /// Error code of an unusable file.
    pub(crate) fn unreadable(&self) -> Code {
        match self.form {
            Form::Requirements => codes::REQUIREMENTS_UNREADABLE,
            Form::Project(_) => codes::PROJECT_LOCK_UNREADABLE,
        }
    }

    /// Returns an error for a requirements file with a selection.
    fn check(&self, refuse: Refuse<'_>) -> Result<()> {
        if self.form == Form::Requirements && !self.selection.is_empty() {
            let what =
                "`project`, `extras` and `groups` are chosen of a `uv.lock` or a `pylock.toml`, not of requirements";
            return Err(refuse("wheels.requirements", what.to_owned()));
        }
        Ok(())
    }

    /// URL of a project's page, without a trailing `/`, in the entry's own index or otherwise in that of the registries
    /// file; `project` is its normalized name.
    pub(crate) fn page(&self, project: &str, common: Option<&FileUrl>) -> Result<FileUrl> {
        let Some(index) = self.index.as_ref().or(common) else {
            let what = format!("neither the entry nor the registries file names an index that has {project}");
            return Err(BuildError::new(codes::PACKAGE_INDEX_UNNAMED, what));
        };
        format!("{index}/{project}")
            .parse()
            .map_err(|error| BuildError::new(codes::LOCK_UNREADABLE, format!("{error}")))
    }

    /// The wheel that fits a requirement best.
    pub(crate) fn best_wheel<'a>(
        &self,
        requirement: &Requirement,
        listed: &'a [IndexFile],
        tags: &Tags,
    ) -> Result<&'a IndexFile> {
        let chosen = wheels::choose(requirement, listed, &self.target, tags);
        chosen.map_err(|(code, what)| BuildError::new(code, what))
    }
}
