//! Closed operations, folded into one small document with the facts that are still needed, without their plans and
//! records.
//!
//! Status, backups and console queries read this document and the journal that decides. Other closed journals are an
//! archive, so damage in one of them stops nothing. A missing, damaged or unrelated document is rebuilt from the
//! journals, so losing it loses nothing. Only a program that understands the whole journal folds an operation. Entries
//! that another program folded are kept as they are.
//!
//! ```text
//! sha256:HEX of what follows the line's end
//! {"format": 1, "operations": [...], "made": {...}}
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_cluster::Edits;
use landfall_documents::newer;
use landfall_engine::journal::JournalFile;
use landfall_engine::plan::StepId;
use landfall_host::paths::SitePaths;
use landfall_media::durable::{self, DurableError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Digest as _;

use crate::steps::action::{Action, LastActions};
use landfall_site::pins::Pins;

/// Format that this program writes. It reads known parts of later formats.
const FORMAT: u32 = 1;

/// Name of the file. An uninstall by any version removes its folder with all contents.
const NAME: &str = "closed-operations";

/// A closed operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ClosedOperation {
    /// File name of the journal.
    pub(super) journal: String,
    /// Size of the journal in bytes. A different size means a different journal.
    pub(super) bytes: u64,
    /// True if the operation was committed, otherwise it was undone.
    pub(super) committed: bool,
    /// Pins of the operation, with an empty plan.
    pub(super) pins: Pins,
    /// Milliseconds that each step took in its last run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) durations: BTreeMap<StepId, u64>,
}

/// The document. Values stay as they were written, even by a newer program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Document {
    #[serde(default)]
    format: u32,
    /// The first operations of the site, in order.
    #[serde(default)]
    operations: Vec<Value>,
    /// Last action of each step in committed operations.
    #[serde(default)]
    made: BTreeMap<StepId, Value>,
}

/// The first operations of a site, folded.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct FoldedOperations {
    document: Document,
    operations: Vec<ClosedOperation>,
}

impl FoldedOperations {
    /// Reads the folded operations of these journals. Empty if there are none, or if the document is damaged or belongs
    /// to other journals. Changes nothing.
    pub(super) fn read(paths: &SitePaths, files: &[JournalFile]) -> Self {
        let path = file(paths);
        let Ok(bytes) = fs_err::read(&path) else { return Self::default() };
        let Some(folded) = Self::parse(&bytes) else {
            tracing::warn!(path = %path.display(), "the folded operations are damaged, and are read from their \
                journals");
            return Self::default();
        };
        let is_current = folded.operations.len() <= files.len()
            && folded.operations.iter().zip(files).all(|(operation, file)| operation.is_of(&file.path));
        if is_current { folded } else { Self::default() }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (digest, text) = (std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]);
        if digest != digest_of(text).to_string() {
            return None;
        }
        let document: Document = serde_json::from_slice(text).ok()?;
        let operations = document.operations.iter().cloned().map(newer::without_unknown).collect::<Option<_>>()?;
        Some(Self { document, operations })
    }

    /// Returns the operations, oldest first.
    pub(super) fn operations(&self) -> &[ClosedOperation] {
        &self.operations
    }

    /// Returns the last action of each step in these operations; `None` if this program does not know an action of a
    /// newer one.
    pub(super) fn last_actions(&self) -> Option<LastActions> {
        let known =
            |(id, action): (&StepId, &Value)| Some((id.clone(), newer::without_unknown::<Action>(action.clone())?));
        self.document.made.iter().map(known).collect()
    }

    /// Adds the next operation and its effects.
    pub(super) fn add(&mut self, operation: ClosedOperation, effects: Vec<Effect>) -> serde_json::Result<()> {
        self.document.format = FORMAT;
        self.document.operations.push(serde_json::to_value(&operation)?);
        for effect in effects {
            match effect {
                Effect::Makes(id, action) => drop(self.document.made.insert(id, serde_json::to_value(action)?)),
                Effect::Removes(id) => drop(self.document.made.remove(&id)),
            }
        }
        self.operations.push(operation);
        Ok(())
    }

    /// Replaces the stored document. On the disk on return.
    pub(super) fn store(&self, paths: &SitePaths) -> Result<(), DurableError> {
        let text = serde_json::to_vec(&self.document).unwrap_or_default();
        let bytes = [format!("{}\n", digest_of(&text)).as_bytes(), &text].concat();
        durable::create_folder_with_mode(&paths.activity(), 0o700)?;
        durable::write_file(&file(paths), &bytes, 0o600)
    }
}

impl ClosedOperation {
    /// Returns true if it belongs to this journal, by name and length.
    fn is_of(&self, path: &Path) -> bool {
        let is_named = path.file_name().is_some_and(|name| name == self.journal.as_str());
        is_named && fs_err::metadata(path).is_ok_and(|metadata| metadata.len() == self.bytes)
    }
}

/// A change of a step's recorded action.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "few exist at a time, and most of them make something")]
pub(super) enum Effect {
    /// The step has this action now.
    Makes(StepId, Action),
    /// The step has no result any longer.
    Removes(StepId),
}

impl Effect {
    /// Returns the effects of a completed action of a step.
    pub(super) fn of(id: &StepId, action: &Action) -> Vec<Self> {
        let makes = |after: &Action| Self::Makes(id.clone(), after.clone().with_edits(Edits::Refuse));
        match action {
            Action::Replace(replace) => vec![makes(&replace.after)],
            Action::Supersede(supersede) => vec![makes(&supersede.after)],
            Action::Retire(retire) => {
                let ready = match &*retire.before {
                    Action::Component(component) => Some(StepId(format!("ready/{}", component.owner.component))),
                    _ => None,
                };
                std::iter::once(retire.step.clone()).chain(ready).map(Self::Removes).collect()
            }
            other => vec![Self::Makes(id.clone(), other.clone())],
        }
    }
}

fn file(paths: &SitePaths) -> PathBuf {
    paths.activity().join(NAME)
}

fn digest_of(text: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(text).into())
}

#[cfg(test)]
mod tests;
