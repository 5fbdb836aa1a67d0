mod canary;
mod edits;
mod node;
mod secrets;

use landfall_host::facts::sample::sample;
use landfall_release_document::{ArtifactKind, ArtifactMount, ComponentData, ComponentEntry, Descriptor, PodSecurity};
use serde_json::{Value, json};

use super::*;
use crate::plan::configure::plan_configure;
use crate::plan::install::tests::{plan_of, release};
use crate::plan::restore::RestoredStream;
use crate::steps::load::BackupStream;
use crate::steps::set_aside::SetAside;
use crate::steps::stop::Stop;
use landfall_cluster::ObjectName;
use landfall_site::backups::LiveVolume;
use landfall_site::site_secrets::SecretNumbers;

type Documents = BTreeMap<String, Vec<u8>>;

/// A release and the documents of its head.
pub(in crate::plan) struct Side {
    release: ReleaseDocument,
    documents: Documents,
}

pub(in crate::plan) fn side(version: &str, counter: u64) -> Side {
    let mut release = release();
    release.version = version.to_owned();
    release.counter = counter;
    release.components.clear();
    release.values.clear();
    Side { release, documents: Documents::new() }
}

impl Side {
    /// Adds a component with one Deployment of this image.
    pub(in crate::plan) fn with(mut self, name: &str, image: &str, mounts: &[&str]) -> Self {
        let document = format!("documents/objects/{name}.json");
        let mount = |claim: &&str| ArtifactMount { artifact: "model".to_owned(), claim: (*claim).to_owned() };
        self.release.components.push(ComponentEntry {
            name: name.to_owned(),
            namespace: name.to_owned(),
            needs: Vec::new(),
            objects: document.clone(),
            pod_security: PodSecurity::Restricted,
            quota: BTreeMap::new(),
            secrets: Vec::new(),
            site_secrets: Vec::new(),
            mounts: mounts.iter().map(mount).collect(),
            ready_seconds: 60,
            data: ComponentData::None,
            backup: Vec::new(),
            editable: Vec::new(),
            entitlement: None,
            console: false,
            canary: None,
            license_check: false,
        });
        let mut deployment = json!([{
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": name},
            "spec": {"template": {"spec": {"containers": [{"name": name, "image": image}]}}},
        }]);
        if !mounts.is_empty() {
            let volume = |claim: &&str| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}});
            deployment[0]["spec"]["template"]["spec"]["volumes"] = mounts.iter().map(volume).collect();
        }
        self.documents.insert(document, serde_json::to_vec(&deployment).unwrap());
        self
    }

    /// Adds an object to a component.
    fn add_object(&mut self, name: &str, object: Value) {
        let document = self.documents.get_mut(&format!("documents/objects/{name}.json")).unwrap();
        let mut objects: Vec<Value> = serde_json::from_slice(document).unwrap();
        objects.push(object);
        *document = serde_json::to_vec(&objects).unwrap();
    }

    /// Returns the ID of the step that makes the claim of the model.
    fn mount_id(&self, namespace: &str) -> String {
        let model = self.release.artifacts.iter().find(|artifact| artifact.kind == ArtifactKind::Model).unwrap();
        format!("mount/{namespace}/model-{}", &model.manifest.digest.to_hex()[..12])
    }

    /// Sets the number of pods that a component's Deployment has in the release.
    pub(in crate::plan) fn with_pods(mut self, name: &str, replicas: u32) -> Self {
        let document = self.documents.get_mut(&format!("documents/objects/{name}.json")).unwrap();
        let mut objects: Value = serde_json::from_slice(document).unwrap();
        objects[0]["spec"]["replicas"] = json!(replicas);
        *document = serde_json::to_vec(&objects).unwrap();
        self
    }

    /// Gives the last component a backup rule.
    fn backed_up(mut self) -> Self {
        let rule = json!({
            "name": "data", "workload": {"kind": "Deployment", "name": "web"}, "volume": "data", "limit_seconds": 60,
            "save": ["save"], "load": ["load"],
        });
        self.release.components.last_mut().unwrap().backup.push(serde_json::from_value(rule).unwrap());
        self
    }

    /// Returns number 1 for every secret that the release requests.
    fn first_secrets(&self) -> SecretNumbers {
        let secrets = self.release.components.iter().flat_map(|component| {
            component.site_secrets.iter().map(|secret| (component.namespace.clone(), secret.name.clone()))
        });
        secrets.map(|name| (name, 1)).collect()
    }

    fn steps(&self) -> Vec<PlannedStep<Action>> {
        self.steps_with(&self.first_secrets())
    }

    fn steps_with(&self, secrets: &SecretNumbers) -> Vec<PlannedStep<Action>> {
        let (release, documents, values) = (&self.release, &self.documents, &BTreeMap::new());
        let inputs = ComponentInputs { release, documents, values, secrets, node: "node" };
        crate::plan::components::component_steps(&inputs).unwrap()
    }

    /// Returns the actions of an install of this side.
    fn last_actions(&self) -> LastActions {
        let parts = ReleaseDocument {
            node_packs: self.release.node_packs.clone(),
            images: self.release.images.clone(),
            artifacts: self.release.artifacts.clone(),
            ..release()
        };
        let node = plan_of(&sample(), &parts).unwrap().plan.steps;
        let of_node = node.into_iter().filter(|planned| !planned.id.0.contains("dns"));
        of_node.chain(self.steps()).map(|planned| (planned.id, planned.action)).collect()
    }

    fn upgraded_to(&self, later: &Self, operation: Operation) -> Result<UpgradePlan, StepError> {
        self.with_data_to(later, operation, &BTreeMap::new())
    }

    fn with_data_to(
        &self,
        later: &Self,
        operation: Operation,
        changed_data: &BTreeMap<String, ChangedData>,
    ) -> Result<UpgradePlan, StepError> {
        self.with_clients_to(later, operation, changed_data, &BTreeMap::new())
    }

    pub(in crate::plan) fn with_clients_to(
        &self,
        later: &Self,
        operation: Operation,
        changed_data: &BTreeMap<String, ChangedData>,
        clients: &BTreeMap<String, Vec<Stop>>,
    ) -> Result<UpgradePlan, StepError> {
        let (made, values) = (self.last_actions(), BTreeMap::new());
        let webhook = ObjectName::new("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", "api");
        let webhooks = if clients.is_empty() { Vec::new() } else { vec![webhook] };
        let ready = self.release.components.iter().map(|component| component.name.clone()).collect();
        plan_upgrade(&UpgradeInputs {
            operation,
            before: EarlierRelease { release: &self.release, documents: &self.documents, made: &made },
            after: ComponentInputs {
                release: &later.release,
                documents: &later.documents,
                values: &values,
                secrets: &later.first_secrets(),
                node: "node",
            },
            bundle: Sha256([7; 32]),
            missing_bytes: 123,
            token: "0f",
            ready: &ready,
            node_ready: true,
            clients,
            webhooks: &webhooks,
            changed_data,
            backups: &BackupSettings::default(),
        })
    }
}

