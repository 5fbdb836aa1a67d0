//! Names of a chart's Jobs.
//!
//! Kubernetes never changes a Job in place, and the next version has other images. Therefore each version of a release
//! has its own Jobs, with the version in their names. No other object of the chart may refer to a Job by name.

use std::collections::BTreeSet;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use serde_json::Value;

use super::output::SourcedObject;
use crate::error::{BuildError, Place, Result};
use crate::rendered::title;

/// Maximum length of a Job's name in bytes; its pods carry the name as a label.
const NAME_BYTES: usize = 63;

/// Names of the kind Job in commands.
const JOB_WORDS: [&str; 4] = ["job", "jobs", "job.batch", "jobs.batch"];

/// Labels that Kubernetes gives to the pods of a Job.
const JOB_LABELS: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];

/// Fields that name an object other than a Job, unless their context says that it is a Job.
const OTHER_NAMES: [&str; 9] = [
    "name",
    "namespace",
    "secretName",
    "serviceAccountName",
    "serviceAccount",
    "serviceName",
    "claimName",
    "image",
    "resourceNames",
];

/// Fields for people or selectors, whose texts equal a Job's name only by chance.
const REMARKS: [&str; 4] = ["labels", "matchLabels", "annotations", "selector"];

/// Fields that programs receive.
const PROGRAM: [&str; 3] = ["command", "args", "env"];

/// Returns true if an object is a Kubernetes Job.
pub fn is_job(object: &Value) -> bool {
    object["kind"] == "Job" && object["apiVersion"] == "batch/v1"
}

/// Adds the version of the release to a Job's name; returns the old name.
pub fn rename(sourced: &mut SourcedObject, version: &str) -> Result<String> {
    let old = name(&sourced.object).to_owned();
    let new = versioned_name(&old, version);
    if new.len() > NAME_BYTES {
        let what = format!("its name with the version, `{new}`, has more than {NAME_BYTES} characters");
        return Err(job_name_error(sourced, ": metadata.name", what));
    }
    sourced.object["metadata"]["name"] = Value::String(new);
    // The finished Job stays, so that a site can see that it is complete.
    if let Some(spec) = sourced.object["spec"].as_object_mut() {
        spec.remove("ttlSecondsAfterFinished");
    }
    Ok(old)
}

/// Name of a Job in a version of the release.
///
/// If the version has characters other than digits, lower-case letters and dots, the name also contains a digest, so
/// that two versions never have the same name.
pub fn versioned_name(name: &str, version: &str) -> String {
    let is_plain = version.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase() || byte == b'.');
    let text = version.to_ascii_lowercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    let text = text.trim_end_matches('-');
    if is_plain {
        return format!("{name}-{text}");
    }
    let digest = Sha256::of(version.as_bytes()).to_hex();
    format!("{name}-{text}-{}", &digest[..8])
}

/// Returns an error if an object refers to one of these Jobs by its old name, which no longer exists.
pub fn check_references(old_names: &BTreeSet<String>, version: &str, objects: &[&SourcedObject]) -> Result<()> {
    for old in old_names {
        let new = versioned_name(old, version);
        let is_unique = !objects.iter().any(|other| name(&other.object) == old);
        for sourced in objects {
            let is_own = is_job(&sourced.object) && name(&sourced.object) == new;
            let search = Search { old, is_own, is_unique };
            if let Some(pointer) = search.object(&sourced.object, "", TextContext::Other) {
                let what = format!("names Job/{old}, which is `{new}` in this version of the release");
                let hint = format!(
                    "Disable both in the chart's values, list one under `leaveOut` of the chart (`leaveOut: \
                     [Job/{old}]`), or bring the objects as manifests of your own."
                );
                return Err(job_name_error(sourced, &format!(": {pointer}"), what).hint(hint));
            }
        }
    }
    Ok(())
}

fn name(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

fn job_name_error(sourced: &SourcedObject, field: &str, what: String) -> BuildError {
    let field = format!("{}{field}", title(&sourced.object));
    let place = Place { file: Some(sourced.file.clone()), line: None, field: Some(field) };
    BuildError::at(codes::CHART_HOOK, place, what)
}

/// Context of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextContext {
    Program,
    Remark,
    OtherName,
    Other,
}

/// A search for the old name of a Job in one object.
struct Search<'a> {
    old: &'a str,
    is_own: bool,
    /// True if no other object of the chart has the name, so that each occurrence means the Job.
    is_unique: bool,
}

