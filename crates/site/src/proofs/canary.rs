//! Target of proofs for a canary: only its pod, with the same questions as for a workload or a Service. Pure.

use std::net::{IpAddr, SocketAddr};

use landfall_release_document::{CommandProof, RequestProof};
use serde_json::Value;

/// A canary's pod, and the objects of its component in their new form.
#[derive(Debug, Clone)]
pub struct CanaryPod {
    /// The pod from the cluster.
    pub pod: Value,
    /// Address of the pod.
    pub address: Option<IpAddr>,
    /// The objects, including Services: they map a request to a port of a pod.
    pub objects: Vec<Value>,
}

impl CanaryPod {
    pub(super) fn name(&self) -> &str {
        self.pod["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Returns the container in which a command runs: the named one, or the first.
    pub(super) fn container(&self, command: &CommandProof) -> Option<&str> {
        let mut names = list(&self.pod["spec"]["containers"]).iter().filter_map(|one| one["name"].as_str());
        names.find(|name| command.container.as_deref().is_none_or(|wanted| *name == wanted))
    }

    /// Returns the pod's address for a request to a Service, or the reason why there is none.
    pub(super) fn address(&self, request: &RequestProof) -> Result<SocketAddr, String> {
        let address = self.address.ok_or("the pod has no address")?;
        let is_it = |object: &&Value| object["kind"] == "Service" && object["metadata"]["name"] == *request.service;
        let service = self.objects.iter().find(is_it);
        let service = service.ok_or_else(|| format!("the component has no Service {}", request.service))?;
        let mut ports = list(&service["spec"]["ports"]).iter();
        let port = ports.find(|port| port["port"] == request.port.get());
        let port = port.ok_or_else(|| format!("Service {} has no port {}", request.service, request.port))?;
        let number = match &port["targetPort"] {
            Value::Null => Some(u64::from(request.port.get())),
            Value::String(name) => self.find_port(name),
            target => target.as_u64(),
        };
        let number = number.and_then(|number| u16::try_from(number).ok());
        let number = number.ok_or_else(|| format!("the pod has no port {}", port["targetPort"]))?;
        Ok(SocketAddr::from((address, number)))
    }

    fn find_port(&self, name: &str) -> Option<u64> {
        let containers = list(&self.pod["spec"]["containers"]).iter();
        let mut ports = containers.flat_map(|container| list(&container["ports"]));
        ports.find(|port| port["name"] == name)?["containerPort"].as_u64()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(targets: &[Value]) -> CanaryPod {
        let port = |(index, target): (usize, &Value)| {
            let mut port = json!({"port": 80 + index});
            if !target.is_null() {
                port["targetPort"] = target.clone();
            }
            port
        };
        let ports: Vec<Value> = targets.iter().enumerate().map(port).collect();
        CanaryPod {
            pod: json!({"metadata": {"name": "web-canary"}, "spec": {"containers": [
                {"name": "proxy"}, {"name": "web", "ports": [{"name": "http", "containerPort": 8080}]}]}}),
            address: Some([10, 0, 0, 7].into()),
            objects: vec![json!({"kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": ports}})],
        }
    }

    fn request(service: &str, port: u16) -> RequestProof {
        let expect = json!({"status": 200});
        serde_json::from_value(
            json!({"service": service, "port": port, "method": "GET", "path": "/", "expect": expect}),
        )
        .unwrap()
    }

    #[test]
    fn request_uses_service_target_port() {
        let pod = pod(&[json!("http"), json!(9000), Value::Null, json!("metrics")]);
        let address = |port| pod.address(&request("web", port)).map(|address| address.to_string());
        assert_eq!(address(80).as_deref(), Ok("10.0.0.7:8080"));
        assert_eq!(address(81).as_deref(), Ok("10.0.0.7:9000"));
        assert_eq!(address(82).as_deref(), Ok("10.0.0.7:82"));
        assert_eq!(address(83).unwrap_err(), "the pod has no port \"metrics\"");
        assert_eq!(address(90).unwrap_err(), "Service web has no port 90");
        assert_eq!(pod.address(&request("db", 80)).unwrap_err(), "the component has no Service db");
        let unaddressed = CanaryPod { address: None, ..pod };
        assert_eq!(unaddressed.address(&request("web", 80)).unwrap_err(), "the pod has no address");
    }

    #[test]
    fn command_runs_in_named_container() {
        let command = |container: Value| {
            let mut command = json!({"workload": {"kind": "Deployment", "name": "web"}, "arguments": ["true"],
                "expect": {"exit_code": 0}});
            if !container.is_null() {
                command["container"] = container;
            }
            serde_json::from_value::<CommandProof>(command).unwrap()
        };
        let pod = pod(&[]);
        assert_eq!(pod.container(&command(Value::Null)), Some("proxy"));
        assert_eq!(pod.container(&command(json!("web"))), Some("web"));
        assert_eq!(pod.container(&command(json!("db"))), None);
    }
}
