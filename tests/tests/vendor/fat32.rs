//! The size for `--part-size fat32`: the limit of a stick as formatted by its manufacturer, tested with mtools.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use landfall_bundle_spec::limits::FAT32_PART_BYTES;

use super::outcome::Outcome;
use super::sparse::sparse_bundle;
use super::starter::starter;

/// Size of the stick in bytes.
const STICK_BYTES: u64 = 5 << 30;

fn sparse(path: &Path, bytes: u64) -> Result<()> {
    Ok(File::create(path)?.set_len(bytes)?)
}

#[test]
#[ignore = "needs cargo xtask test"]
fn fat32_stick_fits_largest_part() -> Result<()> {
    let folder = starter()?.scratch()?;
    let path = |name: &str| folder.path().join(name);
    let parts = sparse_bundle(folder.path())?.head.verified_head().layout().parts(FAT32_PART_BYTES)?;
    assert_eq!((parts.len(), FAT32_PART_BYTES), (3, 4_294_901_760));
    assert!(parts.iter().all(|part| part.end - part.start <= FAT32_PART_BYTES), "{parts:?}");

    let stick = path("stick.img");
    sparse(&stick, STICK_BYTES)?;
    let sectors = (STICK_BYTES / 512).to_string();
    Outcome::success(
        Command::new("mformat").args(["-F", "-h", "255", "-s", "63", "-T", &sectors, "-i"]).arg(&stick).arg("::"),
    )?;
    sparse(&path("part"), FAT32_PART_BYTES)?;
    sparse(&path("large"), 1 << 32)?;
    let copy =
        |name: &str| Outcome::of(Command::new("mcopy").arg("-i").arg(&stick).arg(path(name)).arg(format!("::{name}")));
    let list = || Outcome::success(Command::new("mdir").arg("-i").arg(&stick).arg("::"));

    // mcopy refuses before it writes, but its exit code does not show that. So the stored files are checked.
    let refused = copy("large")?;
    assert!(refused.stderr.contains("too big"), "{}", refused.stderr);
    assert!(!list()?.text()?.contains("large"), "{}", list()?.text()?);
    let taken = copy("part")?;
    assert_eq!((taken.code, taken.stderr.as_str()), (0, ""));
    let listing = list()?;
    let line = listing.text()?.lines().find(|line| line.starts_with("part ")).unwrap_or_default().to_owned();
    assert!(line.contains(&FAT32_PART_BYTES.to_string()), "{}", listing.text()?);
    Ok(())
}
