//! The bill of materials, in SPDX 2.3: the programs by digest, their crates, and the dependencies among the crates.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::read;
use crate::workspace::{self, cargo};

const UNKNOWN: &str = "NOASSERTION";

/// SHA-256 of each published archive, by name and version of the crate.
type Checksums = BTreeMap<(String, String), String>;

/// A program of the archive, whose crate has the same name.
#[derive(Debug, Clone)]
pub(super) struct ShippedProgram {
    /// Name of the program.
    pub(super) name: &'static str,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub(super) sha256: String,
}

/// Returns the bill of these programs, built from this tree.
pub(super) fn of_this_tree(programs: &[ShippedProgram], target: &str, version: &str, time: u64) -> Result<Vec<u8>> {
    let mut cargo = cargo();
    cargo.args(["metadata", "--locked", "--format-version", "1", "--filter-platform", target]);
    let ran = cargo.output().context("cannot start cargo")?;
    ensure!(ran.status.success(), "cargo metadata ended with {}: {}", ran.status, String::from_utf8_lossy(&ran.stderr));
    let metadata: Value = serde_json::from_slice(&ran.stdout).context("cargo metadata printed no JSON")?;
    let lock = String::from_utf8(read(&workspace::root().join("Cargo.lock"))?).context("Cargo.lock is no text")?;
    let document = document(&metadata, programs, &checksums(&lock), version, time)?;
    let mut bytes = serde_json::to_vec_pretty(&document)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn checksums(lock: &str) -> Checksums {
    let value = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \"")?.strip_suffix('"'));
        line.map(str::to_owned)
    };
    let blocks = lock.split("[[package]]");
    blocks
        .filter_map(|block| Some(((value(block, "name")?, value(block, "version")?), value(block, "checksum")?)))
        .collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Returns the IDs of a resolved package's dependencies, without those that only builds and tests need.
fn dependency_ids(node: &Value) -> impl Iterator<Item = &str> {
    let is_normal = |next: &&Value| list(&next["dep_kinds"]).any(|kind| kind["kind"].is_null());
    list(&node["deps"]).filter(is_normal).filter_map(|next| next["pkg"].as_str())
}

/// Returns packages that the roots reach through normal dependencies. Those that only builds and tests need are not in
/// the programs.
fn reachable_packages<'a>(metadata: &'a Value, roots: &[&str]) -> Result<BTreeSet<&'a str>> {
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).filter_map(|node| Some((node["id"].as_str()?, node))).collect();
    let members: BTreeSet<&str> = list(&metadata["workspace_members"]).filter_map(Value::as_str).collect();
    let own =
        list(&metadata["packages"]).filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)));
    let mut waiting: Vec<&str> =
        own.filter(|(id, name)| members.contains(id) && roots.contains(name)).map(|(id, _)| id).collect();
    ensure!(waiting.len() == roots.len(), "cargo metadata does not have each of {roots:?}");
    let mut reached = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if reached.insert(id) {
            let node = nodes.get(id).copied();
            waiting.extend(dependency_ids(node.with_context(|| format!("cargo metadata does not resolve {id}"))?));
        }
    }
    Ok(reached)
}

/// Returns the dependencies among the reached packages, as pairs of IDs.
fn needs<'a>(metadata: &'a Value, reached: &BTreeSet<&'a str>) -> BTreeSet<(&'a str, &'a str)> {
    let of_node = |node: &'a Value| {
        let id = node["id"].as_str().filter(|id| reached.contains(id));
        dependency_ids(node).filter_map(move |needed| Some((id?, needed)))
    };
    list(&metadata["resolve"]["nodes"]).flat_map(of_node).collect()
}

fn document(
    metadata: &Value,
    programs: &[ShippedProgram],
    sums: &Checksums,
    version: &str,
    time: u64,
) -> Result<Value> {
    let roots: Vec<&str> = programs.iter().map(|program| program.name).collect();
    let reached = reachable_packages(metadata, &roots)?;
    let all = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let kept = all.iter().filter(|package| package["id"].as_str().is_some_and(|id| reached.contains(id)));
    let mut packages: Vec<Value> = kept.map(|package| entry(package, sums)).collect::<Result<_>>()?;
    packages.sort_by(|one, other| one["SPDXID"].as_str().cmp(&other["SPDXID"].as_str()));
    let names: BTreeMap<&str, String> = all
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?, package["version"].as_str()?)))
        .map(|(id, name, version)| (id, identifier(name, version)))
        .collect();
    let mut relationships = Vec::new();
    for (one, other) in needs(metadata, &reached) {
        let known = |id: &str| names.get(id).with_context(|| format!("cargo metadata does not describe {id}"));
        relationships.push(relationship(known(one)?, "DEPENDS_ON", known(other)?));
    }
    for program in programs {
        let of_crate = |package: &&Value| package["name"] == program.name;
        let made_of = packages.iter().find(of_crate).context("a program has no crate")?.clone();
        let made_of_id = made_of["SPDXID"].as_str().unwrap_or_default();
        let shipped = program_package(program, &made_of, version);
        relationships.push(relationship("SPDXRef-DOCUMENT", "DESCRIBES", &program_id(program)));
        relationships.push(relationship("SPDXRef-DOCUMENT", "DESCRIBES", made_of_id));
        relationships.push(relationship(&program_id(program), "GENERATED_FROM", made_of_id));
        packages.push(shipped);
    }
    let key = hex::encode(Sha256::digest(serde_json::to_vec(&(&packages, &relationships))?));
    Ok(json!({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("landfall {version}"),
        "documentNamespace": format!("https://landfall.dev/spdx/{key}"),
        "creationInfo": {
            "created": Timestamp::from_second(i64::try_from(time)?)?.to_string(),
            "creators": [format!("Tool: landfall-xtask-{version}")],
        },
        "packages": packages, "relationships": relationships,
    }))
}

