//! Tests of kubeadm's configuration, its phases, and the control plane that they start.

use super::*;

#[test]
fn kubeadm_configuration_is_written_and_undone() {
    let mut fixture = Fixture::new();
    fixture.folder("/etc/landfall");
    fixture.folder("/var/lib/landfall/node/v1.36.3-0123456789ab");
    fixture.write("/var/lib/landfall/secrets/bootstrap-token", "abcdef.0123456789abcdef\n");
    let step = KubeadmConfiguration {
        kubernetes: "v1.36.3".to_owned(),
        image_repository: "registry.k8s.io".to_owned(),
        etcd_repository: "registry.k8s.io".to_owned(),
        etcd_tag: "3.7.3-0".to_owned(),
        node_name: "node-1".to_owned(),
        node_address: address(),
        pod_ranges: vec!["10.244.0.0/16".parse().unwrap()],
        service_ranges: vec!["10.96.0.0/16".parse().unwrap()],
        dns_address: [10, 96, 0, 10].into(),
        cgroup_driver: CgroupDriver::Cgroupfs,
        cgroup_version: 1,
        nameserver: false,
    };
    fixture.there_and_back(&step, |fixture| {
        insta::assert_snapshot!(fixture.read("/var/lib/landfall/node/kubeadm.yaml"));
    });
}

#[test]
fn phase_repeats_over_leftovers() {
    let mut fixture = Fixture::new();
    fixture.folder("/etc/kubernetes/manifests");
    let step = KubeadmPhase { pack: pack::sample(), phase: Phase::ControlPlane };
    assert_eq!(step.observe(&mut fixture.site).unwrap(), ObservedState::Absent);
    // kubeadm would keep the empty file.
    fixture.write("/etc/kubernetes/manifests/kube-apiserver.yaml", "");
    fixture.write("/etc/kubernetes/manifests/kube-scheduler.yaml", "whole");
    assert!(matches!(step.observe(&mut fixture.site).unwrap(), ObservedState::Partial(_)));
    step.act(&mut fixture.site, &Value::Null).unwrap();
    assert!(!fixture.site.data.paths.host("/etc/kubernetes/manifests/kube-apiserver.yaml").exists());
    let programs = "/var/lib/landfall/node/v1.36.3-0123456789ab/bin";
    let command =
        format!("{programs}/kubeadm init phase control-plane all --config /var/lib/landfall/node/kubeadm.yaml");
    assert_eq!(fixture.ran(), [command]);
    step.undo(&mut fixture.site, &Value::Null).unwrap();
    assert!(!fixture.site.data.paths.host("/etc/kubernetes/manifests/kube-scheduler.yaml").exists());
}

/// A kubelet that waits for its configuration starts at once.
#[test]
fn kubelet_starts_once_configured() {
    let mut fixture = Fixture::new();
    fixture.folder("/etc/kubernetes");
    let step = KubeadmPhase { pack: pack::sample(), phase: Phase::KubeletStart };
    step.act(&mut fixture.site, &Value::Null).unwrap();
    let ran = fixture.ran();
    assert!(ran[0].contains("kubeadm init phase kubelet-start"), "{ran:?}");
    assert_eq!(ran[1..], ["/bin/systemctl restart --no-block landfall-kubelet.service"]);
}

#[test]
fn incomplete_key_pair_is_removed() {
    let mut fixture = Fixture::new();
    fixture.folder("/etc/kubernetes/pki/etcd");
    let step = KubeadmPhase { pack: pack::sample(), phase: Phase::Certificates };
    let whole = ["ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key"];
    let left =
        |fixture: &Fixture, name: &str| fixture.site.data.paths.host(format!("/etc/kubernetes/pki/{name}")).exists();
    for name in whole.into_iter().chain(["apiserver.crt", "sa.key"]) {
        fixture.write(&format!("/etc/kubernetes/pki/{name}"), "whole");
    }
    fixture.write("/etc/kubernetes/pki/apiserver.key", "");
    step.act(&mut fixture.site, &Value::Null).unwrap();
    assert!(whole.into_iter().all(|name| left(&fixture, name)), "whole pairs stay");
    assert!(["apiserver.crt", "apiserver.key", "sa.key"].iter().all(|name| !left(&fixture, name)), "halves go");
}

#[test]
fn control_plane_timeout_names_logs() {
    let mut fixture = Fixture::answering(|_| false);
    let step = ControlPlaneReady { pack: pack::sample(), seconds: 0 };
    let error = step.act(&mut fixture.site, &Value::Null).unwrap_err();
    assert_eq!(error.code(), codes::NODE_TIMEOUT);
    let hint = CodedError::hint(&error).unwrap().replace(&*fixture.root.path().to_string_lossy(), "");
    for folder in [
        "/var/log/pods/kube-system_etcd-",
        "/var/log/pods/kube-system_kube-apiserver-",
        "journalctl --unit landfall-kubelet",
    ] {
        assert!(hint.contains(folder), "{folder} in {hint}");
    }
}

/// After a power cut, a ready API server may end once more and start again.
#[test]
fn unanswered_query_is_retried() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let is_question = |command: &HostCommand| command.to_string().contains("--ignore-not-found");
    let mut fixture = Fixture::answering(move |command| {
        !is_question(command) || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0
    });
    fixture.write("/etc/kubernetes/admin.conf", "whole");
    let step = KubeadmPhase { pack: pack::sample(), phase: Phase::Proxy };
    assert_eq!(step.observe(&mut fixture.site).unwrap(), ObservedState::Absent);
    assert_eq!(fixture.ran().iter().filter(|line| line.contains("--ignore-not-found")).count(), 2);
}

#[test]
fn kubelet_gets_missing_kubeconfig_first() {
    let mut fixture = Fixture::new();
    fixture.write("/etc/kubernetes/admin.conf", "whole");
    fixture.write("/etc/kubernetes/kubelet.conf", "");
    let step = KubeadmPhase { pack: pack::sample(), phase: Phase::KubeletFinalize };
    assert!(matches!(step.observe(&mut fixture.site).unwrap(), ObservedState::Partial(_)));
    assert_eq!(fixture.ran(), Vec::<String>::new(), "it would not answer");
    step.act(&mut fixture.site, &Value::Null).unwrap();
    let ran = fixture.ran();
    let place = |part: &str| ran.iter().position(|line| line.contains(part));
    let places = ["kubeadm init phase kubeconfig kubelet", "/readyz", "kubelet-finalize all"].map(place);
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{ran:?}");

    fixture.write("/etc/kubernetes/kubelet.conf", "whole");
    step.act(&mut fixture.site, &Value::Null).unwrap();
    assert_eq!(fixture.ran().len(), 1, "nothing else");
}

#[test]
fn phase_ids_are_unique() {
    let names: std::collections::BTreeSet<String> = Phase::ALL.iter().map(|phase| phase.id()).collect();
    assert_eq!(names.len(), Phase::ALL.len());
}
