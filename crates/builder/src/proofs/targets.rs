//! Checks that a component renders the workload and container, or the Service and port, of its proofs.

use serde_json::Value;

use super::LocatedProof;
use crate::definition::{CommandDefinition, Definition, RequestDefinition};
use crate::error::Result;
use crate::rendered::RenderedComponent;
use crate::workloads::{self, UnknownName};

/// Returns an error for a proof whose target its component does not render.
pub fn check(definition: &Definition, components: &[RenderedComponent]) -> Result<()> {
    for declared in LocatedProof::all(&definition.sources, &definition.release) {
        let component = &declared.definition.component.value;
        let of_proof =
            |rendered: &&RenderedComponent| definition.release.components[rendered.index].name.value == *component;
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

impl LocatedProof<'_> {
    fn check_command(&self, command: &CommandDefinition, objects: &[Value]) -> Result<()> {
        let (wanted, container) = (&command.workload, &command.container);
        let workload = workloads::find(&self.definition.component.value, objects, &wanted.value)
            .map_err(|unknown| unknown.at(|what| self.missing(wanted, "command.workload", what)))?;
        let Some(container) = container else { return Ok(()) };
        workloads::container(workload, Some(&container.value))
            .map_err(|unknown| unknown.at(|what| self.missing(container, "command.container", what)))?;
        Ok(())
    }

    fn check_request(&self, request: &RequestDefinition, objects: &[Value]) -> Result<()> {
        let component = &self.definition.component.value;
        let wanted = &request.service;
        let services = objects.iter().filter(|object| object["kind"] == "Service");
        let name = |object: &'_ Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let Some(service) = services.clone().find(|object| name(object) == wanted.value) else {
            let what = format!("the component `{component}` renders no Service/{}", wanted.value);
            let names: Vec<String> = services.map(name).collect();
            let unknown = UnknownName::new(what, &wanted.value, names.iter().map(String::as_str));
            return Err(unknown.at(|what| self.missing(wanted, "request.service", what)));
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
