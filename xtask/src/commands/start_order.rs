//! `cargo xtask start-order`: writes the linker script that places the code of the program's start together.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::start_order::{LinkMap, UsedFunctions, executed, script};
use crate::workspace::{TARGET, cargo, run as run_cargo, target_folder};
use crate::{dependencies, printer, setup, workspace};

/// Path of the script, relative to the project's root.
const SCRIPT: &str = "installer/start.ld";

/// Write installer/start.ld from runs of the released program. Takes a release build, a quarter of an hour or more.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Bundle that `landfall inspect` reads, such as the starter bundle of the demo.
    bundle: PathBuf,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    setup::ensure_packages(landfall_launcher::packages::PROGRAM)?;
    dependencies::bring();
    let map_path = target_folder().join("start-order.map");
    let argument = format!("link-arg=-Wl,-Map={}", map_path.display());
    let build = ["rustc", "--release", "--package", "landfall", "--bin", "landfall", "--", "-C", &argument];
    run_cargo(cargo().args(build))?;
    let program = target_folder().join(TARGET).join("release/landfall");
    let text = std::fs::read_to_string(&map_path).with_context(|| format!("cannot read {}", map_path.display()))?;
    let map = LinkMap::parse(&text);
    printer::note("stepping through --version and inspect");
    let mut addresses = executed(&program, &["--version"])?;
    addresses.extend(executed(&program, &["inspect", &arguments.bundle.to_string_lossy()])?);
    let functions = UsedFunctions::find(&map, &addresses);
    let (used, all) = (functions.used().count(), functions.all().len());
    printer::note(format!("{used} of {all} functions run, in {} windows of 64 KiB", functions.windows()));
    write(&workspace::root().join(SCRIPT), &script(&functions))?;
    printer::note(format!("written to {SCRIPT}; `cargo xtask bench` measures a program that was built with it"));
    Ok(0)
}

#[expect(clippy::disallowed_methods, reason = "a file that Git has")]
fn write(path: &std::path::Path, content: &str) -> Result<()> {
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
