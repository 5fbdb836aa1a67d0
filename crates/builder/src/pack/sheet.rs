//! The transfer sheet: one page that goes with the stick to a customer's scanning station and security officer.

use std::fmt::Write as _;

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::head::Identity;
use landfall_bundle_spec::parts::BundleName;
use landfall_inventory::InventoryDocument;
use landfall_release_document::{Descriptor, ReleaseDocument, SignatureEntry, SignatureKind};

use super::sheet_licenses;
use crate::gpu_program::OWN_LICENSE;

/// A file of the bundle on the media.
#[derive(Debug, Clone)]
pub struct SheetFile {
    /// File name.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: Sha256,
}

/// Content of the sheet.
#[derive(Debug)]
pub struct Sheet<'a> {
    /// Name, version, counter and build time of the release.
    pub identity: &'a Identity,
    /// Id of the bundle: SHA-256 of its `landfall.json`.
    pub id: Sha256,
    /// Fingerprint of the first root document in the bundle.
    pub fingerprint: Sha256,
    /// Number of that root document.
    pub first_root: u64,
    /// True if the root is for development only.
    pub development: bool,
    /// SHA-256 of the `landfall` in the bundle.
    pub installer: Sha256,
    /// Base name of the bundle's files.
    pub bundle: &'a BundleName,
    /// IDs of the keys that signed.
    pub signers: Vec<String>,
    /// The release document.
    pub release: &'a ReleaseDocument,
    /// Packages and charts, and licenses of all content.
    pub inventory: &'a InventoryDocument,
    /// Files on the media.
    pub files: &'a [SheetFile],
}

