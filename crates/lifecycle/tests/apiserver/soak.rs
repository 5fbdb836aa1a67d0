//! A release that is watched before its commit, on a real API server: the states of its pods are written as a kubelet
//! would write them.

use std::time::Duration;

use landfall_cluster::{Inventory, ObjectName};
use landfall_engine::step::Step;
use landfall_error_codes::{CodedError, codes};
use landfall_host::paths::SitePaths;
use landfall_lifecycle::steps::component_ready::ComponentReady;
use landfall_lifecycle::steps::soak::Soak;
use landfall_media::durable;
use serde_json::{Value, json};

use crate::drills::{owner, wait_for};
use crate::fixture::{ControlPlane, release};

/// The id of the container that runs.
const CONTAINER: &str = "0123456789abcdef";

fn deployment() -> Value {
    let mut deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "docker.io/library/web:1"}]},
            },
        },
    });
    owner().mark(&mut deployment);
    deployment
}

/// The site's only pod is as a kubelet would report it.
fn report(plane: &ControlPlane, pod: &str, is_ready: bool, restarts: u32) {
    let ready = if is_ready { "True" } else { "False" };
    let status = json!({"status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": ready}],
        "containerStatuses": [{
            "name": "web", "image": "docker.io/library/web:1", "imageID": "", "ready": is_ready,
            "restartCount": restarts,
            "containerID": format!("containerd://{CONTAINER}"), "state": {"running": {}},
        }],
    }});
    plane.kubectl(&["patch", "pod", pod, "--subresource=status", "--type=merge", "--patch", &status.to_string()], None);
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn unhealthy_release_fails_soak() {
    let plane = ControlPlane::start();
    let cluster = plane.cluster();
    durable::create_folder(&SitePaths::below(plane.root()).containers().join(CONTAINER)).unwrap();
    cluster.apply(&deployment()).unwrap();
    let objects = vec![ObjectName::new("apps/v1", "Deployment", "default", "web")];
    Inventory { owner: owner(), namespace: "default".to_owned(), objects }.write(&cluster).unwrap();
    let pods = cluster.resource("v1", "Pod").unwrap();
    let pod = wait_for("the pod", || cluster.list(&pods, Some("default"), "").unwrap().pop());
    let pod = pod["metadata"]["name"].as_str().unwrap();

    let ready = ComponentReady { component: owner().component, namespace: "default".to_owned(), seconds: 30 };
    let watch = |seconds: u64, then: &(dyn Fn() + Sync)| {
        let mut site = plane.site(release(&json!([]), &json!([]), &json!([])), &[]);
        let soak = Soak { seconds, components: vec![ready.clone()] };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_secs(3));
                then();
            });
            soak.act(&mut site, &Value::Null)
        })
    };
    report(&plane, pod, true, 2);
    watch(6, &|| ()).unwrap();

    let lost = watch(60, &|| report(&plane, pod, true, 3)).unwrap_err();
    assert_eq!(lost.code(), codes::UPGRADE_SOAK);
    assert!(lost.to_string().contains(&format!("container web of pod {pod} ended and was started again")), "{lost}");

    // One that is ready again in time is not lost; one that stays so is, even when the time is over.
    watch(8, &|| {
        report(&plane, pod, false, 3);
        std::thread::sleep(Duration::from_secs(4));
        report(&plane, pod, true, 3);
    })
    .unwrap();
    let lost = watch(6, &|| report(&plane, pod, false, 3)).unwrap_err();
    assert_eq!(lost.code(), codes::UPGRADE_SOAK);
    assert!(lost.to_string().contains("did not stay ready"), "{lost}");
}
