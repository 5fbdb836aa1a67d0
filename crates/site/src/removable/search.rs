//! Search for bundles in a folder and its subfolders by file names, which are only a hint. The verified head is
//! authoritative.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::parts::{BundleName, FileKind};

/// Maximum number of subfolders of a medium that are searched.
const FOLDERS: usize = 64;
/// Maximum number of files of a folder whose names are examined.
const FILES: usize = 20_000;
/// Maximum number of a medium's bundles that are listed.
const BUNDLES: usize = 16;

/// Files of one bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Path of one of them: the whole bundle, otherwise its first part, otherwise the delta.
    pub path: PathBuf,
    /// Name that they share.
    pub name: String,
    /// Total size in bytes.
    pub size_bytes: u64,
}

/// Returns the bundles in a folder and one level below it, by path. Links are not followed.
pub fn bundles_below(root: &Path) -> Vec<FoundFile> {
    let mut found = bundles_in(root);
    let mut folders: Vec<_> = entries(root).filter(|(_, kind)| kind.is_dir()).map(|(path, _)| path).collect();
    folders.sort();
    found.extend(folders.iter().take(FOLDERS).flat_map(|folder| bundles_in(folder)));
    found.truncate(BUNDLES);
    found
}

fn bundles_in(folder: &Path) -> Vec<FoundFile> {
    let mut bundles: BTreeMap<BundleName, BTreeMap<FileKind, PathBuf>> = BTreeMap::new();
    for (path, _) in entries(folder).filter(|(_, kind)| kind.is_file()) {
        let parsed = path.file_name().and_then(|name| name.to_str()).and_then(BundleName::parse);
        // A head alone does not provide a release.
        if let Some((name, kind)) = parsed
            && kind != FileKind::Head
        {
            bundles.entry(name).or_default().insert(kind, path);
        }
    }
    let describe = |(name, files): (BundleName, BTreeMap<FileKind, PathBuf>)| {
        let length = |path: &PathBuf| fs_err::symlink_metadata(path).map_or(0, |metadata| metadata.len());
        let size_bytes = files.values().map(length).fold(0, u64::saturating_add);
        let (_, path) = files.into_iter().next()?;
        Some(FoundFile { path, name: name.stem().to_owned(), size_bytes })
    };
    bundles.into_iter().filter_map(describe).collect()
}

fn entries(folder: &Path) -> impl Iterator<Item = (PathBuf, std::fs::FileType)> {
    let entries = fs_err::read_dir(folder).into_iter().flatten().take(FILES);
    entries.filter_map(|entry| {
        let entry = entry.ok()?;
        Some((entry.path(), entry.file_type().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;

    #[test]
    fn bundle_search_follows_no_links() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = root.path().join(path);
            durable::create_folder(path.parent().unwrap()).unwrap();
            durable::write_file(&path, b"four", 0o644).unwrap();
        };
        write("a-1.0-abababababab.landfall");
        write("next/b-1.1-cdcdcdcdcdcd.landfall.002");
        write("next/b-1.1-cdcdcdcdcdcd.landfall.001");
        write("next/b-1.1-cdcdcdcdcdcd.head");
        write("next/deep/c-1-ababababab00.landfall");
        write("heads/d-1-ababababab00.head");
        write("next/f-1.2-abababababab.delta.001");
        write("next/f-1.2-abababababab.delta.002");
        write("photo.jpg");
        write("._a-1.0-abababababab.landfall");
        durable::symlink(&root.path().join("next/deep"), &root.path().join("link")).unwrap();
        durable::symlink(&root.path().join("photo.jpg"), &root.path().join("e-1-ababababab00.landfall")).unwrap();
        let found = bundles_below(root.path());
        let names: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.size_bytes)).collect();
        assert_eq!(names, [("a-1.0-abababababab", 4), ("b-1.1-cdcdcdcdcdcd", 8), ("f-1.2-abababababab", 8)]);
        assert!(found[1].path.ends_with("next/b-1.1-cdcdcdcdcdcd.landfall.001"));
        assert!(bundles_below(&root.path().join("nothing")).is_empty());
    }
}
