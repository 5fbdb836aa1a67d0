//! `landfall inspect`: shows what a bundle or its head states about itself. It verifies nothing, and says so.

use std::collections::BTreeMap;
use std::fmt::Write;

use indicatif::HumanBytes;
use landfall_bundle_spec::head::{Contents, Opened};
use landfall_bundle_spec::parts::BundleName;
use landfall_bundle_spec::{Budget, Sha256, read_any};
use landfall_error_codes::codes;
use landfall_media::bundle;
use landfall_release_document::{
    ArtifactEntry, COMPUTED_PREFIX, ComponentEntry, HOST_PACK_DOCUMENT_NAME, ImageEntry, RELEASE_DOCUMENT_NAME,
    ReleaseDocument, SITE_SCHEMA_NAME, SignatureKind,
};
use schemars::JsonSchema;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::cli::InspectArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;

/// Maximum values in all shown documents together, as a multiple of the largest one: Kubernetes definitions consist of
/// many small values.
const DOCUMENTS: usize = 4;

/// Content of a head, unverified.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Inspection<'a> {
    /// Always false: `landfall verify` is another command.
    verified: bool,
    /// ID of the bundle.
    #[schemars(with = "String")]
    id: Sha256,
    /// Name of the release.
    name: String,
    /// Version of the release.
    version: String,
    /// Counter of the release.
    counter: u64,
    /// Build time, RFC 3339.
    built_at: String,
    /// Size of the bundle as one stream, in bytes.
    total_bytes: u64,
    /// Size of the head in bytes.
    head_bytes: usize,
    /// Root documents in the bundle.
    roots: Vec<RootLine>,
    /// IDs of the keys that claim to have signed.
    signed_by: Vec<String>,
    /// SHA-256 of the `landfall` in the bundle.
    #[schemars(with = "String")]
    installer: Sha256,
    /// Release document, as in the bundle.
    #[schemars(with = "Value")]
    release: ReleaseDocument,
    /// JSON Schema of `site.yaml`, as in the bundle.
    #[schemars(with = "Value")]
    site_schema: HeadDocument<'a>,
    /// Rendered objects of each component, as in the bundle, in the order in which they are applied.
    #[schemars(with = "BTreeMap<String, Value>")]
    objects: BTreeMap<String, HeadDocument<'a>>,
    /// All blobs.
    blobs: Vec<BlobLine>,
}

impl Document for Inspection<'_> {
    const KIND: &'static str = "inspect";
}

/// Document of the head. It is parsed for output as JSON alone: the table does not need it, and its tree takes several
/// times the memory of its bytes.
struct HeadDocument<'a> {
    name: String,
    bytes: &'a [u8],
}

impl<'a> HeadDocument<'a> {
    fn find(contents: &'a Contents, name: &str) -> Result<Self, Failure> {
        let missing = || Failure::new(codes::INVALID_DOCUMENT, format!("{name} is not in the head"));
        let bytes = contents.small_document(name).ok_or_else(missing)?;
        Ok(Self { name: name.to_owned(), bytes })
    }

    /// Parses the document as JSON of any form.
    fn parse(&self, budget: &Budget) -> Result<Value, landfall_bundle_spec::Error> {
        read_any(&self.name, self.bytes, budget)
    }
}

impl Serialize for HeadDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parse(&Budget::new(DOCUMENTS)).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl Inspection<'_> {
    /// Returns an error unless the documents can be printed. They are not verified, and their trees could take a
    /// hundred times their bytes.
    fn check_documents(&self) -> Result<(), Failure> {
        let budget = Budget::new(DOCUMENTS);
        for document in self.objects.values().chain([&self.site_schema]) {
            document.parse(&budget)?;
        }
        Ok(())
    }
}

/// Root document in a bundle.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RootLine {
    /// Number of the root document.
    number: u64,
    /// Fingerprint that a person compares.
    #[schemars(with = "String")]
    fingerprint: Sha256,
    /// True if the root document is for development only.
    development: bool,
}

/// Blob of a bundle.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct BlobLine {
    /// SHA-256 of the blob.
    #[schemars(with = "String")]
    digest: Sha256,
    /// BLAKE3 of the blob.
    blake3: String,
    /// Size in bytes.
    size: u64,
    /// Media type.
    media_type: String,
}

