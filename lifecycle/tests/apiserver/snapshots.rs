//! Two sites of one release are equal, whatever chance made of them; planted differences are found.

use std::time::Duration;

use landfall_lifecycle::cluster::Cluster;
use landfall_lifecycle::cluster::snapshot::{self, Snapshot, difference};
use serde_json::json;

use crate::fixture::ControlPlane;
use crate::installing::{install, sample_release, settings_and_service};

/// Waits until controllers have done what they do, so that both sites are at rest.
fn at_rest(cluster: &Cluster) -> Snapshot {
    let mut last = snapshot::take(cluster).unwrap();
    loop {
        std::thread::sleep(Duration::from_secs(2));
        let next = snapshot::take(cluster).unwrap();
        if next == last {
            return last;
        }
        last = next;
    }
}

fn installed() -> ControlPlane {
    let plane = ControlPlane::start();
    let site = &mut plane.site(sample_release(), &[("documents/objects/web.json", json!(settings_and_service()))]);
    install(site).unwrap();
    plane
}

/// Two control planes share this machine, so that each has a root and a port of its own.
fn as_on_any_machine(plane: &ControlPlane, snapshot: &Snapshot) -> Snapshot {
    let text = serde_json::to_string(snapshot).unwrap();
    let text = text.replace(&plane.root().display().to_string(), "/root");
    serde_json::from_str(&text.replace(&format!(":{}", plane.api_server_port()), ":6443")).unwrap()
}

fn shown(first: &Snapshot, second: &Snapshot) -> Vec<String> {
    difference(first, second).iter().map(ToString::to_string).collect()
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn sites_of_one_release_are_equal_and_planted_differences_are_found() {
    let (first, second) = (installed(), installed());
    let (one, two) = (at_rest(&first.cluster()), at_rest(&second.cluster()));
    let (one, two) = (as_on_any_machine(&first, &one), as_on_any_machine(&second, &two));
    assert_eq!(shown(&one, &two), Vec::<String>::new());
    assert!(one.objects.len() > 100, "{}", one.objects.len());
    assert_ne!(one.secrets["Secret web/web"], two.secrets["Secret web/web"]);

    second.kubectl(&["patch", "configmap", "settings", "-n", "web", "-p", r#"{"data": {"mode": "slow"}}"#], None);
    second.kubectl(&["delete", "networkpolicy", "landfall-default-deny", "-n", "web"], None);
    let planted = shown(&one, &as_on_any_machine(&second, &at_rest(&second.cluster())));
    for part in [
        "ConfigMap web/settings: /data/mode is \"fast\" in the first, \"slow\" in the second",
        "NetworkPolicy web/landfall-default-deny: 1 in the first, 0 in the second",
    ] {
        assert!(planted.iter().any(|line| line.contains(part)), "{part} in {planted:?}");
    }
}
