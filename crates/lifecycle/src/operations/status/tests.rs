use landfall_documents::backups::BackupsStatus;
use serde_json::json;

use super::*;

#[test]
fn port_with_two_protocols_is_listed_once() {
    let port = |number: u64, protocol: &str| json!({"port": number, "protocol": protocol});
    let service = json!({
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": "10.96.0.10", "ports": [port(53, "UDP"), port(9153, "TCP"), port(53, "TCP")]},
    });
    let status = service_status(&service).unwrap();
    assert_eq!((status.name.as_str(), status.ports.as_slice()), ("kube-dns.kube-system.svc", [53, 9153].as_slice()));
    assert_eq!(service_status(&json!({"spec": {"clusterIP": "None"}})), None);
}

#[test]
fn missing_backup_is_reported() {
    use crate::operations::install::tests::release;
    use crate::operations::testing::{installed_site, with_data};

    let missing = |release: &Value| {
        let fixture = installed_site(release, json!({}));
        fixture.operations.status().unwrap().no_backup
    };
    assert!(missing(&with_data()).unwrap().starts_with("no backup exists: "));
    assert_eq!(missing(&release(3)), None, "it has no data to save");
    let of = |count, reason| BackupsStatus { count, reason, ..BackupsStatus::default() };
    let fixture = installed_site(&with_data(), json!({}));
    let release = fixture.operations.release_of_site().unwrap().unwrap().release;
    assert!(no_backup(&release, Some(&of(0, None))).is_some(), "a failed try is no backup");
    assert_eq!(no_backup(&release, Some(&of(1, None))), None);
    assert_eq!(no_backup(&release, Some(&of(0, Some("no disk".to_owned())))), None, "unknown");
}