/// Prints the content of a bundle's head.
pub(crate) fn run(arguments: &InspectArguments, printer: Printer) -> Result<(), Failure> {
    let located = bundle::locate(&arguments.bundle)?;
    let opened = Opened::read(located.head()?)?;
    let inspection = inspect(&opened)?;
    if printer.is_json() {
        inspection.check_documents()?;
    }
    printer.report(&inspection, text)?;
    Ok(())
}

fn inspect(opened: &Opened) -> Result<Inspection<'_>, Failure> {
    let contents = opened.untrusted_contents();
    let identity = contents.identity();
    if contents.small_document(HOST_PACK_DOCUMENT_NAME).is_some() {
        let what = format!(
            "{} {} is a host pack, not a release: `landfall verify` checks it, and {HOST_PACK_DOCUMENT_NAME} in its \
             head lists its packages",
            identity.name, identity.version
        );
        return Err(Failure::new(codes::BAD_ARGUMENT, what));
    }
    let document = contents.small_document(RELEASE_DOCUMENT_NAME).unwrap_or_default();
    let release = ReleaseDocument::read(document)?;
    let objects = release
        .components
        .iter()
        .map(|component| Ok((component.name.clone(), HeadDocument::find(contents, &component.objects)?)));
    let objects = objects.collect::<Result<_, Failure>>()?;
    let roots = opened.roots().iter();
    let entries = contents.blobs().entries().iter();
    Ok(Inspection {
        verified: false,
        id: contents.id(),
        name: identity.name,
        version: identity.version,
        counter: identity.counter,
        built_at: identity.built_at,
        total_bytes: contents.layout().total_bytes(),
        head_bytes: contents.head_bytes().len(),
        roots: roots
            .map(|root| RootLine {
                number: root.number(),
                fingerprint: root.fingerprint(),
                development: root.development(),
            })
            .collect(),
        signed_by: opened.signatures().iter().map(|signature| signature.key().to_string()).collect(),
        installer: contents.blobs().entries()[0].sha256,
        release,
        site_schema: HeadDocument::find(contents, SITE_SCHEMA_NAME)?,
        objects,
        blobs: entries
            .map(|entry| BlobLine {
                digest: entry.sha256,
                blake3: entry.blake3.to_hex(),
                size: entry.size,
                media_type: entry.media_type.clone(),
            })
            .collect(),
    })
}

fn text(inspection: &Inspection<'_>) -> String {
    let mut text = String::new();
    let size = HumanBytes(inspection.total_bytes);
    let release = &inspection.release;
    let _infallible =
        writeln!(text, "NOT VERIFIED: this is what the bundle says about itself; `landfall verify` checks it.\n");
    let _infallible = writeln!(
        text,
        "{} {}, counter {}, built {}",
        inspection.name, inspection.version, inspection.counter, inspection.built_at
    );
    let _infallible = writeln!(text, "id {}, {size}, head {}", inspection.id, HumanBytes(inspection.head_bytes as u64));
    for root in &inspection.roots {
        let mark = if root.development { "  DEVELOPMENT" } else { "" };
        let _infallible = writeln!(text, "root {}: {}{mark}", root.number, root.fingerprint);
    }
    let bundle = BundleName::new(&inspection.name, &inspection.version, inspection.id);
    let _infallible = writeln!(text, "landfall inside: {}", inspection.installer);
    let _infallible = writeln!(text, "  to take it out: {}", bundle.take_out_command());
    for key in &inspection.signed_by {
        let _infallible = writeln!(text, "signed by {key}");
    }
    for pack in &release.node_packs {
        let _infallible = writeln!(text, "Kubernetes {}", pack.kubernetes);
    }
    let _infallible = writeln!(text, "\n{:<16} {:<20} needs", "component", "namespace");
    for ComponentEntry { name, namespace, needs, .. } in &release.components {
        let _infallible = writeln!(text, "{name:<16} {namespace:<20} {}", needs.join(", "));
    }
    for component in &release.components {
        let Some(entitlement) = &component.entitlement else { continue };
        let _infallible = writeln!(text, "{} needs a license that includes {entitlement}", component.name);
    }
    let _infallible = writeln!(text, "\n{:>10}  image or artifact", "size");
    let images = release.images.iter().map(|image| (image_bytes(image), &image.reference, &image.manifest));
    let artifacts = release.artifacts.iter();
    let artifacts = artifacts.map(|artifact| (artifact_bytes(artifact), &artifact.reference, &artifact.manifest));
    for (bytes, reference, manifest) in images.chain(artifacts) {
        let size = HumanBytes(bytes).to_string();
        let _infallible = writeln!(text, "{size:>10}  {reference}@{}", manifest.digest);
    }
    text + &signatures_table(release) + &values_table(release) + &secrets_table(release)
}

