//! `landfall sbom`: prints the bill of materials of a bundle or of one of its images, from the head only. It verifies
//! nothing, and says so.

use landfall_bundle_spec::head::Opened;
use landfall_error_codes::codes;
use landfall_inventory::sbom::{Bill, Format, Subject, Tool, find_image};
use landfall_inventory::{INVENTORY_DOCUMENT_NAME, InventoryDocument};
use landfall_media::bundle;
use landfall_release_document::{RELEASE_DOCUMENT_NAME, ReleaseDocument};
use serde_json::Value;

use crate::cli::{SbomArguments, SbomFormat};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;

/// The tool that the bills name.
const TOOL: Tool<'_> = Tool { name: "landfall", version: env!("CARGO_PKG_VERSION") };

/// Maximum number of images in a message.
const IMAGES_LISTED: usize = 20;

/// Prints a bill on standard output, in its own format with and without `--json`.
pub(crate) fn run(arguments: &SbomArguments, printer: Printer) -> Result<(), Failure> {
    let located = bundle::locate(&arguments.bundle)?;
    let opened = Opened::read(located.head()?)?;
    let bill = bill(&opened, arguments.image.as_deref(), arguments.format)?;
    // Text from a stick is also converted to plain text in a bill.
    printer.data(&shown::json(&format!("{bill:#}")))?;
    printer.note("NOT VERIFIED: this is what the bundle says about itself; `landfall verify` checks it.");
    Ok(())
}

fn bill(opened: &Opened, image: Option<&str>, format: SbomFormat) -> Result<Value, Failure> {
    let contents = opened.untrusted_contents();
    let identity = contents.identity();
    let release = ReleaseDocument::read(contents.small_document(RELEASE_DOCUMENT_NAME).unwrap_or_default())?;
    let inventory = contents.small_document(INVENTORY_DOCUMENT_NAME);
    let inventory = inventory.map(InventoryDocument::read).transpose()?.ok_or_else(|| {
        let what = format!("the head of {} {} does not list packages", identity.name, identity.version);
        Failure::new(codes::NO_INVENTORY, what)
    })?;
    let subject = Subject {
        id: contents.id(),
        identity: &identity,
        installer: contents.blobs().entries()[0].sha256,
        release: &release,
        inventory: &inventory,
    };
    let bill = match image {
        None => Bill::of_bundle(&subject),
        Some(name) => {
            let image = find_image(&release, name).map_err(|candidates| ambiguous(name, &candidates))?;
            Bill::of_image(&subject, image)
        }
    };
    let format = match format {
        SbomFormat::Spdx => Format::Spdx,
        SbomFormat::Cyclonedx => Format::CycloneDx,
    };
    Ok(bill.to_json(format, TOOL))
}

fn ambiguous(name: &str, candidates: &[&str]) -> Failure {
    let listed = candidates.iter().take(IMAGES_LISTED).copied().collect::<Vec<_>>().join(", ");
    let more = candidates.len().saturating_sub(IMAGES_LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Failure::new(codes::IMAGE_UNKNOWN, format!("`{name}` does not mean exactly one of {listed}{more}"))
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::sample::{Forgery, Sample, Vendor};
    use landfall_bundle_spec::trust::KeyKind;
    use serde_json::json;

    use super::*;

    /// Head of the sample bundle, with this text as its inventory.
    fn head(inventory: Option<&str>) -> Vec<u8> {
        let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
        let mut forgery = Forgery::of(&Sample::tiny(&vendor).unwrap());
        if let Some(text) = inventory {
            forgery = forgery.insert_before("documents/release", INVENTORY_DOCUMENT_NAME, text.as_bytes());
        }
        forgery.bind().unwrap().head()
    }

    fn of(inventory: Option<&str>, image: Option<&str>) -> Result<Value, Failure> {
        bill(&Opened::read_file(&head(inventory)).unwrap(), image, SbomFormat::Cyclonedx)
    }

    #[test]
    fn invalid_inventory_is_refused() {
        let package = json!({"kind": "deb", "name": "a\\b", "version": "1"});
        let image = json!({"reference": "docker.io/a/b:1", "packages": [0]});
        let inventory = |packages: Value, image: &Value| {
            json!({"type": "landfall.dev/inventory/1", "packages": packages, "images": [image]}).to_string()
        };
        let good = inventory(json!([package]), &image);
        let bill = of(Some(&good), None).unwrap();
        assert_eq!(bill["metadata"]["timestamp"], "2026-11-20T08:16:00Z");
        assert_eq!(of(Some(&good), Some("nothing")).unwrap_err().code(), codes::IMAGE_UNKNOWN);
        assert_eq!(of(None, None).unwrap_err().code(), codes::NO_INVENTORY);
        let beyond = inventory(json!([package]), &json!({"reference": "docker.io/a/b:1", "packages": [1]}));
        let twice = inventory(json!([package, package]), &image);
        let control = inventory(json!([{"kind": "deb", "name": "a\u{1b}[2J", "version": "1"}]), &image);
        for bad in [beyond, twice, control] {
            assert_eq!(of(Some(&bad), None).unwrap_err().code(), codes::INVALID_DOCUMENT, "{bad}");
        }
    }
}
