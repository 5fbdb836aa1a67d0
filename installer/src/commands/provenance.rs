//! `landfall provenance`: shows what a bundle was built of, as its vendor signed it. The signatures of the head and of
//! the statement are verified; the payload is not read.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::limits::PROVENANCE_BYTES;
use landfall_bundle_spec::provenance::{Material, Provenance, VerifiedProvenance};
use landfall_bundle_spec::{Sha256, Verified};
use landfall_error_codes::codes;
use landfall_lifecycle::operations::{Trust, open_trusted};
use landfall_media::bundle::UnverifiedBundle;
use landfall_media::counters::Counters;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::verify::BundleOrigin;
use crate::cli::ProvenanceArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;

/// Shown kind of a material without one.
const OTHER: &str = "other";

/// Verified provenance of a bundle.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProvenanceReport {
    /// Always true: unverified provenance is an error. It concerns the statement, not the bytes of the bundle.
    verified: bool,
    #[serde(flatten)]
    trusted: BundleOrigin,
    /// File that was checked.
    file: PathBuf,
    /// IDs of the release keys that signed the statement.
    stated_by: Vec<String>,
    /// Builder, as a URI.
    builder: String,
    /// Versions of the builder's programs, by name.
    builder_versions: BTreeMap<String, String>,
    /// Build time, RFC 3339.
    built_at: String,
    /// Release definition.
    definition: MaterialLine,
    /// Lock of the release.
    lock: MaterialLine,
    /// All inputs of the build.
    materials: Vec<MaterialLine>,
    /// Whole statement, as it was signed.
    statement: Value,
}

impl Document for ProvenanceReport {
    const KIND: &'static str = "provenance";
}

/// Input of the build.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MaterialLine {
    /// Kind of the input: `source`, `program`, `chart`, `image`, `image-index`, `artifact`, `file`.
    kind: Option<String>,
    /// Reference, or name of a file.
    name: Option<String>,
    /// Origin, unless it is the vendor's own.
    uri: Option<String>,
    /// SHA-256 of the input.
    #[schemars(with = "Option<String>")]
    digest: Option<Sha256>,
}

impl From<&Material> for MaterialLine {
    fn from(material: &Material) -> Self {
        Self {
            kind: material.kind().map(str::to_owned),
            name: material.name.clone(),
            uri: material.uri.clone(),
            digest: material.sha256(),
        }
    }
}

/// Verifies and prints the provenance of a bundle.
pub(crate) fn run(arguments: &ProvenanceArguments, printer: Printer) -> Result<(), Failure> {
    let bundle = &arguments.bundle;
    let trust = Trust::read(arguments.trust.trust.as_deref(), bundle)?;
    let (located, release) = open_trusted(bundle, &trust, &Counters::new())?;
    let (file, bytes) = match &arguments.file {
        Some(file) => (file.clone(), read_named_file(file)?),
        None => find_provenance(&located, &release.verified)?,
    };
    printer.report(&verify_provenance(file, &bytes, &release.verified)?, text)?;
    Ok(())
}

