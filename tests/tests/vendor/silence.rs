//! Test that a build of the real starter release never stays silent for too long.

use anyhow::{Context, Result};
use landfall_xtask::silence;

use super::starter::starter;

#[test]
#[ignore = "needs cargo xtask test"]
fn build_prints_every_five_seconds() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    for (name, more) in [("in a pipe", &[][..]), ("for a program", &["--json"][..])] {
        let output = folder.path().join("stick");
        silence::expect_none(
            &format!("landfall build {name}"),
            &mut starter.rebuild(&output.display().to_string(), more)?,
        )?;
        std::fs::remove_dir_all(&output).context("cannot remove the bundle")?;
    }
    Ok(())
}
