//! Ports of the host that components use: node ports of Services, and host ports of containers. A pod whose port
//! another program holds waits forever. A Service takes the packets of a program that listens on its node port.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::objects::{ObjectsInputs, pod_spec};

/// The transport of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// A port of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostPort {
    pub(crate) transport: Transport,
    pub(crate) number: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
        };
        write!(formatter, "{transport} {}", self.number)
    }
}

/// Ports of the host with the objects that use each, such as `shop: Service/web`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostPorts(pub(crate) BTreeMap<HostPort, Vec<String>>);

impl HostPorts {
    /// Returns the ports of a release on a site; empty if its objects cannot be determined, which the plan rejects.
    /// `document` returns the bytes of a small document of the head.
    pub(crate) fn of<'d>(inputs: &ObjectsInputs<'_>, document: impl Fn(&str) -> Option<&'d [u8]>) -> Self {
        let mut all = Self::default();
        for (component, objects) in inputs.objects(document).unwrap_or_default() {
            for object in &objects {
                let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                let taker = format!("{}: {}/{}", component.name, text("/kind"), text("/metadata/name"));
                for port in ports(object) {
                    all.0.entry(port).or_default().push(taker.clone());
                }
            }
        }
        all
    }

    /// Returns the ports that are not among `others`.
    pub(crate) fn without(&self, others: &Self) -> Self {
        let new = self.0.iter().filter(|(port, _)| !others.0.contains_key(port));
        Self(new.map(|(port, takers)| (*port, takers.clone())).collect())
    }
}

fn ports(object: &Value) -> Vec<HostPort> {
    match object["kind"].as_str() {
        Some("Service") => node_ports(&object["spec"]),
        _ => pod_spec(object).map(ports_of_pod).unwrap_or_default(),
    }
}

/// Returns the numbered node ports. A port without a number gets a free one from the cluster.
fn node_ports(spec: &Value) -> Vec<HostPort> {
    let health = spec["healthCheckNodePort"].as_u64().and_then(|number| u16::try_from(number).ok());
    let health = health.filter(|number| *number > 0).map(|number| HostPort { transport: Transport::Tcp, number });
    let listed = spec["ports"].as_array().into_iter().flatten();
    listed.filter_map(|port| host_port(port, "nodePort")).chain(health).collect()
}

/// Returns the ports of the containers that run together. In the host's network, a container's port is the host's.
fn ports_of_pod(spec: &Value) -> Vec<HostPort> {
    let listed = |list: &str| spec[list].as_array().map(Vec::as_slice).unwrap_or_default();
    let beside = listed("initContainers").iter().filter(|container| container["restartPolicy"] == "Always");
    let ports =
        listed("containers").iter().chain(beside).filter_map(|container| container["ports"].as_array()).flatten();
    let field = if spec["hostNetwork"] == true { "containerPort" } else { "hostPort" };
    let mut ports: Vec<HostPort> = ports.filter_map(|port| host_port(port, field)).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Returns the port in a field; `None` if it is unset or its transport is not in the facts.
fn host_port(port: &Value, field: &str) -> Option<HostPort> {
    let number = u16::try_from(port[field].as_u64()?).ok().filter(|number| *number > 0)?;
    let transport = match port["protocol"].as_str() {
        None | Some("TCP") => Transport::Tcp,
        Some("UDP") => Transport::Udp,
        Some(_) => return None,
    };
    Some(HostPort { transport, number })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn port_texts(object: &Value) -> Vec<String> {
        ports(object).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn numbered_node_ports_are_host_ports() {
        let service = json!({"kind": "Service", "spec": {"type": "NodePort", "ports": [
            {"port": 443, "nodePort": 31443},
            {"port": 53, "nodePort": 30053, "protocol": "UDP"},
            {"port": 9, "nodePort": 30009, "protocol": "SCTP"},
            {"port": 80},
            {"port": 81, "nodePort": 0},
        ]}});
        assert_eq!(port_texts(&service), ["TCP 31443", "UDP 30053"]);
        let checked = json!({"kind": "Service", "spec": {"type": "LoadBalancer", "healthCheckNodePort": 32100}});
        assert_eq!(port_texts(&checked), ["TCP 32100"]);
    }

    #[test]
    fn container_host_ports_are_found() {
        let containers = json!([
            {"ports": [{"containerPort": 9100, "hostPort": 9100}, {"containerPort": 8080}]},
            {"ports": [{"containerPort": 514, "hostPort": 514, "protocol": "UDP"}]},
        ]);
        let before = json!([
            {"ports": [{"containerPort": 1, "hostPort": 1}]},
            {"restartPolicy": "Always", "ports": [{"containerPort": 2, "hostPort": 2}]},
        ]);
        let spec = json!({"containers": containers, "initContainers": before});
        let daemons = json!({"kind": "DaemonSet", "spec": {"template": {"spec": spec.clone()}}});
        assert_eq!(port_texts(&daemons), ["TCP 2", "TCP 9100", "UDP 514"]);
        assert_eq!(port_texts(&json!({"kind": "Pod", "spec": spec})), ["TCP 2", "TCP 9100", "UDP 514"]);
    }

    #[test]
    fn host_network_exposes_container_ports() {
        let spec = json!({"hostNetwork": true, "containers": [{"ports": [{"containerPort": 9100}]}]});
        let periodic = json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}});
        assert_eq!(port_texts(&periodic), ["TCP 9100"]);
    }
}