/// Reads the file that a person named.
fn read_named_file(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    fs_err::File::open(file)
        .and_then(|opened| opened.take(PROVENANCE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::new(codes::PROVENANCE_MISSING, "the provenance cannot be read").because(&error))?;
    Ok(bytes)
}

/// Reads the file that `landfall build` wrote.
fn find_provenance(located: &UnverifiedBundle, verified: &Verified) -> Result<(PathBuf, Vec<u8>), Failure> {
    let name = verified.bundle_name().provenance();
    let missing = || {
        let what = format!("{} has no {name}", located.folder().display());
        Failure::new(codes::PROVENANCE_MISSING, what)
    };
    let bytes = located.read_beside(&name, PROVENANCE_BYTES)?.ok_or_else(missing)?;
    Ok((located.folder().join(name), bytes))
}

fn verify_provenance(file: PathBuf, bytes: &[u8], bundle: &Verified) -> Result<ProvenanceReport, Failure> {
    let provenance = Provenance::read(&file.display().to_string(), bytes)?.verify(bundle)?;
    Ok(provenance_report(file, &provenance, bundle))
}

fn provenance_report(file: PathBuf, provenance: &VerifiedProvenance, bundle: &Verified) -> ProvenanceReport {
    let predicate = &provenance.statement().predicate;
    let given = &predicate.build_definition.external_parameters;
    ProvenanceReport {
        verified: true,
        trusted: BundleOrigin::from_verified(bundle),
        file,
        stated_by: provenance.signers().iter().map(ToString::to_string).collect(),
        builder: predicate.run_details.builder.id.clone(),
        builder_versions: predicate.run_details.builder.version.clone(),
        built_at: given.built_at.clone(),
        definition: (&given.definition).into(),
        lock: (&given.lock).into(),
        materials: predicate.build_definition.resolved_dependencies.iter().map(MaterialLine::from).collect(),
        statement: provenance.value().clone(),
    }
}

fn text(provenanced: &ProvenanceReport) -> String {
    let versions = provenanced.builder_versions.iter().map(|(name, version)| format!("{name} {version}"));
    let mut lines = vec![
        format!("verified: the provenance of {}", provenanced.trusted.line()),
        format!("stated by {}", provenanced.stated_by.join(", ")),
        format!(
            "built {} by {} ({})",
            shown::line(&provenanced.built_at),
            shown::line(&versions.collect::<Vec<_>>().join(", ")),
            shown::line(&provenanced.builder)
        ),
    ];
    lines.extend([&provenanced.definition, &provenanced.lock].map(|material| line("given", material)));
    let kind = |material: &MaterialLine| material.kind.clone().unwrap_or_else(|| OTHER.to_owned());
    lines.extend(provenanced.materials.iter().map(|material| line(&kind(material), material)));
    lines.push(
        "This is what the vendor states about the build; `landfall verify` checks every byte of the bundle.".to_owned(),
    );
    lines.join("\n")
}

fn line(kind: &str, material: &MaterialLine) -> String {
    let name = material.name.as_ref().or(material.uri.as_ref()).map_or("without a name", String::as_str);
    let digest = material.digest.map_or_else(|| "no SHA-256".to_owned(), |digest| digest.to_string());
    // A name with line breaks would create lines of its own.
    format!("  {:<12} {}  {digest}", shown::line(kind), shown::line(name))
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::provenance::UnsignedProvenance;
    use landfall_bundle_spec::sample::{self, Sample, Vendor};
    use landfall_bundle_spec::trust::KeyKind;

    use super::*;

    #[test]
    fn only_verified_statement_is_printed() {
        let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
        let bundle = Sample::tiny(&vendor).unwrap().head.into_verified();
        let image = Material::new("docker.io/a/b:1", Sha256([3; 32])).of_kind("image");
        let statement = sample::statement(&bundle, vec![image]);
        let mut unsigned = UnsignedProvenance::new(&statement).unwrap();
        unsigned.sign(&vendor.key).unwrap();
        let bytes = unsigned.finish("a.provenance.json", &bundle).unwrap();
        let found = verify_provenance("a.provenance.json".into(), &bytes, &bundle).unwrap();
        let shown = text(&found);
        assert!(shown.starts_with("verified: the provenance of sample 1.0.0, signed by "), "{shown}");
        assert!(
            shown.contains("DEVELOPMENT root") && shown.contains("image        docker.io/a/b:1  sha256:0303"),
            "{shown}"
        );
        assert_eq!(found.statement["subject"][0]["name"], "landfall.json");
        let other = Sample::with_blobs(&vendor, vec![b"other".to_vec()]).unwrap().head.into_verified();
        let refused = verify_provenance("a.provenance.json".into(), &bytes, &other).map(drop).unwrap_err();
        assert_eq!(refused.code(), codes::PROVENANCE_FOREIGN);
    }

    #[test]
    fn missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = read_named_file(&folder.path().join("no.provenance.json")).unwrap_err();
        assert_eq!(refused.code(), codes::PROVENANCE_MISSING);
    }
}
