#![expect(clippy::disallowed_methods, reason = "files of a test")]

use std::io::Write as _;
use std::path::Path;

use landfall_error_codes::CodedError as _;
use landfall_test_support::definition as notation;

use crate::definition::{Definition, ObjectSource};
use crate::release::read;

const GOOD: &str = include_str!("../good.yaml");

/// Entry of the database in a release that takes it from its folder.
const ENTRY: &str = "  - {name: rows, from: parts/database, namespace: rows, needs: [network, cache]}\n";

/// The database's own file.
const DATABASE: &str = "\
needs: [network]
podSecurity: baseline
secrets:
  - name: database-password
    random: {password: 32}
values:
  - name: storage
    schema: {type: string}
    default: 2Gi
    targets:
      - {kind: StatefulSet, name: database, path: /spec/size}
  - name: shared.zone
    schema: {type: string}
    targets:
      - {kind: StatefulSet, name: database, path: /spec/zone}
proofs:
  - name: answer
    shows: The database answers
    command: {workload: StatefulSet/database, arguments: [psql, -c, select]}
imageFields:
  - {kind: Database, path: /spec/image}
";

/// The cache's own file, with a chart.
const CACHE: &str = "\
needs: [network]
chart: {folder: chart, values: [values.yaml], release: cache}
values:
  - name: size
    schema: {type: string}
    targets: [{kind: Deployment, name: cache, path: /spec/size}]
";

/// The release's own lists.
const LISTS: &str = "\
values:
  - name: all.size
    schema: {type: string}
    targets:
      - {component: rows, kind: StatefulSet, name: database, path: /spec/all}
proofs:
  - name: whole
    component: rows
    shows: All answers
    command: {workload: StatefulSet/database, arguments: [psql]}
";

/// Reads a release of three components, two of which have their own files. The error is without the folder's path.
fn release(entries: &str, database: &str, cache: &str) -> Result<Definition, String> {
    let folder = tempfile::tempdir().expect("folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs_err::create_dir_all(path.parent().expect("a parent")).expect("folder");
        fs_err::File::create(path).and_then(|mut file| file.write_all(text.as_bytes())).expect("file");
    };
    let (head, rest) = GOOD.split_once("components:\n").expect("components");
    let network = &rest[rest.find("  - name: network").expect("network")..rest.find("values:").expect("values")];
    let cache_entry = "  - {name: cache, from: ./parts/cache, namespace: cache}\n";
    let text = format!("{head}components:\n{entries}{cache_entry}{network}{LISTS}");
    for (name, text) in notation::files(&text) {
        write(&name, &text);
    }
    write("parts/database/component.yaml", database);
    write("parts/cache/component.yaml", cache);
    read(&folder.path().join("release.yaml")).map_err(|error| {
        let parent = format!("{}/", folder.path().display());
        format!("{} {}", error.code().id, error.to_string().replace(&parent, ""))
    })
}

#[test]
fn component_file_completes_release() {
    let definition = release(ENTRY, DATABASE, CACHE).expect("definition");
    let release = &definition.release;
    let rows = &release.components[0];
    let needs: Vec<_> = rows.needs.iter().map(|need| need.value.as_str()).collect();
    assert_eq!(needs, ["network", "cache", "network"]);
    assert!(
        matches!(rows.source(), Some(ObjectSource::Manifests(folder)) if folder.value == Path::new("parts/database"))
    );
    let chart = release.components[1].chart().expect("chart");
    let folder = chart.folder.as_ref().map(|folder| folder.value.as_path());
    assert_eq!(folder, Some(Path::new("./parts/cache/chart")));
    assert_eq!(chart.values[0].value, Path::new("./parts/cache/values.yaml"));
    let values: Vec<_> = release
        .values
        .iter()
        .map(|value| (value.name.value.as_str(), value.targets[0].component.value.as_str()))
        .collect();
    assert_eq!(
        values,
        [("rows.storage", "rows"), ("shared.zone", "rows"), ("cache.size", "cache"), ("all.size", "rows")]
    );
    let proofs: Vec<_> =
        release.proofs.iter().map(|proof| (proof.name.value.as_str(), proof.component.value.as_str())).collect();
    assert_eq!(proofs, [("answer", "rows"), ("whole", "rows")]);
    assert_eq!(release.image_fields.len(), 1);
    assert_eq!(definition.component_files.len(), 3);
}

/// The error of a release with one text of its files replaced.
fn refusal(from: &str, to: &str) -> String {
    let texts = [ENTRY, DATABASE, CACHE];
    assert!(texts.iter().any(|text| text.contains(from)), "no file has `{from}`");
    let [entry, database, cache] = texts.map(|text| text.replacen(from, to, 1));
    release(&entry, &database, &cache).expect_err(to)
}

#[test]
fn refusals_name_own_file() {
    let refusals = [
        // In the component's own file.
        refusal("podSecurity: baseline", "podSecurity: lax"),
        refusal("podSecurity: baseline", "podSecurty: baseline"),
        refusal("podSecurity: baseline", "name: other"),
        refusal("podSecurity: baseline", "quota: {pods: FILL-IN}"),
        refusal("podSecurity: baseline", "quota: !include 1"),
        refusal("password: 32", "password: 8"),
        refusal("path: /spec/zone", "path: spec/zone"),
        refusal("name: shared.zone", "name: storage"),
        refusal("path: /spec/image", "path: spec/image"),
        refusal("workload: StatefulSet/database", "workload: database"),
        refusal("{folder: chart,", "{"),
        refusal("name: size", "name: Size"),
        refusal("needs: [network]\nchart", "needs: [netwrk]\nchart"),
        // In the release.
        refusal("from: parts/database", "from: parts/other"),
        refusal("needs: [network]\npodSecurity", "needs: [netwrk]\npodSecurity"),
        refusal("namespace: rows, ", "namespace: rows, podSecurity: baseline, "),
        refusal("name: rows, ", ""),
        refusal("namespace: rows, ", ""),
        refusal("needs: [network, cache]", "needs: [netwrk]"),
        refusal("name: rows", "name: cache"),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}
