//! Live logs of a component's pods, including pods and containers that start later.
//!
//! A watch reports the pods; each run of a container has its own stream. A stream that breaks off while its container
//! runs is reopened after the last line passed on.

mod containers;
mod recent;
mod runs;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{AsyncBufReadExt, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams, WatchEvent, WatchParams};
use kube::{Api, Client};

use super::{Cluster, ClusterError, Inventory};
pub use containers::{PodContainer, PodContainers};
pub use recent::RecentLines;
use runs::{Container, Run, Runs};

/// Wait for changes before broken streams are checked.
const TICK: Duration = Duration::from_secs(1);

/// Maximum silence of a watch. The API server must end watches on its own before a connection counts as dead.
const WATCH_SECONDS: u32 = 240;

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogSource {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
}

/// An item of the followed logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogItem {
    /// A line, with the line feed if it has one.
    Line {
        /// Container of the line.
        source: LogSource,
        /// Bytes of the line, as logged.
        text: Vec<u8>,
    },
    /// A pod appeared after following began.
    Started {
        /// Namespace of the pod.
        namespace: String,
        /// Name of the pod.
        pod: String,
    },
    /// A container was restarted.
    Restarted {
        /// The container.
        source: LogSource,
        /// Number of restarts so far, as counted by Kubernetes.
        times: i32,
        /// End of its previous run, such as `OOMKilled, exit code 137`.
        ended: String,
    },
    /// The API server does not answer; the request is repeated.
    Unanswered(String),
}

/// Selection of lines of a component's logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogSelection {
    /// For containers already running, the maximum age of lines.
    pub since: Option<Duration>,
    /// For containers already running, the maximum number of last lines.
    pub tail: Option<u32>,
    /// Name of the containers; all if `None`.
    pub container: Option<String>,
}

impl LogSelection {
    fn wants(&self, source: &LogSource) -> bool {
        self.container.as_ref().is_none_or(|name| *name == source.container)
    }

    /// Returns true if an item concerns the selected containers.
    fn is_news(&self, news: &LogItem) -> bool {
        match news {
            LogItem::Line { source, .. } | LogItem::Restarted { source, .. } => self.wants(source),
            LogItem::Started { .. } | LogItem::Unanswered(_) => true,
        }
    }
}

/// Receiver of items, called from several threads; a break ends the following.
pub type Listener = Arc<dyn Fn(LogItem) -> ControlFlow<()> + Send + Sync>;

impl Cluster {
    /// Follows the logs of a component's pods until the listener breaks: the selection for running containers,
    /// everything for those that start later. Fails only if the first request fails.
    pub fn follow_logs(
        &self,
        inventory: &Inventory,
        selection: &LogSelection,
        listener: &Listener,
    ) -> Result<(), ClusterError> {
        // An unreachable cluster or missing permissions are reported here, after retries.
        self.pods_of_component(inventory)?;
        let client = self.talking().map_err(|error| self.cannot("follow the logs", inventory, error))?;
        let streams = Streams {
            client: client.clone(),
            listener: listener.clone(),
            selection: selection.clone(),
            shared: Arc::default(),
        };
        let mut watch = Watch::new(client, inventory);
        let (mut members, mut runs) = (Members::default(), Runs::default());
        let mut is_answered = true;
        while !streams.is_closed() {
            let looked = self.wait_for(watch.wait()).map_err(|error| error.to_string());
            let looked = looked.and_then(|()| members.learn(self, inventory, &watch.pods));
            if let Err(reason) = &looked {
                if std::mem::replace(&mut is_answered, false)
                    && listener(LogItem::Unanswered(reason.clone())).is_break()
                {
                    return Ok(());
                }
                std::thread::sleep(TICK);
                continue;
            }
            is_answered = true;
            let pods = watch.pods.iter().filter(|(uid, _)| members.has(uid)).map(|(_, pod)| pod);
            let found = runs.look(pods, |container| streams.state(container));
            if found.news.into_iter().filter(|news| selection.is_news(news)).any(|news| listener(news).is_break()) {
                return Ok(());
            }
            for run in found.to_open.into_iter().filter(|run| selection.wants(&run.source)) {
                self.spawn(streams.clone().follow(run));
            }
        }
        Ok(())
    }

    fn cannot(&self, act: &str, inventory: &Inventory, error: kube::Error) -> ClusterError {
        ClusterError::Unreachable {
            action: format!("{act} of {}", inventory.owner.component),
            server: self.server().to_owned(),
            seconds: 0,
            source: error.into(),
        }
    }
}

/// Watch of the pods in a component's namespaces, by UID.
struct Watch {
    api: Api<Pod>,
    namespaces: BTreeSet<String>,
    pods: BTreeMap<String, Pod>,
    stream: Option<BoxStream<'static, kube::Result<WatchEvent<Pod>>>>,
}

impl Watch {
    fn new(client: Client, inventory: &Inventory) -> Self {
        let namespaces = inventory.objects.iter().filter_map(|object| object.namespace.clone());
        let namespaces = namespaces.chain([inventory.namespace.clone()]).collect();
        Self { api: Api::all(client), namespaces, pods: BTreeMap::new(), stream: None }
    }

