//! Hooks of a chart, as far as a release has a place for them.
//!
//! A Job before an install and an upgrade becomes part of a component that its own needs, and comes before it. One after
//! them becomes an object like all others: a component is ready once its Jobs are complete. What such a Job uses comes with
//! it. Landfall runs both for each version of a release, so a hook of an install or an upgrade alone must be declared to
//! bear that. A test that asks a Service becomes a proof. Every other hook is refused.

use std::collections::BTreeSet;

use landfall_error_codes::codes;
use serde_json::Value;

use super::output::Sourced;
use crate::error::{BuildError, Place, Result};
use crate::render::title;

const HOOK: &str = "helm.sh/hook";
const HOOK_WEIGHT: &str = "helm.sh/hook-weight";

/// What Jobs of hooks use, and may come with them.
const COMPANIONS: [&str; 9] = [
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "NetworkPolicy",
    "PersistentVolumeClaim",
];

/// The longest name of a Job, whose pods carry it as a label.
const JOB_NAME_BYTES: usize = 63;

/// What becomes of a chart's objects.
#[derive(Debug, Default)]
pub struct Placed {
    /// Objects of a component that comes before.
    pub before: Vec<Sourced>,
    /// Objects of the component.
    pub objects: Vec<Sourced>,
    /// Pods that test it.
    pub tests: Vec<Sourced>,
}

/// When a hook runs, as far as that has a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

/// What a release says about hooks.
pub struct Rules<'a> {
    /// Its version, which becomes part of the names of Jobs: Kubernetes changes no Job in place.
    pub version: &'a str,
    /// Hooks of an install or an upgrade alone that bear being run at both, by kind and name.
    pub repeatable: BTreeSet<&'a str>,
}

impl Rules<'_> {
    /// Places all objects of a chart.
    pub fn place(&self, objects: Vec<Sourced>) -> Result<Placed> {
        let mut placed = Placed::default();
        let mut weights: Vec<(When, String, String)> = Vec::new();
        for mut sourced in objects {
            let Some(events) = events(&sourced.object) else {
                placed.objects.push(sourced);
                continue;
            };
            if events.contains("test") {
                placed.tests.push(sourced);
                continue;
            }
            let when = self.when(&sourced, &events)?;
            if sourced.object["kind"] == "Job" {
                let weight = annotation(&sourced.object, HOOK_WEIGHT).unwrap_or("0").to_owned();
                let other = weights.iter().find(|(other, at, _)| *other == when && *at != weight);
                if let Some((_, _, other)) = other {
                    let what = format!("it has another weight than {other}: Landfall runs both at the same time");
                    return Err(refused(&sourced, what));
                }
                weights.push((when, weight, title(&sourced.object)));
                self.rename(&mut sourced)?;
            }
            plain(&mut sourced.object);
            match when {
                When::Before => placed.before.push(sourced),
                When::After => placed.objects.push(sourced),
            }
        }
        Ok(placed)
    }

    /// When a hook of these events runs; refuses it where that has no place.
    fn when(&self, sourced: &Sourced, events: &BTreeSet<&str>) -> Result<When> {
        let known = ["pre-install", "pre-upgrade", "post-install", "post-upgrade"];
        if let Some(event) = events.iter().find(|event| !known.contains(event)) {
            return Err(refused(sourced, format!("a release has no place for the hook `{event}`")));
        }
        let kind = sourced.object["kind"].as_str().unwrap_or_default();
        let is_job = kind == "Job";
        if !is_job && !COMPANIONS.contains(&kind) {
            return Err(refused(sourced, format!("a {kind} is a hook, where a release has a place for Jobs")));
        }
        let [before, after] = ["pre", "post"].map(|when| events.iter().any(|event| event.starts_with(when)));
        if is_job && before && after {
            return Err(refused(sourced, "it runs before and after: make it two Jobs".to_owned()));
        }
        let both = ["install", "upgrade"].iter().all(|end| events.iter().any(|event| event.ends_with(end)));
        let title = title(&sourced.object);
        if is_job && !both && !self.repeatable.contains(title.as_str()) {
            let only = events.iter().copied().collect::<Vec<_>>().join(", ");
            let what = format!("it is `{only}` alone, and Landfall runs it at each install and upgrade");
            let hint = format!(
                "Declare `repeatable: [{title}]` under `chart` if it may run at each, or `leaveOut: [{title}]`."
            );
            return Err(refused(sourced, what).hint(hint));
        }
        Ok(if before { When::Before } else { When::After })
    }

    /// Gives a Job a name of its own for each version of the release.
    fn rename(&self, sourced: &mut Sourced) -> Result<()> {
        let name = sourced.object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let version = self.version.to_ascii_lowercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        let new = format!("{name}-{}", version.trim_end_matches('-'));
        if new.len() > JOB_NAME_BYTES {
            let what = format!("its name with the version, `{new}`, has more than {JOB_NAME_BYTES} characters");
            return Err(refused(sourced, what));
        }
        sourced.object["metadata"]["name"] = Value::String(new);
        // It stays, so that a site can tell that it is complete.
        if let Some(spec) = sourced.object["spec"].as_object_mut() {
            spec.remove("ttlSecondsAfterFinished");
        }
        Ok(())
    }
}

