//! The provenance of a bundle: the statement next to it, verified by cosign, which does not know Landfall, and by
//! `landfall`.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use landfall_xtask::cosign::CosignVerifier;
use serde_json::Value;

use super::outcome::Outcome;
use super::starter::{PROVENANCE, Starter, starter};

fn provenance(starter: &Starter) -> std::process::Command {
    let mut command = starter.landfall(&["provenance", "--trust"]);
    command.arg(starter.keys().join("1.root.json"));
    command
}

#[test]
#[ignore = "needs cargo xtask test"]
fn cosign_accepts_only_bundle_provenance() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let judged = CosignVerifier::head(&starter.file(".head")?)?;
    let (key, envelope) = (starter.keys().join("cosign.pub"), starter.file(PROVENANCE)?);
    assert!(judged.accepts_provenance(&key, &envelope, &judged.document())?);

    let other = folder.path().join("other.json");
    std::fs::write(&other, b"{}")?;
    assert!(!judged.accepts_provenance(&key, &envelope, &other)?, "it is about another document");

    let mut altered: Value = serde_json::from_slice(&std::fs::read(&envelope)?)?;
    let payload = altered["payload"].as_str().context("no payload")?;
    // One Base64 character in the middle of the statement.
    let (begin, end) = payload.split_at(payload.len() / 2);
    let letter = if end.starts_with('A') { 'B' } else { 'A' };
    altered["payload"] = format!("{begin}{letter}{}", &end[1..]).into();
    let path = folder.path().join("altered.json");
    std::fs::write(&path, serde_json::to_vec(&altered)?)?;
    assert!(!judged.accepts_provenance(&key, &path, &judged.document())?, "it was altered");
    let refused = Outcome::of(provenance(starter).arg(starter.stick()).arg("--file").arg(&path))?;
    assert_eq!((refused.code, refused.error()), (3, Some("LF1106")), "{}", refused.stderr);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn provenance_names_every_locked_input() -> Result<()> {
    let starter = starter()?;
    let found = Outcome::success(provenance(starter).arg(starter.stick()).arg("--json"))?.json()?;
    assert_eq!((&found["kind"], &found["id"]), (&Value::from("provenance"), &starter.report["id"]));
    let materials = found["materials"].as_array().context("no materials")?;
    let digests = |kind: &str| -> BTreeSet<&str> {
        let of_kind = materials.iter().filter(|material| material["kind"] == kind);
        of_kind.filter_map(|material| material["digest"].as_str()).collect()
    };
    let inspection = starter.inspection()?;
    let images = inspection["release"]["images"].as_array().context("no images")?;
    let own = |image: &&Value| image["reference"].as_str().is_some_and(|name| name.starts_with("landfall.internal/"));
    let expected: BTreeSet<_> =
        images.iter().filter(|image| !own(image)).filter_map(|image| image["manifest"]["digest"].as_str()).collect();
    ensure!(expected.len() > 5, "the starter has {} images", expected.len());
    assert_eq!(digests("image"), expected);
    ensure!(digests("program").contains(inspection["installer"].as_str().context("no installer")?), "{materials:?}");
    let named = |name: &str| {
        materials.iter().any(|material| material["name"].as_str().is_some_and(|text| text.ends_with(name)))
    };
    ensure!(["kubectl", "kustomization.yaml"].iter().all(|name| named(name)), "{materials:?}");
    let lock = std::fs::read(starter.lock_file())?;
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(lock));
    assert_eq!(found["lock"]["digest"], format!("sha256:{digest}"));
    // The head alone is sufficient. Without the file, the error says that it is missing.
    let folder = starter.scratch()?;
    let head = folder.path().join("mailed.head");
    std::fs::copy(starter.file(".head")?, &head)?;
    let missing = Outcome::of(provenance(starter).arg(&head))?;
    assert_eq!((missing.code, missing.error()), (2, Some("LF1141")), "{}", missing.stderr);
    let of_head = provenance(starter).arg(&head).arg("--file").arg(starter.file(PROVENANCE)?).output()?;
    ensure!(of_head.status.success(), "{}", String::from_utf8_lossy(&of_head.stderr));
    Ok(())
}
