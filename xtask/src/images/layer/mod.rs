//! File trees and the layers made of them. They are sorted, with fixed times and a fixed gzip header, so that equal
//! trees always give equal bytes.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, recreated when lost")]

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{SOURCE_DATE_EPOCH, Workshop};
use crate::cache::Key;

/// Location of a file's bytes: a range of another file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slice {
    file: PathBuf,
    offset: u64,
    length: u64,
}

impl Slice {
    fn open(&self) -> Result<impl Read + use<>> {
        let mut file = File::open(&self.file).with_context(|| format!("cannot open {}", self.file.display()))?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(BufReader::new(file).take(self.length))
    }
}

/// Type of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A symbolic link to the given text.
    Link(String),
    /// A regular file with its own bytes.
    Text(Vec<u8>),
    /// A regular file whose bytes are in another file. Two entries with the same slice are hard links to one file.
    Stored(Slice),
}

/// One entry of a [`FileTree`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Type of the entry.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group, numeric.
    pub owner: (u64, u64),
    /// Seconds since 1970, at most [`SOURCE_DATE_EPOCH`].
    pub modified: u64,
}

/// Files of an image by path, without a leading slash.
#[derive(Clone, Debug, Default)]
pub struct FileTree(BTreeMap<String, Entry>);

impl FileTree {
    /// Reads a tar written by mmdebstrap. Device files are left out, because the runtime creates its own.
    pub fn read_tar(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let mut archive = tar::Archive::new(BufReader::new(file));
        let mut tree = Self::default();
        for item in archive.entries_with_seek()? {
            let item = item.with_context(|| format!("cannot read {}", path.display()))?;
            let name = String::from_utf8(item.path_bytes().into_owned()).context("a path is not UTF-8")?;
            let name = name.trim_start_matches("./").trim_end_matches('/').to_owned();
            let target = item.link_name_bytes().map(|link| String::from_utf8_lossy(&link).into_owned());
            let header = item.header();
            let kind = match header.entry_type() {
                _ if name.is_empty() || name == "." => continue,
                tar::EntryType::Directory => Kind::Folder,
                tar::EntryType::Symlink => Kind::Link(target.context("a link without a target")?),
                tar::EntryType::Link => {
                    let target = target.context("a hard link without a target")?;
                    let target = target.trim_start_matches("./");
                    tree.0
                        .get(target)
                        .with_context(|| format!("{name} links to {target}, which does not exist"))?
                        .kind
                        .clone()
                }
                tar::EntryType::Regular => Kind::Stored(Slice {
                    file: path.to_path_buf(),
                    offset: item.raw_file_position(),
                    length: item.size(),
                }),
                tar::EntryType::Char | tar::EntryType::Block | tar::EntryType::Fifo => continue,
                other => bail!("{name} in {} is of an unexpected type {other:?}", path.display()),
            };
            let entry = Entry {
                kind,
                mode: header.mode()? & 0o7777,
                owner: (header.uid()?, header.gid()?),
                modified: header.mtime()?.min(SOURCE_DATE_EPOCH),
            };
            tree.0.insert(name, entry);
        }
        ensure!(!tree.0.is_empty(), "{} is empty", path.display());
        Ok(tree)
    }

    /// Adds an entry owned by root, and any missing parent folders.
    pub fn add(&mut self, path: &str, mode: u32, kind: Kind) {
        self.add_owned(path, mode, (0, 0), kind);
    }

    /// Adds an entry, and any missing parent folders, which root owns.
    pub fn add_owned(&mut self, path: &str, mode: u32, owner: (u64, u64), kind: Kind) {
        for (position, _) in path.match_indices('/') {
            let folder = Entry { kind: Kind::Folder, mode: 0o755, owner: (0, 0), modified: SOURCE_DATE_EPOCH };
            self.0.entry(path[..position].to_owned()).or_insert(folder);
        }
        self.0.insert(path.to_owned(), Entry { kind, mode, owner, modified: SOURCE_DATE_EPOCH });
    }

    /// Adds a file with the bytes of a file of this machine.
    pub fn add_file(&mut self, path: &str, mode: u32, file: &Path) -> Result<()> {
        let length = file.metadata().with_context(|| format!("cannot read {}", file.display()))?.len();
        self.add(path, mode, Kind::Stored(Slice { file: file.to_path_buf(), offset: 0, length }));
        Ok(())
    }

