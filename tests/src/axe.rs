//! axe-core, the checker of accessibility that the part `pages` runs inside a browser. npm installs the version of the lock file in
//! `tests/axe` into the cache; it is neither shipped nor stored in this repository.
#![expect(clippy::disallowed_methods, reason = "files of a tool, which are fetched again when they are lost")]

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::{Cache, Key};
use crate::workspace;

/// Name and lock file of what npm installs.
const RECIPE: [&str; 2] = ["package.json", "package-lock.json"];

/// The program as one script, installed first if the cache does not have it.
pub fn script() -> Result<PathBuf> {
    let recipe = workspace::root().join("tests/axe");
    let key = RECIPE.iter().try_fold(Key::new(), |key, name| key.with_file(name, &recipe.join(name)))?;
    let folder = Cache::open()?.entry("axe", &key, |folder| {
        for name in RECIPE {
            std::fs::copy(recipe.join(name), folder.join(name)).with_context(|| format!("cannot copy {name}"))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
        workspace::run(&mut npm)
    })?;
    Ok(folder.join("node_modules/axe-core/axe.min.js"))
}
