//! `landfall carry read`: verifies at the vendor what a site has carried out.
//!
//! Nothing in the folder is shown before the manifest's signature and the digest of every part are verified. Then each
//! part is checked with the code of its own command.

use std::fmt::Write;
use std::io::BufReader;
use std::path::Path;

use landfall_audit::{LogKnowledge, verify};
use landfall_bundle_spec::trust::{KeyId, PublicKey};
use landfall_error_codes::{CodedError as _, codes};
use landfall_host::facts::Facts;
use landfall_host::files;
use landfall_license::License;
use landfall_media::{FileDigest, read_back};
use landfall_support::analyze::{Analysis, analyze};
use landfall_support::archive;
use landfall_support::carry::{
    CarryManifest, INVENTORY_BYTES, MANIFEST, MANIFEST_BYTES, MissingPart, PartKind, PartRecord, SiteInventory,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::CarryReadArguments;
use crate::commands::license::report::{CheckedReport, checked_report, checked_text, license_and_keys};
use crate::commands::{audit, support};
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;

/// Verified content that a site has carried out, unchanged since the site wrote it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CarriedContent {
    /// UUID of the site.
    site: String,
    /// Creation time by the site's clock, RFC 3339 in UTC.
    made: String,
    /// Version of the `landfall` that created it.
    landfall: String,
    /// ID of the signing key.
    site_key: String,
    /// Parts that are present.
    parts: Vec<PartRecord>,
    /// Parts that are absent, each with the reason.
    missing: Vec<MissingPart>,
    /// Names of further files in the folder, which the site did not write. They were not read.
    foreign: Vec<String>,
    /// Inventory of the site.
    inventory: Option<SiteInventory>,
    /// Result of the check of its usage report.
    usage: Option<CheckedReport>,
    /// Result of the verification of its audit log.
    audit: Option<audit::AuditVerification>,
    /// Analysis of its support bundle.
    support: Option<Analysis>,
}

impl Document for CarriedContent {
    const KIND: &'static str = "carryRead";
}

/// Reads and verifies the folder.
pub(super) fn run(arguments: &CarryReadArguments, printer: Printer) -> Result<(), Failure> {
    let trust = arguments.trust.trust.as_deref();
    let (license, keys) = license_and_keys(arguments.license.as_deref(), trust, &arguments.site_key)?;
    let carried = read(&arguments.folder, license.as_ref(), keys)?;
    printer.report(&carried, text)?;
    Ok(())
}

fn read(folder: &Path, license: Option<&License>, mut keys: Vec<KeyId>) -> Result<CarriedContent, Failure> {
    if let Some(named) = license.and_then(|license| license.terms().site_key).filter(|_| keys.is_empty()) {
        keys.push(named);
    }
    let manifest = manifest(folder)?;
    let key = manifest.verify(&keys)?;
    for part in &manifest.parts {
        check(folder, part)?;
    }
    let path = |kind: PartKind| manifest.part(kind).map(|part| folder.join(part.kind.file_name()));
    if let Some(path) = path(PartKind::Facts) {
        Facts::read(&path)?;
    }
    let usage = path(PartKind::Usage).map(|path| checked_report(&path, license, vec![key.id()], None)).transpose()?;
    Ok(CarriedContent {
        inventory: path(PartKind::Inventory).map(|path| inventory(&path)).transpose()?,
        audit: path(PartKind::Audit).map(|path| audit_log(&path, &key)).transpose()?,
        support: path(PartKind::Support).map(|path| analysis(&path)).transpose()?,
        usage,
        foreign: foreign(folder, &manifest)?,
        site_key: key.id().to_string(),
        site: manifest.site,
        made: manifest.made,
        landfall: manifest.landfall,
        parts: manifest.parts,
        missing: manifest.missing,
    })
}

/// Reads the manifest, which is not trusted yet.
fn manifest(folder: &Path) -> Result<CarryManifest, Failure> {
    let path = folder.join(MANIFEST);
    let failed = |error: std::io::Error| {
        Failure::new(codes::CARRY_MANIFEST, format!("{} cannot be read", path.display())).because(&error)
    };
    let bytes = files::read_at_most(&path, MANIFEST_BYTES).map_err(failed)?;
    Ok(CarryManifest::read(&path.display().to_string(), &bytes)?)
}

