//! Preview of an upgrade or a restore: which components stop and for how long, the fate of their data, and the point of
//! no return.

use std::collections::BTreeMap;

use landfall_cluster::ObjectName;
use landfall_documents::operation::Operation;
use landfall_engine::plan::{Plan, PlannedStep, StepId};
use landfall_host::space::Space;
use landfall_release_document::ReleaseDocument;
use schemars::JsonSchema;
use serde::Serialize;

use super::difference::{ComponentChange, Fate};
use super::stopped;
use crate::steps::action::Action;

/// Seconds that each step took in its last run, by the journals of this site.
pub type StepTimes = BTreeMap<StepId, u64>;

/// Bytes per second at which the reference machine copies data. On a filesystem that shares blocks, a copy takes no
/// time.
const COPYING_RATE: u64 = 60 << 20;

/// Measurements for predicting the time of steps.
pub struct Experience<'a> {
    /// Times from the journals.
    pub times: &'a StepTimes,
    /// Current size of the volume folders that the plan copies, by name. Data grows between operations.
    pub copied: &'a BTreeMap<String, Space>,
}

/// Seconds for which a component is expected to be unavailable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seconds {
    seconds: u64,
    is_predicted: bool,
}

/// Interruption of a component's pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Interruption {
    /// The pods continue to run.
    None,
    /// Other pods replace them by the workload's strategy: a workload with a single pod is briefly unavailable.
    Replaced,
    /// The pods stop, because data changes that the component has or uses, and start again.
    Stops,
    /// The pods are removed.
    Removed,
}

/// Fate of a component's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DataFate {
    /// The component has no data.
    None,
    /// The data stays as it is.
    Kept,
    /// The data is copied, and the new release may change it; an undo of the change returns the copy.
    Copied,
    /// A backup replaces the data.
    Restored,
}

/// Outlook for a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentOutlook {
    /// Name of the component.
    pub component: String,
    /// Interruption of its pods.
    pub interruption: Interruption,
    /// Expected downtime in seconds; null without downtime.
    pub expected_seconds: Option<u64>,
    /// True if this site has not executed all of these steps yet, so that some of the seconds are those of a reference
    /// machine.
    pub is_predicted: bool,
    /// Fate of its data.
    pub data: DataFate,
}

/// Point after which undo is no longer automatic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointOfNoReturn {
    /// Step after which the change is committed.
    pub after: String,
    /// Losses that cannot be undone from then on.
    pub lost: Vec<String>,
}

/// Outlook for a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outlook {
    /// Expected duration in seconds, including the steps after the commit.
    pub seconds: u64,
    /// True if this site has not executed all of its steps yet, so that some of the seconds are those of a reference
    /// machine.
    pub is_predicted: bool,
    /// Outlook for each component, in the order of the change.
    pub components: Vec<ComponentOutlook>,
    /// Point after which undo is no longer automatic.
    pub point_of_no_return: PointOfNoReturn,
}

impl Outlook {
    /// Computes the outlook of a plan from the installed release to another.
    pub fn of(
        plan: &Plan<Action>,
        changes: &[ComponentChange],
        (before, after): (&ReleaseDocument, &ReleaseDocument),
        experience: &Experience<'_>,
    ) -> Self {
        let components = changes.iter().map(|change| {
            let interruption = interruption(change);
            let expected = experience.away(plan, &change.component, interruption);
            ComponentOutlook {
                component: change.component.clone(),
                interruption,
                expected_seconds: expected.map(|expected| expected.seconds),
                is_predicted: expected.is_some_and(|expected| expected.is_predicted),
                data: data(plan, &change.component, (before, after)),
            }
        });
        Self::with(plan, components.collect(), experience)
    }

    /// Computes the outlook of a plan that only restores the data of these components.
    pub fn of_restore(plan: &Plan<Action>, components: &[String], experience: &Experience<'_>) -> Self {
        let components = components.iter().map(|component| {
            let expected = experience.away(plan, component, Interruption::Stops);
            ComponentOutlook {
                component: component.clone(),
                interruption: Interruption::Stops,
                expected_seconds: expected.map(|expected| expected.seconds),
                is_predicted: expected.is_some_and(|expected| expected.is_predicted),
                data: DataFate::Restored,
            }
        });
        Self::with(plan, components.collect(), experience)
    }

