//! What npm installs for the tests: one version of each, by the lock file of its folder, in the cache. It is neither shipped nor stored in
//! this repository.
#![expect(clippy::disallowed_methods, reason = "files of a tool, which are fetched again when they are lost")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::{Cache, Key};
use crate::workspace;

/// Name and lock file of what npm installs.
const RECIPE: [&str; 2] = ["package.json", "package-lock.json"];

/// axe-core, the checker of accessibility that the part `pages` runs inside a browser, as one script.
pub fn axe() -> Result<PathBuf> {
    Ok(installed("axe")?.join("axe-core/axe.min.js"))
}

/// npm itself, as the script that Node runs, for the test of the package index: what a distribution has may be older than the option by
/// which it replaces the host of a lock's addresses.
pub fn client() -> Result<PathBuf> {
    Ok(installed("npm")?.join("npm/bin/npm-cli.js"))
}

/// The modules of a folder of the tests; npm installs them first if the cache does not have them.
fn installed(folder: &str) -> Result<PathBuf> {
    let recipe = workspace::root().join("tests").join(folder);
    let key = RECIPE.iter().try_fold(Key::new(), |key, name| key.with_file(name, &recipe.join(name)))?;
    let entry = Cache::open()?.entry(folder, &key, |entry| install(&recipe, entry))?;
    Ok(entry.join("node_modules"))
}

fn install(recipe: &Path, entry: &Path) -> Result<()> {
    for name in RECIPE {
        std::fs::copy(recipe.join(name), entry.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(entry);
    workspace::run(&mut npm)
}
