//! npm packages for the tests, in the cache: one version of each, as pinned by the lock file of its folder. They are
//! neither shipped nor stored in this repository.
#![expect(clippy::disallowed_methods, reason = "files of a tool, fetched again when lost")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::{Cache, Key};
use crate::workspace;

/// Names of the package file and the lock file.
const RECIPE: [&str; 2] = ["package.json", "package-lock.json"];

/// Returns axe-core, the accessibility checker, as one script. Part `pages` runs it in a browser.
pub fn axe() -> Result<PathBuf> {
    Ok(installed_modules("axe")?.join("axe-core/axe.min.js"))
}

/// Returns npm itself, as a script for Node, for the test of the package index. A distribution's npm may be too old for
/// the option that replaces the host in a lock's URLs.
pub fn client() -> Result<PathBuf> {
    Ok(installed_modules("npm")?.join("npm/bin/npm-cli.js"))
}

/// Returns the modules of a test folder. npm installs them first if they are not in the cache.
fn installed_modules(folder: &str) -> Result<PathBuf> {
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