/// Table of the signatures and attestations that travel with images; empty without any. `verify` checks them as content
/// of the bundle, not with the keys named here.
fn signatures_table(release: &ReleaseDocument) -> String {
    let mut text = String::new();
    for signature in release.signatures.iter().filter(|signature| signature.kind != SignatureKind::Referrers) {
        if text.is_empty() {
            let _infallible = writeln!(text, "\n{:<12} image", "signed");
        }
        let kind = signature.kind.to_string();
        let keys: Vec<_> = signature.keys.iter().map(|key| key.to_string()[..12].to_owned()).collect();
        let predicates = signature.predicates.iter().map(|predicate| format!(" {}", shown::line(predicate)));
        let predicates: String = predicates.collect();
        let _infallible = writeln!(text, "{kind:<12} {}{predicates}, key {}…", signature.image, keys.join("…, "));
    }
    text
}

/// Table of the values that a site may set, without computed ones.
fn values_table(release: &ReleaseDocument) -> String {
    let mut text = format!("\n{:<24} {:<10} {:<12} meaning\n", "value in site.yaml", "type", "default");
    for value in release.values.iter().filter(|value| !value.name.starts_with(COMPUTED_PREFIX)) {
        let field = |name| value.schema.get(name).map(plain).unwrap_or_default();
        let default = value.default.as_ref().map_or_else(|| "-".to_owned(), plain);
        let meaning = [field("description"), field("pattern")].into_iter().filter(|text| !text.is_empty());
        let meaning = meaning.collect::<Vec<_>>().join("; ");
        let _infallible = writeln!(text, "{:<24} {:<10} {default:<12} {meaning}", value.name, field("type"));
    }
    text
}

/// Table of the site secrets; empty if the release has none.
fn secrets_table(release: &ReleaseDocument) -> String {
    let mut text = String::new();
    for component in &release.components {
        for secret in &component.site_secrets {
            if text.is_empty() {
                let _infallible = writeln!(text, "\n{:<24} {:<16} needed; meaning", "secret of the site", "component");
            }
            let needed = shown::line(&format!("{}; {}", secret.value.describe_requirements(), secret.meaning));
            let _infallible = writeln!(text, "{:<24} {:<16} {needed}", secret.name, component.name);
        }
    }
    text
}

/// Formats a string without its quotes, and any other value as JSON, in one line.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    shown::line(&text)
}

fn image_bytes(image: &ImageEntry) -> u64 {
    image.manifest.size + image.config.size + image.layers.iter().map(|layer| layer.size).sum::<u64>()
}

