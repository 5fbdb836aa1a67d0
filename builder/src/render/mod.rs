//! Rendering: manifests become JSON objects with images bound to platform digests, at build time and never on site.

mod bases;
mod checks;
mod images;
mod kustomize;
mod objects;
mod scan;
mod spots;
#[cfg(test)]
pub(crate) mod tests;
mod values;

use std::path::PathBuf;

use serde_json::Value;

pub use images::{bind, usages};
pub use kustomize::{Kubectl, Renderer, find as find_kubectl};
pub use scan::scan;
pub use values::{check as check_values, site_schema};

use crate::definition::Definition;
use crate::error::{Place, Result};

/// A component's objects, in the order in which they are applied.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// Its index in the definition.
    pub index: usize,
    /// Its folder of manifests.
    pub folder: PathBuf,
    /// Its objects.
    pub objects: Vec<Value>,
}

impl Rendered {
    /// A place in a rendered object, and the file that a person corrects for it.
    pub fn place(&self, object: &Value, field: &str) -> Place {
        let file = kustomize::source(&self.folder, object);
        Place { file: Some(file), line: None, field: Some(format!("{}{field}", title(object))) }
    }
}

/// Renders every component, in the order in which they are applied, and checks the objects.
pub fn render(definition: &Definition, kubectl: &Kubectl) -> Result<Vec<Rendered>> {
    let mut components = Vec::new();
    for &index in &definition.order {
        let folder = definition.resolve(&definition.release.components[index].manifests.value);
        let objects = kubectl.render(definition, index, &folder)?;
        components.push(Rendered { index, folder, objects });
    }
    objects::check(definition, &mut components)?;
    checks::check(definition, &components)?;
    Ok(components)
}

/// How a person names an object: `StatefulSet/postgres`.
pub fn title(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
    format!("{}/{}", text("/kind"), text("/metadata/name"))
}

/// A key as a segment of a JSON Pointer.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
