//! The examples of this repository, locked and built by the program from the assembled parts: what a reader copies works.

use anyhow::{Context, Result};
use landfall_tests::{images, workspace};

use super::outcome::Outcome;
use super::starter::starter;

#[test]
#[ignore = "needs cargo xtask test"]
fn the_examples_of_charts_and_of_models_become_bundles() -> Result<()> {
    let starter = starter()?;
    let helm = images::ensure_helm()?;
    for (name, own, proof) in [("charts", "greeter", "greeting"), ("models", "reader", "weights")] {
        let folder = starter.scratch()?;
        let vendor = starter.vendor(folder.path(), starter.registry()?)?;
        let (example, stick) = (workspace::root().join("examples").join(name), folder.path().join("stick"));
        let mut lock = starter.landfall_lock();
        lock.arg(&example).arg("--lock").arg(workspace::root().join("tests/images/assembled.lock"));
        lock.arg("--registries").arg(vendor.registries_file()).arg("--store").arg(vendor.store());
        Outcome::success(lock.arg("--helm").arg(&helm).arg("--output").arg(vendor.lock_file()))?;
        let with_helm = ["--json", "--helm", &helm.display().to_string()];
        let arguments = vendor.build_arguments(&example, &stick, &with_helm);
        Outcome::success(&mut starter.command(&vendor, &arguments))?;
        let shown = Outcome::success(starter.landfall(&["inspect", "--json"]).arg(&stick))?.json()?;
        let names = |list: &str| -> Result<Vec<String>> {
            let entries = shown["release"][list].as_array().with_context(|| format!("{name} has no {list}"))?;
            Ok(entries.iter().filter_map(|entry| entry["name"].as_str()).map(str::to_owned).collect())
        };
        assert_eq!(names("components")?, ["network", "dns", own]);
        assert_eq!(names("proofs")?, [proof]);
    }
    Ok(())
}