/// Text on the sheet if no license is stated.
pub(super) const NOT_STATED: &str = "not stated";

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
    padding:0 1rem;color:#1a1a1a}\
    h1{font-size:1.5rem;margin-bottom:0}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}\
    th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #ddd}\
    td.n{text-align:right;white-space:nowrap}code{font:12px ui-monospace,monospace;overflow-wrap:anywhere}\
    .warning{border:2px solid #b00;padding:.5rem 1rem}@media print{body{margin:0}}";

impl Sheet<'_> {
    /// Returns the page as HTML without scripts and without external resources.
    pub fn html(&self) -> String {
        let title = format!("{} {}", self.identity.name, self.identity.version);
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Transfer sheet: {0}</title>\n\
             <style>{STYLE}</style>\n<h1>Transfer sheet: {0}</h1>\n",
            escape(&title)
        );
        if self.development {
            page.push_str(
                "<p class=\"warning\"><strong>For development only.</strong> The root that signed this bundle must not \
                 be trusted by a customer.</p>\n",
            );
        }
        self.identity_table(&mut page);
        self.license_lines(&mut page);
        self.files_table(&mut page);
        self.contents_tables(&mut page);
        self.checks(&mut page);
        page.push_str("</html>\n");
        page
    }

    fn checks(&self, page: &mut String) {
        page.push_str(
            "<h2>How to check it</h2>\n<p>Compare the files with <code>sha256sum --check SHA256SUMS</code>. That shows \
             damage, not origin. <code>landfall verify BUNDLE --trust FINGERPRINT</code> shows origin, with a \
             fingerprint that you obtained over a channel other than this sheet and its stick.</p>\n",
        );
        let _ = writeln!(
            page,
            "<p>The program <code>landfall</code> that checks must be genuine itself. Its SHA-256 is <code>{}</code>; \
             compare it with one that you obtained over the same channel as the fingerprint. Any tar extracts it from \
             the bundle:</p>\n<pre>{}\n\
             sha256sum landfall</pre>\n<p>No signature covers a loose program on the stick: run it only if it has the \
             same SHA-256.</p>",
            self.installer.to_hex(),
            escape(&self.bundle.take_out_command())
        );
    }

    fn identity_table(&self, page: &mut String) {
        let root = format!("Fingerprint of root document {}", self.first_root);
        let rows = [
            ("Bundle", self.id.to_string()),
            ("Counter", self.identity.counter.to_string()),
            ("Built at", self.identity.built_at.clone()),
            ("Platform", self.release.platform.clone()),
            (root.as_str(), self.fingerprint.to_string()),
            ("SHA-256 of the program inside", self.installer.to_string()),
            ("License of the program inside", OWN_LICENSE.to_owned()),
            ("Signed by", self.signers.join(", ")),
        ];
        page.push_str("<table>\n");
        for (name, value) in rows {
            let _ = writeln!(page, "<tr><th>{name}</th><td><code>{}</code></td></tr>", escape(&value));
        }
        page.push_str("</table>\n");
    }

    /// Writes the entitlements that the site's license must grant, so that they are known before the stick is shipped.
    fn license_lines(&self, page: &mut String) {
        let components = self.release.components.iter();
        let needs: Vec<_> =
            components.filter_map(|component| Some((&component.name, component.entitlement.as_ref()?))).collect();
        if needs.is_empty() {
            return;
        }
        page.push_str("<h2>License</h2>\n<p>The site needs a license of the vendor that includes:</p>\n<ul>\n");
        for (component, entitlement) in needs {
            let (component, entitlement) = (escape(component), escape(entitlement));
            let _ = writeln!(page, "<li><code>{entitlement}</code>, for the component {component}</li>");
        }
        page.push_str("</ul>\n");
    }

    fn files_table(&self, page: &mut String) {
        page.push_str("<h2>Files</h2>\n<table>\n<tr><th>File</th><th>Size</th><th>SHA-256</th></tr>\n");
        for file in self.files {
            let _ = writeln!(
                page,
                "<tr><td>{}</td><td class=\"n\">{}</td><td><code>{}</code></td></tr>",
                escape(&file.name),
                size(file.size),
                file.sha256.to_hex()
            );
        }
        page.push_str("</table>\n");
    }

    fn contents_tables(&self, page: &mut String) {
        let release = self.release;
        let images = release.images.iter().map(|image| {
            let bytes = [&image.manifest, &image.config].into_iter().chain(&image.layers).map(|blob| blob.size).sum();
            let known = self.inventory.image(&image.reference);
            let license = known.and_then(|image| image.license.as_deref());
            Row { reference: &image.reference, license, bytes, manifest: &image.manifest }
        });
        contents_table(page, "Container images", images);
        let artifacts = release.artifacts.iter().map(|artifact| {
            let files = artifact.files.iter().map(|file| &file.blob);
            let bytes = [&artifact.manifest, &artifact.config].into_iter().chain(files).map(|blob| blob.size).sum();
            let license = self.inventory.artifact_license(&artifact.name);
            Row { reference: &artifact.reference, license, bytes, manifest: &artifact.manifest }
        });
        contents_table(page, "Programs for the node, models and files", artifacts);
        page.push_str("<p>What several entries share counts in the size of each.</p>\n");
        sheet_licenses::charts(page, &self.inventory.charts);
        sheet_licenses::packages(page, release, self.inventory);
        self.signatures_table(page);
    }

    /// Writes the signatures and attestations that go into the bundle with images.
    fn signatures_table(&self, page: &mut String) {
        let signatures = self.release.signatures.iter().filter(|entry| entry.kind != SignatureKind::Referrers);
        let rows: Vec<_> = signatures.collect();
        if rows.is_empty() {
            return;
        }
        page.push_str(
            "<h2>Signatures of images</h2>\n<p>The vendor verified them with these keys when the release was \
             built.</p>\n\
             <table>\n<tr><th>Image</th><th>What it is</th><th>Keys</th><th>Manifest</th></tr>\n",
        );
        for SignatureEntry { image, kind, manifest, keys, predicates, .. } in rows {
            let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
            let kind = std::iter::once(kind.to_string()).chain(predicates.iter().cloned()).collect::<Vec<_>>();
            let _ = writeln!(
                page,
                "<tr><td>{}</td><td>{}</td><td><code>{}</code></td><td><code>{}</code></td></tr>",
                escape(image),
                escape(&kind.join(", ")),
                keys.join(", "),
                manifest.digest.to_hex()
            );
        }
        page.push_str("</table>\n");
    }
}

/// An image or an artifact.
struct Row<'a> {
    reference: &'a str,
    license: Option<&'a str>,
    bytes: u64,
    manifest: &'a Descriptor,
}

fn contents_table<'a>(page: &mut String, heading: &str, rows: impl Iterator<Item = Row<'a>>) {
    let _ = writeln!(
        page,
        "<h2>{heading}</h2>\n<table>\n<tr><th>Reference</th><th>License</th><th>Size</th><th>Manifest</th></tr>"
    );
    for Row { reference, license, bytes, manifest } in rows {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td><code>{}</code></td></tr>",
            escape(reference),
            escape(license.unwrap_or(NOT_STATED)),
            size(bytes),
            manifest.digest.to_hex()
        );
    }
    page.push_str("</table>\n");
}

/// Formats a size for users.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let Some(power) = (1..=4).rev().find(|power| bytes >> (10 * power) > 0) else { return format!("{bytes} B") };
    let unit = 1u64 << (10 * power);
    let tenths = bytes / unit * 10 + bytes % unit * 10 / unit;
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[power - 1])
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_and_text_escaped() {
        let sizes: Vec<_> = [0, 1023, 1024, 1536, 5 << 20, (1 << 30) - 1, 3 << 40].into_iter().map(size).collect();
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 MiB", "1023.9 MiB", "3.0 TiB"]);
        assert_eq!(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }
}