/// Returns an error for a part that differs from the file that the site wrote. Links and devices on the stick are
/// refused.
fn check(folder: &Path, part: &PartRecord) -> Result<(), Failure> {
    let path = folder.join(part.kind.file_name());
    if !path.symlink_metadata().is_ok_and(|found| found.is_file()) {
        let what = format!("{} is missing, or is not a regular file", path.display());
        return Err(Failure::new(codes::CARRY_PART, what));
    }
    let FileDigest { size_bytes, sha256 } = read_back(&path)?;
    Ok(part.check(size_bytes, sha256)?)
}

pub(super) fn inventory(path: &Path) -> Result<SiteInventory, Failure> {
    let bytes = files::read_at_most(path, INVENTORY_BYTES).map_err(|error| unreadable(path, &error))?;
    Ok(SiteInventory::read(&path.display().to_string(), &bytes)?)
}

/// Verifies the audit log. If the site has not signed it yet, it is checked as a chain, because its digest is in the
/// signed manifest.
fn audit_log(path: &Path, key: &PublicKey) -> Result<audit::AuditVerification, Failure> {
    let signed = LogKnowledge { keys: vec![key.clone()], ..LogKnowledge::default() };
    let verified = |known: &LogKnowledge| open(path).map(|file| verify(BufReader::new(file), known));
    let report = match verified(&signed)? {
        Err(error) if error.code() == codes::AUDIT_UNSIGNED => verified(&LogKnowledge::default())?,
        report => report,
    };
    let report = report.map_err(|error| Failure::not_passed(path, &error))?;
    Ok(audit::AuditVerification::from(&report))
}

fn analysis(path: &Path) -> Result<Analysis, Failure> {
    Ok(analyze(&archive::read(BufReader::new(open(path)?))?))
}

