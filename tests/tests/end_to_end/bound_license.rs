//! A license that is bound to the site stays valid on another machine that has only the first one's backups.

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use serde_json::Value;

use super::engineer::Engineer;
use super::fixture::fixture;

/// Path of the license on the machine.
const FILE: &str = "/root/bound.license";

/// Kinds of identifiers that backups preserve. Identifiers of firmware and disks may be those of the shared computer on
/// which all test machines run.
const LASTING: [&str; 2] = ["site:", "cluster:"];

/// Binds a license to all identifiers of the site, of which two must persist, and imports it. Returns the identifiers.
pub(crate) fn bind(engineer: Engineer<'_>) -> Result<Vec<String>> {
    let identifiers = identifiers(engineer)?;
    ensure!(identifiers.len() > 2, "the site is known by {identifiers:?} alone");
    let is_known_by = |kind: &&str| identifiers.iter().any(|one| one.starts_with(kind));
    ensure!(LASTING.iter().all(is_known_by), "the site is known by {identifiers:?}");
    let folder = tempfile::tempdir()?;
    let listed = identifiers.iter().map(|one| format!("\"{one}\"")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "id: bound-1\nvendor: Example\ncustomer: Acme\ncontact: licenses@example.com\nrelease: starter\nends: \
         2090-01-01\n\
         entitlements: {{nodes: 3}}\nbinding: {{needed: 2, identifiers: [{listed}]}}\n"
    );
    fixture()?.license(&text, folder.path())?;
    engineer.machine().copy_in(&folder.path().join("bound-1.license"), FILE, 0o600)?;
    engineer.landfall(&["license", "import", FILE])?.report("license import")?;
    engineer.machine().run(&format!("rm {FILE}"))?;
    expect_permitted(engineer)?;
    Ok(identifiers)
}

/// Fails unless the license still permits everything, although the machine's identifiers have changed.
pub(crate) fn is_still_permitted(engineer: Engineer<'_>, before: &[String]) -> Result<()> {
    expect_permitted(engineer)?;
    let now = identifiers(engineer)?;
    let kept: Vec<&String> = now.iter().filter(|one| before.contains(one)).collect();
    let comes_along = |kind: &&str| kept.iter().any(|one| one.starts_with(kind));
    let is_another_machine = kept.len() < before.len();
    ensure!(
        LASTING.iter().all(comes_along) && is_another_machine,
        "of the identifiers {before:?}, these are here: {now:?}"
    );
    printer::note(format!(
        "proved: a bound license came with the backups to another machine, by {} of {} identifiers, those of the site \
         and the cluster among them",
        kept.len(),
        before.len()
    ));
    Ok(())
}

fn expect_permitted(engineer: Engineer<'_>) -> Result<()> {
    let shown = engineer.landfall(&["license", "show"])?.report("license show")?;
    let terms = &shown["license"]["terms"];
    ensure!(terms["id"] == "bound-1" && terms["permits"] == true && terms["standing"] == "valid", "{shown:#}");
    Ok(())
}

fn identifiers(engineer: Engineer<'_>) -> Result<Vec<String>> {
    let shown = engineer.landfall(&["license", "show"])?.report("license show")?;
    let listed = shown["identifiers"].as_array().with_context(|| format!("no identifiers: {shown:#}"))?;
    Ok(listed.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}