    /// Waits for a change, for at most one tick. After an error, the next call lists all pods again.
    async fn wait(&mut self) -> kube::Result<()> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.list().await?,
        };
        match tokio::time::timeout(TICK, stream.next()).await {
            // The watch has ended, as watches do.
            Ok(None) => return Ok(()),
            Ok(Some(event)) => {
                if !self.take(event?) {
                    return Ok(());
                }
            }
            Err(_) => {}
        }
        self.stream = Some(stream);
        Ok(())
    }

    async fn list(&mut self) -> kube::Result<BoxStream<'static, kube::Result<WatchEvent<Pod>>>> {
        let listed = self.api.list(&ListParams::default()).await?;
        self.pods.clear();
        let version = listed.metadata.resource_version.unwrap_or_default();
        listed.items.into_iter().for_each(|pod| self.add(pod));
        let stream = self.api.watch(&WatchParams::default().timeout(WATCH_SECONDS), &version).await?;
        Ok(stream.boxed())
    }

    fn add(&mut self, pod: Pod) {
        if pod.metadata.namespace.as_ref().is_some_and(|namespace| self.namespaces.contains(namespace)) {
            self.pods.insert(pod.metadata.uid.clone().unwrap_or_default(), pod);
        }
    }

    /// Applies one change; returns true if the watch can continue.
    fn take(&mut self, event: WatchEvent<Pod>) -> bool {
        match event {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => self.add(pod),
            WatchEvent::Deleted(pod) => {
                self.pods.remove(pod.metadata.uid.as_deref().unwrap_or_default());
            }
            WatchEvent::Bookmark(_) => {}
            // The starting version of the watch is too old.
            WatchEvent::Error(_) => return false,
        }
        true
    }
}

/// Whether pods belong to the component, by UID.
#[derive(Default)]
struct Members(BTreeMap<String, bool>);

impl Members {
    /// Looks up pods that are not known yet.
    fn learn(&mut self, cluster: &Cluster, inventory: &Inventory, pods: &BTreeMap<String, Pod>) -> Result<(), String> {
        if pods.keys().all(|uid| self.0.contains_key(uid)) {
            return Ok(());
        }
        let found = cluster.with_patience(Duration::ZERO).pods_of_component(inventory);
        let found = found.map_err(|error| error.to_string())?;
        for (uid, pod) in pods {
            let metadata = &pod.metadata;
            let is_member = found
                .iter()
                .any(|name| name.namespace == metadata.namespace && Some(&name.name) == metadata.name.as_ref());
            self.0.insert(uid.clone(), is_member);
        }
        Ok(())
    }

    fn has(&self, uid: &str) -> bool {
        self.0.get(uid) == Some(&true)
    }
}

/// Progress of a container's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Progress {
    /// True if a stream of it is open.
    is_open: bool,
    /// Run for which the latest stream was opened.
    run: String,
    /// True if that stream reached its end and did not break off.
    is_whole: bool,
    /// Time of the last line.
    until: Option<Timestamp>,
}

/// All streams of a followed component.
#[derive(Clone)]
struct Streams {
    client: Client,
    listener: Listener,
    /// The selection, mainly for the earlier log of a container that ran before following began.
    selection: LogSelection,
    shared: Arc<SharedProgress>,
}

#[derive(Default)]
struct SharedProgress {
    is_closed: AtomicBool,
    progress: Mutex<BTreeMap<Container, Progress>>,
}

impl Streams {
    fn is_closed(&self) -> bool {
        self.shared.is_closed.load(Ordering::Relaxed)
    }

    fn change<T>(&self, container: &Container, change: impl FnOnce(&mut Progress) -> T) -> T {
        let mut progress = self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner);
        change(progress.entry(container.clone()).or_default())
    }

    fn state(&self, container: &Container) -> Progress {
        self.change(container, |progress| progress.clone())
    }

    /// Passes on the log of a run to its end.
    fn follow(self, run: Run) -> impl Future<Output = ()> + Send + 'static {
        let until = self.change(&run.container, |progress| {
            (progress.is_open, progress.run) = (true, run.id.clone());
            progress.until
        });
        async move {
            let mut reached = until;
            let read = self.read(&run, &mut reached).await;
            if let Err(error) = &read {
                tracing::debug!(pod = run.source.pod, container = run.source.container, %error, "a log broke off");
            }
            self.change(&run.container, |progress| {
                (progress.is_open, progress.is_whole, progress.until) = (false, read.is_ok(), reached);
            });
        }
    }

    async fn read(
        &self,
        run: &Run,
        reached: &mut Option<Timestamp>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let known = *reached;
        let is_first = run.is_early && known.is_none();
        let since = self.selection.since.filter(|_| is_first);
        let parameters = LogParams {
            container: Some(run.source.container.clone()),
            follow: true,
            timestamps: true,
            // The API server rounds it down to a second.
            since_time: known,
            since_seconds: since.map(|since| i64::try_from(since.as_secs().max(1)).unwrap_or(i64::MAX)),
            tail_lines: self.selection.tail.filter(|_| is_first).map(i64::from),
            ..LogParams::default()
        };
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &run.source.namespace);
        let mut reader = pin!(pods.log_stream(&run.source.pod, &parameters).await?);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).await? > 0 {
            let (time, text) = split(&line);
            if time.is_none() || time > known {
                *reached = time.or(*reached);
                let logged = LogItem::Line { source: run.source.clone(), text: text.to_vec() };
                if (self.listener)(logged).is_break() {
                    self.shared.is_closed.store(true, Ordering::Relaxed);
                    return Ok(());
                }
            }
            line.clear();
        }
        Ok(())
    }
}

/// Splits a line into its time and its text.
fn split(line: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let space = line.iter().position(|byte| *byte == b' ');
    let time = space.and_then(|space| std::str::from_utf8(&line[..space]).ok()?.parse().ok());
    match (time, space) {
        (Some(time), Some(space)) => (Some(time), &line[space + 1..]),
        _ => (None, line),
    }
}

#[cfg(test)]
mod tests;
