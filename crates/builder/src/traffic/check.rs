//! Checks of stated traffic: names and ports in the definition, then ports of the rendered pods.

use std::collections::{BTreeSet, HashSet};

use landfall_error_codes::codes;
use landfall_suggestion::did_you_mean;
use serde_json::Value;
use serde_saphyr::Location;

use super::Traffic;
use crate::definition::{ComponentDefinition, Definition, Release, Sources, TransportProtocol};
use crate::error::{BuildError, Result};
use crate::rendered::{RenderedComponent, template};

/// Returns an error for a port that cannot be offered, and for a component that cannot be reached.
pub fn check(sources: &Sources, release: &Release) -> Result<()> {
    for (index, component) in release.components.iter().enumerate() {
        check_offers(sources, component, &format!("components[{index}].offers"))?;
        check_reaches(sources, release, component, &format!("components[{index}].reaches"))?;
    }
    Ok(())
}

fn check_offers(sources: &Sources, component: &ComponentDefinition, field: &str) -> Result<()> {
    let mut seen = HashSet::new();
    for (number, offer) in component.offers.iter().enumerate() {
        let port = offer.port.value;
        let fault = if port == 0 {
            Some("a port is from 1 to 65535".to_owned())
        } else if seen.insert((port, offer.protocol)) {
            None
        } else {
            Some(format!("the {} port {port} is offered twice", offer.protocol.name()))
        };
        if let Some(what) = fault {
            let place = sources.place(offer.port.referenced, format!("{field}[{number}].port"));
            return Err(BuildError::at(codes::RELEASE_INVALID, place, what));
        }
    }
    Ok(())
}

fn check_reaches(sources: &Sources, release: &Release, component: &ComponentDefinition, field: &str) -> Result<()> {
    for (number, name) in component.reaches.iter().enumerate() {
        let refused = |code, what: String| {
            let place = sources.place(name.referenced, format!("{field}[{number}]"));
            Err(BuildError::at(code, place, what))
        };
        let Some(other) = release.components.iter().find(|other| other.name.value == name.value) else {
            let names = release.components.iter().map(|other| other.name.value.as_str());
            let near = did_you_mean(&name.value, names);
            let what = format!("`{}` is not a component of this release{near}", name.value);
            return refused(codes::RELEASE_UNKNOWN_COMPONENT, what);
        };
        if other.name.value == component.name.value {
            let what = format!("`{}` is the component itself, whose pods may always reach each other", name.value);
            return refused(codes::RELEASE_INVALID, what);
        }
        if other.offers.is_empty() {
            return refused(codes::NOTHING_OFFERED, format!("`{}` offers no port", name.value));
        }
    }
    Ok(())
}

/// Returns an error for an offered port at which no pod of the component serves. Components without pods, whose
/// software makes them at the site, are not judged.
pub fn check_rendered(definition: &Definition, components: &[RenderedComponent]) -> Result<()> {
    for rendered in components {
        let component = &definition.release.components[rendered.index];
        if component.hooks_of.is_some() {
            continue;
        }
        let Some(traffic) = Traffic::of(&definition.release, rendered.index) else { continue };
        let served = ServedPorts::of(&rendered.objects);
        let unserved = traffic
            .component
            .offers
            .iter()
            .enumerate()
            .find(|(_, offer)| !served.has(offer.port.value, offer.protocol));
        if let Some((number, offer)) = unserved {
            let field = format!("components[{}].offers[{number}].port", rendered.index);
            return Err(served.refusal(definition, offer.port.referenced, &field, offer.port.value, offer.protocol));
        }
    }
    Ok(())
}

/// Ports at which the pods of a component serve, as far as its objects tell, each with its protocol; sorted.
pub fn served_ports(objects: &[Value]) -> Vec<(u64, String)> {
    let ports: BTreeSet<_> = ServedPorts::of(objects).ports.into_iter().collect();
    ports.into_iter().collect()
}

/// Ports at which the pods of a component serve.
struct ServedPorts {
    has_pods: bool,
    ports: Vec<(u64, String)>,
}

impl ServedPorts {
    /// Ports of containers, and numbers to which Services send.
    fn of(objects: &[Value]) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let protocol = |port: &Value| port["protocol"].as_str().unwrap_or("TCP").to_owned();
        let pods: Vec<_> = objects.iter().filter_map(|object| object.pointer(template(object)?)).collect();
        let containers =
            pods.iter().flat_map(|pod| ["containers", "initContainers"].map(|field| list(&pod["spec"][field])));
        let of_containers = containers.flatten().flat_map(|container| list(&container["ports"]));
        let of_containers = of_containers.filter_map(|port| Some((port["containerPort"].as_u64()?, protocol(&port))));
        let services = objects.iter().filter(|object| object["kind"] == "Service");
        let of_services = services.flat_map(|service| list(&service["spec"]["ports"])).filter_map(|port| {
            let target = if port["targetPort"].is_null() { &port["port"] } else { &port["targetPort"] };
            Some((target.as_u64()?, protocol(&port)))
        });
        Self { has_pods: !pods.is_empty(), ports: of_containers.chain(of_services).collect() }
    }

    /// Returns true if pods serve at a port, or if the component has no pods of its own.
    fn has(&self, port: u16, protocol: TransportProtocol) -> bool {
        let is_it = |(number, of): &(u64, String)| *number == u64::from(port) && of == protocol.name();
        !self.has_pods || self.ports.iter().any(is_it)
    }

    fn refusal(
        &self,
        definition: &Definition,
        at: Location,
        field: &str,
        port: u16,
        protocol: TransportProtocol,
    ) -> BuildError {
        let known: Vec<_> = self.ports.iter().map(|(number, of)| format!("{number}/{of}")).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let what = format!(
            "no container and no Service of the component has the {} port {port}; they have: {known}",
            protocol.name()
        );
        BuildError::at(codes::OFFER_UNSERVED, definition.sources.place(at, field), what)
    }
}
