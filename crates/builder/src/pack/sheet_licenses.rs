//! The part of the transfer sheet about licenses of charts and packages.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use landfall_inventory::{ChartEntry, InventoryDocument};
use landfall_packages::WheelName;
use landfall_packages::npm::TARBALL_ENDING;
use landfall_release_document::{ArtifactKind, ReleaseDocument};

use super::sheet::{NOT_STATED, escape};

/// Maximum number of names that are printed per license; the bill of materials lists all of them.
const NAMES: usize = 12;

/// Writes the charts from which components were rendered, with their subcharts.
pub fn charts(page: &mut String, charts: &[ChartEntry]) {
    if charts.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Charts</h2>\n<p>The objects of these components were rendered from charts when the release was built. The \
         charts themselves do not travel.</p>\n\
         <table>\n<tr><th>Component</th><th>Chart</th><th>License</th><th>Archive or manifest</th></tr>\n",
    );
    for chart in charts {
        let within = chart.path.as_ref().map(|path| format!(", in {path}")).unwrap_or_default();
        let digest = chart.digest.as_ref().map(landfall_bundle_spec::Sha256::to_hex).unwrap_or_default();
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{} {}{}</td><td>{}</td><td><code>{digest}</code></td></tr>",
            escape(&chart.component),
            escape(&chart.name),
            escape(&chart.version),
            escape(&within),
            escape(chart.license.as_deref().unwrap_or(NOT_STATED)),
        );
    }
    page.push_str("</table>\n");
}

/// Writes every license that a package of an image, a wheel or an npm package declares, with names of the packages.
pub fn packages(page: &mut String, release: &ReleaseDocument, inventory: &InventoryDocument) {
    let stated = by_license(release, inventory);
    if stated.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Licenses of packages</h2>\n<p>As the packages in images, the wheels and the npm packages declare them. \
         For packages of Debian's, these are the licenses of all files of their source, as \
         <code>/usr/share/doc/NAME/copyright</code> in the image names them. <code>landfall sbom BUNDLE</code> lists \
         every package.</p>\n\
         <table>\n<tr><th>License</th><th>Packages</th><th>Names</th></tr>\n",
    );
    let not_stated = stated.get(&None).map(|names| (NOT_STATED, names));
    let stated = stated.iter().filter_map(|(license, names)| Some((*license.as_ref()?, names)));
    for (license, names) in stated.chain(not_stated) {
        let shown: Vec<_> = names.iter().take(NAMES).copied().collect();
        let more = names.len().saturating_sub(NAMES);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td class=\"n\">{}</td><td>{}{more}</td></tr>",
            escape(license),
            names.len(),
            escape(&shown.join(", ")),
        );
    }
    page.push_str("</table>\n");
}

/// Names of packages by declared license; `None` for packages without one.
fn by_license<'a>(
    release: &'a ReleaseDocument,
    inventory: &'a InventoryDocument,
) -> BTreeMap<Option<&'a str>, BTreeSet<&'a str>> {
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for package in &inventory.packages {
        found.entry(package.license.as_deref()).or_default().insert(package.name.as_str());
    }
    for artifact in &release.artifacts {
        let ending = match artifact.kind {
            ArtifactKind::Wheels => WheelName::ENDING,
            ArtifactKind::Npm => TARBALL_ENDING,
            ArtifactKind::Node | ArtifactKind::Model | ArtifactKind::Files => continue,
        };
        for file in artifact.files.iter().filter(|file| file.path.ends_with(ending)) {
            let license = inventory.file_license(&artifact.name, &file.path);
            let name = file.path.rsplit('/').next().unwrap_or(&file.path);
            found.entry(license).or_default().insert(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use landfall_inventory::FileLicense;
    use serde_json::json;

    use super::*;

    fn release() -> ReleaseDocument {
        let blob =
            |number: u8| json!({ "mediaType": "a", "digest": landfall_bundle_spec::Sha256([number; 32]), "size": 1 });
        let files: Vec<_> = ["a-1.0-py3-none-any.whl", "b-1.0-py3-none-any.whl", "requirements.txt"]
            .iter()
            .map(|path| json!({ "path": path, "blob": blob(3) }))
            .collect();
        let wheels = json!({ "name": "python", "kind": "wheels", "reference": "ghcr.io/shop/python:1",
            "manifest": blob(1), "config": blob(2), "files": files });
        let release = json!({
            "type": "landfall.dev/release/1", "name": "shop", "version": "1.0.0", "counter": 1, "assembled": false,
            "platform": "linux/amd64", "node_packs": [], "images": [], "artifacts": [wheels], "components": [],
            "values": [],
            "requirements": { "cores": 1, "memory_bytes": 1, "data_bytes": 0 },
        });
        serde_json::from_value(release).expect("release")
    }

    #[test]
    fn licenses_list_their_packages() {
        let license = FileLicense {
            artifact: "python".to_owned(),
            path: "a-1.0-py3-none-any.whl".to_owned(),
            license: "MIT <or so>".to_owned(),
        };
        let inventory = InventoryDocument::new(&[], Vec::new(), vec![license], Vec::new()).expect("inventory");
        let mut page = String::new();
        packages(&mut page, &release(), &inventory);
        let rows: Vec<_> = page.lines().filter(|line| line.starts_with("<tr><td>")).collect();
        assert_eq!(
            rows,
            [
                "<tr><td>MIT &lt;or so&gt;</td><td class=\"n\">1</td><td>a-1.0-py3-none-any.whl</td></tr>",
                "<tr><td>not stated</td><td class=\"n\">1</td><td>b-1.0-py3-none-any.whl</td></tr>",
            ]
        );
    }

    #[test]
    fn subcharts_are_listed_with_licenses() {
        let chart = |name: &str, path: Option<&str>, license: Option<&str>| ChartEntry {
            component: "web".to_owned(),
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            path: path.map(str::to_owned),
            license: license.map(str::to_owned),
            reference: None,
            digest: None,
        };
        let mut page = String::new();
        charts(&mut page, &[]);
        assert_eq!(page, "");
        charts(&mut page, &[chart("web", None, Some("Apache-2.0")), chart("cache", Some("charts/cache"), None)]);
        assert!(page.contains("<td>web 1.0.0</td><td>Apache-2.0</td>"), "{page}");
        assert!(page.contains("<td>cache 1.0.0, in charts/cache</td><td>not stated</td>"), "{page}");
    }
}