impl Search<'_> {
    fn value(&self, value: &Value, pointer: &str, around: TextContext) -> Option<String> {
        match value {
            Value::String(text) => self.is_named(text, around).then(|| pointer.to_owned()),
            Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
                let pointer = format!("{pointer}/{index}");
                let before = index.checked_sub(1).and_then(|before| items[before].as_str());
                if item == self.old && before.is_some_and(|before| JOB_WORDS.contains(&before)) {
                    return Some(pointer);
                }
                self.value(item, &pointer, around)
            }),
            Value::Object(_) => self.object(value, pointer, around),
            _ => None,
        }
    }

    fn object(&self, object: &Value, pointer: &str, around: TextContext) -> Option<String> {
        let fields = object.as_object()?;
        let is_list_with = |field: &str, wanted: &dyn Fn(&Value) -> bool| {
            object[field].as_array().is_some_and(|list| list.iter().any(wanted))
        };
        let is_jobs = |item: &Value| item.as_str().is_some_and(|text| text == "*" || text.starts_with("jobs"));
        if is_list_with("resources", &is_jobs) && is_list_with("resourceNames", &|item| item == self.old) {
            return Some(format!("{pointer}/resourceNames"));
        }
        if object["kind"] == "Job" && object["name"] == self.old {
            return Some(format!("{pointer}/name"));
        }
        let is_of_job = pointer.rsplit('/').next().is_some_and(|key| key.to_ascii_lowercase().contains("job"));
        fields.iter().find_map(|(key, field)| {
            let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
            if JOB_LABELS.contains(&key.as_str()) && field == self.old {
                return Some(pointer);
            }
            let within = match key.as_str() {
                key if PROGRAM.contains(&key) => TextContext::Program,
                key if REMARKS.contains(&key) => TextContext::Remark,
                "name" if is_of_job => TextContext::Other,
                key if OTHER_NAMES.contains(&key) => TextContext::OtherName,
                _ => around,
            };
            self.value(field, &pointer, within)
        })
    }

    /// Returns true if a text names the Job.
    fn is_named(&self, text: &str, around: TextContext) -> bool {
        let is_meant = match around {
            _ if self.is_own => false,
            TextContext::Program => true,
            TextContext::Other => self.is_unique,
            TextContext::Remark | TextContext::OtherName => false,
        };
        let mut words = text.match_indices(self.old).filter(|(at, _)| is_word(text, *at, self.old.len()));
        words.any(|(at, _)| is_meant || is_called_job(&text[..at]))
    }
}

/// Returns true if the text at `at` is a complete name, not part of a longer one.
fn is_word(text: &str, at: usize, length: usize) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let before = text[..at].chars().next_back();
    let mut after = text[at + length..].chars();
    let is_longer = match after.next() {
        Some('.') => after.next().is_some_and(is_part),
        next => next.is_some_and(is_part),
    };
    !is_longer && !before.is_some_and(|letter| is_part(letter) || letter == '.')
}

/// Returns true if a text ends with a word for Jobs, as in `wait job/`.
fn is_called_job(before: &str) -> bool {
    let word = before.strip_suffix(['/', ' ', '=', ':']).unwrap_or("").trim_end();
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '.';
    let word = word.rsplit(|letter| !is_part(letter)).next().unwrap_or_default();
    JOB_WORDS.contains(&word.trim_start_matches('-').to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(name: &str) -> SourcedObject {
        let spec = json!({ "ttlSecondsAfterFinished": 1 });
        let object = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": name }, "spec": spec });
        SourcedObject { file: "a".into(), object }
    }

    fn refusal_of(object: &Value) -> Option<String> {
        let mut own = job("shop-migrate");
        let old = rename(&mut own, "1.0.0").expect("renamed");
        let other = SourcedObject { file: "shop/templates/b.yaml".into(), object: object.clone() };
        check_references(&[old].into(), "1.0.0", &[&own, &other]).err().map(|error| error.to_string())
    }

    #[test]
    fn versioned_job_names_are_distinct() {
        let versions = ["2.0.0", "2.0.0+b", "2.0.0-b", "2.0.0-B", "2.0.0-b.1", "2.0.0-b-1", "2.0.0+b.1", "2.0.0-2"];
        let names: BTreeSet<_> = versions.iter().map(|version| versioned_name("a", version)).collect();
        assert_eq!(names.len(), versions.len(), "{names:?}");
        assert_eq!(versioned_name("a", "2.0.0"), "a-2-0-0");
        assert!(names.iter().all(|name| name.bytes().all(|it| it == b'-' || it.is_ascii_alphanumeric())));
    }

    #[test]
    fn fields_naming_renamed_jobs_are_found() {
        let role = |resource: &str| {
            json!({ "kind": "Role", "metadata": { "name": "r" },
            "rules": [{ "resources": [resource], "resourceNames": ["shop-migrate"] }] })
        };
        let waits = |args: Value| {
            json!({ "kind": "Deployment", "metadata": { "name": "d" },
            "spec": { "initContainers": [{ "name": "wait", "args": args }] } })
        };
        let account = json!({ "kind": "ServiceAccount", "metadata": { "name": "shop-migrate",
            "annotations": { "a": "kubectl wait job/shop-migrate" } } });
        let refusals: Vec<_> = [
            waits(json!(["wait", "--for=condition=complete", "job/shop-migrate"])),
            waits(json!(["job", "shop-migrate"])),
            waits(json!(["until done shop-migrate; do sleep 1; done"])),
            role("jobs"),
            json!({ "kind": "ConfigMap", "metadata": { "name": "m" }, "data": { "a/b": "job: shop-migrate." } }),
            json!({ "kind": "NetworkPolicy", "metadata": { "name": "n" },
                "spec": { "podSelector": { "matchLabels": { "job-name": "shop-migrate" } } } }),
            json!({ "kind": "Gate", "metadata": { "name": "g" }, "spec": { "jobRef": { "name": "shop-migrate" } } }),
            account,
        ]
        .iter()
        .map(|object| refusal_of(object).expect("refused"))
        .collect();
        insta::assert_snapshot!(refusals.join("\n"));
        for object in [
            waits(json!(["shop-migrate-2", "a.shop-migrate", "shop-migrate.shop.svc", "my-shop-migrate"])),
            role("secrets"),
            json!({ "kind": "ServiceAccount", "metadata": { "name": "shop-migrate",
                "labels": { "app": "shop-migrate" } } }),
            json!({ "kind": "RoleBinding", "metadata": { "name": "b" },
                "subjects": [{ "kind": "ServiceAccount", "name": "shop-migrate" }] }),
        ] {
            assert_eq!(refusal_of(&object), None, "{object}");
        }
    }
}
