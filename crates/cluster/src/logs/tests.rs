use serde_json::json;

use super::*;

/// Returns a pod whose container has this run and this number of restarts.
fn pod(uid: &str, id: &str, restarts: i32, state: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": format!("web-{uid}"), "namespace": "web", "uid": uid},
        "status": {"containerStatuses": [{
            "name": "web", "image": "", "imageID": "", "ready": true, "restartCount": restarts, "containerID": id,
            "state": {state: {"exitCode": 1}},
            "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
        }]},
    }))
    .unwrap()
}

fn source(uid: &str) -> LogSource {
    LogSource { namespace: "web".to_owned(), pod: format!("web-{uid}"), container: "web".to_owned() }
}

/// A followed component whose streams end as the test specifies.
#[derive(Default)]
struct FollowedLog {
    runs: Runs,
    progress: BTreeMap<Container, Progress>,
}

impl FollowedLog {
    /// Examines the pods and opens the logs that must be read. Returns the news and the IDs of the opened runs, with
    /// `!` if earlier lines may be left out.
    fn look(&mut self, pods: &[Pod]) -> (Vec<LogItem>, Vec<String>) {
        let found = self.runs.look(pods.iter(), |container| self.progress.get(container).cloned().unwrap_or_default());
        let mut opened = Vec::new();
        for run in found.to_open {
            opened.push(format!("{}{}", run.id, if run.is_early { "!" } else { "" }));
            let progress = self.progress.entry(run.container).or_default();
            (progress.is_open, progress.run) = (true, run.id);
        }
        (found.news, opened)
    }

    fn end(&mut self, uid: &str, is_whole: bool) {
        let progress = self.progress.get_mut(&(uid.to_owned(), "web".to_owned())).unwrap();
        (progress.is_open, progress.is_whole) = (false, is_whole);
    }
}

const NONE: [String; 0] = [];

#[test]
fn started_and_restarted_pods_are_reported() {
    let mut followed = FollowedLog::default();
    let first = pod("a", "run-1", 0, "running");
    assert_eq!(followed.look(std::slice::from_ref(&first)), (Vec::new(), vec!["run-1!".to_owned()]));
    assert_eq!(followed.look(std::slice::from_ref(&first)).1, NONE, "it is open");

    // The second pod has no run while its image is pulled.
    let waiting = pod("b", "", 0, "waiting");
    let started = LogItem::Started { namespace: "web".to_owned(), pod: "web-b".to_owned() };
    assert_eq!(followed.look(&[first.clone(), waiting]), (vec![started], Vec::new()));
    let second = pod("b", "run-2", 0, "running");
    assert_eq!(followed.look(&[first, second.clone()]), (Vec::new(), vec!["run-2".to_owned()]));

    // The container of the first pod is killed and restarts after its stream has ended.
    followed.end("a", true);
    let again = pod("a", "run-3", 1, "running");
    let ended = "OOMKilled, exit code 137".to_owned();
    let restarted = LogItem::Restarted { source: source("a"), times: 1, ended };
    assert_eq!(followed.look(&[again, second]), (vec![restarted], vec!["run-3".to_owned()]));
}

#[test]
fn only_interrupted_logs_are_resumed() {
    let mut followed = FollowedLog::default();
    followed.look(&[pod("a", "run-1", 0, "running")]);
    followed.end("a", false);
    assert_eq!(followed.look(&[pod("a", "run-1", 0, "terminated")]).1, ["run-1!"], "its end is missing");
    followed.end("a", true);
    assert_eq!(
        followed.look(&[pod("a", "run-1", 0, "running")]).1,
        ["run-1!"],
        "the node ended the stream, not the container"
    );
    followed.end("a", true);
    assert_eq!(followed.look(&[pod("a", "run-1", 0, "terminated")]).1, NONE);
    // The pods belong to a job that has already ended.
    let mut followed = FollowedLog::default();
    assert_eq!(followed.look(&[pod("a", "run-1", 0, "terminated")]).1, ["run-1!"]);
}

#[test]
fn lines_lose_only_their_times() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let (time, text) = split(b"2026-11-21T08:00:00.123456789Z two words\n");
    assert_eq!((time, text), (Some(at("2026-11-21T08:00:00.123456789Z")), &b"two words\n"[..]));
    assert_eq!(split(b"2026-11-21T08:00:00Z \n"), (Some(at("2026-11-21T08:00:00Z")), &b"\n"[..]));
    for strange in [&b"unable to retrieve container logs"[..], b"", b"\xff\xfe x\n"] {
        assert_eq!(split(strange), (None, strange));
    }
}
