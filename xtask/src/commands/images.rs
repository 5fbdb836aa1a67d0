//! `cargo xtask images`: builds the node pack, the images, the model and the wheels.

use anyhow::{Result, bail};

use crate::images::{self, Workshop, node_pack, nvidia, python, registry_tree, reproducible, starter};
use crate::printer;

/// Build the real parts that tests and demo use: only the missing ones.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print the existing parts, one reference or program per line, with digest and size.
    #[arg(long)]
    list: bool,
    /// Build only the Go module, image or artifact with this name.
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
        return build_one(&workshop, name);
    }
    let parts = images::ensure_all_in(&workshop)?;
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

/// Builds a Go module's programs, or a single image or artifact, and prints its path or reference.
fn build_one(workshop: &Workshop, name: &str) -> Result<u8> {
    let tools = [
        &&node_pack::COSIGN,
        &&node_pack::HELM,
        &&node_pack::VERSITYGW,
        &&node_pack::DEX,
        &&nvidia::CONTAINER_TOOLKIT,
        &&nvidia::DEVICE_PLUGIN,
    ];
    let modules = || node_pack::MODULES.iter().chain(tools);
    let recipes = || starter::IMAGES.iter().chain(python::ARTIFACTS);
    if let Some(module) = modules().find(|module| module.name == name) {
        printer::data(module.ensure(workshop)?.display());
    } else if let Some((_, make)) = recipes().find(|(recipe, _)| *recipe == name) {
        let made = make(workshop)?;
        printer::data(format_args!("{} {}", made.reference, made.manifest.digest));
    } else {
        let names: Vec<&str> =
            modules().map(|module| module.name).chain(recipes().map(|(recipe, _)| *recipe)).collect();
        bail!("there is no recipe {name}: it is one of {}", names.join(", "));
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