fn relationship(one: &str, kind: &str, other: &str) -> Value {
    json!({ "spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other })
}

/// Returns the SPDX identifier of a crate.
fn identifier(name: &str, version: &str) -> String {
    let id = format!("{name}-{version}").replace(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.', "-");
    format!("SPDXRef-{id}")
}

fn program_id(program: &ShippedProgram) -> String {
    format!("SPDXRef-Program-{}", program.name)
}

/// Returns a program as a file of the archive, with the license of its crate.
fn program_package(program: &ShippedProgram, made_of: &Value, version: &str) -> Value {
    let ShippedProgram { name, sha256 } = program;
    json!({
        "SPDXID": program_id(program), "name": name, "versionInfo": version, "primaryPackagePurpose": "APPLICATION",
        "packageFileName": format!("landfall-{version}/{name}"), "downloadLocation": UNKNOWN, "filesAnalyzed": false,
        "licenseConcluded": UNKNOWN, "licenseDeclared": made_of["licenseDeclared"], "copyrightText": UNKNOWN,
        "checksums": [{ "algorithm": "SHA256", "checksumValue": sha256 }],
    })
}

fn entry(package: &Value, sums: &Checksums) -> Result<Value> {
    let field = |name: &str| package[name].as_str().with_context(|| format!("a package has no {name}"));
    let (name, version) = (field("name")?, field("version")?);
    // Some older crates write `MIT/Apache-2.0`, which is not a valid SPDX expression.
    let license = package["license"].as_str().map_or_else(|| UNKNOWN.to_owned(), |text| text.replace('/', " OR "));
    let mut entry = json!({
        "SPDXID": identifier(name, version), "name": name, "versionInfo": version, "downloadLocation": UNKNOWN,
        "filesAnalyzed": false, "licenseConcluded": UNKNOWN, "licenseDeclared": license, "copyrightText": UNKNOWN,
    });
    // Unpublished packages have neither a checksum nor a package URL.
    if let Some(sum) = sums.get(&(name.to_owned(), version.to_owned())) {
        let purl = format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"));
        entry["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": sum }]);
        entry["externalRefs"] =
            json!([{ "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl }]);
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::dist::names;

    #[test]
    fn bill_is_valid_and_complete() {
        let programs: Vec<_> = names().map(|name| ShippedProgram { name, sha256: "ab".repeat(32) }).collect();
        let bytes = of_this_tree(&programs, crate::workspace::TARGET, "1.2.3", 7).unwrap();
        assert_eq!(bytes, of_this_tree(&programs, crate::workspace::TARGET, "1.2.3", 7).unwrap());
        let mut bill: Value = serde_json::from_slice(&bytes).unwrap();
        let schema = read(&workspace::root().join("crates/inventory/testdata/schemas/spdx-2.3.schema.json")).unwrap();
        let validator = jsonschema::validator_for(&serde_json::from_slice(&schema).unwrap()).unwrap();
        let faults: Vec<String> = validator.iter_errors(&bill).map(|fault| fault.to_string()).collect();
        assert_eq!(faults, Vec::<String>::new());
        let packages = bill["packages"].as_array().unwrap();
        let find = |name: &str| packages.iter().find(|package| package["name"] == name);
        assert!(names().all(|root| find(root).is_some()));
        assert!(find("insta").is_none() && find("landfall-tests").is_none() && find("cc").is_none());
        let rustls = find("rustls").unwrap();
        assert_eq!(rustls["checksums"][0]["checksumValue"].as_str().unwrap().len(), 64);
        assert!(rustls["externalRefs"][0]["referenceLocator"].as_str().unwrap().starts_with("pkg:cargo/rustls@"));
        // Each program is a file with a digest, from which every crate in it is reachable.
        let program = packages.iter().find(|package| package["SPDXID"] == "SPDXRef-Program-landfall").unwrap();
        assert_eq!(program["packageFileName"], "landfall-1.2.3/landfall");
        assert_eq!(program["checksums"][0]["checksumValue"], "ab".repeat(32));
        let relationships = bill["relationships"].as_array().unwrap();
        let next = |from: &str| -> Vec<&str> {
            let kinds = ["GENERATED_FROM", "DEPENDS_ON"];
            let of_it = relationships.iter().filter(|relationship| relationship["spdxElementId"] == from);
            let of_it = of_it.filter(|relationship| kinds.iter().any(|kind| relationship["relationshipType"] == *kind));
            of_it.filter_map(|relationship| relationship["relatedSpdxElement"].as_str()).collect()
        };
        let (mut seen, mut waiting) = (BTreeSet::new(), vec!["SPDXRef-Program-landfall"]);
        while let Some(element) = waiting.pop() {
            if seen.insert(element) {
                waiting.extend(next(element));
            }
        }
        assert!(seen.contains(rustls["SPDXID"].as_str().unwrap()), "{seen:?}");
        let known: BTreeSet<_> = packages.iter().filter_map(|package| package["SPDXID"].as_str()).collect();
        assert!(known.len() == packages.len() && seen.is_subset(&known), "{:?}", seen.difference(&known));
        bill["packages"][1]["name"] = json!(1);
        assert!(!validator.is_valid(&bill));
    }
}
