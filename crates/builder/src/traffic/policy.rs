//! The network policy of a component, for a namespace that denies by default.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Traffic;
use crate::definition::{Audience, Definition, OfferDefinition};
use crate::rendered::RenderedComponent;

/// Prefix of the label by which a namespace outside the release may reach a component: `landfall.dev/uses-postgres`.
const USES: &str = "landfall.dev/uses-";

/// Adds a network policy to the objects of each component whose traffic is stated.
pub fn inject(definition: &Definition, components: &mut [RenderedComponent]) {
    for rendered in components {
        let Some(traffic) = Traffic::of(&definition.release, rendered.index) else { continue };
        let name = &definition.release.components[rendered.index].name.value;
        rendered.objects.push(traffic.policy(name));
    }
}

impl Traffic<'_> {
    /// A policy that allows what is stated, and all traffic within the namespace.
    fn policy(self, name: &str) -> Value {
        let own = json!([{ "podSelector": {} }]);
        let mut ingress = vec![json!({ "from": own })];
        ingress.extend(self.ingress());
        let mut egress = vec![json!({ "to": own })];
        egress.extend(self.egress());
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": { "name": format!("{name}-traffic") },
            "spec": {
                "podSelector": {},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": ingress,
                "egress": egress,
            },
        })
    }

    /// A rule for each audience of the offered ports.
    fn ingress(self) -> Vec<Value> {
        let with = |audience: Audience| ports(self.component.offers.iter().filter(|offer| offer.to == audience));
        let mut rules = Vec::new();
        if let Some(ports) = with(Audience::Components) {
            let label = format!("{USES}{}", self.component.name.value);
            let customers = json!({ "namespaceSelector": { "matchLabels": { label: "true" } } });
            let namespaces: BTreeSet<_> = self.reaching().map(|other| other.namespace.value.as_str()).collect();
            let from: Vec<_> = namespaces.into_iter().map(namespace).chain([customers]).collect();
            rules.push(json!({ "from": from, "ports": ports }));
        }
        if let Some(ports) = with(Audience::Cluster) {
            rules.push(json!({ "from": [{ "namespaceSelector": {} }], "ports": ports }));
        }
        if let Some(ports) = with(Audience::Everyone) {
            rules.push(json!({ "ports": ports }));
        }
        rules
    }

    /// A rule for each reached component, with all ports that this one offers.
    fn egress(self) -> Vec<Value> {
        let rules = self.reached().filter_map(|other| {
            let ports = ports(other.offers.iter())?;
            Some(json!({ "to": [namespace(&other.namespace.value)], "ports": ports }))
        });
        rules.collect()
    }
}

/// A peer: all pods of a namespace.
fn namespace(name: &str) -> Value {
    json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": name } } })
}

/// Ports of a rule; `None` for none, because a rule without ports would allow all.
fn ports<'a>(offers: impl Iterator<Item = &'a OfferDefinition>) -> Option<Vec<Value>> {
    let ports: Vec<_> =
        offers.map(|offer| json!({ "protocol": offer.protocol.name(), "port": offer.port.value })).collect();
    (!ports.is_empty()).then_some(ports)
}
