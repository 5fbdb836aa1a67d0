//! Objects of a component: rendered by the vendor, completed by the site's values and applied in order. Undo and status
//! rely on an inventory that lists them.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_media::progress::Event;
use landfall_release_document::EditableField;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::canary::REMOVAL_LIMIT;
use super::objects;
use super::objects::{DELETION_SECONDS, RequiredObject, read_document};
use super::pod_restarts::restart_on_change;
use crate::context::ComponentContext;
use landfall_cluster::{
    AwaitedObjects, Canaries, Cluster, ClusterError, EditableObject, Edits, FieldEdit, Inventory, LostEdit, ObjectName,
    Owner, RestoreOutcome,
};
use landfall_engine::causes::with_causes;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_site::configuration::{Patch, apply_patches};
use landfall_site::place::SiteRelease;

/// Timeout until the API server serves a kind that a component defines.
const ESTABLISHED_LIMIT: Duration = Duration::from_mins(1);

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Owner of the objects.
    pub owner: Owner,
    /// Namespace of the objects and their inventory.
    pub namespace: String,
    /// Name of the release's document that holds the rendered objects.
    pub objects: String,
    /// The site's changes to the rendered objects.
    pub patches: Vec<Patch>,
    /// Claims of the namespace whose volumes are read-only, by their names in the release.
    pub read_only_claims: Vec<String>,
    /// Names in the cluster of those claims that are renamed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, String>,
    /// Fields that the site may change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub editable: Vec<EditableField>,
    /// Treatment of edits of other fields.
    #[serde(default, skip_serializing_if = "Edits::is_default")]
    pub edits: Edits,
    /// Numbers of the site's secret values that its pods read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, u64>,
}

/// An overwritten edit, which the journal keeps for undo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OverwrittenEdit {
    object: ObjectName,
    edit: FieldEdit,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
}

impl OverwrittenEdit {
    fn new(object: &ObjectName, edit: FieldEdit) -> Self {
        Self { object: object.clone(), pointer: edit.pointer.clone(), edit }
    }
}

impl Component {
    /// Returns the objects as they are applied, from the release and the step's parameters.
    pub fn resolve_objects(&self, documents: &BTreeMap<String, Vec<u8>>) -> Result<Vec<Value>, StepError> {
        let rendered = read_document(documents, &self.objects)?;
        let mut objects = apply_patches(&self.owner.component, rendered, &self.patches)?;
        restart_on_change(&mut objects, &self.secrets);
        for object in &mut objects {
            self.mount_artifacts(object);
            self.owner.mark(object);
        }
        Ok(objects)
    }

    /// Makes pods name this release's claims of artifacts, and makes these read-only. The kubelet then mounts them
    /// read-only, whatever the container requests. Files of artifacts share their blocks with the registry.
    fn mount_artifacts(&self, object: &mut Value) {
        for_each_claim(object, &mut |claim| {
            let Some(name) = claim["claimName"].as_str().filter(|name| self.reads(name)).map(str::to_owned) else {
                return;
            };
            claim["readOnly"] = json!(true);
            if let Some(own) = self.claims.get(&name) {
                claim["claimName"] = json!(own);
            }
        });
    }

    fn reads(&self, claim: &str) -> bool {
        self.read_only_claims.iter().any(|read_only| read_only == claim)
    }

    /// Returns JSON Pointers to the fields of an object that the site may change.
    pub(crate) fn editable_of(&self, object: &Value) -> Vec<String> {
        let is_of = |field: &&EditableField| object["kind"] == *field.kind && object["metadata"]["name"] == *field.name;
        self.editable.iter().filter(is_of).map(|field| field.path.clone()).collect()
    }

    /// Returns the component as undo applies it after `later`: edits stay, whether made before or during the change.
    pub(crate) fn on_the_way_back_from(&self, later: &Self) -> Self {
        let editable = self.editable.iter().chain(&later.editable).cloned().collect();
        Self { editable, edits: Edits::Leave, ..self.clone() }
    }

