//! Tests which objects a plan would change, and how it treats edits to them.

use landfall_cluster::Edits;
use landfall_release_document::EditableField;

use super::*;
use crate::plan::upgrade::{DocumentsOfBoth, WayOfChange, changed_objects, set_edits};
use crate::steps::component::Component;

impl Side {
    /// Lets the site change a field of the last component's Deployment.
    fn editable(mut self, path: &str) -> Self {
        let component = self.release.components.last_mut().unwrap();
        let name = component.name.clone();
        component.editable.push(EditableField { kind: "Deployment".to_owned(), name, path: path.to_owned() });
        self
    }
}

fn of_both<'a>(before: &'a Side, after: &'a Side) -> DocumentsOfBoth<'a> {
    DocumentsOfBoth { before: &before.documents, after: &after.documents }
}

/// Returns the components of the superseding steps, as `before` and `after`.
fn changed_components(plan: &UpgradePlan) -> Vec<(&Component, &Component)> {
    let changed = plan.plan.all().filter_map(|planned| match &planned.action {
        Action::Supersede(supersede) => match (&*supersede.before, &*supersede.after) {
            (Action::Component(before), Action::Component(after)) => Some((before, after)),
            _ => None,
        },
        _ => None,
    });
    changed.collect()
}

#[test]
fn changed_objects_list_editable_fields() {
    let before = side("1.0.0", 1).with("web", "web:1", &[]).with("same", "same:1", &[]).with("files", "files:1", &[]);
    let after = side("1.1.0", 2)
        .with("web", "web:2", &[])
        .editable("/spec/replicas")
        .with("same", "same:1", &[])
        .editable("/spec/replicas")
        .with("files", "files:2", &[])
        .with("new", "new:1", &[]);
    let plan = before.upgraded_to(&after, Operation::Upgrade).unwrap();
    let found = changed_objects(&plan.plan, of_both(&before, &after)).unwrap();
    let shown: Vec<(&str, &[String], WayOfChange)> =
        found.iter().map(|changed| (changed.component.as_str(), changed.editable.as_slice(), changed.way)).collect();
    let replicas = ["/spec/replicas".to_owned()];
    let in_place = WayOfChange::InPlace;
    assert_eq!(shown, [("web", &replicas[..], in_place), ("files", &[][..], in_place)]);
    assert_eq!(found[0].object["spec"]["template"]["spec"]["containers"][0]["image"], "web:2");
}

#[test]
fn removed_objects_exclude_data() {
    let object = |kind: &str, name: &str| {
        json!({"apiVersion": "v1", "kind": kind,
        "metadata": {"name": name, "namespace": "web"}})
    };
    let mut before = side("1.0.0", 1).with("web", "web:1", &[]).with("old", "old:1", &[]);
    let document = before.documents.get_mut("documents/objects/web.json").unwrap();
    let mut objects: Vec<Value> = serde_json::from_slice(document).unwrap();
    objects.extend([object("ConfigMap", "dropped"), object("PersistentVolumeClaim", "data")]);
    *document = serde_json::to_vec(&objects).unwrap();
    let after = side("1.1.0", 2).with("web", "web:2", &[]);
    let plan = before.upgraded_to(&after, Operation::Upgrade).unwrap();
    let found = changed_objects(&plan.plan, of_both(&before, &after)).unwrap();
    let shown: Vec<(&str, &str, WayOfChange)> = found
        .iter()
        .map(|changed| (changed.component.as_str(), changed.object["kind"].as_str().unwrap(), changed.way))
        .collect();
    let removed = WayOfChange::Removed;
    let expected =
        [("web", "Deployment", WayOfChange::InPlace), ("old", "Deployment", removed), ("web", "ConfigMap", removed)];
    assert_eq!(shown, expected);
}

#[test]
fn undo_leaves_edits_of_both_releases() {
    let before = side("1.0.0", 1).with("web", "web:1", &[]).editable("/spec/strategy");
    let after = side("1.1.0", 2).with("web", "web:2", &[]).editable("/spec/replicas");
    let mut plan = before.upgraded_to(&after, Operation::Upgrade).unwrap();
    assert!(changed_components(&plan).iter().all(|(_, after)| after.edits == Edits::Refuse));
    set_edits(&mut plan.plan, Edits::Overwrite);
    let [(earlier, later)] = changed_components(&plan)[..] else { panic!("one component changes") };
    assert_eq!((earlier.edits, later.edits), (Edits::Refuse, Edits::Overwrite));
    let back = earlier.on_the_way_back_from(later);
    let paths: Vec<&str> = back.editable.iter().map(|field| field.path.as_str()).collect();
    assert_eq!((back.edits, paths), (Edits::Leave, vec!["/spec/strategy", "/spec/replicas"]));
}

#[test]
fn new_editable_fields_change_nothing() {
    let made = side("1.0.0", 1).with("web", "web:1", &[]).last_actions();
    let site = side("1.0.0", 1).with("web", "web:1", &[]).editable("/spec/replicas");
    let values = BTreeMap::new();
    let inputs = ComponentInputs {
        release: &site.release,
        documents: &site.documents,
        values: &values,
        secrets: &BTreeMap::new(),
        node: "node",
    };
    let plan = plan_configure(&inputs, &BackupSettings::default(), &made).unwrap();
    assert!(plan.plan.steps.is_empty(), "{:?}", plan.plan.steps);
}

#[test]
fn recreated_objects_overwrite_edits() {
    let claim = |mut side: Side| {
        let document = side.documents.get_mut("documents/objects/web.json").unwrap();
        let mut objects: Vec<Value> = serde_json::from_slice(document).unwrap();
        let name = json!({"name": "data", "namespace": "web"});
        objects.push(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": name, "spec": {}}));
        *document = serde_json::to_vec(&objects).unwrap();
        let (kind, name) = ("PersistentVolumeClaim".to_owned(), "data".to_owned());
        let field = EditableField { kind, name, path: "/spec/resources".to_owned() };
        side.release.components[0].editable.push(field);
        side.with("new", "new:1", &[])
    };
    let mut before = side("1.0.0", 1).with("web", "web:1", &["model"]);
    let mut after = claim(side("1.1.0", 2).with("web", "web:1", &["model"]));
    // The quota has no room for the claims of both releases.
    for side in [&mut before, &mut after] {
        side.release.components[0].quota = BTreeMap::from([("persistentvolumeclaims".to_owned(), "2".to_owned())]);
    }
    let model = after.release.artifacts.iter_mut().find(|artifact| artifact.kind == ArtifactKind::Model).unwrap();
    model.manifest = Descriptor { digest: Sha256([99; 32]), ..model.manifest.clone() };
    let mut plan = before.upgraded_to(&after, Operation::Upgrade).unwrap();
    let found = changed_objects(&plan.plan, of_both(&before, &after)).unwrap();
    let shown: Vec<(WayOfChange, usize)> = found.iter().map(|changed| (changed.way, changed.editable.len())).collect();
    assert_eq!(shown, [(WayOfChange::MadeAnew, 0), (WayOfChange::InPlace, 1)]);

    set_edits(&mut plan.plan, Edits::Overwrite);
    let edits = plan.plan.all().filter_map(|planned| match &planned.action {
        Action::Component(component) => Some((component.owner.component.as_str(), component.edits)),
        _ => None,
    });
    assert_eq!(edits.collect::<Vec<_>>(), [("web", Edits::Overwrite), ("new", Edits::Refuse)]);
}