    /// Adds a symbolic link.
    pub fn add_link(&mut self, path: &str, target: &str) {
        self.add(path, 0o777, Kind::Link(target.to_owned()));
    }

    /// Keeps only the entries that satisfy the condition.
    pub fn retain(&mut self, mut condition: impl FnMut(&str, &Entry) -> bool) {
        self.0.retain(|path, entry| condition(path, entry));
    }

    /// Returns the entry at a path.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.0.get(path)
    }

    /// Iterates over paths and entries in the order of a layer.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// Returns the bytes of a regular file.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let entry = self.get(path).with_context(|| format!("{path} is not in the tree"))?;
        let mut bytes = Vec::new();
        match &entry.kind {
            Kind::Text(text) => bytes.clone_from(text),
            Kind::Stored(slice) => {
                slice.open()?.read_to_end(&mut bytes)?;
            }
            Kind::Folder | Kind::Link(_) => bail!("{path} is not a regular file"),
        }
        Ok(bytes)
    }

    /// Returns the layer over `base` that results in this tree: new and changed entries, and whiteouts for removed
    /// ones.
    pub fn above(&self, base: &Self) -> Result<Self> {
        let mut difference = Self::default();
        for (path, entry) in &self.0 {
            let same = match base.0.get(path) {
                Some(below) => {
                    (below.mode, below.owner) == (entry.mode, entry.owner) && same_content(&below.kind, &entry.kind)?
                }
                None => false,
            };
            if !same {
                difference.0.insert(path.clone(), entry.clone());
            }
        }
        for path in base.0.keys().filter(|path| !self.0.contains_key(*path)) {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            // If the folder itself is gone or no longer a folder, its own entry hides everything below it.
            if !folder.is_empty() && !matches!(self.0.get(folder), Some(Entry { kind: Kind::Folder, .. })) {
                continue;
            }
            let mark = if folder.is_empty() { format!(".wh.{name}") } else { format!("{folder}/.wh.{name}") };
            let entry = Entry { kind: Kind::Text(Vec::new()), mode: 0o644, owner: (0, 0), modified: SOURCE_DATE_EPOCH };
            difference.0.insert(mark, entry);
        }
        difference.with_folders_of(self);
        Ok(difference)
    }

    /// Adds the parent folders of every entry as in `whole`, so that unpacking never invents their owner or mode.
    fn with_folders_of(&mut self, whole: &Self) {
        let folders: Vec<String> = self
            .0
            .keys()
            .flat_map(|path| path.match_indices('/').map(|(position, _)| path[..position].to_owned()))
            .collect();
        for folder in folders {
            if let Some(entry) = whole.0.get(&folder) {
                self.0.entry(folder).or_insert_with(|| entry.clone());
            }
        }
    }

    fn write_tar(&self, output: impl Write) -> Result<()> {
        let mut builder = tar::Builder::new(output);
        let mut first_names: HashMap<&Slice, &str> = HashMap::new();
        for (path, entry) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_mode(entry.mode);
            header.set_uid(entry.owner.0);
            header.set_gid(entry.owner.1);
            header.set_mtime(entry.modified);
            header.set_size(0);
            match &entry.kind {
                Kind::Folder => {
                    header.set_entry_type(tar::EntryType::Directory);
                    builder.append_data(&mut header, format!("{path}/"), io::empty())?;
                }
                Kind::Link(target) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    builder.append_link(&mut header, path, target)?;
                }
                Kind::Text(text) => {
                    header.set_size(text.len() as u64);
                    builder.append_data(&mut header, path, text.as_slice())?;
                }
                Kind::Stored(slice) => {
                    if let Some(first) = first_names.get(slice) {
                        header.set_entry_type(tar::EntryType::Link);
                        builder.append_link(&mut header, path, first)?;
                    } else {
                        header.set_size(slice.length);
                        builder.append_data(&mut header, path, slice.open()?).with_context(|| path.clone())?;
                        first_names.insert(slice, path);
                    }
                }
            }
        }
        builder.into_inner()?.flush()?;
        Ok(())
    }
}

fn same_content(left: &Kind, right: &Kind) -> Result<bool> {
    Ok(match (left, right) {
        (Kind::Stored(left), Kind::Stored(right)) => {
            left.length == right.length && same_bytes(left.open()?, right.open()?)?
        }
        (left, right) => left == right,
    })
}

