use super::*;

impl Side {
    /// The same with another version of Kubernetes.
    fn with_kubernetes(mut self, version: &str) -> Self {
        self.rename("v1.36.3", version);
        self.with_program("kubernetes")
    }

    /// The same with other bytes of a program of the node.
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
fn another_kubernetes_is_placed_then_the_control_plane_changes_and_then_what_runs_pods() {
    let before = side("1.0.0", 1).with("web", "web:1", &[]);
    let after = side("1.0.1", 2).with("web", "web:1", &[]).with_kubernetes("v1.36.4");
    let plan = before.upgraded_to(&after, Operation::Upgrade).unwrap();
    assert_eq!(
        lines(&plan),
        [
            "stage stage-release",
            "ready-again/web ready-again",
            "node-ready-again node-ready-again",
            "node-files node-files",
            "node-images node-images",
            "etcd-snapshot etcd-snapshot",
            "kubeadm-configuration supersede",
            "static-pods/api-server static-pods",
            "static-pods/controllers static-pods",
            "kubelet-configuration kubelet-configuration",
            "objects/kubeadm/upload-config supersede",
            "objects/kubeadm/addon-kube-proxy supersede",
            "runtime-configuration supersede",
            "agent supersede",
            "node-ready node-ready",
            "registry-links supersede",
            "backup-schedule supersede",
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
fn each_side_of_a_step_has_its_own_node_pack() {
    let before = side("1.0.0", 1);
    let after = side("1.0.1", 2).with_kubernetes("v1.36.4");
    let plan = before.upgraded_to(&after, Operation::Upgrade).unwrap().plan;
    let mut sides = 0;
    for planned in plan.all() {
        match &planned.action {
            Action::Supersede(change) => {
                let [one, other] = [&change.before, &change.after].map(|action| serde_json::to_string(action).unwrap());
                if planned.id.0 != "backup-schedule" && planned.id.0 != "registry-links" {
                    assert!(one.contains("v1.36.3") && !one.contains("v1.36.4"), "{one}");
                    assert!(other.contains("v1.36.4") && !other.contains("v1.36.3"), "{other}");
                    sides += 1;
                }
            }
            Action::StaticPods(pods) => {
                assert_eq!(pods.configuration.kubernetes, "v1.36.4");
                assert!(pods.pack.as_ref().starts_with("v1.36.4-"));
            }
            _ => {}
        }
    }
    assert_eq!(sides, 5);
}

#[test]
fn another_containerd_leaves_the_control_plane_alone() {
    let (before, after) = (side("1.0.0", 1), side("1.0.1", 2).with_program("containerd"));
    let found = node_lines(&before, &after, Operation::Upgrade);
    assert_eq!(
        found[1..found.len() - 4],
        [
            "node-ready-again node-ready-again",
            "node-files node-files",
            "runtime-configuration supersede",
            "agent supersede",
            "node-ready node-ready",
            "registry-links supersede",
        ]
    );
}

#[test]
fn another_registry_or_sandbox_image_is_imported_before_it_is_used() {
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
fn a_rollback_of_the_node_takes_the_same_steps() {
    let (before, after) = (side("1.0.0", 1), side("1.0.1", 2).with_kubernetes("v1.36.4"));
    let forth = node_lines(&before, &after, Operation::Upgrade);
    let back = node_lines(&after, &before, Operation::Rollback);
    assert_eq!(back, forth.into_iter().filter(|line| !line.starts_with("mark ")).collect::<Vec<_>>());
}

#[test]
fn a_node_pack_that_cannot_go_back_is_refused() {
    let before = side("1.0.0", 1);
    let mut minor = side("1.1.0", 2).with_kubernetes("v1.37.0");
    minor.release.node_packs[0].kubernetes = "v1.37".to_owned();
    let mut etcd = side("1.1.0", 2);
    etcd.rename("etcd:3.7.3-0", "etcd:3.8.0-0");
    let mut same_name = side("1.1.0", 2);
    let pause = same_name.release.images.iter_mut().find(|image| image.reference.contains("pause")).unwrap();
    pause.manifest.digest = Sha256([0xee; 32]);
    let mut without_etcdctl = side("1.1.0", 2).with_kubernetes("v1.36.4");
    let containerd = without_etcdctl.release.artifacts.iter_mut().find(|one| one.name == "containerd").unwrap();
    containerd.files.retain(|file| file.path != "etcdctl");
    for (after, message) in [
        (minor, "Kubernetes cannot change from v1.36.3 to v1.37.0: only the last number may differ"),
        (etcd, "etcd cannot change from 3.7.3-0 to 3.8.0-0: only the last number may differ"),
        (same_name, "registry.k8s.io/pause:3.10.2 is another image in the new release, under the same name"),
        (without_etcdctl, "the node pack lacks etcdctl, which saves etcd's data before it changes"),
    ] {
        let refused = before.upgraded_to(&after, Operation::Upgrade).unwrap_err();
        assert_eq!(landfall_error_codes::Coded::code(&refused), codes::UPGRADE_NODE);
        assert_eq!(refused.to_string(), message);
    }
}
