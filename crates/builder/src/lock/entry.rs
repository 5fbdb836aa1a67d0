//! An entry of a lock: its unresolved fields, and clearing its pins.

use landfall_bundle_spec::Sha256;

use super::{Content, Field, IndexField, LockEntry, LockedFile, bucket, folder, resolved_from};
use crate::reference::Reference;

impl LockEntry {
    /// The reference, which was checked when the lock was read.
    pub(crate) fn parse_reference(&self) -> Option<Reference> {
        self.reference.value.parse().ok()
    }

    /// Digest of its manifest, if it is known.
    pub fn digest(&self) -> Option<Sha256> {
        match &self.content {
            Content::Manifest(fields) => fields.digest.value.as_known().copied(),
            Content::Files(_)
            | Content::Archive(_)
            | Content::Hub(_)
            | Content::Bucket(_)
            | Content::Folder(_)
            | Content::Set(_) => None,
        }
    }

    /// Digest of upstream's index, if it is known.
    pub fn index(&self) -> Option<Sha256> {
        let Content::Manifest(fields) = &self.content else { return None };
        fields.index()
    }

    /// A line for the entry, or for each of its files, whose digest was resolved from another name.
    pub(crate) fn stale(&self) -> Vec<String> {
        let text = |line: u64, name: &str, resolved: Option<&str>| {
            let from = resolved.map_or_else(|| "not resolved yet".to_owned(), |from| format!("resolved from {from}"));
            format!("\n  line {line}: {name} ({from})")
        };
        let of_pins = |line: u64, source: &str, from: Option<&str>| -> Vec<String> {
            (from != Some(source)).then(|| text(line, source, from)).into_iter().collect()
        };
        match &self.content {
            Content::Manifest(fields) => {
                let name = &self.reference.value;
                let from = resolved_from(&fields.resolved);
                let stale = fields.found_by(name).is_none();
                stale.then(|| text(self.reference.referenced.line(), name, from)).into_iter().collect()
            }
            Content::Files(files) => {
                let of_file = |file: &LockedFile| match file.unconfirmed_sums() {
                    _ if !file.is_confirmed() => {
                        Some(text(file.line(), &file.written.value, resolved_from(&file.resolved)))
                    }
                    Some(sums) => {
                        Some(format!("\n  line {}: {} (not held against {})", file.line(), file.url, sums.url))
                    }
                    None => None,
                };
                files.iter().filter_map(of_file).collect()
            }
            Content::Archive(archive) => {
                let (name, from) = (archive.name(&self.reference.value), resolved_from(&archive.resolved));
                let stale = (from != Some(&name)).then(|| text(self.reference.referenced.line(), &name, from));
                stale.into_iter().collect()
            }
            Content::Hub(hub) => {
                let pinned = hub.pinned.as_ref().map(|pinned| pinned.resolved.as_str());
                let stale = (!hub.is_confirmed()).then(|| text(hub.line(), &hub.source(), pinned));
                stale.into_iter().collect()
            }
            Content::Bucket(bucket) => {
                of_pins(bucket.line(), &bucket.source(), bucket.pinned.as_ref().map(|pinned| pinned.resolved.as_str()))
            }
            Content::Folder(folder) => {
                of_pins(folder.line(), &folder.source(), folder.pinned.as_ref().map(|pinned| pinned.resolved.as_str()))
            }
            Content::Set(set) => {
                let stale = set.stale().map(|why| format!("\n  line {}: {set} ({why})", set.line()));
                stale.into_iter().collect()
            }
        }
    }

    /// A line for the entry, or for each of its files, with unresolved fields.
    pub(crate) fn unresolved_lines(&self) -> Vec<String> {
        let of_pins = |line: u64, field: &str, is_open: bool| -> Vec<String> {
            let field = format!("{field}.pinned");
            let fields: Vec<_> = is_open.then_some(field.as_str()).into_iter().collect();
            open_fields(line, &self.reference.value, &fields).into_iter().collect()
        };
        match &self.content {
            Content::Manifest(fields) => {
                let line = self.reference.referenced.line();
                open_fields(line, &self.reference.value, &fields.unresolved_fields()).into_iter().collect()
            }
            Content::Files(files) => files
                .iter()
                .filter_map(|file| open_fields(file.line(), &file.url.to_string(), &file.unresolved_fields()))
                .collect(),
            Content::Archive(archive) => {
                let line = self.reference.referenced.line();
                open_fields(line, &self.reference.value, &archive.unresolved_fields()).into_iter().collect()
            }
            Content::Hub(hub) => of_pins(hub.line(), "hub", hub.pinned.is_none()),
            Content::Bucket(bucket) => of_pins(bucket.line(), bucket::FIELD, bucket.pinned.is_none()),
            Content::Folder(folder) => of_pins(folder.line(), folder::FIELD, folder.pinned.is_none()),
            Content::Set(set) => of_pins(set.line(), set.kind.field(), set.pinned.is_none()),
        }
    }

    /// Clears the pins, as if a user had written `unresolved`. Fields that a user wrote, and all sources, stay.
    pub(crate) fn open(&mut self) {
        match &mut self.content {
            Content::Manifest(fields) => {
                fields.digest.value = Field::Unresolved;
                fields.media_type.value = Field::Unresolved;
                fields.size.value = Field::Unresolved;
                if let Some(index) = &mut fields.index {
                    index.value = IndexField::Unresolved;
                }
            }
            Content::Files(files) => {
                for file in files {
                    file.digest.value = Field::Unresolved;
                    file.size.value = Field::Unresolved;
                    if let Some(sums) = &mut file.sums {
                        sums.open();
                    }
                }
            }
            Content::Archive(archive) => {
                archive.digest.value = Field::Unresolved;
                archive.size.value = Field::Unresolved;
                if let Some(url) = &mut archive.url {
                    url.value = Field::Unresolved;
                }
            }
            Content::Hub(hub) => hub.pinned = None,
            Content::Bucket(bucket) => bucket.pinned = None,
            Content::Folder(folder) => folder.pinned = None,
            // Packages in the store are found by their pins, and need not be fetched again.
            Content::Set(set) => {
                if let Some(pinned) = &mut set.pinned {
                    pinned.resolved.clear();
                }
            }
        }
    }
}

fn open_fields(line: u64, what: &str, fields: &[&str]) -> Option<String> {
    (!fields.is_empty()).then(|| format!("\n  line {line}: {what} ({})", fields.join(", ")))
}
