//! Models in files and folders of this machine, in the form in which a publisher ships them.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::collect::{ModelFile, ModelSource, models};
use crate::document::Model;
use crate::error::ModelError;
use crate::names::part;

/// Maximum depth of the search in folders, which also ends loops of links.
const DEPTH: usize = 4;

/// Maximum number of files and folders to examine; a model has a few hundred.
const ENTRIES: usize = 1 << 14;

/// Returns the models of a folder. For a file, returns its model with all of its parts and the `config.json` next to
/// it. Links are followed.
pub fn models_at(path: &Path) -> Result<Vec<Model>, ModelError> {
    let failed = |source| ModelError::Open { file: path.display().to_string(), source };
    let is_folder = std::fs::metadata(path).map_err(failed)?.is_dir();
    let folder = if is_folder {
        path
    } else {
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    };
    let mut files = Vec::new();
    let mut left = ENTRIES;
    list(folder, "", if is_folder { DEPTH } else { 0 }, &mut left, &mut files).map_err(failed)?;
    if left == 0 {
        return Err(ModelError::TooManyFiles { folder: folder.display().to_string(), limit: ENTRIES });
    }
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if is_folder {
        let absolute = std::path::absolute(path).map_err(failed)?;
        return models(&name(&absolute), &files, &Folder(folder.to_owned()));
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let common = part(&stem).map_or(stem.as_str(), |(common, ..)| common);
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf")) {
        files.retain(|file| belongs(&file.path, common));
    } else {
        // The configuration is next to the file.
        files.retain(|file| file.path == "config.json" || file.path == name(path) || belongs(&file.path, common));
    }
    models(common, &files, &Folder(folder.to_owned()))
}

/// Returns true if a file is the named one, or a part of it.
fn belongs(file: &str, common: &str) -> bool {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    stem == common || part(stem).is_some_and(|(other, ..)| other == common)
}

/// Lists a folder until `left` entries were seen. An unreadable folder inside it is left out.
fn list(folder: &Path, prefix: &str, depth: usize, left: &mut usize, files: &mut Vec<ModelFile>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        if *left == 0 {
            return Ok(());
        }
        *left -= 1;
        let entry = entry?;
        // A name that is not valid UTF-8 belongs to no model.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let (path, full) = (format!("{prefix}{name}"), entry.path());
        let Ok(metadata) = std::fs::metadata(&full) else { continue };
        if metadata.is_dir() && depth > 0 {
            let _left_out = list(&full, &format!("{path}/"), depth - 1, left, files);
        } else if metadata.is_file() {
            files.push(ModelFile { path, bytes: metadata.len() });
        }
    }
    Ok(())
}

/// A folder of this machine, as a source of models.
struct Folder(PathBuf);

impl ModelSource for Folder {
    fn open(&self, file: &ModelFile) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(std::fs::File::open(self.0.join(&file.path))?))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::sample::{gguf, safetensors};

    /// Writes a file whose data is a hole.
    fn write(folder: &Path, name: &str, (header, bytes): (Vec<u8>, u64)) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        let mut file = std::fs::OpenOptions::new().create_new(true).write(true).open(path).expect("file");
        file.write_all(&header).expect("header");
        file.set_len(bytes).expect("data");
    }

    #[test]
    fn folder_models_are_found() {
        let folder = tempfile::tempdir().expect("folder");
        let weights = || gguf(&[], &[("a", 24, &[64], 64)]);
        for name in ["q4.gguf", "q8-00001-of-00002.gguf", "q8-00002-of-00002.gguf"] {
            write(folder.path(), name, weights());
        }
        write(folder.path(), "deep/model.safetensors", safetensors(&[("a", "U8", &[10], 10)]));
        let names = |path: &str| -> Vec<_> {
            let found = models_at(&folder.path().join(path)).expect("models");
            found.into_iter().map(|model| (model.name, model.files)).collect()
        };
        let own = folder.path().file_name().expect("name").to_string_lossy().into_owned();
        assert_eq!(
            names("").iter().map(|(name, _)| name.strip_prefix(&own).expect("own")).collect::<Vec<_>>(),
            ["/deep", "/q4", "/q8"]
        );
        assert_eq!(names("q4.gguf"), [("q4".to_owned(), 1)]);
        assert_eq!(names("q8-00002-of-00002.gguf"), [("q8".to_owned(), 2)]);
        assert_eq!(names("deep/model.safetensors"), [("model".to_owned(), 1)]);
        let absent = models_at(&folder.path().join("absent"));
        assert!(matches!(absent, Err(ModelError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound));
        std::os::unix::fs::symlink(folder.path(), folder.path().join("deep/loop")).expect("loop");
        // The loop ends at the maximum depth.
        assert_eq!(names("deep").len(), 5);
    }

    #[test]
    fn oversized_folder_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        for number in 0..=ENTRIES {
            std::fs::create_dir(folder.path().join(number.to_string())).expect("folder");
        }
        assert!(matches!(models_at(folder.path()), Err(ModelError::TooManyFiles { .. })));
    }
}
