//! Two sites of one release are equal, whatever chance made of them; planted differences are found.

use std::time::{Duration, Instant};

use landfall_cluster_snapshot::{Snapshot, difference};
use serde_json::json;

use crate::fixture::ControlPlane;
use crate::installing::{install, sample_release, settings_and_service};

/// How long controllers may take to finish on both sites.
const LIMIT: Duration = Duration::from_secs(90);

fn installed_plane() -> ControlPlane {
    let plane = ControlPlane::start();
    let site = &mut plane.site(sample_release(), &[("documents/objects/web.json", json!(settings_and_service()))]);
    install(site).unwrap();
    plane
}

/// Two control planes share this machine, so that each has a root and a port of its own.
fn as_on_any_machine(plane: &ControlPlane) -> Snapshot {
    let taken = Snapshot::take(|arguments| Ok(plane.kubectl(arguments, None))).unwrap();
    let text = serde_json::to_string(&taken).unwrap();
    let text = text.replace(&plane.root().display().to_string(), "/root");
    serde_json::from_str(&text.replace(&format!(":{}", plane.api_server_port()), ":6443")).unwrap()
}

/// The differences once they fulfill a condition, or those at the end of the limit.
fn wait_for_differences(
    first: &ControlPlane,
    second: &ControlPlane,
    wanted: impl Fn(&[String]) -> bool,
) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let differences = difference(&as_on_any_machine(first), &as_on_any_machine(second));
        let shown: Vec<String> = differences.iter().map(ToString::to_string).collect();
        if wanted(&shown) || begun.elapsed() > LIMIT {
            return shown;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn site_snapshots_show_planted_differences() {
    let (first, second) = (installed_plane(), installed_plane());
    assert_eq!(wait_for_differences(&first, &second, <[String]>::is_empty), Vec::<String>::new());
    let (one, two) = (as_on_any_machine(&first), as_on_any_machine(&second));
    assert!(one.objects.len() > 100, "{}", one.objects.len());
    assert_ne!(one.secrets["Secret web/web"], two.secrets["Secret web/web"]);

    second.kubectl(&["patch", "configmap", "settings", "-n", "web", "-p", r#"{"data": {"mode": "slow"}}"#], None);
    second.kubectl(&["delete", "networkpolicy", "landfall-default-deny", "-n", "web"], None);
    let parts = [
        "ConfigMap web/settings: /data/mode is \"fast\" in the first, \"slow\" in the second",
        "NetworkPolicy web/landfall-default-deny: 1 in the first, 0 in the second",
    ];
    let is_shown = |shown: &[String], part: &str| shown.iter().any(|line| line.contains(part));
    let planted = wait_for_differences(&first, &second, |shown| parts.iter().all(|part| is_shown(shown, part)));
    for part in parts {
        assert!(is_shown(&planted, part), "{part} in {planted:?}");
    }
    assert_eq!(planted.len(), parts.len(), "{planted:?}");
}
