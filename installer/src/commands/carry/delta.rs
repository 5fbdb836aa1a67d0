//! `landfall carry delta`: at the vendor, writes only those blobs of a bundle that a site with an earlier release
//! lacks.
//!
//! A delta is the same bundle: it has the signed head and some of the blobs. The site must hold the omitted blobs,
//! which it checks before it changes anything.

use std::collections::HashSet;
use std::path::Path;

use indicatif::HumanBytes;
use landfall_bundle_spec::parts::{BundleName, FileKind};
use landfall_bundle_spec::{Sha256, Verified};
use landfall_error_codes::codes;
use landfall_lifecycle::operations::{Trust, open_verified};
use landfall_media::counters::{IoCounters, Totals};
use landfall_media::pack::pack_delta;
use landfall_media::parts::Output;
use landfall_media::{Contents, Payload};
use landfall_support::carry::SiteInventory;
use schemars::JsonSchema;
use serde::Serialize;

use super::read::inventory;
use crate::cli::CarryDeltaArguments;
use crate::commands::build::part_bytes;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::TerminalProgress;

/// Delta that was written.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CarriedDelta {
    /// Release that the delta brings.
    release: DeltaRelease,
    /// Releases that a site must keep.
    from: Vec<DeltaRelease>,
    /// Files of the delta, except `SHA256SUMS`.
    files: Vec<DeltaFile>,
    /// Size of the delta itself in bytes, without the files beside it.
    bytes: u64,
    /// Size of the whole bundle in bytes.
    bundle_bytes: u64,
    /// Number of omitted blobs.
    left_out_blobs: usize,
    /// Total size of the omitted blobs in bytes.
    left_out_bytes: u64,
    /// Bytes read from and written to the media.
    media: Totals,
}

/// Release that a delta concerns.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DeltaRelease {
    /// Name of the release.
    name: String,
    /// Version of the release.
    version: String,
    /// ID of its bundle.
    #[schemars(with = "String")]
    bundle: Sha256,
}

/// File of a delta.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DeltaFile {
    /// Name in the output folder.
    name: String,
    /// Size in bytes.
    size_bytes: u64,
    /// SHA-256 of the file.
    #[schemars(with = "String")]
    sha256: Sha256,
}

impl Document for CarriedDelta {
    const KIND: &'static str = "carryDelta";
}

impl DeltaRelease {
    fn from_verified(verified: &Verified) -> Self {
        let identity = verified.identity();
        Self { name: identity.name, version: identity.version, bundle: verified.id() }
    }

    fn line(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

/// Writes the delta.
pub(super) fn run(arguments: &CarryDeltaArguments, printer: Printer) -> Result<(), Failure> {
    let trust = Trust::read(arguments.trust.trust.as_deref(), &arguments.bundle)?;
    let counters = IoCounters::default();
    let kept = arguments.inventory.as_deref().map(inventory).transpose()?;
    let mut held = HashSet::new();
    let mut from = Vec::new();
    for path in &arguments.from {
        let (_, earlier) = open_verified(path, &trust, &counters.media)?;
        refuse_other(&earlier, kept.as_ref())?;
        held.extend(earlier.blobs().entries().iter().map(|blob| blob.sha256));
        from.push(DeltaRelease::from_verified(&earlier));
    }
    let (located, verified) = open_verified(&arguments.bundle, &trust, &counters.media)?;
    let payload = Payload::from(verified);
    let bundle = located.assemble(payload.clone(), counters.media.clone())?;
    let contents = Contents::lacking(&payload, &held);
    refuse_delta_of_delta(&arguments.bundle, &contents, bundle.contents())?;
    let part_bytes = part_bytes(arguments.part_size.as_deref().unwrap_or("fat32"))?;
    let output = Output { folder: &arguments.output, part_bytes, others: &|_| Vec::new(), others_bytes: 0 };
    let written = pack_delta(&bundle, &contents, output, &counters.media, &TerminalProgress::new(printer))?;
    let file = |file: &landfall_media::parts::WrittenFile| DeltaFile {
        name: file.name.clone(),
        size_bytes: file.size,
        sha256: file.sha256,
    };
    let delta = CarriedDelta {
        release: DeltaRelease::from_verified(payload.verified_head()),
        from,
        files: written.iter().map(file).collect(),
        bytes: contents.stream_bytes(&payload),
        bundle_bytes: payload.layout().total_bytes(),
        left_out_blobs: contents.left_out(&payload),
        left_out_bytes: contents.left_out_bytes(&payload),
        media: counters.media.totals(),
    };
    printer.report(&delta, text)?;
    Ok(())
}

/// Returns an error for an earlier release that the site's inventory does not list as kept.
fn refuse_other(earlier: &Verified, kept: Option<&SiteInventory>) -> Result<(), Failure> {
    let Some(kept) = kept else { return Ok(()) };
    let id = earlier.id().to_string();
    if kept.releases.iter().any(|release| release.bundle == id) {
        return Ok(());
    }
    let names: Vec<_> = kept.releases.iter().map(|release| format!("{} {}", release.name, release.version)).collect();
    let what = format!(
        "site {} does not keep {}, bundle {id}: it keeps {}",
        kept.site,
        DeltaRelease::from_verified(earlier).line(),
        if names.is_empty() { "no release".to_owned() } else { names.join(" and ") }
    );
    Err(Failure::new(codes::CARRY_DELTA, what))
}

/// Returns an error if the source is itself a delta that lacks needed blobs.
fn refuse_delta_of_delta(path: &Path, wanted: &Contents, there: &Contents) -> Result<(), Failure> {
    match wanted.blobs().iter().filter(|blob| !there.has(**blob)).count() {
        0 => Ok(()),
        missing => {
            let what =
                format!("{} is a delta itself, and lacks {missing} of the blobs that are needed", path.display());
            Err(Failure::new(codes::CARRY_DELTA, what))
        }
    }
}

fn text(delta: &CarriedDelta) -> String {
    let CarriedDelta { release, from, files, bytes, bundle_bytes, left_out_blobs, .. } = delta;
    let is_of_delta =
        |name: &&str| matches!(BundleName::parse(name), Some((_, FileKind::Delta | FileKind::DeltaPart(_))));
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).filter(is_of_delta).collect();
    let from: Vec<_> = from.iter().map(DeltaRelease::line).collect();
    format!(
        "{}: {} instead of {}; {left_out_blobs} blobs were left out\nfor sites that keep {}\n{}",
        release.line(),
        HumanBytes(*bytes),
        HumanBytes(*bundle_bytes),
        from.join(" and "),
        names.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delta_shows_savings() {
        let release =
            |version: &str| DeltaRelease { name: "starter".into(), version: version.into(), bundle: Sha256([7; 32]) };
        let file = |name: &str| DeltaFile { name: name.into(), size_bytes: 1 << 20, sha256: Sha256([8; 32]) };
        let delta = CarriedDelta {
            release: release("1.1.0"),
            from: vec![release("1.0.0")],
            files: vec![file("starter-1.1.0-070707070707.delta"), file("starter-1.1.0-070707070707.head")],
            bytes: 120 << 20,
            bundle_bytes: 846 << 20,
            left_out_blobs: 61,
            left_out_bytes: 726 << 20,
            media: Totals::default(),
        };
        insta::assert_snapshot!(text(&delta), @r"
        starter 1.1.0: 120.00 MiB instead of 846.00 MiB; 61 blobs were left out
        for sites that keep starter 1.0.0
        starter-1.1.0-070707070707.delta
        ");
    }
}
