//! `Chart.yaml` and `Chart.lock`: name, version and dependencies of a chart.

use std::collections::BTreeMap;
use std::path::Path;

use landfall_error_codes::codes;
use landfall_inventory::read;
use serde::Deserialize;
use serde_json::Value;

use super::files::ChartFiles;
use crate::error::{BuildError, Place, Result};
use crate::lock::name_and_version;
use crate::reference::Reference;

/// The part of `Chart.yaml` that Landfall reads; parsed leniently, because other software writes it.
#[derive(Debug, Clone, Deserialize)]
pub struct Metadata {
    /// Name of the chart.
    pub name: String,
    /// Version of the chart.
    pub version: String,
    /// `application`, or `library` for a chart that renders nothing itself.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    dependencies: Option<Vec<Dependency>>,
}

/// Annotation with the license of a chart.
const LICENSE: &str = "artifacthub.io/license";

impl Metadata {
    /// The license that the chart states.
    pub fn license(&self) -> Option<String> {
        self.annotations.as_ref()?.get(LICENSE)?.as_str().and_then(read::license)
    }

    /// Returns an error if name or version differ from a reference in the lock, because an index or an archive may
    /// contain any chart. `shown` is the chart's name in messages.
    pub fn check_reference(&self, shown: &str, reference: &Reference) -> Result<()> {
        let (name, version) = name_and_version(reference);
        let is_version = version.is_empty() || plain(&self.version).replace('_', "+") == plain(&version);
        if self.name == name && is_version {
            return Ok(());
        }
        let what = format!("is the chart `{}` {}, where the lock names {reference}", self.name, self.version);
        let hint = "Correct the entry of the lock: its reference ends with the chart's own name and version, with `_` \
            for `+`.";
        Err(BuildError::at(codes::CHART_UNREADABLE, Place::file(&Path::new(shown).join("Chart.yaml")), what).hint(hint))
    }
}

/// A dependency of a chart.
#[derive(Debug, Clone, Deserialize)]
struct Dependency {
    name: String,
    #[serde(default)]
    version: Option<String>,
}

/// The content of `Chart.lock`.
#[derive(Debug, Default, Deserialize)]
struct LockFile {
    #[serde(default)]
    dependencies: Option<Vec<Dependency>>,
}

/// Reads a chart's metadata. Returns an error for a chart that lacks a dependency, or has one in a version other than
/// its `Chart.lock` states.
pub fn check(name: &str, files: &ChartFiles) -> Result<Metadata> {
    let metadata: Metadata = yaml(name, files, "Chart.yaml")?;
    if metadata.kind.as_deref() == Some("library") {
        let what = format!("the chart `{}` is a library, which renders nothing", metadata.name);
        return Err(BuildError::at(codes::CHART_UNREADABLE, Place::file(&Path::new(name).join("Chart.yaml")), what));
    }
    for folder in files.charts() {
        dependencies(name, files, folder)?;
    }
    Ok(metadata)
}

/// Metadata of each subchart, by its folder in the chart.
pub fn within(name: &str, files: &ChartFiles) -> Result<Vec<(String, Metadata)>> {
    let folders = files.charts().into_iter().filter(|folder| !folder.is_empty());
    let metadata = |folder: &str| {
        let metadata = yaml(name, files, &format!("{folder}Chart.yaml"))?;
        Ok((folder.trim_end_matches('/').to_owned(), metadata))
    };
    folders.map(metadata).collect()
}

fn dependencies(name: &str, files: &ChartFiles, folder: &str) -> Result<()> {
    let path = format!("{folder}Chart.yaml");
    let metadata: Metadata = yaml(name, files, &path)?;
    let lacking = |what: String| {
        let hint = format!(
            "Run `helm dependency build` in the chart's folder, so that `{folder}charts` holds it, or take the chart \
             from an archive."
        );
        let place = Place::file(&Path::new(name).join(&path));
        Err(BuildError::at(codes::CHART_DEPENDENCY, place, what).hint(hint))
    };
    let below = format!("{folder}charts/");
    let subcharts: Vec<Metadata> = files
        .charts()
        .into_iter()
        .filter(|other| other.strip_prefix(&below).is_some_and(|rest| rest.matches('/').count() == 1))
        .map(|other| yaml(name, files, &format!("{other}Chart.yaml")))
        .collect::<Result<_>>()?;
    for wanted in metadata.dependencies.iter().flatten() {
        if !subcharts.iter().any(|found| found.name == wanted.name) {
            return lacking(format!("it needs the chart `{}`, which `{below}` does not have", wanted.name));
        }
    }
    let lock = format!("{folder}Chart.lock");
    let locked = if files.0.contains_key(&lock) { yaml(name, files, &lock)? } else { LockFile::default() };
    for wanted in locked.dependencies.iter().flatten() {
        let of_name: Vec<_> = subcharts.iter().filter(|found| found.name == wanted.name).collect();
        let version = wanted.version.as_deref().unwrap_or_default();
        if !of_name.iter().any(|found| satisfies(&found.version, version)) {
            let found: Vec<_> = of_name.iter().map(|found| found.version.as_str()).collect();
            let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
            return lacking(format!("Chart.lock names `{}` {version}, and `{below}` has {found}", wanted.name));
        }
    }
    Ok(())
}

