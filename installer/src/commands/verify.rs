//! `landfall verify`: verifies every byte of a bundle against a root from a source other than the stick.

use std::path::Path;

use indicatif::HumanBytes;
use landfall_bundle_spec::{Sha256, Verified};
use landfall_lifecycle::operations::{Trust, open_verified};
use landfall_media::counters::{IoCounters, Totals};
use landfall_media::{Payload, verify};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::VerifyArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::TerminalProgress;
use crate::usage::{self, ProcessUsage};

/// Result of a verification, and its resource use.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verification {
    /// Always true: an unverified bundle is an error.
    verified: bool,
    #[serde(flatten)]
    trusted: BundleOrigin,
    /// Number of files of the bundle.
    parts: usize,
    /// Bytes of the bundle, or of the delta.
    bytes: u64,
    /// Number of blobs that a delta omits; 0 for a whole bundle.
    left_out_blobs: usize,
    /// Bytes read from the media.
    media: Totals,
    /// Figures from the kernel.
    process: ProcessUsage,
}

impl Document for Verification {
    const KIND: &'static str = "verify";
}

/// Origin of a bundle with a verified head.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BundleOrigin {
    /// ID of the bundle.
    #[schemars(with = "String")]
    id: Sha256,
    /// Name of the release.
    name: String,
    /// Version of the release.
    version: String,
    /// Counter of the release.
    counter: u64,
    /// Number of the trusted root document.
    root: u64,
    /// Fingerprint of the root document with which trust began.
    #[schemars(with = "String")]
    root_fingerprint: Sha256,
    /// True if the root is for development only.
    development: bool,
    /// IDs of the keys that signed.
    signed_by: Vec<String>,
}

impl BundleOrigin {
    /// Reads the facts of a verified head.
    pub(crate) fn from_verified(verified: &Verified) -> Self {
        let identity = verified.identity();
        let trusted = verified.trusted_root();
        Self {
            id: verified.id(),
            name: identity.name,
            version: identity.version,
            counter: identity.counter,
            root: trusted.root().number(),
            root_fingerprint: trusted.pinned_fingerprint(),
            development: trusted.development(),
            signed_by: verified.signers().iter().map(ToString::to_string).collect(),
        }
    }

    /// A line for a person; a development root is always mentioned.
    pub(crate) fn line(&self) -> String {
        let mark = if self.development { " (DEVELOPMENT root)" } else { "" };
        format!("{} {}, signed by {}, root {}{mark}", self.name, self.version, self.signed_by.join(", "), self.root)
    }
}

/// Verifies a bundle.
pub(crate) fn run(arguments: &VerifyArguments, printer: Printer) -> Result<(), Failure> {
    let bundle = arguments.bundle.as_deref().unwrap_or_else(|| Path::new("."));
    let trust = Trust::read(arguments.trust.trust.as_deref(), bundle)?;
    let counters = IoCounters::default();
    let (located, verified) = open_verified(bundle, &trust, &counters.media)?;
    let trusted = BundleOrigin::from_verified(&verified);
    let media = located.assemble(Payload::from(verified), counters.media.clone())?;
    verify::verify(&media, "verifying", &TerminalProgress::new(printer))?;
    let verification = Verification {
        verified: true,
        trusted,
        parts: media.files(),
        bytes: media.total_bytes(),
        left_out_blobs: media.contents().left_out(media.payload()),
        media: counters.media.totals(),
        process: usage::of_this_process(),
    };
    printer.report(&verification, |verification| {
        let size = HumanBytes(verification.bytes);
        let left_out = match verification.left_out_blobs {
            0 => String::new(),
            blobs => format!("\na delta: {blobs} blobs are left out, which the site must hold"),
        };
        let Verification { trusted, parts, .. } = verification;
        format!("verified: {}\n{size} in {parts} part(s), every byte{left_out}", trusted.line())
    })?;
    Ok(())
}