/// The events of a hook; none for any other object.
fn events(object: &Value) -> Option<BTreeSet<&str>> {
    let events = annotation(object, HOOK)?.split(',').map(str::trim).filter(|event| !event.is_empty());
    // Helm 2's name of it.
    Some(events.map(|event| if event == "test-success" { "test" } else { event }).collect())
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][key].as_str()
}

/// Removes the annotations of hooks.
fn plain(object: &mut Value) {
    let metadata = &mut object["metadata"];
    if let Some(annotations) = metadata["annotations"].as_object_mut() {
        annotations.retain(|key, _| !key.starts_with(HOOK));
        if annotations.is_empty()
            && let Some(fields) = metadata.as_object_mut()
        {
            fields.remove("annotations");
        }
    }
}

/// The error of a hook that has no place.
pub(super) fn refused(sourced: &Sourced, what: String) -> BuildError {
    let field = format!("{}: metadata.annotations.{HOOK}", title(&sourced.object));
    let place = Place { file: Some(sourced.file.clone()), line: None, field: Some(field) };
    BuildError::at(codes::CHART_HOOK, place, what)
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::Coded as _;
    use serde_json::json;

    use super::*;

    fn hook(kind: &str, name: &str, events: &str) -> Sourced {
        let annotations = json!({ HOOK: events, "helm.sh/hook-delete-policy": "before-hook-creation" });
        let metadata = json!({ "name": name, "annotations": annotations });
        let object = json!({ "kind": kind, "metadata": metadata, "spec": { "ttlSecondsAfterFinished": 1 } });
        Sourced { file: "shop/templates/hook.yaml".into(), object }
    }

    fn run(objects: Vec<Sourced>) -> Result<Placed> {
        Rules { version: "2.0.0+b", repeatable: ["Job/once"].into() }.place(objects)
    }

    #[test]
    fn jobs_get_their_places_and_names() {
        let all = "pre-install,pre-upgrade,post-install,post-upgrade";
        let plain = Sourced { file: "a".into(), object: json!({ "kind": "Service", "metadata": { "name": "a" } }) };
        let placed = run(vec![
            hook("ServiceAccount", "hooks", all),
            hook("Job", "create", "pre-install, pre-upgrade"),
            hook("Job", "patch", "post-install,post-upgrade"),
            hook("Job", "once", "post-install"),
            hook("Pod", "test", "test"),
            plain.clone(),
        ])
        .expect("placed");
        let titles = |list: &[Sourced]| list.iter().map(|one| title(&one.object)).collect::<Vec<_>>();
        assert_eq!(titles(&placed.before), ["ServiceAccount/hooks", "Job/create-2-0-0-b"]);
        assert_eq!(titles(&placed.objects), ["Job/patch-2-0-0-b", "Job/once-2-0-0-b", "Service/a"]);
        assert_eq!(titles(&placed.tests), ["Pod/test"]);
        let expected = json!({ "kind": "Job", "metadata": { "name": "create-2-0-0-b" }, "spec": {} });
        assert_eq!(placed.before[1].object, expected);
    }

    #[test]
    fn a_hook_without_a_place_is_refused_by_name() {
        let mut later = hook("Job", "later", "pre-install,pre-upgrade");
        later.object["metadata"]["annotations"][HOOK_WEIGHT] = json!("5");
        let refusals: Vec<_> = [
            vec![hook("Job", "cleanup", "pre-delete")],
            vec![hook("CustomResourceDefinition", "a", "crd-install")],
            vec![hook("Job", "a", "post-rollback,post-install")],
            vec![hook("Pod", "a", "pre-install,pre-upgrade")],
            vec![hook("Deployment", "a", "post-install,post-upgrade")],
            vec![hook("Job", "a", "pre-install,pre-upgrade,post-install,post-upgrade")],
            vec![hook("Job", "admin", "post-install")],
            vec![hook("Job", "sooner", "pre-install,pre-upgrade"), later],
            vec![hook("Job", &"a".repeat(60), "pre-install,pre-upgrade")],
        ]
        .into_iter()
        .map(|objects| run(objects).map(|_| ()).expect_err("refused"))
        .map(|error| format!("{} {error}", error.code().id))
        .collect();
        insta::assert_snapshot!(refusals.join("\n"));
    }
}