/// Returns true if a version equals the one in `Chart.lock`, or is in its range, which Helm locks for a chart in a
/// folder.
fn satisfies(version: &str, locked: &str) -> bool {
    let (version, locked) = (plain(version), plain(locked));
    if version == locked || semver::Version::parse(locked).is_ok() {
        return version == locked;
    }
    let Ok(version) = semver::Version::parse(version) else { return false };
    let ranges = locked.split("||").map(|range| semver::VersionReq::parse(plain(range.trim())));
    ranges.flatten().any(|range| range.matches(&version))
}

/// Removes the prefix `v`, which some charts write.
fn plain(version: &str) -> &str {
    version.strip_prefix('v').unwrap_or(version)
}

fn yaml<T: serde::de::DeserializeOwned>(name: &str, files: &ChartFiles, path: &str) -> Result<T> {
    let place = Place::file(&Path::new(name).join(path));
    let Some(text) = files.text(path) else {
        return Err(BuildError::at(
            codes::CHART_UNREADABLE,
            place,
            "is missing, or is not text: a chart has this file",
        ));
    };
    serde_saphyr::from_str(text)
        .map_err(|error| BuildError::at(codes::CHART_UNREADABLE, place, error.without_snippet().to_string()))
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;

    use super::*;

    fn files(files: &[(&str, &str)]) -> ChartFiles {
        ChartFiles(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect())
    }

    fn refusal(of: &[(&str, &str)]) -> String {
        let error = check("shop", &files(of)).expect_err("refused");
        format!("{} {error}", error.code().id)
    }

    #[test]
    fn chart_matches_lock_reference() {
        let is = |chart: &str, reference: &str| {
            let metadata = check("shop", &files(&[("Chart.yaml", chart)])).expect("whole");
            metadata.check_reference("shop", &reference.parse().expect("reference")).map_err(|error| error.to_string())
        };
        let shop = "{name: shop, version: v1.0.0+b}";
        for reference in ["a.example/charts/shop:1.0.0_b", "a.example/charts/shop:v1.0.0_b"] {
            is(shop, reference).expect(reference);
        }
        let refusals: Vec<_> =
            ["a.example/charts/shop:2.3.0", "a.example/charts/shop:1.0.0", "a.example/charts/db:1.0.0_b"]
                .into_iter()
                .map(|reference| is(shop, reference).expect_err(reference))
                .collect();
        insta::assert_snapshot!(refusals.join("\n"));
    }

    #[test]
    fn chart_licenses_come_from_annotations() {
        let shop = "{name: shop, version: 1.0.0, annotations: {artifacthub.io/license: MIT, other: x}}";
        let cache = (
            "charts/cache/Chart.yaml",
            "{name: cache, version: 2.0.0, annotations: {artifacthub.io/license: Apache-2.0}}",
        );
        let common = (
            "charts/cache/charts/common/Chart.yaml",
            "{name: common, version: 3.0.0, type: library, annotations: null}",
        );
        let files = files(&[("Chart.yaml", shop), cache, common, ("charts/cache/templates/a.yaml", "")]);
        assert_eq!(check("shop", &files).expect("whole").license().as_deref(), Some("MIT"));
        let found: Vec<_> =
            within("shop", &files).expect("read").into_iter().map(|(path, it)| (path, it.license())).collect();
        let expected = [("charts/cache", Some("Apache-2.0")), ("charts/cache/charts/common", None)];
        assert_eq!(found, expected.map(|(path, license)| (path.to_owned(), license.map(str::to_owned))));
    }

    const NEEDS: &str = "{name: shop, version: 1.0.0, dependencies: [{name: db, version: ^2.0.0, repository: x}]}";

    #[test]
    fn chart_dependencies_match_lock() {
        let db = ("charts/db-2.1.0/Chart.yaml", "{name: db, version: v2.1.0}");
        let lock = "{dependencies: [{name: db, version: 2.1.0}], digest: x, generated: 2026-01-01}";
        let good = check("shop", &files(&[("Chart.yaml", NEEDS), db, ("Chart.lock", lock)])).expect("whole");
        assert_eq!((good.name.as_str(), good.version.as_str()), ("shop", "1.0.0"));
        for range in ["2.1.*", "2.x", ">=2.0.0, <3.0.0", "1.0.* || ^2.0.0"] {
            let lock = format!("{{dependencies: [{{name: db, repository: 'file://../db', version: '{range}'}}]}}");
            check("shop", &files(&[("Chart.yaml", NEEDS), db, ("Chart.lock", &lock)])).expect(range);
        }
        let inner = ("charts/db/Chart.yaml", "{name: db, version: 2.1.0, dependencies: [{name: common}]}");
        let refusals = [
            refusal(&[("Chart.yaml", NEEDS)]),
            refusal(&[("Chart.yaml", NEEDS), db, ("Chart.lock", &lock.replace("2.1.0", "2.2.0"))]),
            refusal(&[("Chart.yaml", NEEDS), db, ("Chart.lock", &lock.replace("2.1.0", "2.0.*"))]),
            refusal(&[("Chart.yaml", NEEDS), inner]),
            refusal(&[("Chart.yaml", "{name: shop, version: 1.0.0, type: library}")]),
            refusal(&[("Chart.yaml", "name: [")]),
            refusal(&[("values.yaml", "")]),
        ];
        insta::assert_snapshot!(refusals.join("\n"));
    }
}
