//! Whose pods' logs are a component's, and which are followed. There is no node, so that nothing is logged.

use std::ops::ControlFlow;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use landfall_cluster::{Cluster, Inventory, Listener, LogItem, LogSelection, ObjectName, Owner};
use serde_json::{Value, json};

use crate::fixture::ControlPlane;

/// How long controllers may take.
const LIMIT: Duration = Duration::from_mins(1);

fn template(app: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {"restartPolicy": "Always", "containers": [{"name": app, "image": "docker.io/library/web:1"}]},
    })
}

fn objects() -> [Value; 2] {
    let mut of_job = template("tidy");
    of_job["spec"]["restartPolicy"] = "Never".into();
    [
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "front", "namespace": "default"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "front"}}, "template": template("front")},
        }),
        json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tidy", "namespace": "default"},
            "spec": {"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"template": of_job}}},
        }),
    ]
}

fn has_pod(cluster: &Cluster, inventory: &Inventory, prefix: &str) -> bool {
    cluster.pods_of_component(inventory).unwrap().iter().any(|pod| pod.name.starts_with(prefix))
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn job_and_new_pods_are_followed() {
    let plane = ControlPlane::start();
    let cluster = plane.cluster();
    let owner = Owner { release: "sample".to_owned(), component: "web".to_owned() };
    let objects = objects().map(|mut object| {
        owner.mark(&mut object);
        cluster.apply(&object).unwrap();
        ObjectName::of(&object).unwrap()
    });
    let inventory = Inventory { owner, namespace: "default".to_owned(), objects: objects.to_vec() };

    plane.kubectl(&["create", "job", "now", "--from=cronjob/tidy"], None);
    plane.kubectl(&["run", "stranger", "--image=docker.io/library/web:1"], None);
    let begun = Instant::now();
    while !(has_pod(&cluster, &inventory, "now-") && has_pod(&cluster, &inventory, "front-")) {
        assert!(begun.elapsed() < LIMIT, "{:?}", cluster.pods_of_component(&inventory));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(!has_pod(&cluster, &inventory, "stranger"));
    let live = cluster.live_pods_of_component(&inventory).unwrap();
    assert!(live.len() > 1 && live.iter().all(|pod| pod["spec"]["containers"].is_array()), "{live:?}");
    let unknown = cluster.with_patience(Duration::ZERO).node_statistics("node-1").unwrap_err();
    assert!(unknown.to_string().contains("node-1"), "{unknown}");

    let (sender, started) = mpsc::channel();
    let listener: Listener = Arc::new(move |logged| match logged {
        LogItem::Started { pod, .. } => {
            sender.send(pod).unwrap();
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    std::thread::scope(|scope| {
        let following = scope.spawn(|| cluster.follow_logs(&inventory, &LogSelection::default(), &listener));
        // When the first look is over is not visible from outside: pods are added until one is new.
        let pod = (2..12).find_map(|replicas| {
            plane.kubectl(&["delete", "pod", "stranger", "--ignore-not-found"], None);
            plane.kubectl(&["run", "stranger", "--image=docker.io/library/web:1"], None);
            plane.kubectl(&["scale", "deployment", "front", &format!("--replicas={replicas}")], None);
            started.recv_timeout(Duration::from_secs(5)).ok()
        });
        assert!(pod.unwrap().starts_with("front-"), "of the component alone");
        following.join().unwrap().unwrap();
    });
}