fn artifact_bytes(artifact: &ArtifactEntry) -> u64 {
    artifact.manifest.size + artifact.files.iter().map(|file| file.blob.size).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::sample::{Forgery, Sample, Vendor};
    use landfall_bundle_spec::to_canonical;
    use landfall_bundle_spec::trust::KeyKind;
    use serde_json::json;

    use super::*;
    use crate::document;

    /// A hostile name from a stick: terminal control codes, a line that resembles output of Landfall, and right-to-left
    /// text.
    const FAKE: &str = "x\u{1b}[2J\u{1b}[32m\u{9b}1m\nverified: shop 1.0\r\u{202e}\u{7}";

    fn release() -> Value {
        json!({
            "type": "landfall.dev/release/1", "name": "shop", "version": "1.0.0", "counter": 1, "assembled": false,
            "platform": "linux/amd64", "node_packs": [], "images": [], "artifacts": [],
            "components": [{ "name": "db", "namespace": "db", "needs": [], "objects": "documents/objects/db.json",
                "pod_security": "restricted", "ready_seconds": 60, "quota": { "pods": "4" } }],
            "values": [{ "name": "db.size", "default": "1Gi", "schema": { "type": "string", "description": "room" },
                "targets": [{ "component": "db", "kind": "StatefulSet", "name": "db", "path": "/spec/size" }] }],
            "requirements": { "cores": 2, "memory_bytes": 1, "data_bytes": 0 },
        })
    }

    /// Copies of the value, each with one of its strings or field names replaced.
    fn with_each_text(value: &Value, text: &str) -> Vec<Value> {
        match value {
            Value::String(_) => vec![text.into()],
            Value::Array(items) => (0..items.len())
                .flat_map(|index| {
                    let replaced = |item| {
                        let mut items = items.clone();
                        items[index] = item;
                        Value::Array(items)
                    };
                    with_each_text(&items[index], text).into_iter().map(replaced).collect::<Vec<_>>()
                })
                .collect(),
            Value::Object(fields) => fields
                .iter()
                .flat_map(|(name, inner)| {
                    let mut renamed = fields.clone();
                    renamed.insert(text.to_owned(), inner.clone());
                    let replaced = |inner| {
                        let mut fields = fields.clone();
                        fields.insert(name.clone(), inner);
                        Value::Object(fields)
                    };
                    let inner = with_each_text(inner, text).into_iter().map(replaced);
                    inner.chain([Value::Object(renamed)]).collect::<Vec<_>>()
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// All output of `inspect` for a head, in both forms.
    fn inspection_outputs(head: &[u8]) -> [String; 2] {
        let failed = |failure: Failure| [failure.text(), failure.json()];
        let opened = match Opened::read_file(head).map_err(Failure::from) {
            Ok(opened) => opened,
            Err(failure) => return failed(failure),
        };
        match inspect(&opened) {
            Ok(inspection) => {
                let json = match inspection.check_documents() {
                    Ok(()) => document::pretty(&inspection),
                    Err(failure) => failure.json(),
                };
                [shown::block(&text(&inspection)), json]
            }
            Err(failure) => failed(failure),
        }
    }

    fn check(head: &[u8], what: &str) {
        let [text, json] = inspection_outputs(head);
        for printed in [&text, &json] {
            let bad = printed.chars().find(|letter| *letter != '\n' && (letter.is_control() || *letter == '\u{202e}'));
            assert_eq!(bad, None, "{what}: {printed:.2000}");
        }
        assert!(!text.lines().any(|line| line.starts_with("verified")), "{what}: {text:.2000}");
        assert!(text.len() < 100_000 && text.lines().all(|line| line.chars().count() < 20_000), "{what}");
    }

    #[test]
    fn hostile_bundles_are_escaped() {
        let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
        let forgery = Forgery::of(&Sample::tiny(&vendor).unwrap());
        let canonical = |value: &Value| to_canonical("a document", value).unwrap();
        let forgery = forgery
            .insert_before("documents/release", "documents/objects/db.json", b"[]")
            .with("documents/release.json", &canonical(&release()))
            .bind()
            .unwrap();
        let plain = inspection_outputs(&forgery.head());
        assert!(plain[0].starts_with("NOT VERIFIED") && plain[0].contains("db.size"), "{}", plain[0]);
        let long = "y".repeat(1 << 20);
        let mut heads = 0;
        for (file, texts) in [
            ("landfall.json", [FAKE, &long[..40_000]]),
            ("blobs.json", [FAKE, &long]),
            ("documents/release.json", [FAKE, &long]),
            ("documents/site.schema.json", [FAKE, &long]),
        ] {
            let value: Value = serde_json::from_slice(forgery.contents(file)).unwrap();
            for text in texts {
                for changed in with_each_text(&value, text) {
                    let changed = forgery.clone().with(file, &canonical(&changed));
                    let changed = if file == "landfall.json" { changed } else { changed.bind().unwrap() };
                    check(&changed.head(), file);
                    heads += 1;
                }
            }
        }
        assert!(heads > 150, "{heads}");
        for name in [FAKE, "trust/\u{1b}[31m", "signatures/\u{1b}[31m"] {
            check(&forgery.clone().insert_before("blobs.json", name, b"{}").head(), "the name of a file");
        }
    }

    #[test]
    fn site_secrets_are_listed() {
        let read = |document: &Value| ReleaseDocument::read(document.to_string().as_bytes()).unwrap();
        let mut document = release();
        assert_eq!(secrets_table(&read(&document)), "");
        document["components"][0]["site_secrets"] =
            json!([{"name": "directory", "meaning": "Reads the directory", "value": {"password": {"minimum": 12}}}]);
        let text = secrets_table(&read(&document));
        let line = text.lines().last().unwrap();
        assert!(line.starts_with("directory ") && line.contains(" db "), "{text}");
        assert!(line.ends_with("one line of 12 to 256 characters; Reads the directory"), "{text}");
    }
}
