//! `cargo xtask images`: the node pack, the images, the model and the wheels.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::images::{self, Workshop, node_pack, registry_tree, reproducible};
use crate::printer;

/// Builds the real parts that tests and demo use: whatever is missing, and nothing twice.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print what there is, one reference or program per line, with digest and size.
    #[arg(long)]
    list: bool,
    /// Build only the Go module of that name, and print the folder of its programs.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["list", "check_reproducible"])]
    only: Option<String>,
    /// Build images a second time in another folder and compare digests.
    #[arg(long)]
    check_reproducible: bool,
    /// Serve everything on 127.0.0.1 until interrupted.
    #[arg(long, conflicts_with_all = ["only", "check_reproducible"])]
    serve: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let workshop = Workshop::open()?;
    if let Some(name) = &arguments.only {
        let Some(module) = node_pack::MODULES.iter().find(|module| module.name == name) else {
            let names: Vec<&str> = node_pack::MODULES.iter().map(|module| module.name).collect();
            bail!("there is no module {name}: it is one of {}", names.join(", "));
        };
        printer::data(module.ensure(&workshop)?.display());
        return Ok(0);
    }
    let start = Instant::now();
    let parts = images::ensure_all()?;
    let bytes: u64 = parts.tree.references.iter().map(|reference| reference.content_size).sum();
    printer::note(format_args!(
        "{} references, {} MB, ready in {:.1} s",
        parts.tree.references.len(),
        bytes / 1_000_000,
        start.elapsed().as_secs_f64()
    ));
    if arguments.list {
        list(&parts);
    }
    if arguments.check_reproducible {
        reproducible::check(&workshop, workshop.cache().root())?;
    }
    if arguments.serve {
        serve(&parts.tree)?;
    }
    Ok(0)
}

fn list(parts: &images::Parts) {
    printer::data(format_args!("registry {}", parts.tree.root.display()));
    printer::data(format_args!("binaries {}", parts.binaries.display()));
    for item in &parts.tree.references {
        let kind = if item.image { "image" } else { "artifact" };
        printer::data(format_args!("{kind} {} {} {}", item.reference, item.digest, item.content_size));
    }
}

fn serve(tree: &registry_tree::RegistryTree) -> Result<()> {
    let registry = crate::registry::Registry::start(&tree.root)?;
    printer::data(registry.address());
    printer::note("serving until this command is interrupted");
    loop {
        std::thread::park();
    }
}
