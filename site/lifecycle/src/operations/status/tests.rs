use serde_json::json;

use super::*;

#[test]
fn a_port_of_two_protocols_is_one() {
    let port = |number: u64, protocol: &str| json!({"port": number, "protocol": protocol});
    let service = json!({
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": "10.96.0.10", "ports": [port(53, "UDP"), port(9153, "TCP"), port(53, "TCP")]},
    });
    let status = service_status(&service).unwrap();
    assert_eq!((status.name.as_str(), status.ports.as_slice()), ("kube-dns.kube-system.svc", [53, 9153].as_slice()));
    assert_eq!(service_status(&json!({"spec": {"clusterIP": "None"}})), None);
}
