//! Checks node ports of Services. The API server assigns each to only one Service.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use landfall_error_codes::codes;
use serde_json::Value;

use super::{items, text};
use crate::definition::Definition;
use crate::error::{BuildError, Result};
use crate::rendered::RenderedComponent;

/// Default range of the API server, which Landfall does not change.
const RANGE: RangeInclusive<u64> = 30_000..=32_767;

/// Returns an error for a node port outside of the API server's range, and for one that two ports of Services request.
pub fn check(definition: &Definition, components: &[RenderedComponent]) -> Result<()> {
    let mut known: BTreeMap<(String, u64), String> = BTreeMap::new();
    for component in components {
        let services =
            component.objects.iter().filter(|object| object["kind"] == "Service" && object["apiVersion"] == "v1");
        for service in services {
            for (transport, number) in requested_ports(service) {
                let refused = |why: String| {
                    let place = component.place(service, "");
                    Err(BuildError::at(codes::NODE_PORT, place, format!("asks for node port {number}, {why}")))
                };
                if !RANGE.contains(&number) {
                    return refused(format!("outside of {} to {}", RANGE.start(), RANGE.end()));
                }
                let name = &definition.release.components[component.index].name.value;
                let taker = format!("the Service {} of {name}", text(service, "/metadata/name"));
                if let Some(other) = known.insert((transport, number), taker) {
                    return refused(format!("which {other} has"));
                }
            }
        }
    }
    Ok(())
}

/// Node ports that a Service requests, each with its protocol.
fn requested_ports(service: &Value) -> Vec<(String, u64)> {
    let spec = &service["spec"];
    let health = spec["healthCheckNodePort"].as_u64().map(|number| ("TCP".to_owned(), number));
    let listed = items(spec, "ports")
        .filter_map(|port| Some((port["protocol"].as_str().unwrap_or("TCP").to_owned(), port["nodePort"].as_u64()?)));
    listed.chain(health).filter(|(_, number)| *number > 0).collect()
}
