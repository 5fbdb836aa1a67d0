//! Objects that a chart renders only for an install, or only for an upgrade.
//!
//! Templates see whether they are rendered for an install or an upgrade, but a release has the same objects at both.
//! Therefore an object for only one of them is refused by name, unless the release lists it as repeatable or leaves it
//! out. A Secret that is rendered only for an install is accepted: a site generates it once, as such a chart intends.

use std::collections::BTreeSet;

use landfall_error_codes::codes;

use super::output::SourcedObject;
use super::unsteady;
use crate::definition::ChartDefinition;
use crate::error::{BuildError, Place, Result};
use crate::rendered::title;

/// Objects that the chart renders only for an upgrade. Returns an error if the release does not list all objects for
/// only one of them.
pub fn upgrade_objects<'a>(
    chart: &ChartDefinition,
    install: &[SourcedObject],
    upgrade: &'a [SourcedObject],
) -> Result<Vec<&'a SourcedObject>> {
    let added = missing(install, upgrade);
    let mut removed = missing(upgrade, install);
    removed.retain(|sourced| sourced.object["kind"] != "Secret");
    let is_unnamed = |sourced: &&&SourcedObject| {
        let title = title(&sourced.object);
        !chart.repeatable.iter().chain(&chart.leave_out).any(|named| named.value == title)
    };
    let at_upgrade: Vec<_> = added.iter().filter(is_unnamed).copied().collect();
    let at_install: Vec<_> = removed.iter().filter(is_unnamed).copied().collect();
    match refusal(&at_upgrade, &at_install) {
        Some(error) => Err(error),
        None => Ok(added),
    }
}

/// Adds the objects that are rendered only for an upgrade to those of an install.
pub fn add(install: &mut Vec<SourcedObject>, upgrade: &[SourcedObject]) {
    let added: Vec<_> = missing(install, upgrade).into_iter().cloned().collect();
    install.extend(added);
}

/// Returns true if any of these objects becomes part of the release.
pub fn are_kept(chart: &ChartDefinition, added: &[&SourcedObject]) -> bool {
    added.iter().any(|sourced| {
        let title = title(&sourced.object);
        !chart.leave_out.iter().any(|left| left.value == title)
    })
}

/// Objects of `other` that `one` lacks.
fn missing<'a>(one: &[SourcedObject], other: &'a [SourcedObject]) -> Vec<&'a SourcedObject> {
    let known: BTreeSet<_> = one.iter().map(unsteady::name).collect();
    other.iter().filter(|sourced| !known.contains(&unsteady::name(sourced))).collect()
}

/// Error that names the objects rendered only for an upgrade or only for an install; `None` without such objects.
fn refusal(upgrade: &[&SourcedObject], install: &[&SourcedObject]) -> Option<BuildError> {
    let first = upgrade.first().or_else(|| install.first())?;
    let titles =
        |list: &[&SourcedObject]| list.iter().map(|sourced| title(&sourced.object)).collect::<Vec<_>>().join(", ");
    let times = [("an upgrade", upgrade), ("an install", install)];
    let times = times.iter().filter(|(_, list)| !list.is_empty());
    let alone: Vec<_> = times.map(|(time, list)| format!("{} for {time} alone", titles(list))).collect();
    let what = format!(
        "the chart renders {}, and a release has the same objects at each install and upgrade",
        alone.join(", ")
    );
    let all = titles(&[upgrade, install].concat());
    let hint = format!(
        "Declare `repeatable: [{all}]` under `chart` for what may be there at each, `leaveOut: [{all}]` for what the \
         release does without, or set values with which the chart has it at both."
    );
    Some(BuildError::at(codes::CHART_UPGRADE, Place::file(&first.file), what).hint(hint))
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError;
    use serde_json::json;

    use super::*;

    fn objects(titles: &[&str]) -> Vec<SourcedObject> {
        let object = |title: &&str| {
            let (kind, name) = title.split_once('/').expect("title");
            json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } })
        };
        let sourced = |title| SourcedObject { file: "shop/templates/a.yaml".into(), object: object(title) };
        titles.iter().map(sourced).collect()
    }

    fn chart(more: &str) -> ChartDefinition {
        serde_saphyr::from_str(&format!("folder: shop\n{more}")).expect("chart")
    }

    #[test]
    fn one_time_objects_are_refused() {
        let (install, upgrade) = (objects(&["Service/a", "Job/first"]), objects(&["Service/a", "Job/move", "Pod/b"]));
        let error = upgrade_objects(&chart(""), &install, &upgrade).expect_err("refused");
        assert_eq!(error.code(), codes::CHART_UPGRADE);
        assert_eq!(
            error.to_string(),
            "shop/templates/a.yaml: the chart renders Job/move, Pod/b for an upgrade alone, Job/first for an install \
             alone, and a release has the same objects at each install and upgrade"
        );
        let hint = CodedError::hint(&error).unwrap_or_default();
        assert!(hint.contains("`repeatable: [Job/move, Pod/b, Job/first]`"), "{hint}");
        let error = upgrade_objects(&chart("repeatable: [Job/move, Pod/b]"), &install, &upgrade).expect_err("refused");
        assert!(error.to_string().contains("renders Job/first for an install alone, and"), "{error}");
    }

    #[test]
    fn declared_differences_are_added_or_dropped() {
        let (mut install, upgrade) = (objects(&["Service/a", "Job/first"]), objects(&["Service/a", "Job/move"]));
        let left_out = chart("leaveOut: [Job/move, Job/first]");
        let found = upgrade_objects(&left_out, &install, &upgrade).expect("named");
        assert!(!are_kept(&left_out, &found));
        let repeated = chart("repeatable: [Job/move, Job/first]");
        let found = upgrade_objects(&repeated, &install, &upgrade).expect("named");
        assert!(are_kept(&repeated, &found));
        add(&mut install, &upgrade);
        assert_eq!(install, objects(&["Service/a", "Job/first", "Job/move"]));
    }

    #[test]
    fn install_only_secret_is_taken() {
        let (install, upgrade) = (objects(&["Secret/key", "Service/a"]), objects(&["Service/a"]));
        assert!(upgrade_objects(&chart(""), &install, &upgrade).expect("taken").is_empty());
        upgrade_objects(&chart(""), &upgrade, &install)
            .expect_err("one of an upgrade alone is made from what a site has");
    }
}
