//! Hooks of a chart, as far as a release can represent them.
//!
//! A Job before install and upgrade becomes part of a component that the chart's component needs, so that it runs
//! first. A Job after them becomes an ordinary object: a component is ready once its Jobs are complete. Objects that
//! such a Job uses come with it, and so does the content of `crds`. Several Jobs of one event run one after the other,
//! by weight and name as in Helm. Each later one is a separate component. Landfall runs all of them for each version of
//! a release. So a hook that runs only at install or only at upgrade must be declared repeatable. A test that sends
//! requests to a Service becomes a proof. Every other hook is refused.

use std::collections::BTreeSet;
use std::path::Path;

use landfall_error_codes::codes;
use serde_json::Value;

use super::output::SourcedObject;
use super::{job_names, tests_as_proofs};
use crate::definition::ComponentDefinition;
use crate::error::{BuildError, Place, Result};
use crate::rendered::title;

/// Annotation that makes an object a hook.
pub(super) const HOOK: &str = "helm.sh/hook";

/// Annotation that orders hooks of one event.
const WEIGHT: &str = "helm.sh/hook-weight";

/// Events of hooks that a release can represent.
const EVENTS: [&str; 4] = ["pre-install", "pre-upgrade", "post-install", "post-upgrade"];

/// Kinds of objects that hook Jobs use and that may come with them.
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

/// Objects of a chart, sorted by where they run.
#[derive(Debug, Default)]
pub struct ObjectPlacement {
    /// Objects of a component that precedes the chart's component, with the first Job.
    pub before: Vec<SourcedObject>,
    /// The remaining Jobs before the component, in the order in which they run.
    pub next_before: Vec<SourcedObject>,
    /// Objects of the component, with the first Job that runs after the others.
    pub objects: Vec<SourcedObject>,
    /// The remaining Jobs after the component, in the order in which they run.
    pub next: Vec<SourcedObject>,
    /// Test pods, in the order in which Helm runs them.
    pub tests: Vec<SourcedObject>,
    /// Names of Jobs before the version was added to them.
    pub renamed: BTreeSet<String>,
}

/// Time of a hook relative to the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HookTime {
    Before,
    After,
}

/// Sort key of Helm for hooks of one event: weight and name.
type Turn = (i64, String);

impl ObjectPlacement {
    /// Distributes hook Jobs, which are sorted by turn.
    fn put(&mut self, jobs: Vec<(HookTime, Turn, SourcedObject)>) {
        let (mut is_first_before, mut is_first) = (true, true);
        for (when, _, job) in jobs {
            let (is_first, first, next) = match when {
                HookTime::Before => (&mut is_first_before, &mut self.before, &mut self.next_before),
                HookTime::After => (&mut is_first, &mut self.objects, &mut self.next),
            };
            let list = if std::mem::take(is_first) { first } else { next };
            list.push(job);
        }
    }

    /// Every object except tests.
    fn all(&self) -> Vec<&SourcedObject> {
        [&self.before, &self.next_before, &self.objects, &self.next].into_iter().flatten().collect()
    }
}

/// Hooks that a release normally omits: tests that cannot become proofs, and hooks that run only at uninstall or
/// rollback.
pub fn idle(component: &ComponentDefinition, objects: &[SourcedObject]) -> Vec<String> {
    let is_idle = |sourced: &&SourcedObject| {
        let Some(events) = events(&sourced.object) else { return false };
        let is_test = events.contains("test") && !is_companion(&sourced.object);
        let is_late = events.iter().all(|event| event.ends_with("-delete") || event.ends_with("-rollback"));
        is_late || (is_test && !tests_as_proofs::is_proof(component, sourced))
    };
    objects.iter().filter(is_idle).map(|sourced| title(&sourced.object)).collect()
}