    fn with(plan: &Plan<Action>, components: Vec<ComponentOutlook>, experience: &Experience<'_>) -> Self {
        let Seconds { seconds, is_predicted } = experience.of_all(plan.all());
        let after = plan.steps.last().map(|step| step.title.clone()).unwrap_or_default();
        let lost = describe_losses(plan.operation, &components);
        Self { seconds, is_predicted, components, point_of_no_return: PointOfNoReturn { after, lost } }
    }
}

fn interruption(change: &ComponentChange) -> Interruption {
    match change.fate {
        _ if change.stops => Interruption::Stops,
        Fate::Removed => Interruption::Removed,
        Fate::Changed => Interruption::Replaced,
        Fate::Added | Fate::Unchanged => Interruption::None,
    }
}

impl Experience<'_> {
    /// Sums the steps from the first that ends a component's pods to the wait until it is ready. Returns `None` if the
    /// plan has no such steps.
    fn away(&self, plan: &Plan<Action>, component: &str, interruption: Interruption) -> Option<Seconds> {
        let begins = |id: &StepId| match interruption {
            Interruption::Stops => stopped::is_stop(id, component),
            Interruption::Replaced => id.0 == format!("component/{component}"),
            Interruption::None | Interruption::Removed => false,
        };
        let ends = [format!("ready/{component}"), format!("started/{component}")];
        // A restore waits for each workload of a component.
        let last = format!("started/{component}/");
        let begin = plan.steps.iter().position(|step| begins(&step.id))?;
        let end = plan.steps.iter().position(|step| ends.contains(&step.id.0));
        let end = end.or_else(|| plan.steps.iter().rposition(|step| step.id.0.starts_with(&last)))?;
        Some(self.of_all(plan.steps.get(begin..=end)?.iter()))
    }

    /// Sums the seconds of these steps.
    fn of_all<'b>(&self, steps: impl Iterator<Item = &'b PlannedStep<Action>>) -> Seconds {
        steps.map(|planned| self.seconds(planned)).fold(Seconds::default(), Seconds::plus)
    }

    /// Returns the seconds of one step. A copy or load takes at least as long as its last run, and longer if there is
    /// more data.
    fn seconds(&self, planned: &PlannedStep<Action>) -> Seconds {
        let (predicted, may_grow) = match &planned.action {
            Action::KeepCopy(copy) => {
                (self.copied.get(&copy.folder).map_or(0, |space| space.bytes / COPYING_RATE), true)
            }
            Action::Load(_) => (planned.seconds, true),
            _ => (planned.seconds, false),
        };
        match self.times.get(&planned.id) {
            Some(measured) if !may_grow || *measured >= predicted => {
                Seconds { seconds: *measured, is_predicted: false }
            }
            // A step that takes no time on a reference machine does not make the sum uncertain.
            _ => Seconds { seconds: predicted, is_predicted: predicted > 0 },
        }
    }
}

impl Seconds {
    fn plus(self, other: Self) -> Self {
        Self { seconds: self.seconds + other.seconds, is_predicted: self.is_predicted || other.is_predicted }
    }
}

fn data(plan: &Plan<Action>, component: &str, (before, after): (&ReleaseDocument, &ReleaseDocument)) -> DataFate {
    let declared = |release: &ReleaseDocument| {
        let found = release.components.iter().find(|one| one.name == component);
        found.is_some_and(|found| !found.data.is_none())
    };
    let is_loaded = plan.all().any(|planned| match &planned.action {
        Action::Load(load) => load.stream.component == component,
        _ => false,
    });
    if is_loaded {
        DataFate::Restored
    } else if is_copied(plan, component) {
        DataFate::Copied
    } else if declared(before) || declared(after) {
        DataFate::Kept
    } else {
        DataFate::None
    }
}

