//! Rendered objects of a component, with their origin.

mod folder;
pub(crate) mod pods;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

pub(crate) use folder::{kustomization, source};
pub(crate) use pods::template;

use crate::error::Place;

/// A component's objects, in the order in which they are applied.
#[derive(Debug, Clone)]
pub struct RenderedComponent {
    /// Index of the component in the definition.
    pub index: usize,
    /// Origin of the objects.
    pub origin: Origin,
    /// Rendered objects.
    pub objects: Vec<Value>,
}

/// The source that a user corrects if an object is wrong.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A folder with manifests.
    Folder(PathBuf),
    /// A chart, with the templates of its objects by kind and name.
    Chart(PathBuf, BTreeMap<String, PathBuf>),
    /// `build` itself, for a component of the release definition.
    Definition(PathBuf),
}

impl RenderedComponent {
    /// Place of an error in a rendered object, with the file that a user corrects.
    pub fn place(&self, object: &Value, field: &str) -> Place {
        let title = title(object);
        let file = match &self.origin {
            Origin::Folder(folder) => source(folder, object),
            Origin::Chart(chart, files) => files.get(&title).unwrap_or(chart).clone(),
            Origin::Definition(definition) => definition.clone(),
        };
        Place { file: Some(file), line: None, field: Some(format!("{title}{field}")) }
    }
}

/// Display name of an object: `StatefulSet/postgres`.
pub fn title(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
    format!("{}/{}", text("/kind"), text("/metadata/name"))
}