/// Settings of a release for hooks.
pub struct Rules<'a> {
    /// Name of the chart in messages.
    pub chart: &'a Path,
    /// Version of the chart, which becomes part of the names of Jobs.
    pub version: &'a str,
    /// Hooks that run only at install or only at upgrade and may run at both, by kind and name.
    pub repeatable: BTreeSet<&'a str>,
}

impl Rules<'_> {
    /// Sorts all objects of a chart.
    pub fn place(&self, objects: Vec<SourcedObject>) -> Result<ObjectPlacement> {
        let mut placed = ObjectPlacement::default();
        let mut jobs: Vec<(HookTime, Turn, SourcedObject)> = Vec::new();
        let mut tests: Vec<(Turn, SourcedObject)> = Vec::new();
        let unnamed: Vec<_> =
            objects.iter().filter(|it| self.is_unnamed(&it.object)).map(|it| title(&it.object)).collect();
        for mut sourced in objects {
            let is_job = job_names::is_job(&sourced.object);
            let mut when = HookTime::After;
            let mut turn = None;
            if let Some(mut events) = events(&sourced.object) {
                // Objects that tests use may also serve other hooks.
                let is_shared = events.len() > 1 && is_companion(&sourced.object);
                if events.remove("test") && !is_shared {
                    tests.push((self::turn(&sourced.object), sourced));
                    continue;
                }
                when = self::when(&sourced, &events, &unnamed)?;
                turn = is_job.then(|| self::turn(&sourced.object));
                plain(&mut sourced.object);
            }
            if is_job {
                placed.renamed.insert(job_names::rename(&mut sourced, self.version)?);
            }
            match (when, turn) {
                (when, Some(turn)) => jobs.push((when, turn, sourced)),
                (HookTime::Before, None) => placed.before.push(sourced),
                (HookTime::After, None) => placed.objects.push(sourced),
            }
        }
        jobs.sort_by(|(_, one, _), (_, other, _)| one.cmp(other));
        tests.sort_by(|(one, _), (other, _)| one.cmp(other));
        placed.tests = tests.into_iter().map(|(_, test)| test).collect();
        placed.put(jobs);
        if !placed.before.is_empty() {
            let crds: Vec<_> = placed.objects.extract_if(.., |sourced| self.is_of_crds(sourced)).collect();
            placed.before.splice(0..0, crds);
        }
        job_names::check_references(&placed.renamed, self.version, &placed.all())?;
        Ok(placed)
    }

    /// Returns true for a Job that runs only at install or only at upgrade and that the release does not list as
    /// repeatable.
    fn is_unnamed(&self, object: &Value) -> bool {
        let has_place = |events: &BTreeSet<&str>| events.iter().all(|event| EVENTS.contains(event));
        let events = events(object).filter(|events| job_names::is_job(object) && has_place(events));
        events.is_some_and(|events| !is_of_both(&events)) && !self.repeatable.contains(title(object).as_str())
    }

    /// Returns true if an object comes from a folder `crds`, which Helm applies first.
    fn is_of_crds(&self, sourced: &SourcedObject) -> bool {
        let below = sourced.file.strip_prefix(self.chart).unwrap_or(&sourced.file);
        let mut segments = below.iter();
        let mut first = segments.next();
        while first.is_some_and(|segment| segment == "charts") {
            first = segments.nth(1);
        }
        first.is_some_and(|segment| segment == "crds")
    }
}

/// Time at which a hook with these events runs. Returns an error if a release cannot represent it.
///
/// `unnamed` are the Jobs for only one event that the release does not list.
fn when(sourced: &SourcedObject, events: &BTreeSet<&str>, unnamed: &[String]) -> Result<HookTime> {
    if let Some(event) = events.iter().find(|event| !EVENTS.contains(event)) {
        return Err(hook_error(sourced, format!("a release has no place for the hook `{event}`")));
    }
    let is_job = job_names::is_job(&sourced.object);
    if !is_job && !is_companion(&sourced.object) {
        let kind = sourced.object["kind"].as_str().unwrap_or_default();
        return Err(hook_error(sourced, format!("a {kind} is a hook, where a release has a place for Jobs")));
    }
    let [before, after] = ["pre", "post"].map(|when| events.iter().any(|event| event.starts_with(when)));
    if is_job && before && after {
        return Err(hook_error(sourced, "it runs before and after: make it two Jobs".to_owned()));
    }
    let title = title(&sourced.object);
    if unnamed.contains(&title) {
        return Err(at_one_time(sourced, events, unnamed));
    }
    Ok(if before { HookTime::Before } else { HookTime::After })
}

