//! Inventory of a component: the list of its objects, kept in its namespace.
//!
//! It is written before the objects, so that it always covers all of Landfall's objects; undo, prune and status rely on
//! that. Labels alone would not suffice: kinds can vanish, and listing every kind of a cluster is slow.

use serde_json::{Value, json};

use super::labels::{MANAGED_BY, MANAGED_BY_LABEL, Owner};
use super::{COMPONENT_LABEL, Cluster, ClusterError, ObjectName, RELEASE_LABEL};

/// Label that distinguishes inventories from other `ConfigMap`s.
const INVENTORY_LABEL: &str = "landfall.dev/inventory";

/// Kinds that are never pruned, by group and kind: deleting such an object deletes data or other people's objects.
const NEVER_PRUNED: &[(&str, &str)] = &[
    ("", "PersistentVolumeClaim"),
    ("", "PersistentVolume"),
    ("", "Namespace"),
    ("", "Secret"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
];

impl ObjectName {
    /// Returns true if an object of this kind stays when its component no longer has it, because deleting it deletes
    /// data or other people's objects.
    pub fn is_never_pruned(&self) -> bool {
        NEVER_PRUNED.contains(&(self.group(), self.kind.as_str()))
    }
}

/// Objects of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Owner of the objects.
    pub owner: Owner,
    /// Namespace of the inventory itself.
    pub namespace: String,
    /// The objects, in the order of application.
    pub objects: Vec<ObjectName>,
}

impl Inventory {
    /// Returns the name of the `ConfigMap` that holds the inventory of a component.
    pub fn name(namespace: &str, component: &str) -> ObjectName {
        ObjectName::new("v1", "ConfigMap", namespace, &format!("landfall-inventory-{component}"))
    }

    /// Reads the inventory of a component; `None` if the component was never applied.
    pub fn read(cluster: &Cluster, namespace: &str, component: &str) -> Result<Option<Self>, ClusterError> {
        let name = Self::name(namespace, component);
        let Some(object) = cluster.get(&name)? else { return Ok(None) };
        Self::parse(&name, &object).map(Some)
    }

    /// Reads every inventory in the cluster, by namespace and component.
    pub fn all(cluster: &Cluster) -> Result<Vec<Self>, ClusterError> {
        let kind = cluster.resource("v1", "ConfigMap")?;
        let labels = format!("{MANAGED_BY_LABEL}={MANAGED_BY},{INVENTORY_LABEL}=component");
        let objects = cluster.list(&kind, None, &labels)?;
        objects.iter().map(|object| Self::parse(&ObjectName::of(object)?, object)).collect()
    }

    /// Writes the inventory.
    pub fn write(&self, cluster: &Cluster) -> Result<(), ClusterError> {
        let name = Self::name(&self.namespace, &self.owner.component);
        let mut object = json!({
            "apiVersion": name.api_version,
            "kind": name.kind,
            "metadata": {"name": name.name, "namespace": self.namespace, "labels": {INVENTORY_LABEL: "component"}},
            "data": {"objects": json!(self.objects).to_string()},
        });
        self.owner.mark(&mut object);
        cluster.apply(&object).map(drop)
    }

    /// Returns the inventory with more objects: missing ones are added at the end.
    #[must_use]
    pub fn with(mut self, objects: &[ObjectName]) -> Self {
        for object in objects {
            if !self.objects.iter().any(|known| known.is_same_object(object)) {
                self.objects.push(object.clone());
            }
        }
        self
    }

    /// Splits the objects of the inventory that are no longer wanted. The first list, in reverse order, may be deleted.
    /// The second one must stay, because deleting these objects would delete data or other people's objects.
    pub fn surplus(&self, wanted: &[ObjectName]) -> (Vec<ObjectName>, Vec<ObjectName>) {
        let surplus = self.objects.iter().rev().filter(|object| !wanted.iter().any(|name| name.is_same_object(object)));
        surplus.cloned().partition(|object| !object.is_never_pruned())
    }

    fn parse(name: &ObjectName, object: &Value) -> Result<Self, ClusterError> {
        let wrong =
            |problem: &str| ClusterError::BadObject { object: name.clone().into(), problem: problem.to_owned() };
        let labels = &object["metadata"]["labels"];
        let label = |label: &str| labels[label].as_str().map(str::to_owned).ok_or_else(|| wrong("it lacks its labels"));
        let text = object["data"]["objects"].as_str().ok_or_else(|| wrong("it lacks its list of objects"))?;
        Ok(Self {
            owner: Owner { release: label(RELEASE_LABEL)?, component: label(COMPONENT_LABEL)? },
            namespace: name.namespace.clone().unwrap_or_default(),
            objects: serde_json::from_str(text).map_err(|_| wrong("its list of objects is not understood"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(objects: &[ObjectName]) -> Inventory {
        let owner = Owner { release: "starter".to_owned(), component: "web".to_owned() };
        Inventory { owner, namespace: "web".to_owned(), objects: objects.to_vec() }
    }

    #[test]
    fn pruning_is_reversed_and_spares_data() {
        let names: Vec<ObjectName> = ["ConfigMap", "Secret", "PersistentVolumeClaim", "Service"]
            .iter()
            .map(|kind| ObjectName::new("v1", kind, "web", "old"))
            .chain([ObjectName::new("apps/v1", "Deployment", "web", "kept")])
            .collect();
        let wanted = [ObjectName::new("apps/v1beta2", "Deployment", "web", "kept")];
        let (delete, keep) = inventory(&names).surplus(&wanted);
        assert_eq!(delete, [names[3].clone(), names[0].clone()]);
        assert_eq!(keep, [names[2].clone(), names[1].clone()]);
    }

    #[test]
    fn inventory_grows_without_duplicates() {
        let first = ObjectName::new("v1", "Service", "web", "a");
        let second = ObjectName::new("v1", "Service", "web", "b");
        let grown = inventory(std::slice::from_ref(&first)).with(&[second.clone(), first.clone()]);
        assert_eq!(grown.objects, [first, second]);
    }
}