/// Returns true if the plan copies a volume whose workload stops for this component.
fn is_copied(plan: &Plan<Action>, component: &str) -> bool {
    let stops = plan.all().filter(|planned| stopped::is_stop(&planned.id, component));
    let stopped: Vec<&ObjectName> = stops
        .filter_map(|planned| match &planned.action {
            Action::Stop(stop) => Some(&stop.workload),
            _ => None,
        })
        .collect();
    plan.all().any(|planned| match &planned.action {
        Action::KeepCopy(copy) => stopped.contains(&&copy.stopped.workload),
        _ => false,
    })
}

/// Describes the losses that `landfall rollback` alone cannot restore.
fn describe_losses(operation: Operation, components: &[ComponentOutlook]) -> Vec<String> {
    let named = |fate: DataFate| {
        let found = components.iter().filter(|component| component.data == fate);
        found.map(|component| component.component.as_str()).collect::<Vec<_>>().join(", ")
    };
    let mut lost = Vec::new();
    let (copied, restored) = (named(DataFate::Copied), named(DataFate::Restored));
    if !copied.is_empty() {
        lost.push(format!(
            "the copies of the data of {copied} are removed: an earlier release runs on the changed data, or on that \
             of a backup without later writes (`landfall rollback --data`)"
        ));
    }
    if !restored.is_empty() {
        lost.push(format!("the data of {restored} that the backup replaces is removed"));
    }
    if operation == Operation::Upgrade {
        lost.push("content of the release before the installed one is removed: the site keeps two releases".to_owned());
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::site_steps::step;
    use crate::steps::collect::Collect;
    use crate::steps::keep_copy::KeepCopy;
    use crate::steps::stop::Stop;

    fn change(component: &str, fate: Fate, stops: bool) -> ComponentChange {
        let (objects, images_before, images_after) = (Vec::new(), Vec::new(), Vec::new());
        let component = component.to_owned();
        ComponentChange { component, fate, stops, objects, images_before, images_after, canary: None }
    }

    #[test]
    fn earlier_times_predict_downtime() {
        let ids = ["stop/web/web", "stop/db/db", "component/db", "ready/db", "start/web/web", "started/web", "mark"];
        let steps = ids.map(|id| step(id, id, 2, Action::Collect(Collect {}))).to_vec();
        let plan = Plan::new(Operation::Upgrade, "shop", "2.0.0", steps);
        let mut times: StepTimes = ids.iter().map(|id| (StepId((*id).to_owned()), 10)).collect();
        let seconds = |component: &str, interruption, times: &StepTimes| {
            let away = Experience { times, copied: &BTreeMap::new() }.away(&plan, component, interruption);
            away.map(|away| (away.seconds, away.is_predicted))
        };
        assert_eq!(seconds("web", Interruption::Stops, &times), Some((60, false)));
        assert_eq!(seconds("db", Interruption::Stops, &times), Some((30, false)));
        assert_eq!(seconds("db", Interruption::Replaced, &times), Some((20, false)));
        assert_eq!(seconds("db", Interruption::None, &times), None);
        times.remove(&StepId("ready/db".to_owned()));
        assert_eq!(seconds("db", Interruption::Stops, &times), Some((22, true)), "one of them was never done");
    }

    #[test]
    fn closing_steps_take_time() {
        let one = |id: &str| step(id, id, 2, Action::Collect(Collect {}));
        let plan = Plan::new(Operation::Upgrade, "shop", "2.0.0", vec![one("mark")]);
        let plan = Plan { closing: vec![one("collect")], ..plan };
        let times = StepTimes::from([(StepId("collect".to_owned()), 40)]);
        let outlook = Outlook::with(&plan, Vec::new(), &Experience { times: &times, copied: &BTreeMap::new() });
        assert_eq!((outlook.seconds, outlook.is_predicted), (42, true));
        assert_eq!(outlook.point_of_no_return.after, "mark");
    }

    #[test]
    fn restore_downtime_spans_stop_to_start() {
        let plan = crate::plan::restore::tests::plan();
        let components = ["db", "cache"].map(str::to_owned);
        let times = StepTimes::new();
        let outlook = Outlook::of_restore(&plan, &components, &Experience { times: &times, copied: &BTreeMap::new() });
        let said: Vec<_> = outlook
            .components
            .iter()
            .map(|one| (one.component.as_str(), one.interruption, one.data, one.expected_seconds))
            .collect();
        let (stops, restored) = (Interruption::Stops, DataFate::Restored);
        // The cache stops first and starts last. Each stop takes 10 seconds, each load 10, and each wait 30.
        assert_eq!(said, [("db", stops, restored, Some(60)), ("cache", stops, restored, Some(100))]);
        assert_eq!(outlook.point_of_no_return.after, "check the data of cache");
        assert_eq!(outlook.point_of_no_return.lost, ["the data of db, cache that the backup replaces is removed"]);
    }

    #[test]
    fn larger_copy_takes_longer() {
        let workload = ObjectName::new("apps/v1", "StatefulSet", "shop", "db");
        let stopped = Stop { workload, pods: "app=db".to_owned(), replicas: 1 };
        let copy = KeepCopy { folder: "pvc-1".to_owned(), token: "7".to_owned(), stopped };
        let planned = step("keep-copy/pvc-1", "", 10, Action::KeepCopy(copy));
        let times = StepTimes::from([(planned.id.clone(), 20)]);
        let seconds = |times: &StepTimes, copied_seconds: u64| {
            let space = Space { bytes: copied_seconds * COPYING_RATE, inodes: 1 };
            let copied = BTreeMap::from([("pvc-1".to_owned(), space)]);
            let found = Experience { times, copied: &copied }.seconds(&planned);
            (found.seconds, found.is_predicted)
        };
        assert_eq!(seconds(&times, 19), (20, false));
        assert_eq!(seconds(&times, 200), (200, true));
        assert_eq!(seconds(&StepTimes::new(), 19), (19, true));
        assert_eq!(seconds(&StepTimes::new(), 0), (0, false));
    }

    #[test]
    fn changes_map_to_interruptions() {
        let found = [
            change("db", Fate::Changed, true),
            change("web", Fate::Unchanged, true),
            change("cache", Fate::Changed, false),
            change("dns", Fate::Unchanged, false),
            change("new", Fate::Added, false),
            change("old", Fate::Removed, false),
        ]
        .map(|change| interruption(&change));
        let [stops, replaced, none] = [Interruption::Stops, Interruption::Replaced, Interruption::None];
        assert_eq!(found, [stops, stops, replaced, none, none, Interruption::Removed]);
    }

    #[test]
    fn stopped_component_has_its_data_copied() {
        let stop = |name: &str| Stop {
            workload: ObjectName::new("apps/v1", "StatefulSet", "shop", name),
            pods: format!("app={name}"),
            replicas: 1,
        };
        let stopped = stop("db");
        let copy = KeepCopy { folder: "pvc-1".to_owned(), token: "7".to_owned(), stopped };
        let steps = vec![
            step("stop/web/web", "", 0, Action::Stop(stop("web"))),
            step("stop/db/db", "", 0, Action::Stop(stop("db"))),
            step("stop/db-of-logs/logs", "", 0, Action::Stop(stop("logs"))),
            step("keep-copy/pvc-1", "", 0, Action::KeepCopy(copy)),
        ];
        let plan = Plan::new(Operation::Upgrade, "shop", "2.0.0", steps);
        assert!(is_copied(&plan, "db"));
        assert!(["web", "db-of-logs", "other"].iter().all(|component| !is_copied(&plan, component)));
    }

    #[test]
    fn losses_after_commit_are_named() {
        let outlook = |component: &str, data| ComponentOutlook {
            component: component.to_owned(),
            interruption: Interruption::None,
            expected_seconds: None,
            is_predicted: false,
            data,
        };
        let components =
            [outlook("db", DataFate::Copied), outlook("kv", DataFate::Kept), outlook("old", DataFate::Restored)];
        let upgrade = describe_losses(Operation::Upgrade, &components);
        assert_eq!(upgrade.len(), 3);
        assert!(upgrade[0].contains("the data of db are removed"), "{upgrade:?}");
        assert!(upgrade[1].contains("old") && !upgrade.join(" ").contains("kv"), "{upgrade:?}");
        assert_eq!(describe_losses(Operation::Rollback, &components[1..2]), Vec::<String>::new());
    }
}