/// Returns true if the events include an install and an upgrade.
fn is_of_both(events: &BTreeSet<&str>) -> bool {
    ["install", "upgrade"].iter().all(|end| events.iter().any(|event| event.ends_with(end)))
}

/// Error for a Job that runs only at install or only at upgrade; it lists all others of that kind.
fn at_one_time(sourced: &SourcedObject, events: &BTreeSet<&str>, unnamed: &[String]) -> BuildError {
    let title = title(&sourced.object);
    let only = events.iter().copied().collect::<Vec<_>>().join(", ");
    let others: Vec<_> = unnamed.iter().filter(|other| **other != title).map(String::as_str).collect();
    let others = if others.is_empty() { String::new() } else { format!("; so it is with {}", others.join(", ")) };
    let what = format!("it is `{only}` alone, and Landfall runs it at each install and upgrade{others}");
    let all = unnamed.join(", ");
    let they = if unnamed.len() == 1 { "it" } else { "they" };
    let hint =
        format!("Declare `repeatable: [{all}]` under `chart` if {they} may run at each, or `leaveOut: [{all}]`.");
    hook_error(sourced, what).hint(hint)
}

/// Helm's sort key of a hook among those of one event. A weight that is not a number counts as 0.
fn turn(object: &Value) -> Turn {
    let weight = annotation(object, WEIGHT).and_then(|text| text.parse().ok()).unwrap_or_default();
    (weight, object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// Returns true if an object may accompany hook Jobs.
pub(super) fn is_companion(object: &Value) -> bool {
    object["kind"].as_str().is_some_and(|kind| COMPANIONS.contains(&kind))
}

/// Events of a hook; `None` for any other object.
fn events(object: &Value) -> Option<BTreeSet<&str>> {
    let events = annotation(object, HOOK)?.split(',').map(str::trim).filter(|event| !event.is_empty());
    // Helm 2 calls this event `test-success`.
    Some(events.map(|event| if event == "test-success" { "test" } else { event }).collect())
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][key].as_str()
}

/// Removes the hook annotations.
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

/// Error for a hook that a release cannot represent.
pub(super) fn hook_error(sourced: &SourcedObject, what: String) -> BuildError {
    let field = format!("{}: metadata.annotations.{HOOK}", title(&sourced.object));
    let place = Place { file: Some(sourced.file.clone()), line: None, field: Some(field) };
    BuildError::at(codes::CHART_HOOK, place, what)
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;
    use serde_json::json;

    use super::*;

    fn hook(kind: &str, name: &str, events: &str) -> SourcedObject {
        let annotations = json!({ HOOK: events, "helm.sh/hook-delete-policy": "before-hook-creation" });
        let metadata = json!({ "name": name, "annotations": annotations });
        let spec = json!({ "ttlSecondsAfterFinished": 1 });
        let object = json!({ "apiVersion": "batch/v1", "kind": kind, "metadata": metadata, "spec": spec });
        SourcedObject { file: "shop/templates/hook.yaml".into(), object }
    }

    fn plain(file: &str, object: &Value) -> SourcedObject {
        SourcedObject { file: file.into(), object: object.clone() }
    }

    fn run(objects: Vec<SourcedObject>) -> Result<ObjectPlacement> {
        Rules { chart: Path::new("shop"), version: "2.0.0", repeatable: ["Job/once"].into() }.place(objects)
    }

    fn titles(list: &[SourcedObject]) -> Vec<String> {
        list.iter().map(|one| title(&one.object)).collect()
    }

    #[test]
    fn hook_jobs_get_places_and_names() {
        let all = "pre-install,pre-upgrade,post-install,post-upgrade";
        let service = json!({ "kind": "Service", "metadata": { "name": "a" } });
        let foreign = json!({ "apiVersion": "batch.example/v1", "kind": "Job", "metadata": { "name": "foreign" } });
        let own = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "own" },
            "spec": { "ttlSecondsAfterFinished": 1 } });
        let placed = run(vec![
            hook("ServiceAccount", "hooks", all),
            hook("Job", "create", "pre-install, pre-upgrade"),
            hook("Job", "once", "post-install"),
            hook("Pod", "test", "test"),
            plain("a", &service),
            plain("a", &own),
            plain("a", &foreign),
        ])
        .expect("placed");
        assert_eq!(titles(&placed.before), ["ServiceAccount/hooks", "Job/create-2-0-0"]);
        assert_eq!(titles(&placed.objects), ["Service/a", "Job/own-2-0-0", "Job/foreign", "Job/once-2-0-0"]);
        assert!(placed.next_before.is_empty() && placed.next.is_empty());
        assert_eq!(titles(&placed.tests), ["Pod/test"]);
        let metadata = json!({ "name": "create-2-0-0" });
        let expected = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {} });
        assert_eq!(placed.before[1].object, expected);
        assert_eq!(placed.objects[1].object["spec"], json!({}), "a Job that is not a hook also stays");
    }

    #[test]
    fn hook_jobs_follow_helm_order() {
        let weighed = |name: &str, events: &str, weight: &str| {
            let mut sourced = hook("Job", name, events);
            sourced.object["metadata"]["annotations"][WEIGHT] = json!(weight);
            sourced
        };
        let (before, after) = ("pre-install,pre-upgrade", "post-install,post-upgrade");
        let mut last = hook("Pod", "a-last", "test");
        last.object["metadata"]["annotations"][WEIGHT] = json!("1");
        let placed = run(vec![
            last,
            hook("Pod", "first", "test"),
            weighed("tenth", before, "10"),
            weighed("seed", after, "-5"),
            weighed("b", before, "2"),
            weighed("odd", before, "soon"),
            hook("Job", "a", after),
            weighed("a-too", before, "2"),
            weighed("negative", before, "-1"),
            hook("ServiceAccount", "hooks", "pre-install,pre-upgrade,test"),
        ])
        .expect("placed");
        assert_eq!(titles(&placed.before), ["ServiceAccount/hooks", "Job/negative-2-0-0"]);
        let next = ["Job/odd-2-0-0", "Job/a-too-2-0-0", "Job/b-2-0-0", "Job/tenth-2-0-0"];
        assert_eq!(titles(&placed.next_before), next);
        assert_eq!(titles(&placed.objects), ["Job/seed-2-0-0"]);
        assert_eq!(titles(&placed.next), ["Job/a-2-0-0"]);
        assert_eq!(titles(&placed.tests), ["Pod/first", "Pod/a-last"]);
        let is_plain = |job: &SourcedObject| job.object["metadata"].get("annotations").is_none();
        assert!(placed.next_before.iter().chain(&placed.next).all(is_plain));
    }

    #[test]
    fn reference_to_renamed_job_is_refused() {
        let mut waits = hook("Job", "second", "pre-install,pre-upgrade");
        waits.object["spec"] = json!({ "args": ["wait", "job/first"] });
        let error = run(vec![hook("Job", "first", "pre-install,pre-upgrade"), waits]).map(|_| ()).expect_err("refused");
        assert!(error.to_string().contains("names Job/first, which is `first-2-0-0`"), "{error}");
    }

    #[test]
    fn single_refusal_names_all_jobs() {
        let jobs = ["a", "b"].map(|name| hook("Job", name, "post-upgrade"));
        let once = hook("Job", "once", "pre-install");
        let error = run(jobs.into_iter().chain([once]).collect()).map(|_| ()).expect_err("refused");
        assert!(error.to_string().ends_with("install and upgrade; so it is with Job/b"), "{error}");
        let hint = landfall_error_codes::CodedError::hint(&error).unwrap_or_default();
        assert!(hint.starts_with("Declare `repeatable: [Job/a, Job/b]` under `chart` if they may"), "{hint}");
    }

    #[test]
    fn crds_folder_precedes_jobs() {
        let object = |name: &str| json!({ "kind": "CustomResourceDefinition", "metadata": { "name": name } });
        let objects = || {
            vec![
                plain("shop/crds/a.yaml", &object("a")),
                plain("shop/charts/b/charts/c/crds/b.yaml", &object("b")),
                plain("shop/templates/crds/c.yaml", &object("c")),
            ]
        };
        let without = run(objects()).expect("placed");
        assert!(without.before.is_empty() && without.objects.len() == 3);
        let with = run([objects(), vec![hook("Job", "create", "pre-install,pre-upgrade")]].concat()).expect("placed");
        let expected = ["CustomResourceDefinition/a", "CustomResourceDefinition/b", "Job/create-2-0-0"];
        assert_eq!(titles(&with.before), expected);
        assert_eq!(titles(&with.objects), ["CustomResourceDefinition/c"]);
    }

    #[test]
    fn idle_tests_and_hooks_are_named() {
        let mut component: ComponentDefinition = serde_saphyr::from_str("chart: {folder: shop}").expect("component");
        "shop".clone_into(&mut component.name.value);
        "shop".clone_into(&mut component.namespace.value);
        let asks = |name: &str, command: [&str; 3]| {
            let mut test = hook("Pod", name, "test");
            test.object["spec"] = json!({ "containers": [{ "command": command }] });
            test
        };
        let found = idle(
            &component,
            &[
                asks("connection", ["wget", "-q", "shop:80"]),
                asks("page", ["curl", "-f", "shop:80"]),
                hook("ServiceAccount", "tests", "test"),
                hook("Job", "cleanup", "pre-delete, post-rollback"),
                hook("ServiceAccount", "cleanup", "pre-delete"),
                hook("Job", "both", "pre-install,pre-delete"),
                plain("a", &json!({ "kind": "Service", "metadata": { "name": "a" } })),
            ],
        );
        assert_eq!(found, ["Pod/connection", "Job/cleanup", "ServiceAccount/cleanup"]);
    }

    #[test]
    fn unplaceable_hooks_are_refused() {
        let waiting = json!({ "kind": "Pod", "metadata": { "name": "p" }, "spec": { "args": ["job/create"] } });
        let refusals: Vec<_> = [
            vec![hook("Job", "cleanup", "pre-delete")],
            vec![hook("CustomResourceDefinition", "a", "crd-install")],
            vec![hook("Job", "a", "post-rollback,post-install")],
            vec![hook("Pod", "a", "pre-install,pre-upgrade")],
            vec![hook("Deployment", "a", "post-install,post-upgrade")],
            vec![hook("Job", "a", "pre-install,pre-upgrade,post-install,post-upgrade")],
            vec![hook("Job", "admin", "post-install")],
            vec![hook("Job", &"a".repeat(60), "pre-install,pre-upgrade")],
            vec![hook("Job", "create", "pre-install,pre-upgrade"), plain("shop/templates/a.yaml", &waiting)],
        ]
        .into_iter()
        .map(|objects| run(objects).map(|_| ()).expect_err("refused"))
        .map(|error| format!("{} {error}", error.code().id))
        .collect();
        insta::assert_snapshot!(refusals.join("\n"));
    }
}