/// Files in the folder that the manifest does not name.
fn foreign(folder: &Path, manifest: &CarryManifest) -> Result<Vec<String>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(codes::CARRY_MANIFEST, format!("{} cannot be listed", folder.display())).because(&error)
    };
    let mut names = Vec::new();
    for entry in fs_err::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        let is_known = name == MANIFEST || manifest.parts.iter().any(|part| part.kind.file_name() == name);
        if !is_known {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn open(path: &Path) -> Result<fs_err::File, Failure> {
    fs_err::File::open(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(codes::CARRY_PART, format!("{} cannot be read", path.display())).because(error)
}

fn text(carried: &CarriedContent) -> String {
    let CarriedContent { site_key, missing, foreign, .. } = carried;
    // Names of files come from the stick, and the other texts from the signer: none of them may create lines of their
    // own.
    let [site, made, landfall] = [&carried.site, &carried.made, &carried.landfall].map(|said| shown::line(said));
    let mut text = format!(
        "all of it is as the site wrote it\nsite        {site}\nmade        {made}, by landfall {landfall}\nsigned \
         by   {site_key}\n"
    );
    for missing in missing {
        let _infallible = writeln!(text, "not there   {}: {}", missing.kind.title(), shown::line(&missing.reason));
    }
    for name in foreign {
        let _infallible = writeln!(text, "not read    {}, which the site did not write", shown::line(name));
    }
    if let Some(inventory) = &carried.inventory {
        inventory_text(&mut text, inventory);
    }
    let parts = [
        carried.usage.as_ref().map(|usage| (PartKind::Usage, checked_text(usage))),
        carried.audit.as_ref().map(|found| (PartKind::Audit, audit::verified_text(found))),
        carried.support.as_ref().map(|found| (PartKind::Support, support::analysis_text(found))),
    ];
    for (kind, shown) in parts.into_iter().flatten() {
        let _infallible = write!(text, "\n{}\n{}\n", kind.title(), shown.trim_end());
    }
    text
}

fn inventory_text(text: &mut String, inventory: &SiteInventory) {
    for (index, release) in inventory.releases.iter().enumerate() {
        let what = if index == 0 { "installed" } else { "kept" };
        let release = format!("{} {}, bundle {}", release.name, release.version, release.bundle);
        let _infallible = writeln!(text, "{what:<11} {}", shown::line(&release));
    }
    if let Some(root) = &inventory.root {
        let mark = if root.development { " (DEVELOPMENT root)" } else { "" };
        let _infallible = writeln!(text, "trusts      root {}, {}{mark}", root.number, root.fingerprint);
    }
    let _infallible = writeln!(text, "revocation  {}", inventory.revocation);
    let license = shown::line(inventory.license.as_deref().unwrap_or("none"));
    let _infallible = writeln!(text, "license     {license}");
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::sample::Vendor;
    use landfall_bundle_spec::trust::KeyKind;
    use landfall_media::durable;

    use super::*;

    /// Writes a folder that a site with this key carried out, with an inventory and an empty audit log.
    fn write_carried_folder(folder: &Path, site: &Vendor) {
        let key = site.key.public();
        let name = "7b6f4a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b".to_owned();
        let inventory = SiteInventory::of(name.clone(), "0.1.0".to_owned(), key.id().to_string());
        let head = format!(
            "{{\"kind\":\"auditHead\",\"schema\":1,\"exported\":\"2026-11-20T09:00:00Z\",\"head\":\"0:{}\"}}\n",
            "0".repeat(64)
        );
        let files =
            [(PartKind::Inventory, serde_json::to_vec(&inventory).unwrap()), (PartKind::Audit, head.into_bytes())];
        let parts = files.map(|(kind, bytes)| {
            durable::write_file(&folder.join(kind.file_name()), &bytes, 0o644).unwrap();
            let FileDigest { size_bytes, sha256 } = FileDigest::of(&bytes);
            PartRecord { kind, size_bytes, sha256 }
        });
        let absent = [PartKind::Facts, PartKind::Usage, PartKind::Support];
        let missing = absent.map(|kind| MissingPart { kind, reason: "there is none".to_owned() });
        let (made, landfall) = ("2026-11-20T09:00:00Z".to_owned(), "0.1.0".to_owned());
        let unsigned = CarryManifest::new_unsigned(name, made, landfall, parts.to_vec(), missing.to_vec(), key);
        let signature = site.key.sign(&unsigned.message().unwrap()).unwrap();
        let manifest = unsigned.with_signature(&signature).to_bytes().unwrap();
        durable::write_file(&folder.join(MANIFEST), &manifest, 0o644).unwrap();
    }

    fn carried_by_a_site() -> (Vendor, tempfile::TempDir) {
        let (site, folder) = (Vendor::new(KeyKind::EcdsaP256).unwrap(), tempfile::tempdir().unwrap());
        write_carried_folder(folder.path(), &site);
        (site, folder)
    }

    fn code(folder: &Path, site: &Vendor) -> &'static str {
        read(folder, None, vec![site.key.public().id()]).map_or_else(|failure| failure.code().id, |_| "read")
    }

    #[test]
    fn changed_parts_are_refused() {
        let [site, other] = [(); 2].map(|()| Vendor::new(KeyKind::EcdsaP256).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(code(folder, &site), "LF4741");
        write_carried_folder(folder, &site);
        assert_eq!((code(folder, &site), code(folder, &other)), ("read", "LF4742"));
        let audit = folder.join("audit.jsonl");
        let whole = fs_err::read(&audit).unwrap();
        durable::write_file(&audit, &[&whole[..], b"\n"].concat(), 0o644).unwrap();
        assert_eq!(code(folder, &site), "LF4743");
        durable::remove_file(&audit).unwrap();
        assert_eq!(code(folder, &site), "LF4743");
        durable::symlink(Path::new("inventory.json"), &audit).unwrap();
        assert_eq!(code(folder, &site), "LF4743", "a link is no part");
        durable::remove_file(&audit).unwrap();
        durable::write_file(&audit, &whole, 0o644).unwrap();
        assert_eq!(code(folder, &site), "read");
    }

    #[test]
    fn file_name_forges_no_line() {
        let (site, folder) = carried_by_a_site();
        durable::write_file(&folder.path().join("a\nsigned by   B"), b"", 0o644).unwrap();
        let page = text(&read(folder.path(), None, vec![site.key.public().id()]).unwrap());
        assert_eq!(page.lines().filter(|line| line.starts_with("signed by")).count(), 1, "{page}");
        assert!(page.contains(r"not read    a\u{a}signed by   B, which"), "{page}");
    }

    #[test]
    fn page_names_site_and_missing_parts() {
        let (site, folder) = carried_by_a_site();
        durable::write_file(&folder.path().join("autorun.inf"), b"", 0o644).unwrap();
        let key = site.key.public().id();
        let page = text(&read(folder.path(), None, vec![key]).unwrap());
        let page = page.replace(&key.to_string(), "KEY").replace(&"0".repeat(64), "HASH");
        insta::assert_snapshot!(page, @"
        all of it is as the site wrote it
        site        7b6f4a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b
        made        2026-11-20T09:00:00Z, by landfall 0.1.0
        signed by   KEY
        not there   facts of the host: there is none
        not there   report of usage: there is none
        not there   support bundle: there is none
        not read    autorun.inf, which the site did not write
        revocation  0
        license     none

        audit log
        0 entries are whole; head 0:HASH
        signed      not checked: this is the chain alone, which a compromised console may have rewritten
        exported    at 2026-11-20T09:00:00Z, as the file says
        ");
    }
}
