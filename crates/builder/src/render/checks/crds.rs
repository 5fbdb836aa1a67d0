//! Kinds that the components of a release define with `CustomResourceDefinition`s.

use std::collections::HashMap;

use landfall_kinds::custom::{CustomKind, GroupKind, defined_kind, group_kind, is_definition};
use serde_json::Value;

use super::kinds::object_error;
use crate::error::Result;
use crate::rendered::RenderedComponent;

/// Kinds by group and name.
pub struct Crds(HashMap<GroupKind, Crd>);

/// A kind that a component defines.
pub struct Crd {
    /// Index of the component in the definition.
    pub component: usize,
    kind: CustomKind,
}

impl Crds {
    /// Collects the kinds that the components define.
    pub fn of(components: &[RenderedComponent]) -> Result<Self> {
        let mut found = HashMap::new();
        for component in components {
            for object in component.objects.iter().filter(|object| is_definition(object)) {
                let kind = CustomKind::of(object).map_err(|fault| object_error(component, object, fault))?;
                found.insert(defined_kind(object), Crd { component: component.index, kind });
            }
        }
        Ok(Self(found))
    }

    /// The definition of an object's kind.
    pub fn of_object(&self, object: &Value) -> Option<&Crd> {
        self.0.get(&group_kind(object)?)
    }
}

impl Crd {
    /// Returns an error for an object that the API server would refuse: one that violates the schema, or whose version
    /// is not served.
    pub fn check(&self, component: &RenderedComponent, object: &Value) -> Result<()> {
        self.kind.check(object).map_err(|fault| object_error(component, object, fault))
    }
}
