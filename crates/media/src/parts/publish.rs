//! Publication, the last phase of a build: whole files get their names, and an interruption in between is recognizable.

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::parts::{BundleName, FileKind};

use super::{OtherFiles, UnpublishedFiles, WrittenFile, sums};
use crate::bundle::BundleMedia;
use crate::contents::Contents;
use crate::counters::Counters;
use crate::durable::{self, DurableError};
use crate::error::Result;
use crate::partial::partial_name;
use crate::payload::Payload;

/// Parts that are whole and on the disk, but not yet read back and not yet under their final names.
#[derive(Debug)]
pub struct Parts {
    pub(super) stem: BundleName,
    pub(super) written: UnpublishedFiles,
    pub(super) counters: Counters,
}

impl Parts {
    /// Opens the parts for reading back from the stick. Reads bypass the page cache where the filesystem allows it, and
    /// are counted as reading back.
    pub fn read_back(&self, payload: &Payload, contents: &Contents) -> Result<BundleMedia> {
        let paths = self.written.files.iter().map(|file| self.written.folder.join(partial_name(&file.name)));
        BundleMedia::for_read_back(payload.clone(), contents.clone(), paths, self.counters.clone())
    }

    /// Renames the parts to their final names, and writes other files, `SHA256SUMS` and `NAME.head` next to them. On
    /// return, all of it is on the disk. The head has its partial name before the first part has its final name, and is
    /// renamed last. Until then, the bundle is unfinished, and the next build removes it.
    pub fn publish(mut self, head: &[u8], others: &OtherFiles<'_>) -> Result<Vec<WrittenFile>> {
        let folder = self.written.folder.clone();
        let mut files = self.written.files.clone();
        let head_name = self.stem.file(FileKind::Head);
        let head_path = folder.join(partial_name(&head_name));
        if let Some(file) = &self.written.head {
            // The space reserved after the head is for the files below.
            file.set_len(head.len() as u64).map_err(|error| DurableError::io("truncate", &head_path, error))?;
            durable::sync_file(file, &head_path)?;
            durable::sync_folder(&folder)?;
        }
        // From here on, the partial head marks the unfinished bundle, and no file is removed, even if the stick is
        // full.
        self.written.begun.clear();
        for file in &files {
            durable::rename(&folder.join(partial_name(&file.name)), &folder.join(&file.name))?;
        }
        let others = others(&files);
        files.push(written_file(head_name.clone(), head));
        for (name, bytes) in others {
            durable::write_file(&folder.join(&name), &bytes, 0o644)?;
            self.counters.add_written(bytes.len());
            files.push(written_file(name, &bytes));
        }
        self.counters.add_written(sums::write(&folder, &files)?);
        durable::rename(&head_path, &folder.join(head_name))?;
        Ok(files)
    }
}

fn written_file(name: String, bytes: &[u8]) -> WrittenFile {
    WrittenFile { name, size: bytes.len() as u64, sha256: Sha256::of(bytes) }
}
