//! The written form of a lock, and its checks.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::bucket::{self, WrittenBucket};
use super::folder::{self, WrittenFolder};
use super::hub::{self, WrittenHub};
use super::set::{self, SetContext, WrittenNpm};
use super::signature_rule::{self, WrittenRule};
use super::wheel_source::{self, WrittenWheels};
use super::{
    ArchiveFields, Content, Field, IndexField, List, LockDocument, LockEntry, LockedFile, ManifestFields,
    RendererFields, archive, sums,
};
use crate::compression::Compression;
use crate::documents::yaml_text;
use crate::error::{BuildError, Place, Result};
use crate::file_url::FileUrl;
use crate::paths::is_relative;
use crate::pins::Take;
use crate::reference::Reference;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenLock {
    assembled: Spanned<bool>,
    platform: Spanned<String>,
    #[serde(default)]
    renderer: Option<WrittenRenderer>,
    #[serde(default)]
    helm: Option<WrittenRenderer>,
    images: Vec<WrittenEntry>,
    #[serde(default)]
    artifacts: Vec<WrittenEntry>,
    #[serde(default)]
    charts: Vec<WrittenEntry>,
    #[serde(default)]
    signatures: Vec<WrittenRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRenderer {
    version: Spanned<Field<String>>,
    digest: Spanned<Field<Sha256>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenEntry {
    reference: Spanned<String>,
    #[serde(default)]
    resolved: Option<Spanned<Field<String>>>,
    #[serde(default)]
    index: Option<Spanned<IndexField>>,
    #[serde(default)]
    digest: Option<Spanned<Field<Sha256>>>,
    #[serde(default)]
    media_type: Option<Spanned<Field<String>>>,
    #[serde(default)]
    size: Option<Spanned<Field<u64>>>,
    #[serde(default)]
    files: Option<Vec<WrittenFile>>,
    #[serde(default)]
    repository: Option<Spanned<String>>,
    #[serde(default)]
    archive: Option<Spanned<PathBuf>>,
    #[serde(default)]
    url: Option<Spanned<Field<String>>>,
    #[serde(default)]
    hub: Option<WrittenHub>,
    #[serde(default)]
    s3: Option<WrittenBucket>,
    #[serde(default)]
    folder: Option<WrittenFolder>,
    #[serde(default)]
    wheels: Option<WrittenWheels>,
    #[serde(default)]
    npm: Option<WrittenNpm>,
    #[serde(default)]
    license: Option<String>,
    #[serde(default)]
    recipe: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenFile {
    url: Spanned<String>,
    #[serde(default)]
    resolved: Option<Spanned<Field<String>>>,
    digest: Spanned<Field<Sha256>>,
    size: Spanned<Field<u64>>,
    #[serde(default)]
    sums: Option<Spanned<String>>,
    #[serde(default)]
    confirmed: Option<Spanned<Field<String>>>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    members: Option<BTreeMap<String, String>>,
}

/// Parses a lock strictly.
pub fn read(path: &Path, text: &str) -> Result<LockDocument> {
    let written: WrittenLock = yaml_text(path, text, codes::LOCK_UNREADABLE)?;
    let platform = written.platform.value.clone();
    let rules = written.signatures.into_iter().enumerate();
    let signatures = rules.map(|(number, rule)| signature_rule::read(rule, number, path, text));
    let signatures = signatures.collect::<Result<_>>()?;
    let mut checked = LockReader { path, text, platform: &platform, urls: HashSet::new() };
    Ok(LockDocument {
        assembled: written.assembled,
        platform: written.platform,
        renderer: written.renderer.map(RendererFields::from),
        helm: written.helm.map(RendererFields::from),
        images: checked.list(List::Images, written.images)?,
        artifacts: checked.list(List::Artifacts, written.artifacts)?,
        charts: checked.list(List::Charts, written.charts)?,
        signatures,
    })
}

impl From<WrittenRenderer> for RendererFields {
    fn from(WrittenRenderer { version, digest }: WrittenRenderer) -> Self {
        Self { version, digest }
    }
}

struct LockReader<'a> {
    path: &'a Path,
    text: &'a str,
    platform: &'a str,
    /// URLs seen so far.
    urls: HashSet<String>,
}

/// Creates an error for a field of an entry or of one of its files.
pub(super) type Refuse<'a> = &'a dyn Fn(&str, String) -> BuildError;

impl LockReader<'_> {
    fn list(&mut self, list: List, written: Vec<WrittenEntry>) -> Result<Vec<LockEntry>> {
        let mut entries: Vec<LockEntry> = Vec::with_capacity(written.len());
        for (index, entry) in written.into_iter().enumerate() {
            let entry = self.entry(list, index, entry)?;
            if entries.iter().any(|other| other.reference.value == entry.reference.value) {
                let place = self.place(&entry.reference, format!("{}[{index}].reference", list.field()));
                let what = format!("`{}` occurs twice", entry.reference.value);
                return Err(BuildError::at(codes::LOCK_UNREADABLE, place, what));
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn place<T>(&self, at: &Spanned<T>, field: String) -> Place {
        Place::field(self.path, at.referenced.line(), field)
    }

    fn entry(&mut self, list: List, index: usize, written: WrittenEntry) -> Result<LockEntry> {
        let name = format!("{}[{index}]", list.field());
        let place = self.place(&written.reference, name.clone());
        let refuse = |field: &str, what: String| {
            let place = Place { field: Some(format!("{name}.{field}")), ..place.clone() };
            BuildError::at(codes::LOCK_UNREADABLE, place, what)
        };
        reference(&written.reference.value, &refuse)?;
        let (reference, license, recipe) = (written.reference.clone(), written.license.clone(), written.recipe.clone());
        let content = self.content(list, &name, written, &refuse)?;
        Ok(LockEntry { reference, content, license, recipe })
    }

    /// Source of an entry: exactly one of a hub, a bucket, a folder, a package set, an archive, files, and a manifest.
    fn content(&mut self, list: List, entry: &str, written: WrittenEntry, refuse: Refuse<'_>) -> Result<Content> {
        let origin = archive::origin(list, (&written.repository, &written.archive, &written.url), refuse)?;
        let WrittenEntry {
            resolved, index, digest, media_type, size, files, hub, s3, folder, wheels, npm, url, ..
        } = written;
        let is_pinned = [digest.is_some(), media_type.is_some(), size.is_some(), index.is_some(), resolved.is_some()];
        let is_pinned = is_pinned.contains(&true);
        let sole = FurtherFields { list, is_pinned, has_files: files.is_some(), has_origin: origin.is_some() };
        let sources = [hub.is_some(), s3.is_some(), folder.is_some(), wheels.is_some(), npm.is_some()];
        let has_more = sources.into_iter().filter(|is_there| *is_there).count() > 1;
        if let Some(hub) = hub {
            sole.check("hub", has_more, refuse)?;
            return Ok(Content::Hub(Box::new(hub::read(hub, self.text, refuse)?)));
        }
        if let Some(bucket) = s3 {
            sole.check(bucket::FIELD, has_more, refuse)?;
            return Ok(Content::Bucket(Box::new(bucket::read(bucket, self.text, refuse)?)));
        }
        if let Some(folder) = folder {
            sole.check(folder::FIELD, has_more, refuse)?;
            return Ok(Content::Folder(Box::new(folder::read(folder, self.text, refuse)?)));
        }
        let within = SetContext { lock: self.path, text: self.text, platform: self.platform };
        if let Some(wheels) = wheels {
            sole.check("wheels", has_more, refuse)?;
            return Ok(Content::Set(Box::new(wheel_source::read(wheels, within, refuse)?)));
        }
        if let Some(npm) = npm {
            sole.check("npm", has_more, refuse)?;
            return Ok(Content::Set(Box::new(set::read_npm(npm, within, refuse)?)));
        }
        if let (None, Some(files)) = (&origin, files) {
            sole.check_files(refuse)?;
            return Ok(Content::Files(self.files(entry, files, refuse)?));
        }
        let missing = |field: &str| refuse(field, "is missing; write `unresolved` where it is not known".to_owned());
        let Some(origin) = origin else {
            return Ok(Content::Manifest(Box::new(ManifestFields {
                resolved,
                index,
                digest: digest.ok_or_else(|| missing("digest"))?,
                media_type: media_type.ok_or_else(|| missing("mediaType"))?,
                size: size.ok_or_else(|| missing("size"))?,
            })));
        };
        if sole.has_files || media_type.is_some() || index.is_some() {
            let what = "an archive has neither `files` nor the `index` and `mediaType` of a manifest";
            return Err(refuse("digest", what.to_owned()));
        }
        Ok(Content::Archive(Box::new(ArchiveFields {
            origin,
            url,
            resolved,
            digest: digest.ok_or_else(|| missing("digest"))?,
            size: size.ok_or_else(|| missing("size"))?,
        })))
    }

    fn files(&mut self, entry: &str, written: Vec<WrittenFile>, refuse_entry: Refuse<'_>) -> Result<Vec<LockedFile>> {
        let mut paths = HashSet::new();
        let mut files = Vec::with_capacity(written.len());
        for (number, file) in written.into_iter().enumerate() {
            let name = format!("{entry}.files[{number}]");
            let at = self.place(&file.url, name.clone());
            let refuse = |field: &str, what: String| {
                let place = Place { field: Some(format!("{name}.{field}")), ..at.clone() };
                BuildError::at(codes::LOCK_UNREADABLE, place, what)
            };
            let url: FileUrl = file.url.value.parse().map_err(|error| refuse("url", format!("{error}")))?;
            if !self.urls.insert(file.url.value.clone()) {
                return Err(refuse("url", format!("`{url}` occurs twice")));
            }
            let sums = sums::read(file.sums, file.confirmed, &refuse)?;
            let take = take(&url, file.path, file.members, &refuse)?;
            for path in take.paths() {
                if !paths.insert(path.to_owned()) {
                    return Err(refuse("url", format!("the artifact would have two files named `{path}`")));
                }
            }
            files.push(LockedFile {
                written: file.url,
                url,
                resolved: file.resolved,
                digest: file.digest,
                size: file.size,
                sums,
                take,
            });
        }
        if files.is_empty() {
            return Err(refuse_entry("files", "an artifact has at least one file".to_owned()));
        }
        Ok(files)
    }
}

/// Other fields of an entry, which its source may exclude.
#[derive(Clone, Copy)]
struct FurtherFields {
    list: List,
    /// True if it has a field of a manifest's pin.
    is_pinned: bool,
    has_files: bool,
    /// True if it has an archive.
    has_origin: bool,
}

impl FurtherFields {
    /// Returns an error for an entry of a hub, bucket, folder or package set that is not an artifact, or that has
    /// another source as well.
    fn check(self, field: &str, has_more: bool, refuse: Refuse<'_>) -> Result<()> {
        if self.list != List::Artifacts {
            let noun = self.list.noun();
            let what = match field {
                "hub" => "comes from a hub; only artifacts do",
                bucket::FIELD => "comes from a bucket; only artifacts do",
                folder::FIELD => "comes from a folder; only artifacts do",
                _ => "is a set of packages; only artifacts are",
            };
            return Err(refuse(field, format!("no {noun} {what}")));
        }
        if self.is_pinned || self.has_files || self.has_origin || has_more {
            let from = match field {
                "hub" => "of a hub",
                bucket::FIELD => "of a bucket",
                folder::FIELD => "of a folder",
                _ => "that is a set of packages",
            };
            let what =
                format!("an entry {from} has neither `files` of its own nor the digest of a manifest or an archive");
            return Err(refuse(field, what));
        }
        Ok(())
    }

    /// Returns an error for files in an entry that pins a manifest, or that is not an artifact.
    fn check_files(self, refuse: Refuse<'_>) -> Result<()> {
        if self.is_pinned {
            let what = "an entry names either files, or the digest, mediaType and size of a manifest";
            return Err(refuse("files", what.to_owned()));
        }
        if self.list != List::Artifacts {
            let what = format!("no {} is composed of files; only artifacts are", self.list.noun());
            return Err(refuse("files", what));
        }
        Ok(())
    }
}

fn reference(text: &str, refuse: Refuse<'_>) -> Result<()> {
    let invalid = |what: String| refuse("reference", what);
    let reference: Reference = text.parse().map_err(|error| invalid(format!("{error}")))?;
    if reference.to_string() != text {
        return Err(invalid(format!("write `{text}` in full, as `{reference}`")));
    }
    if reference.tag.is_none() || reference.digest.is_some() {
        return Err(invalid(format!("`{reference}` needs a tag and no digest: the digest has its own field")));
    }
    Ok(())
}

/// The part of a file that is used: the whole file under a path, or members of an archive under their own paths.
fn take(
    url: &FileUrl,
    path: Option<String>,
    members: Option<BTreeMap<String, String>>,
    refuse: Refuse<'_>,
) -> Result<Take> {
    let take = match (path, members) {
        (Some(path), None) => Take::Whole(path),
        (None, Some(members)) => {
            let compression = Compression::of_archive(url.name()).ok_or_else(|| {
                let what =
                    format!("`{}` is not a .tar, .tar.gz, .tgz or .tar.zst, whose members could be taken", url.name());
                refuse("members", what)
            })?;
            if let Some(member) = members.keys().find(|member| !is_relative(member)) {
                let what = format!("`{}` is not the relative path of a member", member.escape_default());
                return Err(refuse("members", what));
            }
            if members.is_empty() {
                return Err(refuse("members", "no member is taken".to_owned()));
            }
            Take::Members(compression, members)
        }
        _ => {
            let what = "a file has either `path`, under which it travels as it is, or `members` of an archive";
            return Err(refuse("path", what.to_owned()));
        }
    };
    let field = if matches!(take, Take::Whole(_)) { "path" } else { "members" };
    if let Some(path) = take.paths().find(|path| !is_relative(path)) {
        return Err(refuse(field, format!("`{}` is not a relative path", path.escape_default())));
    }
    Ok(take)
}
