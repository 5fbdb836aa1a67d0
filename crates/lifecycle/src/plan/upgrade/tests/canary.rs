//! Tests when an upgrade tries a component in a canary.

use landfall_release_document::{Canary, Proof, SiteValue};

use super::*;

/// Gives a component a canary and a proof that judges it.
fn with_canary(mut side: Side, component: &str) -> Side {
    let proof: Proof = serde_json::from_value(json!({
        "name": "answers", "component": component, "shows": "It answers", "limit_seconds": 30,
        "trial": {"request": {"service": component, "port": 80, "method": "GET", "path": "/",
            "expect": {"status": 200}}},
    }))
    .unwrap();
    let canary: Canary = serde_json::from_value(json!({
        "workload": {"kind": "Deployment", "name": component}, "proofs": ["answers"], "soak_seconds": 20,
    }))
    .unwrap();
    side.release.proofs.push(proof);
    let entry = side.release.components.iter_mut().find(|entry| entry.name == component).unwrap();
    entry.canary = Some(canary);
    side
}

fn before() -> Side {
    side("1.0.0", 1).with("web", "web:1", &[]).with_pods("web", 2)
}

fn after(image: &str) -> Side {
    with_canary(side("1.0.1", 2).with("web", image, &[]).with_pods("web", 2), "web")
}

fn choice(plan: &UpgradePlan) -> Option<CanaryChoice> {
    let change = plan.components.iter().find(|change| change.component == "web").unwrap();
    let is_planned = plan.plan.all().any(|planned| matches!(planned.action, Action::Canary(_)));
    assert_eq!(is_planned, matches!(change.canary, Some(CanaryChoice::Tried { .. })), "{:?}", lines(plan));
    change.canary.clone()
}

fn reason(plan: &UpgradePlan) -> String {
    match choice(plan) {
        Some(CanaryChoice::Skipped { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn canary_precedes_component_change() {
    let plan = before().upgraded_to(&after("web:2"), Operation::Upgrade).unwrap();
    let tried = CanaryChoice::Tried {
        workload: "Deployment/web".to_owned(),
        proofs: vec!["answers".to_owned()],
        soak_seconds: 20,
    };
    assert_eq!(choice(&plan), Some(tried));
    let of_web: Vec<String> = lines(&plan).into_iter().filter(|line| line.contains("web")).collect();
    let expected =
        ["ready-again/web ready-again", "canary/web canary", "component/web supersede", "ready/web component-ready"];
    assert_eq!(of_web, expected);
    let step = plan.plan.all().find(|planned| planned.id.0 == "canary/web").unwrap();
    assert_eq!(step.seconds, 35);
    let Action::Canary(canary) = &step.action else { panic!("{step:?}") };
    assert_eq!((canary.seconds, canary.component.owner.component.as_str()), (60, "web"));
    // The journal stores the action in this form.
    let text = serde_json::to_value(&step.action).unwrap();
    assert_eq!(text["action"], "canary");
    assert_eq!(serde_json::from_value::<Action>(text).unwrap(), step.action);
}

#[test]
fn unchanged_component_has_no_canary() {
    assert_eq!(choice(&before().upgraded_to(&after("web:1"), Operation::Upgrade).unwrap()), None);
    let undeclared = side("1.0.1", 2).with("web", "web:2", &[]).with_pods("web", 2);
    assert_eq!(choice(&before().upgraded_to(&undeclared, Operation::Upgrade).unwrap()), None);
}

#[test]
fn plan_explains_missing_canary() {
    let to = |before: Side, after: &Side, operation| reason(&before.upgraded_to(after, operation).unwrap());
    let upgraded = |before: Side, after: Side| to(before, &after, Operation::Upgrade);
    assert_eq!(upgraded(side("1.0.0", 1), after("web:2")), "nothing of it runs yet");
    assert_eq!(to(before(), &after("web:2"), Operation::Rollback), "a rollback returns to what has run here");
    assert_eq!(upgraded(before(), after("web:2").with_pods("web", 1)), "Deployment/web has one pod at this site");
    assert_eq!(upgraded(before(), after("web:2").with_pods("web", 0)), "Deployment/web has 0 pods at this site");
    // Only the number of pods differs.
    let more = with_canary(side("1.0.1", 2).with("web", "web:1", &[]).with_pods("web", 3), "web");
    assert_eq!(upgraded(before(), more), "the pods of Deployment/web do not change");
    let mut renamed = after("web:2");
    let entry = renamed.release.components.iter_mut().find(|entry| entry.name == "web").unwrap();
    entry.canary.as_mut().unwrap().workload.name = "other".to_owned();
    assert_eq!(upgraded(before(), renamed), "nothing of Deployment/other runs yet");
}

#[test]
fn stopping_component_has_no_canary() {
    let stop =
        Stop { workload: ObjectName::new("apps/v1", "Deployment", "web", "web"), pods: String::new(), replicas: 2 };
    let clients = BTreeMap::from([("web".to_owned(), vec![stop])]);
    let plan = before().with_clients_to(&after("web:2"), Operation::Upgrade, &BTreeMap::new(), &clients).unwrap();
    assert_eq!(reason(&plan), "it stops while data changes");
}

#[test]
fn single_replica_value_prevents_canary() {
    let mut after = after("web:2");
    let value: SiteValue = serde_json::from_value(json!({
        "name": "web.replicas", "schema": {"type": "integer"}, "default": 2,
        "targets": [{"component": "web", "kind": "Deployment", "name": "web", "path": "/spec/replicas"}],
    }))
    .unwrap();
    after.release.values.push(value);
    let before = before();
    let (made, ready) = (before.last_actions(), BTreeSet::new());
    let planned = |replicas: u32| {
        let values = BTreeMap::from([("web.replicas".to_owned(), json!(replicas))]);
        plan_upgrade(&UpgradeInputs {
            operation: Operation::Upgrade,
            before: EarlierRelease { release: &before.release, documents: &before.documents, made: &made },
            after: ComponentInputs {
                release: &after.release,
                documents: &after.documents,
                values: &values,
                secrets: &BTreeMap::new(),
                node: "node",
            },
            bundle: Sha256([7; 32]),
            missing_bytes: 0,
            token: "0f",
            ready: &ready,
            node_ready: true,
            clients: &BTreeMap::new(),
            webhooks: &[],
            changed_data: &BTreeMap::new(),
            backups: &BackupSettings::default(),
        })
        .unwrap()
    };
    assert_eq!(reason(&planned(1)), "Deployment/web has one pod at this site");
    assert!(matches!(choice(&planned(3)), Some(CanaryChoice::Tried { .. })));
}

#[test]
fn settings_change_has_no_canary() {
    // The installed release is the same, and its form was already tried.
    let site = after("web:2");
    let made = site.last_actions();
    assert!(made.values().all(|action| !matches!(action, Action::Canary(_))), "an install has none either");
}
