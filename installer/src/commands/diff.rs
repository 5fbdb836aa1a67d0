//! `landfall diff`: shows the differences between two bundles, from their heads only. It verifies nothing, and says so.

use std::collections::BTreeMap;
use std::path::Path;

use indicatif::HumanBytes;
use landfall_bundle_spec::head::{Contents, Identity, Opened};
use landfall_bundle_spec::{Budget, read_any};
use landfall_error_codes::codes;
use landfall_inventory::diff::{BundleDiff, Side, diff, text};
use landfall_inventory::{INVENTORY_DOCUMENT_NAME, InventoryDocument};
use landfall_media::bundle;
use landfall_release_document::{RELEASE_DOCUMENT_NAME, ReleaseDocument};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::cli::DiffArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Maximum values in the objects of one bundle, as a multiple of the largest document.
const DOCUMENTS: usize = 4;

/// Differences, unverified.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Difference {
    /// Always false: `landfall verify` is another command.
    verified: bool,
    #[serde(flatten)]
    diff: BundleDiff,
}

impl Document for Difference {
    const KIND: &'static str = "diff";
}

/// Prints the differences.
pub(crate) fn run(arguments: &DiffArguments, printer: Printer) -> Result<(), Failure> {
    let [from, to] = [&arguments.from, &arguments.to].map(|path| open_head(path));
    let (from, to) = (from?, to?);
    let (from, to) = (from.untrusted_contents(), to.untrusted_contents());
    let (old, new) = (Documents::read(from)?, Documents::read(to)?);
    let difference = Difference { verified: false, diff: diff(&old.side(from), &new.side(to)) };
    printer.report(&difference, |difference| {
        let text = text::text(&difference.diff, |bytes| HumanBytes(bytes).to_string());
        format!("NOT VERIFIED: this is what the bundles say about themselves; `landfall verify` checks one.\n\n{text}")
    })?;
    Ok(())
}

/// Differences between two heads, without their packages.
pub(super) fn between(from: &Contents, to: &Contents) -> Result<BundleDiff, Failure> {
    let (old, new) = (Documents::read(from)?, Documents::read(to)?);
    let (from, to) = (old.side(from), new.side(to));
    Ok(diff(&Side { inventory: None, ..from }, &Side { inventory: None, ..to }))
}

fn open_head(path: &Path) -> Result<Opened, Failure> {
    Ok(Opened::read(bundle::locate(path)?.head()?)?)
}

/// Documents of one head.
struct Documents {
    identity: Identity,
    release: ReleaseDocument,
    inventory: Option<InventoryDocument>,
    objects: BTreeMap<String, Value>,
}

impl Documents {
    fn read(contents: &Contents) -> Result<Self, Failure> {
        let release = ReleaseDocument::read(contents.small_document(RELEASE_DOCUMENT_NAME).unwrap_or_default())?;
        let inventory = contents.small_document(INVENTORY_DOCUMENT_NAME).map(InventoryDocument::read).transpose()?;
        let budget = Budget::new(DOCUMENTS);
        let objects = release.components.iter().map(|component| {
            let name = &component.objects;
            let missing = || Failure::new(codes::INVALID_DOCUMENT, format!("{name} is not in the head"));
            let bytes = contents.small_document(name).ok_or_else(missing)?;
            Ok((component.name.clone(), read_any(name, bytes, &budget)?))
        });
        let objects = objects.collect::<Result<_, Failure>>()?;
        Ok(Self { identity: contents.identity(), release, inventory, objects })
    }

    fn side<'a>(&'a self, contents: &'a Contents) -> Side<'a> {
        Side {
            id: contents.id(),
            identity: &self.identity,
            total_bytes: contents.layout().total_bytes(),
            release: &self.release,
            inventory: self.inventory.as_ref(),
            objects: &self.objects,
            blobs: contents.blobs().entries(),
        }
    }
}
