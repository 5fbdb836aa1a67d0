//! `landfall stage`: writes the blobs of a bundle into the caller's content store, verified, in one pass.
//!
//! The store is a registry's storage: CNCF distribution serves it after `install` has linked repositories. A vendor can
//! fill a store from a bundle this way; a site with a slow stick can stage before the maintenance window.

use indicatif::HumanBytes;
use landfall_lifecycle::operations::{Trust, open_trusted};
use landfall_media::counters::{IoCounters, Totals};
use landfall_media::store::ContentStore;
use landfall_media::{durable, stage};
use schemars::JsonSchema;
use serde::Serialize;

use super::verify::BundleOrigin;
use crate::cli::StageArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::TerminalProgress;
use crate::usage::{self, ProcessUsage};

/// Staged content, and the resource use of the command.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StagedBundle {
    #[serde(flatten)]
    trusted: BundleOrigin,
    /// Bytes of all blobs of the bundle.
    bundle_blob_bytes: u64,
    /// Bytes of the blobs that the store lacked.
    lacking_bytes: u64,
    /// Bytes read from the media.
    media: Totals,
    /// Bytes written to the store.
    store: Totals,
    /// Figures from the kernel.
    process: ProcessUsage,
}

impl Document for StagedBundle {
    const KIND: &'static str = "stage";
}

/// Stages a bundle.
pub(crate) fn run(arguments: &StageArguments, printer: Printer) -> Result<(), Failure> {
    let trust = Trust::read(arguments.trust.trust.as_deref(), &arguments.bundle)?;
    let counters = IoCounters::default();
    let (located, release) = open_trusted(&arguments.bundle, &trust, &counters.media)?;
    let trusted = BundleOrigin::from_verified(&release.verified);
    let bundle_blob_bytes = release.verified.blobs().entries().iter().map(|entry| entry.size).sum();
    let media = located.assemble(release.payload(), counters.media.clone())?;
    durable::create_folder(&arguments.store)?;
    let store = ContentStore::with_counters(&arguments.store, counters.store.clone());
    let lacking_bytes = stage::lacking_bytes(&media, &store);
    stage::stage(&media, &store, &TerminalProgress::new(printer))?;
    let staged = StagedBundle {
        trusted,
        bundle_blob_bytes,
        lacking_bytes,
        media: counters.media.totals(),
        store: counters.store.totals(),
        process: usage::of_this_process(),
    };
    printer
        .report(&staged, |staged| format!("staged: {}, {}", staged.trusted.line(), HumanBytes(staged.lacking_bytes)))?;
    Ok(())
}
