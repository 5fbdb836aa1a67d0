//! Checks that the table of rights in docs/THREATS.md agrees with the manifests of the starter release.

use std::path::Path;

use serde_json::Value;

use crate::workspace;

/// Heading of the section.
const SECTION: &str = "## Rights in the cluster";
/// Rows without a manifest in the release, or without their own account.
const OTHERS: [&str; 4] = ["registry", "agent and host's API", "packages", "license check"];

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns all objects of a folder of manifests.
fn objects(folder: &Path) -> Vec<Value> {
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let objects = files.iter().flat_map(|file| serde_saphyr::from_multiple::<Value>(&read(file)).unwrap());
    objects.filter(|object| object["kind"].is_string()).collect()
}

fn words(list: &Value) -> String {
    let words: Vec<&str> = list.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    words.join(", ")
}

/// Formats the rules of all roles: `pods`: get (in its namespace); …
fn rights(objects: &[Value]) -> String {
    let places = [("Role", "in its namespace"), ("ClusterRole", "everywhere")];
    let of_kind = |(kind, place): (&str, &str)| {
        let of_this = objects.iter().filter(|object| object["kind"] == kind);
        let rules = of_this.flat_map(|role| role["rules"].as_array().unwrap());
        let text = |rule: &Value| format!("`{}`: {} ({place})", words(&rule["resources"]), words(&rule["verbs"]));
        rules.map(text).collect::<Vec<_>>()
    };
    let all = places.into_iter().flat_map(of_kind).collect::<Vec<_>>();
    if all.is_empty() { "none".to_owned() } else { all.join("; ") }
}

/// Returns true if pods of the workload have the token of their account.
fn has_token(objects: &[Value]) -> bool {
    let is_off = |value: &Value| value["automountServiceAccountToken"] == false;
    let account = objects.iter().find(|object| object["kind"] == "ServiceAccount").unwrap();
    let pods = objects.iter().filter_map(|object| object.pointer("/spec/template/spec"));
    !is_off(account) && !pods.clone().all(is_off) && pods.count() > 0
}

#[test]
fn rights_table_matches_manifests() {
    let root = workspace::root();
    let text = read(&root.join("docs/THREATS.md"));
    let (_, section) = text.split_once(SECTION).expect("the section exists");
    let rows: Vec<&str> =
        section.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| ")).collect();
    let release: Value = serde_saphyr::from_str(&read(&root.join("releases/starter/release.yaml"))).unwrap();
    let mut expected = OTHERS.map(|name| format!("| {name} |")).to_vec();
    for component in release["components"].as_array().unwrap() {
        let folder = component["from"].as_str().expect("a folder of its own");
        let objects = objects(&root.join("releases/starter").join(folder));
        if objects.is_empty() {
            continue;
        }
        let account = objects.iter().find(|object| object["kind"] == "ServiceAccount").expect("an account of its own");
        let (name, space) = (component["name"].as_str().unwrap(), component["namespace"].as_str().unwrap());
        let account = account["metadata"]["name"].as_str().unwrap();
        let token = if has_token(&objects) { "yes" } else { "no" };
        expected.push(format!("| {name} | `{space}/{account}` | {token} | {} |", rights(&objects)));
    }
    for row in &expected {
        let found = rows.iter().filter(|line| line.starts_with(row.as_str())).count();
        assert_eq!(found, 1, "not in {SECTION:?}: {row}");
    }
    assert_eq!(rows.len(), expected.len() + 1, "beside the head: {rows:#?}");
}
