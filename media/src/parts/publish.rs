//! The last moments of a build: files that are whole get their names, and whoever is cut off there is recognized.

use std::fs::File;

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::parts::{BundleName, FileKind};
use sha2::Digest;

use super::{OtherFiles, Unpublished, WrittenFile, mark_in_use, partial_name, sums};
use crate::bundle::BundleMedia;
use crate::counters::Counters;
use crate::durable;
use crate::error::{At, Result};
use crate::paced::drop_cache;
use crate::payload::Payload;

/// Parts that are whole and on the disk, but not read back and not under their names.
#[derive(Debug)]
pub struct Parts {
    pub(super) stem: BundleName,
    pub(super) written: Unpublished,
    pub(super) counters: Counters,
}

impl Parts {
    /// The parts as they came to lie on the stick: reads go past the kernel's memory and are counted as reading back.
    pub fn read_back(&self, payload: &Payload) -> Result<BundleMedia> {
        for file in &self.written.open {
            drop_cache(file, 0, None);
        }
        let paths = self.written.files.iter().map(|file| self.written.folder.join(partial_name(&file.name)));
        BundleMedia::for_read_back(payload.clone(), paths, self.counters.clone())
    }

    /// Gives the parts their names and writes other files, `SHA256SUMS` and `NAME.head` beside them. On return all of it
    /// is on the disk. The head is under its partial name before the first part has its own, and gets its name last: as
    /// long as it has not, the bundle is unfinished, and the next build removes it.
    pub fn publish(mut self, head: &[u8], others: &OtherFiles<'_>) -> Result<Vec<WrittenFile>> {
        let folder = self.written.folder.clone();
        let mut files = self.written.files.clone();
        let head_name = self.stem.file(FileKind::Head);
        let head_path = folder.join(partial_name(&head_name));
        durable::write_file(&head_path, head, 0o644)?;
        let head_file = File::open(&head_path).at("open", &head_path)?;
        mark_in_use(&head_file);
        // From here on the partial head says what is unfinished: it must not be removed before the rest.
        self.written.begun.clear();
        for file in &files {
            durable::rename(&folder.join(partial_name(&file.name)), &folder.join(&file.name))?;
        }
        let others = others(&files);
        files.push(self.count(head_name.clone(), head));
        for (name, bytes) in others {
            durable::write_file(&folder.join(&name), &bytes, 0o644)?;
            files.push(self.count(name, &bytes));
        }
        self.counters.add_written(sums::write(&folder, &files)?);
        durable::rename(&head_path, &folder.join(head_name))?;
        Ok(files)
    }

    fn count(&self, name: String, bytes: &[u8]) -> WrittenFile {
        self.counters.add_written(bytes.len());
        let sha256 = Sha256(sha2::Sha256::digest(bytes).into());
        WrittenFile { name, size: bytes.len() as u64, sha256 }
    }
}