/// Returns the steps as `id action`, without the final waits, of which each component has one.
fn lines(plan: &UpgradePlan) -> Vec<String> {
    let kind = |action: &Action| serde_json::to_value(action).unwrap()["action"].as_str().unwrap().to_owned();
    let lines = plan.plan.all().map(|planned| format!("{} {}", planned.id, kind(&planned.action)));
    let (waits, lines): (Vec<String>, Vec<String>) = lines.partition(|line| line.starts_with("still-ready/"));
    assert_eq!(waits.len(), plan.components.iter().filter(|change| change.fate != Fate::Removed).count());
    lines
}

fn fates(plan: &UpgradePlan) -> Vec<(&str, Fate)> {
    plan.components.iter().map(|change| (change.component.as_str(), change.fate)).collect()
}

#[test]
fn namespace_precedes_its_first_objects() {
    let map = |namespace: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": namespace}})
    };
    let mut side = side("1.0.0", 1).with("early", "a", &[]).with("late", "b", &[]);
    for namespace in ["late", "further", "kube-system"] {
        side.add_object("early", map(namespace));
    }
    let steps = side.steps();
    let made: Vec<_> = steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::Namespace(namespace) => Some((namespace.name.as_str(), namespace.owner.component.as_str())),
            Action::Component(component) => Some(("objects", component.owner.component.as_str())),
            _ => None,
        })
        .collect();
    let expected =
        [("early", "early"), ("further", "early"), ("late", "late"), ("objects", "early"), ("objects", "late")];
    assert_eq!(made, expected);
}