    /// Returns the edits that an apply overwrites, with their current values.
    fn overwritten_edits(
        &self,
        cluster: &Cluster,
        documents: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Vec<OverwrittenEdit>, StepError> {
        let mut found = Vec::new();
        if self.edits != Edits::Overwrite {
            return Ok(found);
        }
        for object in &self.resolve_objects(documents)? {
            let editable = self.editable_of(object);
            let edits = cluster.edits(&EditableObject { object, editable: &editable, edits: self.edits })?;
            let name = ObjectName::of(object)?;
            let lost = edits.into_iter().filter(|edit| !edit.stays);
            found.extend(lost.map(|edit| OverwrittenEdit::new(&name, edit)));
        }
        Ok(found)
    }

    /// Returns the edits that a removal of the objects loses, for its undo; null if there are none. Objects of other
    /// managers are not removed. An object that the API server does not compare is reported and still removed.
    pub(super) fn edits_before_removal(&self, context: &ComponentContext) -> Result<Value, StepError> {
        let cluster = context.cluster.connect()?;
        let mut found = Vec::new();
        for object in &self.resolve_objects(&context.releases.own.documents)? {
            let name = ObjectName::of(object)?;
            let edits = match cluster.edits(&EditableObject { object, editable: &[], edits: Edits::Refuse }) {
                Ok(edits) => edits,
                Err(ClusterError::Foreign { .. }) => continue,
                Err(error) => {
                    let reason = with_causes(&error);
                    let text = format!("edits of {name} are not known, so an undo does not make them again: {reason}");
                    context.progress.event(Event::Note(text));
                    continue;
                }
            };
            found.extend(edits.into_iter().map(|edit| OverwrittenEdit::new(&name, edit)));
        }
        Ok(if found.is_empty() { Value::Null } else { json!({"edits": found}) })
    }

    /// Restores the edits that the change overwrote. A failure is only reported, because the component itself is
    /// restored.
    fn restore_edits(cluster: &Cluster, before: &Value, objects: &[Value], context: &ComponentContext) {
        let lost: Vec<OverwrittenEdit> = serde_json::from_value(before["edits"].clone()).unwrap_or_default();
        for OverwrittenEdit { object: name, edit, pointer } in lost {
            let applied = objects.iter().find(|object| ObjectName::of(object).is_ok_and(|of| of.is_same_object(&name)));
            let edit = FieldEdit { pointer, ..edit };
            let reason = match cluster.restore_edit(&LostEdit { name: &name, applied, edit: &edit }) {
                Ok(RestoreOutcome::Made) => continue,
                Ok(other) => other.to_string(),
                Err(error) => with_causes(&error),
            };
            let value = edit.now.map(|value| format!(" to {value}")).unwrap_or_default();
            let text = format!(
                "{} of {name}, which {} had set{value}, could not be restored: {reason}",
                edit.field, edit.manager
            );
            context.progress.event(Event::Note(text));
        }
    }

    fn inventory(&self, objects: Vec<ObjectName>) -> Inventory {
        Inventory { owner: self.owner.clone(), namespace: self.namespace.clone(), objects }
    }

    /// Returns data objects that are in the cluster before the apply, such as a claim that an earlier rollback left.
    fn held_objects(
        &self,
        cluster: &Cluster,
        documents: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Vec<ObjectName>, StepError> {
        let mut held = Vec::new();
        for name in names(&self.resolve_objects(documents)?)?.into_iter().filter(ObjectName::is_never_pruned) {
            if cluster.get(&name)?.is_some() {
                held.push(name);
            }
        }
        Ok(held)
    }

    fn existing(&self, cluster: &Cluster) -> Result<Option<Inventory>, StepError> {
        Ok(Inventory::read(cluster, &self.namespace, &self.owner.component)?)
    }

    /// Waits until the API server serves a newly defined kind.
    fn wait_if_definition(cluster: &Cluster, name: &ObjectName, context: &ComponentContext) -> Result<(), StepError> {
        if name.kind == "CustomResourceDefinition" {
            let waiting = AwaitedObjects {
                what: &name.to_string(),
                objects: std::slice::from_ref(name),
                limit: ESTABLISHED_LIMIT,
            };
            cluster.wait_ready(&waiting, context.progress.as_ref())?;
        }
        Ok(())
    }
}

fn names(objects: &[Value]) -> Result<Vec<ObjectName>, StepError> {
    objects.iter().map(|object| ObjectName::of(object).map_err(StepError::from)).collect()
}

/// Deletes objects of an inventory that are no longer wanted. Returns the deleted objects and those that stay. Data
/// objects, objects of another component in the release, and objects that another component or manager took over stay.
pub(super) fn prune(
    cluster: &Cluster,
    inventory: &Inventory,
    wanted: &[ObjectName],
    context: &ComponentContext,
) -> Result<(Vec<ObjectName>, Vec<ObjectName>), StepError> {
    let (surplus, mut left) = inventory.surplus(wanted);
    // Reading the objects of all components for each component would take quadratic time.
    if surplus.is_empty() {
        return Ok((Vec::new(), left));
    }
    let others = objects_of_others(&context.releases.own, &inventory.owner.component)?;
    let mut pruned = Vec::new();
    for object in surplus {
        let is_given = others.iter().any(|other| other.is_same_object(&object));
        let limit = Duration::from_secs(DELETION_SECONDS);
        let is_gone = !is_given && cluster.delete_of(&inventory.owner, &object, limit)?;
        if is_gone { &mut pruned } else { &mut left }.push(object);
    }
    Ok((pruned, left))
}

/// Returns the objects of all components of a release except this one.
fn objects_of_others(release: &SiteRelease, component: &str) -> Result<Vec<ObjectName>, StepError> {
    objects_of(release, |other| other != component)
}

/// Returns the objects of the selected components of a release.
fn objects_of(release: &SiteRelease, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<ObjectName>, StepError> {
    let wanted = release.release.components.iter().filter(|component| is_wanted(&component.name));
    let names = wanted.map(|component| names(&read_document(&release.documents, &component.objects)?));
    Ok(names.collect::<Result<Vec<_>, _>>()?.concat())
}

/// Calls `visit` with each volume source of an object that is a claim.
pub(crate) fn for_each_claim(value: &mut Value, visit: &mut impl FnMut(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_claim(item, visit)),
        Value::Object(fields) => {
            for (key, value) in fields {
                let is_claim = key == "persistentVolumeClaim" && value["claimName"].is_string();
                if is_claim { visit(value) } else { for_each_claim(value, visit) }
            }
        }
        _ => {}
    }
}

impl Step<ComponentContext> for Component {
    fn observe(&self, context: &mut ComponentContext) -> Result<ObservedState, StepError> {
        let cluster = context.cluster.connect()?;
        let objects = self.resolve_objects(&context.releases.own.documents)?;
        let wanted = names(&objects)?;
        let inventory = self.existing(&cluster)?;
        let is_complete = inventory.as_ref().is_some_and(|inventory| inventory.objects == wanted);
        let edited = |object: Value| RequiredObject {
            editable: self.editable_of(&object),
            edits: self.edits,
            ..RequiredObject::new(object)
        };
        let wanted_objects: Vec<RequiredObject> = objects.into_iter().map(edited).collect();
        let observed = objects::observe(&cluster, &wanted_objects)?;
        Ok(match (observed, inventory) {
            (ObservedState::Absent, Some(_)) => ObservedState::Partial("only the inventory is written".to_owned()),
            (ObservedState::Done, _) if !is_complete => {
                ObservedState::Partial("the inventory is not complete".to_owned())
            }
            (observed, _) => observed,
        })
    }

    fn prepare(&self, context: &mut ComponentContext) -> Result<Value, StepError> {
        let cluster = context.cluster.connect()?;
        let inventory = self.existing(&cluster)?.map(|inventory| inventory.objects);
        let mut before = json!({"inventory": inventory});
        let held = self.held_objects(&cluster, &context.releases.own.documents)?;
        if !held.is_empty() {
            before["held"] = json!(held);
        }
        let edits = self.overwritten_edits(&cluster, &context.releases.own.documents)?;
        if !edits.is_empty() {
            before["edits"] = json!(edits);
        }
        Ok(before)
    }

    fn act(&self, context: &mut ComponentContext, before: &Value) -> Result<Value, StepError> {
        let cluster = context.cluster.connect()?;
        let objects = self.resolve_objects(&context.releases.own.documents)?;
        let wanted = names(&objects)?;
        let known = self.existing(&cluster)?;
        if known.is_some() {
            // Removes leftovers of an interrupted trial, which no plan keeps beside the objects.
            cluster.remove_canaries(Canaries::Of(&self.owner.component), REMOVAL_LIMIT)?;
        }
        let known = known.unwrap_or_else(|| self.inventory(Vec::new()));
        // The inventory is written first, so that it always lists every object.
        let all = Inventory { owner: self.owner.clone(), ..known }.with(&wanted);
        all.write(&cluster)?;
        for (object, name) in objects.iter().zip(&wanted) {
            let editable = self.editable_of(object);
            cluster.apply_edited(&EditableObject { object, editable: &editable, edits: self.edits })?;
            Self::wait_if_definition(&cluster, name, context)?;
        }
        let (pruned, left) = prune(&cluster, &all, &wanted, context)?;
        self.inventory(wanted.clone()).write(&cluster)?;
        if self.edits == Edits::Leave {
            Self::restore_edits(&cluster, before, &objects, context);
        }
        Ok(json!({"applied": wanted.len(), "pruned": pruned, "left": left}))
    }

    fn undo(&self, context: &mut ComponentContext, before: &Value) -> Result<(), StepError> {
        if context.undo.removing_cluster {
            return Ok(());
        }
        let cluster = context.cluster.connect()?;
        let Some(inventory) = self.existing(&cluster)? else { return Ok(()) };
        let held: Vec<ObjectName> = serde_json::from_value(before["held"].clone()).unwrap_or_default();
        let before: Option<Vec<ObjectName>> = serde_json::from_value(before["inventory"].clone()).unwrap_or_default();
        let mut kept = before.clone().unwrap_or_default();
        kept.extend(held);
        let is_left = |object: &ObjectName| kept.iter().all(|name| !name.is_same_object(object));
        // Without an earlier release, no object can have moved to another component.
        if !context.releases.kept.is_empty() && inventory.objects.iter().any(is_left) {
            let earlier = context.releases.earlier()?;
            kept.extend(objects_of_others(earlier, &self.owner.component)?);
            // The earlier form of this component may already be removed, except for data objects.
            let own = objects_of(earlier, |component| component == self.owner.component)?;
            kept.extend(own.into_iter().filter(ObjectName::is_never_pruned));
        }
        let limit = Duration::from_secs(DELETION_SECONDS);
        for object in
            inventory.objects.iter().rev().filter(|object| !kept.iter().any(|name| name.is_same_object(object)))
        {
            cluster.delete_of(&self.owner, object, limit)?;
        }
        match before {
            Some(objects) => self.inventory(objects).write(&cluster)?,
            None => drop(cluster.delete(&Inventory::name(&self.namespace, &self.owner.component), limit)?),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_claims_are_mounted_read_only() {
        let pod = |claim: &str| {
            json!({"spec": {"volumes": [{"name": "v",
            "persistentVolumeClaim": {"claimName": claim, "readOnly": false}}]}})
        };
        let mut object = json!({
            "kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": pod("weights")}}}, "other": pod("data"),
            "third": pod("wheels"),
        });
        let component = Component {
            owner: Owner { release: "shop".to_owned(), component: "web".to_owned() },
            namespace: "web".to_owned(),
            objects: String::new(),
            patches: Vec::new(),
            read_only_claims: vec!["weights".to_owned(), "wheels".to_owned()],
            claims: BTreeMap::from([("weights".to_owned(), "weights-0123".to_owned())]),
            editable: Vec::new(),
            edits: Edits::Refuse,
            secrets: BTreeMap::new(),
        };
        component.mount_artifacts(&mut object);
        let claim = |path: &str| object.pointer(&format!("{path}/spec/volumes/0/persistentVolumeClaim")).cloned();
        let of = |name: &str, read_only: bool| Some(json!({"claimName": name, "readOnly": read_only}));
        assert_eq!(claim("/spec/jobTemplate/spec/template"), of("weights-0123", true));
        assert_eq!(claim("/third"), of("wheels", true));
        assert_eq!(claim("/other"), of("data", false));
    }
}
