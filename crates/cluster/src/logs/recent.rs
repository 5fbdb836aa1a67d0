//! Last log lines of a component's containers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::LogSource;
use crate::{Cluster, ClusterError, Inventory};

/// Maximum bytes kept of a run's newest lines.
const RUN_BYTES: usize = 256 << 10;

/// Maximum bytes of all runs of a component. The console accepts answers of 16 MiB, and several may be pending at once.
const COMPONENT_BYTES: usize = 8 << 20;

/// Overhead counted per line: an answer names its pod and container.
const LINE_BYTES: usize = 200;

/// Last log lines of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentLines {
    /// Lines of its previous run, if it was restarted.
    pub previous: String,
    /// Lines of its current run; or, while it waits for the next run, those of the last one.
    pub present: String,
}

impl Cluster {
    /// Returns the last lines of each container of a component's pods, at most this many per run. Of these, the newest
    /// that fit into 256 KiB are kept, or fewer if the component has many containers. Containers without a log are left
    /// out.
    pub fn recent_logs(
        &self,
        inventory: &Inventory,
        lines: u32,
    ) -> Result<BTreeMap<LogSource, RecentLines>, ClusterError> {
        let mut logs = BTreeMap::new();
        for pod in self.pods_of_component(inventory)? {
            let Some(object) = self.get(&pod)? else { continue };
            let containers = object.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten();
            for container in containers.filter_map(|container| container["name"].as_str()) {
                let run = |previous| newest(self.last_log_lines(&pod, container, previous, lines), RUN_BYTES);
                let present = run(false);
                let previous = if has_previous(&object, container) { run(true) } else { String::new() };
                if !present.is_empty() || !previous.is_empty() {
                    logs.insert(source(&pod, container), RecentLines { previous, present });
                }
            }
        }
        share(&mut logs, COMPONENT_BYTES);
        Ok(logs)
    }
}

/// Keeps the newest lines of each run if all together exceed this many bytes.
fn share(logs: &mut BTreeMap<LogSource, RecentLines>, bytes: usize) {
    let runs = || logs.values().flat_map(|lines| [&lines.previous, &lines.present]).filter(|text| !text.is_empty());
    if runs().flat_map(|text| text.split_inclusive('\n')).map(cost).sum::<usize>() <= bytes {
        return;
    }
    let each = bytes / runs().count();
    for lines in logs.values_mut() {
        for text in [&mut lines.previous, &mut lines.present] {
            *text = newest(std::mem::take(text), each);
        }
    }
}

/// Returns the newest lines that fit into this many bytes; for a single longer line, its end.
fn newest(mut text: String, bytes: usize) -> String {
    let mut left = bytes;
    let fits = |line: &&str| {
        let Some(rest) = left.checked_sub(cost(line)) else { return false };
        left = rest;
        true
    };
    let kept: usize = text.split_inclusive('\n').rev().take_while(fits).map(str::len).sum();
    let kept = if kept == 0 { bytes.min(text.len()) } else { kept };
    let begin = (text.len() - kept..text.len()).find(|index| text.is_char_boundary(*index));
    text.split_off(begin.unwrap_or(text.len()))
}

/// Returns the cost of a line in bytes.
fn cost(line: &str) -> usize {
    line.len() + LINE_BYTES
}

/// Returns true if a run preceded the one whose log is read. While a container waits for its next run, the log is that
/// of the last one.
fn has_previous(pod: &Value, container: &str) -> bool {
    let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten();
    let mut own = statuses.filter(|status| status["name"] == container);
    own.any(|status| status["state"]["waiting"].is_null() && status["lastState"]["terminated"].is_object())
}