fn same_bytes(mut left: impl Read, mut right: impl Read) -> Result<bool> {
    let (mut one, mut two) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let count = left.read(&mut one)?;
        if count == 0 {
            return Ok(true);
        }
        right.read_exact(&mut two[..count])?;
        if one[..count] != two[..count] {
            return Ok(false);
        }
    }
}

/// A finished layer in the cache.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// SHA-256 of the compressed bytes, with the prefix `sha256:`.
    pub digest: String,
    /// SHA-256 of the uncompressed tar, with the prefix `sha256:`.
    pub diff_id: String,
    /// Compressed size in bytes.
    pub size: u64,
    /// Compression of the file. Caches that earlier commits filled call it `packing`.
    #[serde(default, alias = "packing")]
    pub compression: LayerCompression,
    /// The compressed file.
    #[serde(skip)]
    pub path: PathBuf,
}

/// Compression of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerCompression {
    /// Gzip, as in most registries.
    #[default]
    Gzip,
    /// Zstandard, as written by `BuildKit` with `compression=zstd`.
    Zstd,
}

impl LayerCompression {
    /// Returns the layer's media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// Returns the layer of this key. If it is missing, writes the tree that `make` returns.
pub fn ensure_layer(
    workshop: &Workshop,
    name: &str,
    key: &Key,
    make: impl FnOnce() -> Result<FileTree>,
) -> Result<Layer> {
    cached_layer(workshop, name, key, "layer.tar.gz", |path| write_layer(&make()?, path))
}

/// Returns the same layer, compressed with Zstandard.
pub fn ensure_zstd(workshop: &Workshop, name: &str, layer: &Layer) -> Result<Layer> {
    let key = workshop.key().with("compressed again", "zstd").with("layer", &layer.digest);
    cached_layer(workshop, name, &key, "layer.tar.zst", |path| {
        let file = File::open(&layer.path).with_context(|| format!("cannot open {}", layer.path.display()))?;
        let packed = compress_to_vec(MultiGzDecoder::new(BufReader::new(file)), CompressionLevel::Fastest);
        put(path, &packed)?;
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&packed)));
        Ok(Layer { digest, size: packed.len() as u64, compression: LayerCompression::Zstd, ..layer.clone() })
    })
}

/// Returns the layer of this key. If it is missing, `write` writes it to a file of this name.
fn cached_layer(
    workshop: &Workshop,
    name: &str,
    key: &Key,
    file: &str,
    write: impl FnOnce(&Path) -> Result<Layer>,
) -> Result<Layer> {
    let folder = workshop.entry("layer", name, key, |folder| {
        put(&folder.join("layer.json"), &serde_json::to_vec_pretty(&write(&folder.join(file))?)?)
    })?;
    let path = folder.join("layer.json");
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let layer: Layer = serde_json::from_slice(&text).with_context(|| format!("cannot parse {}", path.display()))?;
    Ok(Layer { path: folder.join(file), ..layer })
}

/// Writes a tree as a gzip-compressed tar.
pub fn write_layer(tree: &FileTree, path: &Path) -> Result<Layer> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let packed = HashingWriter::over(BufWriter::with_capacity(1 << 20, file));
    // The header has no name and no time, and the operating system "unknown".
    let compressor = GzBuilder::new().mtime(0).operating_system(255).write(packed, Compression::new(6));
    let mut plain = HashingWriter::over(compressor);
    tree.write_tar(&mut plain).with_context(|| format!("cannot write {}", path.display()))?;
    let (diff_id, _, compressor) = plain.finish();
    let (digest, size, mut writer) = compressor.finish()?.finish();
    writer.flush()?;
    Ok(Layer { digest, diff_id, size, compression: LayerCompression::Gzip, path: path.to_path_buf() })
}

/// Writer that hashes everything it passes to another writer.
struct HashingWriter<W> {
    inner: W,
    hash: Sha256,
    count: u64,
}

impl<W> HashingWriter<W> {
    fn over(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), count: 0 }
    }

    fn finish(self) -> (String, u64, W) {
        (format!("sha256:{}", hex::encode(self.hash.finalize())), self.count, self.inner)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.count += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes a file of a cache entry. The cache syncs the entry as a whole.
#[expect(clippy::disallowed_methods, reason = "the cache syncs its entries")]
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
