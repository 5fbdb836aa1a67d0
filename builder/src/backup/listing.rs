//! The names in a layer, read once and kept beside the blobs: a build with nothing changed decompresses no layer.

use std::io::Read;
use std::path::{Component as Part, Path, PathBuf};

use landfall_error_codes::codes;
use landfall_media::durable;
use landfall_media::store::ContentStore;
use serde::{Deserialize, Serialize};

use crate::compression::Compression;
use crate::error::{BuildError, Result};
use crate::fetch::Described;

const RECORD_TYPE: &str = "landfall.dev/listing/1";

/// What is at a path of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Entry {
    /// A folder.
    Folder,
    /// A file of whatever kind.
    File,
    /// A link to this path, as it is written.
    Link(PathBuf),
}

/// An entry of a layer, whiteouts included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    /// Its path from the root.
    pub path: PathBuf,
    /// What it is.
    pub entry: Entry,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    #[serde(rename = "type")]
    document_type: String,
    entries: Vec<Listed>,
}

/// The entries of a layer: from its record, or by decompressing it now and writing the record, synced.
pub(super) fn of(layer: &Described, store: &ContentStore) -> Result<Vec<Listed>> {
    let hex = layer.digest.to_hex();
    let path = store.root().join("landfall/listings").join(&hex[..2]).join(hex);
    if let Some(entries) = read_record(&path) {
        return Ok(entries);
    }
    let unknown = || BuildError::new(codes::ARTIFACT_INVALID, format!("layer {} is of an unknown type", layer.digest));
    let compression = Compression::of_layer(&layer.media_type).ok_or_else(unknown)?;
    let entries = read(compression.reader(store.open(layer.digest)?)).map_err(|error| {
        let what = format!("layer {} cannot be unpacked", layer.digest);
        BuildError::new(codes::ARTIFACT_INVALID, what).because(error)
    })?;
    write_record(&path, &entries)?;
    Ok(entries)
}

/// The entries of an uncompressed layer. A path that is no text is left out: no rule can name it.
pub(super) fn read(layer: impl Read) -> std::io::Result<Vec<Listed>> {
    let mut entries = Vec::new();
    for entry in tar::Archive::new(layer).entries()? {
        let entry = entry?;
        let path = plain(&entry.path()?);
        let target = entry.link_name()?.map(std::borrow::Cow::into_owned).unwrap_or_default();
        if path.to_str().is_none() || target.to_str().is_none() {
            continue;
        }
        let entry = match entry.header().entry_type() {
            tar::EntryType::Directory => Entry::Folder,
            tar::EntryType::Symlink => Entry::Link(target),
            // The path of a hard link begins at the root of the image.
            tar::EntryType::Link => Entry::Link(plain(&target)),
            _ => Entry::File,
        };
        entries.push(Listed { path, entry });
    }
    Ok(entries)
}

/// A path from the root, without `.` and `..`.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for part in path.components() {
        match part {
            Part::Normal(name) => plain.push(name),
            Part::ParentDir => drop(plain.pop()),
            Part::RootDir | Part::CurDir | Part::Prefix(_) => {}
        }
    }
    plain
}

/// None where there is no record that this version understands: it is made again.
fn read_record(path: &Path) -> Option<Vec<Listed>> {
    let record: Record = serde_json::from_slice(&fs_err::read(path).ok()?).ok()?;
    (record.document_type == RECORD_TYPE).then_some(record.entries)
}

fn write_record(path: &Path, entries: &[Listed]) -> Result<()> {
    let record = Record { document_type: RECORD_TYPE.to_owned(), entries: entries.to_vec() };
    let bytes = serde_json::to_vec(&record)
        .map_err(|error| BuildError::new(codes::BUG, "a layer's list has no JSON form").because(error))?;
    if let Some(folder) = path.parent() {
        durable::create_folder(folder)?;
    }
    durable::write_file(path, &bytes, 0o644)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_again_and_a_torn_one_is_not() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("ab/abcd");
        assert_eq!(read_record(&path), None);
        let link = Listed { path: "/bin".into(), entry: Entry::Link("usr/bin".into()) };
        let entries = vec![Listed { path: "/usr".into(), entry: Entry::Folder }, link];
        write_record(&path, &entries).expect("record");
        assert_eq!(read_record(&path), Some(entries));
        durable::write_file(&path, b"{", 0o644).expect("file");
        assert_eq!(read_record(&path), None);
    }
}