#[test]
fn identical_release_replaces_only_agent() {
    let before = side("1.0.0", 1).with("web", "web:1", &["model"]);
    let plan = before.upgraded_to(&side("1.0.1", 2).with("web", "web:1", &["model"]), Operation::Upgrade).unwrap();
    assert_eq!(
        lines(&plan),
        [
            "stage stage-release",
            "agent supersede",
            "backup-schedule supersede",
            "host-api supersede",
            "help-files supersede",
            "prove prove",
            "mark advance-mark",
            "collect collect"
        ]
    );
    assert_eq!(fates(&plan), [("web", Fate::Unchanged)]);
    let plan = plan.plan;
    assert_eq!((plan.closing.len(), plan.on_failure), (1, OnFailure::Undo { from: 1 }));
    assert_eq!((plan.version.as_str(), plan.steps[0].bytes), ("1.0.1", 123));
}

#[test]
fn backup_timer_follows_release_and_settings() {
    let before = side("1.0.0", 1).with("web", "web:1", &[]);
    let after = || side("1.0.1", 2).with("web", "web:1", &[]);
    let of_backups = |before: &Side, after: Side| {
        let plan = before.upgraded_to(&after, Operation::Upgrade).unwrap();
        lines(&plan).into_iter().filter(|line| line.contains("backup")).collect::<Vec<_>>()
    };
    assert_eq!(of_backups(&before, after()), ["backup-schedule supersede"]);
    assert_eq!(of_backups(&before, after().backed_up()), ["backup-schedule supersede"]);
    let before = before.backed_up();
    assert_eq!(of_backups(&before, after()), ["backup back-up", "backup-schedule supersede"]);
}

#[test]
fn only_upgrades_soak() {
    let before = side("1.0.0", 1).with("web", "web:1", &[]);
    let mut after = side("1.0.1", 2).with("web", "web:2", &[]);
    after.release.soak_seconds = Some(300);
    let soak = |operation| {
        let plan = before.upgraded_to(&after, operation).unwrap().plan;
        let found = plan.steps.iter().position(|step| step.id.0 == "soak");
        found.map(|index| {
            (plan.steps[index - 1].id.0.clone(), plan.steps[index].seconds, plan.steps[index + 1].id.0.clone())
        })
    };
    assert_eq!(soak(Operation::Upgrade), Some(("prove".to_owned(), 300, "mark".to_owned())));
    assert_eq!(soak(Operation::Rollback), None);
}

#[test]
fn backup_settings_change_only_the_timer() {
    let site = side("1.0.0", 1).with("web", "web:1", &[]);
    let values = BTreeMap::new();
    let secrets = SecretNumbers::new();
    let (release, documents) = (&site.release, &site.documents);
    let inputs = ComponentInputs { release, documents, values: &values, secrets: &secrets, node: "node" };
    let mut made = site.last_actions();
    made.retain(|id, _| id.0 == "backup-schedule" || site.steps().iter().any(|step| step.id == *id));
    let plan = plan_configure(&inputs, &BackupSettings::default(), &made).unwrap();
    assert!(plan.plan.steps.is_empty() && plan.settings.is_empty());
    let copies = BackupSettings { copies: vec!["/mnt/disk".into()], ..BackupSettings::default() };
    let changes = |made: &LastActions| {
        let plan = plan_configure(&inputs, &copies, made).unwrap();
        let ids: Vec<String> = plan.plan.steps.iter().map(|step| step.id.0.clone()).collect();
        assert_eq!((&plan.settings[0].from, &plan.settings[0].to), (&None, &Some(json!(["/mnt/disk"]))));
        (ids, plan.settings[0].setting.clone())
    };
    let expected = (vec!["backup-schedule".to_owned()], "backups.copies".to_owned());
    assert_eq!(changes(&made), expected);
    made.retain(|id, _| id.0 != "backup-schedule");
    assert_eq!(changes(&made), expected, "a site that has no timer gets one");
}

