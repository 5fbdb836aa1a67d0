use super::*;

impl Side {
    /// Changes the version of Kubernetes.
    pub(in crate::plan) fn with_kubernetes(mut self, version: &str) -> Self {
        self.rename("v1.36.3", version);
        self.with_program("kubernetes")
    }

    /// Changes the bytes of a program of the node.
    fn with_program(mut self, artifact: &str) -> Self {
        let artifact = self.release.artifacts.iter_mut().find(|one| one.name == artifact).unwrap();
        artifact.files[0].blob.digest = Sha256([0xee; 32]);
        self
    }

    fn rename(&mut self, from: &str, to: &str) {
        let names = self.release.node_packs[0].images.values_mut();
        for name in names.chain(self.release.images.iter_mut().map(|image| &mut image.reference)) {
            *name = name.replace(from, to);
        }
    }
}

fn node_lines(before: &Side, after: &Side, operation: Operation) -> Vec<String> {
    lines(&before.upgraded_to(after, operation).unwrap())
}

#[test]
fn kubernetes_upgrade_steps_are_ordered() {
    let before = side("1.0.0", 1).with("web", "web:1", &[]);
    let after = side("1.0.1", 2).with("web", "web:1", &[]).with_kubernetes("v1.36.4");
    let plan = before.upgraded_to(&after, Operation::Upgrade).unwrap();
    assert_eq!(
        lines(&plan),
        [
            "stage stage-release",
            "etcd-snapshot etcd-snapshot",
            "ready-again/web ready-again",
            "node-ready-again again",
            "node-files node-files",
            "node-images node-images",
            "objects-again/kubeadm/upload-config again",
            "objects-again/kubeadm/addon-kube-proxy again",
            "kubeadm-configuration supersede",
            "control-plane static-pods",
            "objects/kubeadm/upload-config kubeadm-objects",
            "objects/kubeadm/addon-kube-proxy kubeadm-objects",
            "runtime-configuration supersede",
            "kubelet-configuration kubelet-configuration",
            "agent supersede",
            "node-ready node-ready",
            "registry-links supersede",
            "backup-schedule supersede",
            "host-api supersede",
            "help-files supersede",
            "prove prove",
            "mark advance-mark",
            "remove-etcd-snapshot remove-etcd-snapshot",
            "collect collect",
        ]
    );
    let change = plan.node.unwrap();
    assert_eq!((&*change.kubernetes_before, &*change.kubernetes_after), ("v1.36.3", "v1.36.4"));
    assert!(change.replaces_control_plane);
    assert_eq!((change.images_before.len(), change.images_after.len()), (4, 4), "{change:?}");
    assert_eq!(fates(&before.upgraded_to(&after, Operation::Upgrade).unwrap()), [("web", Fate::Unchanged)]);
}

#[test]
fn sides_have_their_own_node_pack() {
    let before = side("1.0.0", 1);
    let after = side("1.0.1", 2).with_kubernetes("v1.36.4");
    let plan = before.upgraded_to(&after, Operation::Upgrade).unwrap().plan;
    let mut sides = 0;
    for planned in plan.all() {
        match &planned.action {
            Action::Supersede(change) => {
                let [one, other] = [&change.before, &change.after].map(|action| serde_json::to_string(action).unwrap());
                if !["backup-schedule", "help-files", "host-api", "registry-links"].contains(&planned.id.0.as_str()) {
                    assert!(one.contains("v1.36.3") && !one.contains("v1.36.4"), "{one}");
                    assert!(other.contains("v1.36.4") && !other.contains("v1.36.3"), "{other}");
                    sides += 1;
                }
            }
            Action::Again(again) => {
                let before = serde_json::to_string(&again.before).unwrap();
                assert!(before.contains("v1.36.3") && !before.contains("v1.36.4"), "{before}");
                sides += 1;
            }
            Action::StaticPods(pods) => {
                assert_eq!(pods.configuration.kubernetes, "v1.36.4");
                assert!(pods.pack.as_ref().starts_with("v1.36.4-"));
            }
            _ => {}
        }
    }
    assert_eq!(sides, 6);
}

#[test]
fn containerd_change_spares_control_plane() {
    let (before, after) = (side("1.0.0", 1), side("1.0.1", 2).with_program("containerd"));
    let found = node_lines(&before, &after, Operation::Upgrade);
    assert_eq!(
        found[1..found.len() - 6],
        [
            "node-ready-again again",
            "node-files node-files",
            "runtime-configuration supersede",
            "agent supersede",
            "node-ready node-ready",
            "registry-links supersede",
        ]
    );
}