fn source(pod: &crate::ObjectName, container: &str) -> LogSource {
    LogSource {
        namespace: pod.namespace.clone().unwrap_or_default(),
        pod: pod.name.clone(),
        container: container.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::{TcpListener, TcpStream};

    use serde_json::json;

    use super::*;
    use crate::connection::tests::at;
    use crate::{ObjectName, Owner};

    /// Answers like an API server with a pod of three containers. One runs after a restart, one waits after a crash,
    /// and one has run since its start.
    fn answer(connection: &mut TcpStream) {
        let mut lines = BufReader::new(connection.try_clone().unwrap()).lines().map(Result::unwrap);
        let first = lines.next().unwrap();
        let path = first.split(' ').nth(1).unwrap().to_owned();
        while lines.next().is_some_and(|line| !line.is_empty()) {}
        let ended = json!({"terminated": {"exitCode": 1}});
        let status =
            |name: &str, state: &str, last: &Value| json!({"name": name, "state": {state: {}}, "lastState": last});
        let body = match path.split_once("/log?container=") {
            Some((_, asked)) => asked.replace('&', " ") + "\n",
            None if path == "/api/v1" => {
                json!({"resources": [{"name": "pods", "kind": "Pod", "namespaced": true}]}).to_string()
            }
            None => json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "web"},
                "spec": {"containers": [{"name": "restarted"}, {"name": "crashing"}, {"name": "steady"}]},
                "status": {"containerStatuses": [
                    status("restarted", "running", &ended), status("crashing", "waiting", &ended),
                    status("steady", "running", &json!({})),
                ]},
            })
            .to_string(),
        };
        let length = body.len();
        write!(connection, "HTTP/1.1 200 x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
    }

    #[test]
    fn newest_lines_are_kept() {
        let of = |text: &str, bytes| newest(text.to_owned(), bytes);
        assert_eq!(of("one\ntwo\nthree\n", 2 * LINE_BYTES + 10), "two\nthree\n");
        assert_eq!(of("one\ntwo\nthree\n", 2 * LINE_BYTES + 9), "three\n");
        assert_eq!(of("one\ntwo\n", RUN_BYTES), "one\ntwo\n");
        assert_eq!(of("", RUN_BYTES), "");
        assert_eq!(of("a long line of aé", 2), "é");
        assert_eq!(of("a long line of éa", 2), "a");
    }

    #[test]
    fn many_containers_share_the_space() {
        let source = |container: usize| LogSource {
            namespace: "web".to_owned(),
            pod: "web-0".to_owned(),
            container: container.to_string(),
        };
        let lines = |last: usize| (0..last).map(|line| format!("{line:03}\n")).collect::<Vec<_>>().concat();
        let run = |last| RecentLines { previous: String::new(), present: lines(last) };
        let mut logs: BTreeMap<_, _> = (0..4).map(|container| (source(container), run(100))).collect();
        let whole = logs.clone();
        share(&mut logs, 4 * 100 * (LINE_BYTES + 4));
        assert_eq!(logs, whole);
        share(&mut logs, 4 * 50 * (LINE_BYTES + 4));
        let newest = lines(100).split_off(50 * 4);
        assert!(logs.values().all(|lines| lines.present == newest && lines.previous.is_empty()), "{logs:?}");
    }

    #[test]
    fn restarted_container_has_both_runs() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (_folder, cluster) = at(listener.local_addr().unwrap());
        std::thread::spawn(move || listener.incoming().for_each(|connection| answer(&mut connection.unwrap())));
        let inventory = Inventory {
            owner: Owner { component: "web".to_owned(), release: "shop".to_owned() },
            namespace: "web".to_owned(),
            objects: vec![ObjectName::new("v1", "Pod", "web", "web-0")],
        };
        let logs = cluster.recent_logs(&inventory, 7).unwrap();
        let lines = |container: &str, previous: bool| format!("{container} tailLines=7 previous={previous}\n");
        let found: Vec<_> = logs.into_iter().map(|(source, lines)| (source.container, lines)).collect();
        let expected =
            [("crashing", String::new()), ("restarted", lines("restarted", true)), ("steady", String::new())];
        let expected =
            expected.map(|(name, previous)| (name.to_owned(), RecentLines { previous, present: lines(name, false) }));
        assert_eq!(found, expected);
    }
}
