//! Builds images a second time from scratch, in another folder, and compares digests.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::debian::{BASE, Root, ensure_base, same_packages};
use super::{Recipe, Workshop, node_pack, postgres, starter};
use crate::cache::Cache;
use crate::printer;

/// Compares a second build of some images with the first. These are the base layer, every image of the starter release,
/// one of a later release, and one that combines packages with a compiled program. All other images hold only compiled
/// programs; one image represents them, because compiling all of them again would take too long.
///
/// The second build shares nothing with the first. It has its own cache, in a new folder under `scratch`, so Debian
/// packages are unpacked and the Go program compiled again.
pub fn check(workshop: &Workshop, scratch: &Path) -> Result<()> {
    let folder = tempfile::tempdir_in(scratch).context("cannot create a folder for the second build")?;
    let first = Workshop::over(workshop.cache().clone()).asking_again();
    let (workshop, second) = (&first, Workshop::over(Cache::at(folder.path())?));
    let mut problems = Vec::new();
    let (one, two) = (ensure_base(workshop)?, ensure_base(&second)?);
    compare_packages(&BASE, workshop, &second)?;
    report("base layer", &one.digest, &two.digest, &mut problems);
    let images: [(&Root, Recipe); 6] = [
        (&starter::BUSYBOX, starter::busybox),
        (&postgres::EARLIER, postgres::earlier),
        (&postgres::LATER, postgres::later),
        (&starter::PYTHON, starter::python),
        (&starter::VALKEY, starter::valkey),
        (&node_pack::PACKET_FILTER, node_pack::flannel),
    ];
    for (root, make) in images {
        let (one, two) = (make(workshop)?, make(&second)?);
        compare_packages(root, workshop, &second)?;
        report(&one.reference, &one.manifest.digest, &two.manifest.digest, &mut problems);
    }
    if !problems.is_empty() {
        bail!("a second build produced other bytes:\n  {}", problems.join("\n  "));
    }
    Ok(())
}

fn compare_packages(root: &Root, one: &Workshop, two: &Workshop) -> Result<()> {
    same_packages(root.name, &root.versions(one)?, &root.versions(two)?)
}

fn report(name: &str, one: &str, two: &str, problems: &mut Vec<String>) {
    if one == two {
        printer::note(format_args!("{name}: twice {one}"));
    } else {
        problems.push(format!("{name}: {one}, then {two}"));
    }
}