#[test]
fn node_images_are_imported_before_use() {
    let before = side("1.0.0", 1);
    let mut registry = side("1.0.1", 2);
    registry.rename("registry:3.1.2", "registry:3.1.3");
    let found = node_lines(&before, &registry, Operation::Upgrade);
    assert_eq!(found[2..4], ["node-images node-images", "registry supersede"]);
    let mut pause = side("1.0.1", 2);
    pause.rename("pause:3.10.2", "pause:3.10.3");
    let found = node_lines(&before, &pause, Operation::Upgrade);
    assert_eq!(found[2..4], ["node-images node-images", "runtime-configuration supersede"]);
}

#[test]
fn node_rollback_changes_agent_first() {
    let (before, after) = (side("1.0.0", 1), side("1.0.1", 2).with_kubernetes("v1.36.4"));
    let mut forth = node_lines(&before, &after, Operation::Upgrade);
    let back = node_lines(&after, &before, Operation::Rollback);
    let place = |lines: &[String], id: &str| lines.iter().position(|line| line.starts_with(id)).unwrap();
    assert!(place(&back, "agent ") < place(&back, "control-plane "));
    assert!(place(&forth, "agent ") > place(&forth, "control-plane "));
    // It takes no snapshot of etcd, because unreadable data may be its reason.
    forth.retain(|line| !line.contains("etcd-snapshot") && !line.starts_with("mark "));
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(back), sorted(forth));
}

#[test]
fn irreversible_node_pack_is_refused() {
    let before = side("1.0.0", 1);
    let mut minor = side("1.1.0", 2).with_kubernetes("v1.37.0");
    minor.release.node_packs[0].kubernetes = "v1.37".to_owned();
    let mut etcd = side("1.1.0", 2);
    etcd.rename("etcd:3.7.3-0", "etcd:3.8.0-0");
    let mut same_name = side("1.1.0", 2);
    let pause = same_name.release.images.iter_mut().find(|image| image.reference.contains("pause")).unwrap();
    pause.manifest.digest = Sha256([0xee; 32]);
    for (after, message) in [
        (minor, "Kubernetes cannot change from v1.36.3 to v1.37.0: only the last number may differ"),
        (etcd, "etcd cannot change from 3.7.3-0 to 3.8.0-0: only the last number may differ"),
        (same_name, "registry.k8s.io/pause:3.10.2 is another image in the new release, under the same name"),
    ] {
        let refused = before.upgraded_to(&after, Operation::Upgrade).unwrap_err();
        assert_eq!(landfall_error_codes::CodedError::code(&refused), codes::UPGRADE_NODE);
        assert_eq!(refused.to_string(), message);
    }
}

/// The node ends with the last node pack. An earlier pack with the installed minor version enables neither the change
/// nor its undo.
#[test]
fn node_pack_chain_is_refused_both_ways() {
    let before = side("1.0.0", 1);
    let mut after = side("1.1.0", 2).with_kubernetes("v1.37.0");
    after.release.node_packs[0].kubernetes = "v1.37".to_owned();
    after.release.node_packs.insert(0, before.release.node_packs[0].clone());
    for image in &before.release.images {
        if !after.release.images.iter().any(|known| known.reference == image.reference) {
            after.release.images.push(image.clone());
        }
    }
    let forth = before.upgraded_to(&after, Operation::Upgrade);
    let back = after.upgraded_to(&before, Operation::Rollback);
    for (refused, versions) in [(forth, "v1.36.3 to v1.37.0"), (back, "v1.37.0 to v1.36.3")] {
        let refused = refused.unwrap_err();
        assert_eq!(landfall_error_codes::CodedError::code(&refused), codes::UPGRADE_NODE);
        let expected = format!("Kubernetes cannot change from {versions}: only the last number may differ");
        assert_eq!(refused.to_string(), expected);
    }
}

#[test]
fn missing_etcdutl_skips_snapshot() {
    let mut before = side("1.0.0", 1);
    let containerd = before.release.artifacts.iter_mut().find(|one| one.name == "containerd").unwrap();
    containerd.files.retain(|file| file.path != "etcdutl");
    let lines = node_lines(&before, &side("1.0.1", 2).with_kubernetes("v1.36.4"), Operation::Upgrade);
    assert!(lines.iter().all(|line| !line.contains("etcd-snapshot")), "{lines:?}");
}