#[test]
fn component_changes_are_ordered() {
    let before =
        side("1.0.0", 1).with("old", "old:1", &["model"]).with("web", "web:1", &[]).with("same", "same:1", &[]);
    let after = side("1.1.0", 2).with("web", "web:2", &[]).with("same", "same:1", &[]).with("new", "new:1", &[]);
    let plan = before.upgraded_to(&after, Operation::Upgrade).unwrap();
    assert_eq!(
        lines(&plan)[1..lines(&plan).len() - 7],
        [
            "ready-again/web ready-again",
            "ready-again/old ready-again",
            "component/web supersede",
            "ready/web component-ready",
            "namespace/new namespace",
            "component/new component",
            "ready/new component-ready",
            "retire/component/old retire",
            "retire/mount/old/model-787878787878 retire",
        ]
    );
    assert_eq!(
        fates(&plan),
        [("web", Fate::Changed), ("same", Fate::Unchanged), ("new", Fate::Added), ("old", Fate::Removed)]
    );
    let web = &plan.components[0];
    assert_eq!(
        (web.images_before.as_slice(), web.images_after.as_slice()),
        (&["web:1".to_owned()][..], &["web:2".to_owned()][..])
    );
    assert_eq!(web.objects, [ObjectChange { object: "apps/Deployment web/web".to_owned(), fate: Fate::Changed }]);
}

#[test]
fn rollback_plan_lacks_only_the_mark() {
    let (old, new) = (side("1.0.0", 1).with("web", "web:1", &[]), side("1.1.0", 2).with("web", "web:2", &[]));
    let forth = lines(&old.upgraded_to(&new, Operation::Upgrade).unwrap());
    let back = lines(&new.upgraded_to(&old, Operation::Rollback).unwrap());
    let without_mark: Vec<String> = forth.into_iter().filter(|line| !line.starts_with("mark ")).collect();
    assert_eq!(back, without_mark);
}

/// Returns two releases that differ only in the files of an artifact.
fn with_other_files() -> (Side, Side) {
    let before = side("1.0.0", 1).with("web", "web:1", &["model"]);
    let mut after = side("1.1.0", 2).with("web", "web:1", &["model"]);
    let model = after.release.artifacts.iter_mut().find(|artifact| artifact.kind == ArtifactKind::Model).unwrap();
    model.manifest = Descriptor { digest: Sha256([99; 32]), ..model.manifest.clone() };
    (before, after)
}

/// Returns the lines of an upgrade that concern its components.
fn lines_of_components(before: &Side, after: &Side) -> Vec<String> {
    let all = lines(&before.upgraded_to(after, Operation::Upgrade).unwrap());
    let concerns = |line: &&String| line.contains("/web") && !line.starts_with("still-ready");
    all.iter().filter(concerns).cloned().collect()
}

/// Files of a later release lie beside those of the earlier one until every pod reads them.
#[test]
fn changed_files_move_to_new_claim() {
    let (before, after) = with_other_files();
    let expected = [
        "ready-again/web ready-again".to_owned(),
        "mount/web/model-636363636363 mount".to_owned(),
        "component/web supersede".to_owned(),
        "ready/web component-ready".to_owned(),
        format!("retire/{} retire", before.mount_id("web")),
    ];
    assert_eq!(lines_of_components(&before, &after), expected);
    assert_eq!(fates(&before.upgraded_to(&after, Operation::Upgrade).unwrap()), [("web", Fate::Changed)]);
}

/// A limit that counts claims leaves no room for two. An operator's own fields use the release's name of the claim.
#[test]
fn fixed_claim_name_retires_component() {
    let (mut before, mut after) = with_other_files();
    for side in [&mut before, &mut after] {
        side.release.components[0].quota = BTreeMap::from([("persistentvolumeclaims".to_owned(), "1".to_owned())]);
    }
    let expected = [
        "ready-again/web ready-again",
        "retire/component/web retire",
        "mount/web/model supersede",
        "component/web component",
        "ready/web component-ready",
    ];
    assert_eq!(lines_of_components(&before, &after), expected);
    let (mut before, mut after) = with_other_files();
    for side in [&mut before, &mut after] {
        side.add_object(
            "web",
            json!({"apiVersion": "serving.example.com/v1", "kind": "Model",
            "metadata": {"name": "m", "namespace": "web"}}),
        );
    }
    assert_eq!(lines_of_components(&before, &after), expected);
}

#[test]
fn job_with_changed_files_is_recreated() {
    let (mut before, mut after) = with_other_files();
    for side in [&mut before, &mut after] {
        let volumes = json!([{"name": "model", "persistentVolumeClaim": {"claimName": "model"}}]);
        side.add_object(
            "web",
            json!({
                "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "load", "namespace": "web"},
                "spec": {"template": {"spec": {"volumes": volumes}}},
            }),
        );
    }
    let lines = lines_of_components(&before, &after);
    assert_eq!(
        lines[1..4],
        ["retire/component/web retire", "mount/web/model-636363636363 mount", "component/web component"]
    );
}

