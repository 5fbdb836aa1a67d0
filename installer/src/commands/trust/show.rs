//! `landfall trust show`: shows the content of a document, its present and required signatures, and the bytes to sign.

use landfall_bundle_spec::trust::Role;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::document::{Content, Document, Progress};
use crate::cli::TrustShowArguments;
use crate::document::Document as Printed;
use crate::failure::Failure;
use crate::printer::Printer;

/// Content of a document.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TrustDocument {
    /// Title of the document.
    document: String,
    /// True if enough keys have signed.
    complete: bool,
    /// Fingerprint of a root document, which a person compares.
    fingerprint: Option<String>,
    /// Signed content, unchanged.
    signed: Value,
    /// Present and required signatures, for each root document whose keys must sign.
    progress: Vec<Progress>,
    #[serde(skip)]
    text: String,
}

impl Printed for TrustDocument {
    const KIND: &'static str = "trustDocument";
}

/// Shows a document, and writes the bytes to sign.
pub(super) fn run(arguments: &TrustShowArguments, printer: Printer) -> Result<(), Failure> {
    let document = Document::read(&arguments.document)?;
    if let Some(path) = &arguments.message {
        durable::write_file(path, document.message(), 0o644)?;
    }
    let progress = document.progress()?;
    let shown = TrustDocument {
        document: document.name(),
        complete: Document::is_complete(&progress),
        fingerprint: match &document.content {
            Content::Root(root) => Some(root.fingerprint().to_string()),
            Content::Revocation(_) => None,
        },
        signed: serde_json::from_slice(document.message()).unwrap_or_default(),
        progress,
        text: describe(&document.content),
    };
    printer.report(&shown, text)?;
    Ok(())
}

fn describe(content: &Content) -> String {
    match content {
        Content::Root(root) => {
            let mark = if root.development() { " (DEVELOPMENT root)" } else { "" };
            let mut lines = vec![format!("root document {}{mark}", root.number())];
            for role in Role::ALL {
                let keys = root.role(role);
                lines.push(format!("{}: {} of {} keys", role.name(), keys.threshold, keys.keys.len()));
                lines.extend(keys.keys.iter().map(|id| match root.key(*id) {
                    Some(key) => format!("  {id}  {:?}", key.kind()),
                    None => format!("  {id}  of a kind that this version does not know: it does not count"),
                }));
            }
            lines.join("\n")
        }
        Content::Revocation(revocation) => {
            let mut lines = vec![format!("revocation {}", revocation.number())];
            lines.extend(revocation.releases().iter().map(|release| {
                let only = release.bundle.map(|id| format!(", bundle {id} only")).unwrap_or_default();
                format!("  {} {}{only}: {}", release.name, release.version, release.reason)
            }));
            let licenses = revocation.licenses().iter();
            lines.extend(licenses.map(|license| format!("  license {}: {}", license.id, license.reason)));
            lines.join("\n")
        }
    }
}

fn text(shown: &TrustDocument) -> String {
    let mut lines = vec![shown.text.clone()];
    lines.extend(shown.fingerprint.iter().map(|fingerprint| format!("fingerprint  {fingerprint}")));
    lines.extend(shown.progress.iter().map(Progress::line));
    lines.push(if shown.complete { "complete" } else { "not complete: more keys must sign" }.to_owned());
    lines.join("\n")
}
