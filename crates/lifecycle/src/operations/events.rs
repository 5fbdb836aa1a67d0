//! Recent Kubernetes events of a site's objects, each with the component of its object. Kubernetes keeps them for an
//! hour.

use jiff::Timestamp;
use landfall_cluster::{Inventory, ObjectName};
use landfall_engine::step::StepError;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Operations;
use super::administration::known_inventory;
use super::error::Result;

/// Kubernetes events of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SiteEvents {
    /// Time of reading, RFC 3339 in UTC.
    pub at: String,
    /// Component of the events; null for the whole site.
    pub component: Option<String>,
    /// Events, newest last.
    pub events: Vec<SiteEvent>,
}

/// Kubernetes event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SiteEvent {
    /// Time of its last occurrence, RFC 3339 in UTC; null if Kubernetes does not state it.
    pub last: Option<String>,
    /// Seconds since then; null if that is unknown, and 0 if the clock was set back.
    pub age_seconds: Option<u64>,
    /// Number of occurrences.
    pub count: u64,
    /// Severity: `Normal` or `Warning`.
    pub severity: String,
    /// Reason by Kubernetes' name, such as `BackOff`.
    pub reason: String,
    /// Component of the object; null for objects of Kubernetes itself.
    pub component: Option<String>,
    /// Object, such as `Pod shop/web-0`.
    pub object: String,
    /// Message of the event.
    pub message: String,
}

impl Operations {
    /// Returns the events of all namespaces, or of a component's objects, newest last. Changes nothing.
    pub fn events(&self, component: Option<&str>) -> Result<SiteEvents> {
        let cluster = self.patient_cluster()?;
        let inventories = Inventory::all(&cluster).map_err(StepError::from)?;
        if let Some(component) = component {
            known_inventory(&inventories, component)?;
        }
        let listed = cluster.resource("v1", "Event").and_then(|kind| cluster.list(&kind, None, ""));
        let listed = listed.map_err(StepError::from)?;
        Ok(SiteEvents::of(&listed, &inventories, component, Timestamp::now()))
    }
}

impl SiteEvents {
    fn of(listed: &[Value], inventories: &[Inventory], component: Option<&str>, now: Timestamp) -> Self {
        let mut events: Vec<_> = listed.iter().map(|event| (last(event), event)).collect();
        events.sort_by_key(|(last, _)| *last);
        let events = events.into_iter().map(|(last, event)| SiteEvent::of(event, last, inventories, now));
        let is_wanted = |event: &SiteEvent| component.is_none() || event.component.as_deref() == component;
        Self {
            at: format!("{now:.0}"),
            component: component.map(str::to_owned),
            events: events.filter(is_wanted).collect(),
        }
    }
}

impl SiteEvent {
    fn of(event: &Value, last: Option<Timestamp>, inventories: &[Inventory], now: Timestamp) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let about = &event["involvedObject"];
        let (kind, namespace, name) = (text(&about["kind"]), text(&about["namespace"]), text(&about["name"]));
        let place = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
        Self {
            last: last.map(|last| format!("{last:.0}")),
            age_seconds: last.map(|last| u64::try_from(now.duration_since(last).as_secs()).unwrap_or(0)),
            count: event["series"]["count"].as_u64().or_else(|| event["count"].as_u64()).unwrap_or(1),
            severity: text(&event["type"]),
            reason: text(&event["reason"]),
            component: owner(&namespace, &name, inventories),
            object: format!("{kind} {place}{name}"),
            message: text(&event["message"]),
        }
    }
}

/// Returns the time when an event last happened. The field depends on the reporter.
fn last(event: &Value) -> Option<Timestamp> {
    let pointers =
        ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp", "/metadata/creationTimestamp"];
    pointers.iter().find_map(|pointer| event.pointer(pointer)?.as_str()?.parse().ok())
}

/// Returns the component of an object, which may already be deleted. It is the component with the object, or with the
/// longest object name that this name begins with, as pods are named after workloads.
fn owner(namespace: &str, name: &str, inventories: &[Inventory]) -> Option<String> {
    let is_named_after = |object: &ObjectName| {
        object.namespace.as_deref() == Some(namespace)
            && name.strip_prefix(&object.name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
    };
    let objects = inventories.iter().flat_map(|inventory| inventory.objects.iter().map(move |one| (inventory, one)));
    let nearest = objects.filter(|(_, object)| is_named_after(object)).max_by_key(|(_, object)| object.name.len());
    nearest.map(|(inventory, _)| inventory.owner.component.clone())
}

#[cfg(test)]
mod tests {
    use landfall_cluster::Owner;
    use serde_json::json;

    use super::*;

    fn inventory(component: &str, objects: &[&str]) -> Inventory {
        Inventory {
            owner: Owner { release: "starter".to_owned(), component: component.to_owned() },
            namespace: "shop".to_owned(),
            objects: objects.iter().map(|name| ObjectName::new("apps/v1", "Deployment", "shop", name)).collect(),
        }
    }

    fn event(name: &str, time: &Value) -> Value {
        let mut event = json!({
            "involvedObject": {"kind": "Pod", "namespace": "shop", "name": name},
            "type": "Warning", "reason": "BackOff", "message": "it restarts",
        });
        event.as_object_mut().unwrap().extend(time.as_object().unwrap().clone());
        event
    }

    fn read(component: Option<&str>) -> SiteEvents {
        let listed = [
            event("web-admin-5d4-x", &json!({"lastTimestamp": "2026-11-20T08:00:30Z", "count": 7})),
            event(
                "web-7f9-y",
                &json!({"series": {"lastObservedTime": "2026-11-20T08:00:10.5Z", "count": 3},
                    "eventTime": "2026-11-20T07:00:00Z"}),
            ),
            event("website", &json!({})),
        ];
        let inventories = [inventory("web", &["web"]), inventory("admin", &["web-admin"])];
        SiteEvents::of(&listed, &inventories, component, "2026-11-20T08:01:00Z".parse().unwrap())
    }

    #[test]
    fn newest_event_is_last() {
        let read = read(None);
        let found: Vec<_> =
            read.events.iter().map(|one| (one.object.as_str(), one.component.as_deref(), one.count)).collect();
        assert_eq!(
            found,
            [
                ("Pod shop/website", None, 1),
                ("Pod shop/web-7f9-y", Some("web"), 3),
                ("Pod shop/web-admin-5d4-x", Some("admin"), 7)
            ]
        );
        let ages: Vec<_> = read.events.iter().map(|one| one.age_seconds).collect();
        assert_eq!(ages, [None, Some(49), Some(30)]);
    }

    #[test]
    fn component_filter_keeps_own_events() {
        let objects: Vec<_> = read(Some("web")).events.into_iter().map(|one| one.object).collect();
        assert_eq!(objects, ["Pod shop/web-7f9-y"]);
    }

    #[test]
    fn future_event_has_age_zero() {
        let listed = [event("web", &json!({"lastTimestamp": "2026-11-20T09:00:00Z"}))];
        let read = SiteEvents::of(&listed, &[], None, "2026-11-20T08:00:00Z".parse().unwrap());
        assert_eq!(read.events[0].age_seconds, Some(0));
    }
}
