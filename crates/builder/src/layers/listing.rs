//! Names of a layer's entries, and packages that its files record. They are read once and cached next to the blobs, so
//! that a build without changes decompresses no layer.
//!
//! Threats: the bytes come from upstream. Paths are compared, never opened; files are read within the limits of their
//! readers, and packages are counted.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Component as Part, Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_inventory::limits;
use landfall_inventory::read::{self, FileContents, Source};
use landfall_media::store::ContentStore;
use serde::{Deserialize, Serialize};

use crate::error::{BuildError, Result};
use crate::manifest::OciDescriptor;
use crate::{layers, record};

/// Type of a record. It changes with any change to what is read from a layer, including licenses. Records of another
/// type, and inventories derived from them, are created again.
pub const RECORD_TYPE: &str = "landfall.dev/listing/5";

/// Kinds of entries in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// A folder.
    Folder,
    /// A file of any kind.
    File,
    /// A link with its target, as written.
    Link(PathBuf),
}

/// An entry of a layer, including whiteouts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedEntry {
    /// Path from the root.
    pub path: PathBuf,
    /// Kind of the entry.
    pub entry: Entry,
}

/// The content of a layer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerListing {
    /// Entries in their order, without those whose path is not UTF-8, which no rule can name.
    pub entries: Vec<ListedEntry>,
    /// Packages that its files record, by path of the file.
    pub found: BTreeMap<String, FileContents>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    #[serde(rename = "type")]
    document_type: String,
    listing: LayerListing,
}

/// The listing of a layer: from its record, or by decompression. In the latter case the record is written and synced.
pub fn of(layer: &OciDescriptor, store: &ContentStore) -> Result<LayerListing> {
    if let Some(listing) = read_record(&record_path(store, layer.digest)) {
        return Ok(listing);
    }
    let compression = layers::compression_of(store, layer.digest, &layer.media_type)?;
    let listing = read(compression.reader(store.open(layer.digest)?)).map_err(|error| {
        let what = format!("layer {} cannot be unpacked", layer.digest);
        BuildError::new(codes::ARTIFACT_INVALID, what).because(error)
    })?;
    keep(store, layer.digest, listing.clone())?;
    Ok(listing)
}

/// Writes the record of a layer and syncs it.
pub fn keep(store: &ContentStore, layer: Sha256, listing: LayerListing) -> Result<()> {
    write_record(&record_path(store, layer), listing)
}

/// Lists an uncompressed layer.
pub fn read(layer: impl Read) -> io::Result<LayerListing> {
    let mut lister = Lister::default();
    for entry in tar::Archive::new(layer).entries()? {
        lister.add(&mut entry?)?;
    }
    Ok(lister.listing)
}

/// Lists a layer entry by entry, while it is read for another purpose.
#[derive(Debug, Default)]
pub struct Lister {
    listing: LayerListing,
    /// Number of packages so far; a file counts as at least one.
    packages: usize,
}

impl Lister {
    /// Lists an entry, and reads its content if it records packages.
    pub fn add<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> io::Result<()> {
        let path = plain(&entry.path()?);
        let target = entry.link_name()?.map(std::borrow::Cow::into_owned).unwrap_or_default();
        let (Some(text), true) = (path.to_str(), target.to_str().is_some()) else { return Ok(()) };
        let listed = match entry.header().entry_type() {
            tar::EntryType::Directory => Entry::Folder,
            tar::EntryType::Symlink => Entry::Link(target),
            // The target of a hard link is relative to the root of the image.
            tar::EntryType::Link => Entry::Link(plain(&target)),
            _ => Entry::File,
        };
        let text = text.to_owned();
        // A later entry with the same path replaces an earlier one.
        self.listing.found.remove(&text);
        if listed == Entry::File
            && let Some(source) = Source::of(&text)
        {
            let found = self.read_entry(source, entry)?;
            self.listing.found.insert(text, found);
        }
        self.listing.entries.push(ListedEntry { path, entry: listed });
        Ok(())
    }

    fn read_entry<R: Read>(&mut self, source: Source, entry: &mut tar::Entry<'_, R>) -> io::Result<FileContents> {
        let found = read::read(source, entry.size(), entry)?;
        let packages = if let FileContents::Packages(packages) = &found { packages.len() } else { 0 };
        self.packages = self.packages.saturating_add(packages.max(1));
        let too_many = || FileContents::Unread(format!("its layer lists more than {} packages", limits::PACKAGES));
        Ok(if self.packages > limits::PACKAGES { too_many() } else { found })
    }

    /// The listing of all added entries.
    pub fn finish(self) -> LayerListing {
        self.listing
    }
}

fn record_path(store: &ContentStore, layer: Sha256) -> PathBuf {
    record::path(store, "listings", layer)
}

/// Normalizes a path from the root, without `.` and `..`.
pub fn plain(path: &Path) -> PathBuf {
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

/// Reads a record; `None` if this version does not understand it, so that it is created again.
fn read_record(path: &Path) -> Option<LayerListing> {
    let record: Record = record::read(path)?;
    (record.document_type == RECORD_TYPE).then_some(record.listing)
}

fn write_record(path: &Path, listing: LayerListing) -> Result<()> {
    let record = Record { document_type: RECORD_TYPE.to_owned(), listing };
    record::write(path, &record, "a layer's list")
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;

    #[test]
    fn torn_listing_is_not_read() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("ab/abcd");
        assert_eq!(read_record(&path), None);
        let link = ListedEntry { path: "/bin".into(), entry: Entry::Link("usr/bin".into()) };
        let entries = vec![ListedEntry { path: "/usr".into(), entry: Entry::Folder }, link];
        let found = BTreeMap::from([("/var/lib/rpm/Packages".to_owned(), FileContents::Unread("why".to_owned()))]);
        let listing = LayerListing { entries, found };
        write_record(&path, listing.clone()).expect("record");
        assert_eq!(read_record(&path), Some(listing));
        durable::write_file(&path, b"{", 0o644).expect("file");
        assert_eq!(read_record(&path), None);
    }
}
