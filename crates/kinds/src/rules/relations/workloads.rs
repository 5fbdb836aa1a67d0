//! Relations in objects that have pods, and in objects about them.

use serde_json::Value;

use super::{absent, items, word};
use crate::rules::{RuleResult, wrong};

/// Checks that the selector of a workload selects the pods of its template.
pub fn selector(specification: &Value) -> RuleResult {
    let selector = &specification["selector"];
    let labels = specification.pointer("/template/metadata/labels").unwrap_or(&Value::Null);
    let wanted = || selector["matchLabels"].as_object().into_iter().flatten();
    if wanted().next().is_none() && items(selector, "matchExpressions").next().is_none() {
        return Err(wrong("/selector", "it must choose pods by a label"));
    }
    for (key, label) in wanted() {
        if labels[key] != *label {
            let what = format!("the selector's {key}={} is not a label of the template", label.as_str().unwrap_or("?"));
            return Err(wrong("/template/metadata/labels", what));
        }
    }
    for (index, expression) in items(selector, "matchExpressions") {
        if !is_chosen(expression, labels) {
            let what = format!("the labels of the template do not fit /selector/matchExpressions/{index}");
            return Err(wrong("/template/metadata/labels", what));
        }
    }
    Ok(())
}

fn is_chosen(expression: &Value, labels: &Value) -> bool {
    let label = &labels[word(expression, "key")];
    let is_among = expression["values"].as_array().is_some_and(|values| values.contains(label));
    match word(expression, "operator") {
        "In" => is_among,
        "NotIn" => label.is_null() || !is_among,
        "Exists" => !label.is_null(),
        _ => label.is_null(),
    }
}

/// Returns true if a number or a percentage is zero.
fn is_none_of(share: &Value) -> bool {
    let zero = share.as_str().and_then(|text| text.strip_suffix('%')).and_then(|digits| digits.parse::<u64>().ok());
    share.as_u64().or(zero) == Some(0)
}

pub fn strategy(strategy: &Value) -> RuleResult {
    if strategy["type"] == "Recreate" {
        return absent(strategy, "rollingUpdate", "the strategy Recreate does not have this field");
    }
    let rolling = &strategy["rollingUpdate"];
    if is_none_of(&rolling["maxUnavailable"]) && is_none_of(&rolling["maxSurge"]) {
        return Err(wrong("/rollingUpdate/maxUnavailable", "it cannot be 0 where maxSurge is 0"));
    }
    Ok(())
}

pub fn strategy_of_set(strategy: &Value) -> RuleResult {
    if strategy["type"] == "OnDelete" {
        return absent(strategy, "rollingUpdate", "the strategy OnDelete does not have this field");
    }
    Ok(())
}

/// Checks that exactly one of `maxUnavailable` (default 1) and `maxSurge` (default 0) is nonzero in the update strategy
/// of a `DaemonSet`.
pub fn strategy_of_daemons(strategy: &Value) -> RuleResult {
    if strategy["type"] == "OnDelete" {
        return Ok(());
    }
    let rolling = &strategy["rollingUpdate"];
    let is_surging = !rolling["maxSurge"].is_null() && !is_none_of(&rolling["maxSurge"]);
    match (is_none_of(&rolling["maxUnavailable"]), is_surging) {
        (true, false) => Err(wrong("/rollingUpdate/maxUnavailable", "it cannot be 0 where maxSurge is 0 or missing")),
        (false, true) => Err(wrong("/rollingUpdate/maxSurge", "it must be 0 unless maxUnavailable is 0")),
        _ => Ok(()),
    }
}

/// Checks the progress deadline; its default is ten minutes.
pub fn deadline(specification: &Value) -> RuleResult {
    let ready = specification["minReadySeconds"].as_i64().unwrap_or(0);
    let deadline = specification["progressDeadlineSeconds"].as_i64().unwrap_or(600);
    if deadline <= ready || deadline < 0 {
        let what = format!("{deadline} is not more than minReadySeconds, which is {ready}");
        return Err(wrong("/progressDeadlineSeconds", what));
    }
    Ok(())
}

/// Checks the fields of Jobs whose pods are indexed. A Job without any number has one pod.
pub fn indexes(job: &Value) -> RuleResult {
    if job["completionMode"] == "Indexed" {
        let is_counted = !job["completions"].is_null() || job["parallelism"].is_null();
        let what = "it is required in an indexed Job that has parallelism";
        return if is_counted { Ok(()) } else { Err(wrong("/completions", what)) };
    }
    ["backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"]
        .into_iter()
        .try_for_each(|field| absent(job, field, "only an indexed Job has this field"))
}

pub fn replicas(autoscaler: &Value) -> RuleResult {
    let least = autoscaler["minReplicas"].as_i64().unwrap_or(1);
    match autoscaler["maxReplicas"].as_i64() {
        Some(most) if most < least => Err(wrong("/maxReplicas", format!("{most} is less than minReplicas"))),
        _ => Ok(()),
    }
}

/// Checks that the source of a metric matches its type.
pub fn metric(metric: &Value) -> RuleResult {
    let kind = word(metric, "type");
    let source = kind.char_indices().map(|(at, letter)| if at == 0 { letter.to_ascii_lowercase() } else { letter });
    let source: String = source.collect();
    let sources = metric.as_object().into_iter().flatten().filter(|(name, field)| *name != "type" && !field.is_null());
    if metric[&source].is_null() {
        return Err(wrong(format!("/{source}"), format!("it is required in a metric of the type {kind}")));
    }
    let mut others = sources.filter(|(name, _)| **name != source);
    others.next().map_or(Ok(()), |(name, _)| {
        Err(wrong(format!("/{name}"), format!("a metric of the type {kind} does not have this field")))
    })
}

pub fn budget(budget: &Value) -> RuleResult {
    if budget["minAvailable"].is_null() {
        return Ok(());
    }
    absent(budget, "maxUnavailable", "a budget has either minAvailable or maxUnavailable")
}