#[test]
fn moved_component_is_refused() {
    let before = side("1.0.0", 1).with("web", "web:1", &[]);
    let mut moved = side("1.1.0", 2).with("web", "web:1", &[]);
    moved.release.components[0].namespace = "elsewhere".to_owned();
    let refused = before.upgraded_to(&moved, Operation::Upgrade).unwrap_err();
    assert_eq!(landfall_error_codes::CodedError::code(&refused), codes::UPGRADE_MOVED);
}

#[test]
fn new_upstream_host_gets_mirror() {
    let before = side("1.0.0", 1);
    let mut after = side("1.1.0", 2);
    let mut image = after.release.images[0].clone();
    image.reference = "example.net/app:1".to_owned();
    after.release.images.push(image);
    let plan = before.upgraded_to(&after, Operation::Upgrade).unwrap();
    let step = plan.plan.steps.iter().find(|planned| planned.id.0 == "runtime-configuration").unwrap();
    let action: Value = serde_json::to_value(&step.action).unwrap();
    let hosts = |side: &str| action[side]["hosts"].as_array().unwrap().iter().any(|host| host == "example.net");
    assert!(!hosts("before") && hosts("after"), "{action}");
}

#[test]
fn plan_round_trips_through_json() {
    let before = side("1.0.0", 1).with("old", "old:1", &["model"]);
    let plan = before.upgraded_to(&side("1.1.0", 2).with("web", "web:2", &[]), Operation::Upgrade).unwrap().plan;
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan<Action>>(&text).unwrap(), plan);
}

pub(in crate::plan) fn stop() -> Stop {
    Stop { workload: ObjectName::new("apps/v1", "Deployment", "db", "db"), pods: "app=db".to_owned(), replicas: 2 }
}

/// Returns the IDs of the steps that concern the database.
fn ids(steps: &[PlannedStep<Action>]) -> String {
    let ids = steps.iter().map(|step| step.id.0.as_str()).filter(|id| id.contains("db"));
    ids.collect::<Vec<_>>().join(" ")
}

#[test]
fn changed_data_is_copied_while_stopped() {
    let (before, after) = (side("1.0.0", 1).with("db", "db:1", &[]), side("1.1.0", 2).with("db", "db:2", &[]));
    let volume = |folder: &str| LiveVolume { folder: folder.to_owned(), stop: stop() };
    let copied = ChangedData::Copied(vec![volume("pvc-1_db_data"), volume("pvc-2_db_log")]);
    let data = BTreeMap::from([("db".to_owned(), copied)]);
    let planned = before.with_data_to(&after, Operation::Upgrade, &data).unwrap();
    assert_eq!(
        ids(&planned.plan.steps),
        "ready-again/db stop/db/db keep-copy/pvc-1_db_data keep-copy/pvc-2_db_log begin-use/db component/db \
         start/db/db ready/db still-ready/db"
    );
    assert_eq!(ids(&planned.plan.closing), "remove-copy/pvc-1_db_data remove-copy/pvc-2_db_log");
    // None of its own objects change, but another component changes the data, which must not be lost.
    let planned = before.with_data_to(&before, Operation::Upgrade, &data).unwrap();
    assert_eq!(
        ids(&planned.plan.steps),
        "ready-again/db stop/db/db keep-copy/pvc-1_db_data keep-copy/pvc-2_db_log begin-use/db start/db/db ready/db \
         still-ready/db"
    );
}

