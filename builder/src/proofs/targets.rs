//! Whether a component renders what a proof uses: its workload and container, its Service and port.

use landfall_release_document::WorkloadKind;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::{CommandDefinition, Declared, RequestDefinition, near};
use crate::definition::Definition;
use crate::error::{BuildError, Result};
use crate::render::{Rendered, title};

/// Refuses a proof of something that its component does not render.
pub fn check(definition: &Definition, components: &[Rendered]) -> Result<()> {
    for declared in Declared::all(&definition.path, &definition.release) {
        let component = &declared.definition.component.value;
        let of_proof = |rendered: &&Rendered| definition.release.components[rendered.index].name.value == *component;
        let objects = components.iter().find(of_proof).map_or(&[][..], |rendered| &rendered.objects);
        if let Some(command) = &declared.definition.command {
            declared.check_command(command, objects)?;
        }
        if let Some(request) = &declared.definition.request {
            declared.check_request(request, objects)?;
        }
    }
    Ok(())
}

fn named<'a>(list: &'a Value, field: &'a str) -> impl Iterator<Item = &'a str> + Clone {
    list.as_array().into_iter().flatten().filter_map(move |one| one[field].as_str())
}

impl Declared<'_> {
    fn unknown<'a, T>(
        &self,
        at: &Spanned<T>,
        field: &str,
        name: &str,
        what: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> BuildError {
        near::hinted(self.missing(at, field, what), name, known)
    }

    fn check_command(&self, command: &CommandDefinition, objects: &[Value]) -> Result<()> {
        let component = &self.definition.component.value;
        let wanted = &command.workload;
        let is_workload = |object: &&Value| WorkloadKind::ALL.iter().any(|kind| object["kind"] == kind.name());
        let workloads: Vec<(String, &Value)> =
            objects.iter().filter(is_workload).map(|object| (title(object), object)).collect();
        let Some((_, workload)) = workloads.iter().find(|(title, _)| *title == wanted.value) else {
            let what = format!("the component `{component}` renders no {}", wanted.value);
            let known = workloads.iter().map(|(title, _)| title.as_str());
            return Err(self.unknown(wanted, "command.workload", &wanted.value, &what, known));
        };
        let Some(container) = &command.container else { return Ok(()) };
        let known = named(&workload["spec"]["template"]["spec"]["containers"], "name");
        if known.clone().any(|known| known == container.value) {
            return Ok(());
        }
        let what = format!("{} has no container `{}`", wanted.value, container.value);
        Err(self.unknown(container, "command.container", &container.value, &what, known))
    }

    fn check_request(&self, request: &RequestDefinition, objects: &[Value]) -> Result<()> {
        let component = &self.definition.component.value;
        let wanted = &request.service;
        let services = objects.iter().filter(|object| object["kind"] == "Service");
        let name = |object: &'_ Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let Some(service) = services.clone().find(|object| name(object) == wanted.value) else {
            let what = format!("the component `{component}` renders no Service/{}", wanted.value);
            let names: Vec<String> = services.map(name).collect();
            return Err(self.unknown(
                wanted,
                "request.service",
                &wanted.value,
                &what,
                names.iter().map(String::as_str),
            ));
        };
        if service["spec"]["clusterIP"] == "None" {
            let what = format!("Service/{} has no address of its own (`clusterIP: None`)", wanted.value);
            return Err(self.missing(wanted, "request.service", what));
        }
        let ports: Vec<String> = service["spec"]["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|port| port["protocol"].as_str().is_none_or(|protocol| protocol == "TCP"))
            .map(|port| port["port"].to_string())
            .collect();
        if ports.iter().any(|port| *port == request.port.value.to_string()) {
            return Ok(());
        }
        let what = format!("Service/{} has no TCP port {}", wanted.value, request.port.value);
        let error = self.missing(&request.port, "request.port", what);
        Err(error.hint(format!("Name one that exists: {}.", ports.join(", "))))
    }
}
