//! The site's own files as streams of a backup. Each file is opened when it is read, so a backup does not hold all
//! journals in memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use landfall_backup::StreamName;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_host::files;
use landfall_host::paths::SitePaths;

use crate::license;
use crate::marks::Marks;

/// Document with the marks of installed releases and revocations.
pub const MARKS: &str = "LANDFALL/marks.json";

/// Folder of journals in a backup.
const JOURNALS: &str = "LANDFALL/journal";

/// A file of the site that a backup reads.
#[derive(Debug)]
pub(super) struct SiteFile {
    name: StreamName,
    path: PathBuf,
    opened: Option<File>,
}

impl SiteFile {
    pub(super) fn name(&self) -> StreamName {
        self.name.clone()
    }
}

impl Read for SiteFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.opened.is_none() {
            self.opened = Some(File::open(&self.path)?);
        }
        self.opened.as_mut().map_or(Ok(0), |file| file.read(buffer))
    }
}

/// Returns the journals with settings and trust, the generated secrets, without which data is useless, and the
/// release's head.
pub(super) fn site_files(paths: &SitePaths, bundle: &str) -> Result<Vec<SiteFile>, StepError> {
    let mut found = Vec::new();
    for (name, folder) in [(JOURNALS, paths.journal()), ("LANDFALL/secrets", paths.secrets())] {
        add_files(&mut found, name, &folder)?;
    }
    let head = paths.release(bundle).join("bundle.head");
    if head.exists() {
        add_file(&mut found, "LANDFALL/bundle.head", head);
    }
    Ok(found)
}

/// Returns the site's marks and license: small documents that are made for the backup.
pub(super) fn site_documents(paths: &SitePaths) -> Vec<(StreamName, Vec<u8>)> {
    let mut documents = Vec::new();
    match Marks::document(paths) {
        Ok(marks) => documents.extend(marks.and_then(|marks| Some((MARKS.parse().ok()?, marks)))),
        Err(error) => tracing::warn!(error = with_causes(&error), "the backup is without the marks of this site"),
    }
    for (name, bytes) in license::saved_documents(paths) {
        documents.extend(name.parse().ok().map(|name| (name, bytes)));
    }
    documents
}

/// Returns true if a stream is a journal. An unreadable journal stops no data from being saved: closed ones are an
/// archive, and the deciding one was read before.
pub(super) fn is_journal(name: &StreamName) -> bool {
    name.as_str().strip_prefix(JOURNALS).is_some_and(|rest| rest.starts_with('/'))
}

/// Adds the files of a folder and its subfolders.
fn add_files(found: &mut Vec<SiteFile>, name: &str, folder: &Path) -> Result<(), StepError> {
    if !folder.exists() {
        return Ok(());
    }
    let failed = |error| files::file_error("list", folder, error);
    for entry in fs_err::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let name = format!("{name}/{file_name}");
        if path.is_dir() {
            add_files(found, &name, &path)?;
        } else {
            add_file(found, &name, path);
        }
    }
    Ok(())
}

/// Adds a file, unless restic cannot express its name, for example that of a temporary file.
fn add_file(found: &mut Vec<SiteFile>, name: &str, path: PathBuf) {
    if let Ok(name) = name.parse() {
        found.push(SiteFile { name, path, opened: None });
    }
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::Sha256;
    use landfall_media::durable;

    use super::*;

    /// Returns the number of files below a folder that this process has open.
    fn open_below(folder: &Path) -> usize {
        let descriptors = fs_err::read_dir("/proc/self/fd").unwrap();
        let targets = descriptors.filter_map(|entry| fs_err::read_link(entry.ok()?.path()).ok());
        targets.filter(|target| target.starts_with(folder)).count()
    }

    #[test]
    fn site_files_open_one_by_one() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        durable::create_folder(&paths.journal()).unwrap();
        for number in 0..50 {
            let journal = paths.journal().join(format!("{number:06}-configure.journal"));
            durable::write_file(&journal, format!("journal {number}").as_bytes(), 0o600).unwrap();
        }
        let found = site_files(&paths, "0123").unwrap();
        assert_eq!((found.len(), open_below(root.path())), (50, 0));
        for mut file in found {
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert!(text.starts_with("journal ") && is_journal(&file.name()), "{text}");
            assert_eq!(open_below(root.path()), 1);
        }
    }

    #[test]
    fn backup_lists_site_files_despite_damaged_license() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let secret = paths.secrets().join("shop/key.json");
        let files = [
            paths.journal().join("000001-install.journal"),
            paths.journal().join(".hidden"),
            secret.clone(),
            paths.release("0123").join("bundle.head"),
            paths.license(),
            paths.trusted_time(),
        ];
        for file in &files {
            durable::create_folder(file.parent().unwrap()).unwrap();
            durable::write_file(file, b"content", 0o600).unwrap();
        }
        Marks::advance(&paths, "tiny", 1, Sha256([1; 32])).unwrap();
        let files = site_files(&paths, "0123").unwrap();
        let documents = site_documents(&paths);
        let names = files.iter().map(SiteFile::name).chain(documents.into_iter().map(|(name, _)| name));
        let mut names: Vec<String> = names.map(|name| name.to_string()).collect();
        names.sort();
        let expected = [
            "LANDFALL/bundle.head",
            "LANDFALL/journal/000001-install.journal",
            "LANDFALL/marks.json",
            "LANDFALL/secrets/shop/key.json",
        ];
        assert_eq!(names, expected);
    }
}