#[test]
fn clients_of_changed_data_stop_first() {
    let before = side("1.0.0", 1).with("db", "db:1", &[]).with("api", "api:1", &[]).with("old", "old:1", &[]);
    let after = side("1.1.0", 2).with("db", "db:2", &[]).with("api", "api:1", &[]);
    let copied = ChangedData::Copied(vec![LiveVolume { folder: "pvc-1_db_data".to_owned(), stop: stop() }]);
    let data = BTreeMap::from([("db".to_owned(), copied)]);
    let client = |name: &str| {
        let workload = ObjectName::new("apps/v1", "Deployment", name, name);
        (name.to_owned(), vec![Stop { workload, pods: format!("app={name}"), replicas: 3 }])
    };
    let clients = BTreeMap::from([client("api"), client("old")]);
    let planned = before.with_clients_to(&after, Operation::Upgrade, &data, &clients).unwrap();
    let lines = lines(&planned);
    assert!(lines.contains(&"resume-webhooks resume-webhooks".to_owned()), "{lines:?}");
    assert_eq!(
        lines[1..lines.len() - 9],
        [
            "suspend-webhooks suspend-webhooks",
            "ready-again/db ready-again",
            "ready-again/api ready-again",
            "ready-again/old ready-again",
            "stop/old/old stop",
            "stop/api/api stop",
            "stop/db/db stop",
            "keep-copy/pvc-1_db_data keep-copy",
            "begin-use/db begin-use",
            "component/db supersede",
            "start/db/db start",
            "ready/db component-ready",
            "start/api/api start",
            "started/api component-ready",
            "retire/component/old retire",
        ]
    );
    let stops: Vec<_> = planned.components.iter().map(|change| (change.component.as_str(), change.stops)).collect();
    assert_eq!(stops, [("db", true), ("api", true), ("old", false)]);
    assert_eq!(fates(&planned)[1], ("api", Fate::Unchanged));
    // The release's number of pods is ignored, because nothing else of this component changes.
    let (before, after) = (before.with_pods("api", 1), after.with_pods("api", 1).with_pods("db", 1));
    let planned = before.with_clients_to(&after, Operation::Upgrade, &data, &clients).unwrap();
    let started = planned.plan.steps.iter().filter_map(|planned| match &planned.action {
        Action::Start(start) => Some((planned.id.0.as_str(), start.stopped.replicas)),
        _ => None,
    });
    assert_eq!(started.collect::<Vec<_>>(), [("start/db/db", 1), ("start/api/api", 3)]);
}

/// Returns the data of `db` as a backup of the earlier release holds it.
pub(crate) fn restored_data() -> ChangedData {
    let stream = BackupStream {
        backup: "0f".repeat(32).parse().unwrap(),
        time: "2026-11-22T12:00:00Z".to_owned(),
        component: "db".to_owned(),
        rule: "files".to_owned(),
        recovery: None,
    };
    let volume = SetAside { folder: "pvc-1_db_data".to_owned(), token: "0f".to_owned(), stopped: stop() };
    ChangedData::Restored(vec![RestoredStream { stream, size_bytes: 7, volume }])
}

#[test]
fn rollback_loads_data_after_objects() {
    let (before, after) = (side("1.1.0", 2).with("db", "db:2", &[]), side("1.0.0", 1).with("db", "db:1", &[]));
    let data = BTreeMap::from([("db".to_owned(), restored_data())]);
    let steps = "stop/db/db set-aside/db/files begin-use-empty/db component/db stop-again/db/db load/db/files \
        begin-use/db start/db/db ready/db check-restored/db/files still-ready/db";
    let planned = before.with_data_to(&after, Operation::Rollback, &data).unwrap();
    assert_eq!(ids(&planned.plan.steps), format!("ready-again/db {steps}"));
    assert_eq!(ids(&planned.plan.closing), "remove-aside/db/files");
    // Its data is restored even if nothing else of it changes.
    let planned = before.with_data_to(&before, Operation::Rollback, &data).unwrap();
    assert_eq!(ids(&planned.plan.steps), format!("ready-again/db {}", steps.replace("component/db ", "")));
    assert_eq!(fates(&planned), [("db", Fate::Changed)]);
}

#[test]
fn console_secrets_precede_its_objects() {
    let before = side("1.0.0", 1);
    let mut after = side("1.1.0", 2).with("console", "console:1", &[]);
    after.release.components.iter_mut().for_each(|component| component.console = component.name == "console");
    let plan = before.upgraded_to(&after, Operation::Upgrade).unwrap();
    assert_eq!(
        lines(&plan)[1..lines(&plan).len() - 7],
        [
            "namespace/console namespace",
            "console-secrets/console console-secrets",
            "component/console component",
            "ready/console component-ready",
        ]
    );
    let again = after.upgraded_to(&after, Operation::Upgrade).unwrap();
    assert!(!lines(&again).iter().any(|line| line.starts_with("console-secrets")), "{:?}", lines(&again));
}
