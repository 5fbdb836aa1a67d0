//! Finds workloads that proofs and backup rules name, and their containers, among the objects of a component.

use landfall_release_document::{Workload, WorkloadKind};
use serde_json::Value;

use crate::error::BuildError;
use crate::name_hint;
use crate::rendered::title;

/// An unknown name, with the known ones.
#[derive(Debug)]
pub(crate) struct UnknownName {
    what: String,
    name: String,
    known: Vec<String>,
}

impl UnknownName {
    /// Creates the error for an unknown name; `what` is the message.
    pub(crate) fn new<'a>(what: String, name: &str, known: impl Iterator<Item = &'a str>) -> Self {
        Self { what, name: name.to_owned(), known: known.map(str::to_owned).collect() }
    }

    /// Converts it to an error at the caller's place, with the most similar name as a hint.
    pub(crate) fn at(self, error: impl FnOnce(String) -> BuildError) -> BuildError {
        name_hint::add_name_hint(error(self.what), &self.name, self.known.iter().map(String::as_str))
    }
}

/// Parses `KIND/NAME`.
pub(crate) fn parse(written: &str) -> Result<Workload, UnknownName> {
    let (kind, name) = written.split_once('/').unwrap_or((written, ""));
    if let Some(kind) = WorkloadKind::ALL.into_iter().find(|known| known.name() == kind) {
        return Ok(Workload { kind, name: name.to_owned() });
    }
    let what = format!("`{written}` is not a workload such as StatefulSet/postgres");
    Err(UnknownName::new(what, kind, WorkloadKind::ALL.iter().map(|kind| kind.name())))
}

/// The workload `KIND/NAME` of a component.
pub(crate) fn find<'a>(component: &str, objects: &'a [Value], wanted: &str) -> Result<&'a Value, UnknownName> {
    let is_workload = |object: &&Value| WorkloadKind::ALL.iter().any(|kind| object["kind"] == kind.name());
    let workloads: Vec<(String, &Value)> =
        objects.iter().filter(is_workload).map(|object| (title(object), object)).collect();
    if let Some((_, workload)) = workloads.iter().find(|(title, _)| title == wanted) {
        return Ok(workload);
    }
    let what = format!("the component `{component}` renders no {wanted}");
    Err(UnknownName::new(what, wanted, workloads.iter().map(|(title, _)| title.as_str())))
}

/// A container of a workload's pods by its name; by default the first one.
pub(crate) fn container<'a>(workload: &'a Value, wanted: Option<&str>) -> Result<&'a Value, UnknownName> {
    let spec = &workload["spec"]["template"]["spec"];
    let Some(wanted) = wanted else { return Ok(&spec["containers"][0]) };
    let containers = spec["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    containers.iter().find(|container| container["name"] == wanted).ok_or_else(|| {
        let what = format!("{} has no container `{wanted}`", title(workload));
        UnknownName::new(what, wanted, containers.iter().filter_map(|container| container["name"].as_str()))
    })
}
