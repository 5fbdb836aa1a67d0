//! The bill of materials: the crates of the programs, as SPDX 2.3.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::read;
use crate::workspace::{self, TARGET, cargo};

const UNKNOWN: &str = "NOASSERTION";

/// Name and version to the SHA-256 of the published archive.
type Checksums = BTreeMap<(String, String), String>;

/// The bill of these programs of this tree.
pub(super) fn of_this_tree(roots: &[&str], version: &str, time: u64) -> Result<Vec<u8>> {
    let mut cargo = cargo();
    cargo.args(["metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET]);
    let ran = cargo.output().context("cannot start cargo")?;
    ensure!(ran.status.success(), "cargo metadata ended with {}: {}", ran.status, String::from_utf8_lossy(&ran.stderr));
    let metadata: Value = serde_json::from_slice(&ran.stdout).context("cargo metadata printed no JSON")?;
    let lock = String::from_utf8(read(&workspace::root().join("Cargo.lock"))?).context("Cargo.lock is no text")?;
    let document = document(&metadata, roots, &checksums(&lock), version, time)?;
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

/// Packages that the roots reach through normal dependencies; those of builds and tests are not in the programs.
fn reached<'a>(metadata: &'a Value, roots: &[&str]) -> Result<BTreeSet<&'a str>> {
    let list = |value: &'a Value| value.as_array().into_iter().flatten();
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
            let node = nodes.get(id).with_context(|| format!("cargo metadata does not resolve {id}"))?;
            let is_normal = |next: &&'a Value| list(&next["dep_kinds"]).any(|kind| kind["kind"].is_null());
            waiting.extend(list(&node["deps"]).filter(is_normal).filter_map(|next| next["pkg"].as_str()));
        }
    }
    Ok(reached)
}

fn document(metadata: &Value, roots: &[&str], sums: &Checksums, version: &str, time: u64) -> Result<Value> {
    let reached = reached(metadata, roots)?;
    let all = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let kept = all.iter().filter(|package| package["id"].as_str().is_some_and(|id| reached.contains(id)));
    let mut packages: Vec<Value> = kept.map(|package| entry(package, sums)).collect::<Result<_>>()?;
    packages.sort_by(|one, other| one["SPDXID"].as_str().cmp(&other["SPDXID"].as_str()));
    let describes =
        packages.iter().filter(|package| package["name"].as_str().is_some_and(|name| roots.contains(&name)));
    let relationships: Vec<Value> = describes
        .map(|package| {
            json!({
                "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                "relatedSpdxElement": package["SPDXID"],
            })
        })
        .collect();
    let key = hex::encode(Sha256::digest(serde_json::to_vec(&packages)?));
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

fn entry(package: &Value, sums: &Checksums) -> Result<Value> {
    let field = |name: &str| package[name].as_str().with_context(|| format!("a package has no {name}"));
    let (name, version) = (field("name")?, field("version")?);
    // Some older crates write `MIT/Apache-2.0`, which is no expression of SPDX.
    let license = package["license"].as_str().map_or_else(|| UNKNOWN.to_owned(), |text| text.replace('/', " OR "));
    let id = format!("{name}-{version}").replace(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.', "-");
    let mut entry = json!({
        "SPDXID": format!("SPDXRef-{id}"), "name": name, "versionInfo": version, "downloadLocation": UNKNOWN,
        "filesAnalyzed": false, "licenseConcluded": UNKNOWN, "licenseDeclared": license, "copyrightText": UNKNOWN,
    });
    // What is not published has neither a checksum nor a package URL.
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

    const ROOTS: [&str; 4] = ["landfall", "landfall-appliance", "landfall-validator", "landfall-gpu"];

    #[test]
    fn the_bill_of_this_tree_is_valid_has_what_ships_and_nothing_of_the_tests() {
        let bytes = of_this_tree(&ROOTS, "1.2.3", 7).unwrap();
        assert_eq!(bytes, of_this_tree(&ROOTS, "1.2.3", 7).unwrap());
        let mut bill: Value = serde_json::from_slice(&bytes).unwrap();
        let schema = read(&workspace::root().join("inventory/testdata/schemas/spdx-2.3.schema.json")).unwrap();
        let validator = jsonschema::validator_for(&serde_json::from_slice(&schema).unwrap()).unwrap();
        let faults: Vec<String> = validator.iter_errors(&bill).map(|fault| fault.to_string()).collect();
        assert_eq!(faults, Vec::<String>::new());
        let packages = bill["packages"].as_array().unwrap();
        let find = |name: &str| packages.iter().find(|package| package["name"] == name);
        assert!(ROOTS.into_iter().all(|root| find(root).is_some()));
        assert!(find("insta").is_none() && find("landfall-tests").is_none() && find("cc").is_none());
        let rustls = find("rustls").unwrap();
        assert_eq!(rustls["checksums"][0]["checksumValue"].as_str().unwrap().len(), 64);
        assert!(rustls["externalRefs"][0]["referenceLocator"].as_str().unwrap().starts_with("pkg:cargo/rustls@"));
        bill["packages"][1]["name"] = json!(1);
        assert!(!validator.is_valid(&bill));
    }
}
