//! `landfall support collect`: collects a site's information for its vendor, without secrets. Takes no lock, and
//! changes only what the release's own proofs change. A collector that fails or hangs does not stop the others.

mod host;
mod judged;
mod proofs;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use landfall_cluster::Cluster;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::facts::ProbedGpus;
use landfall_host::space::FreeSpace;
use landfall_media::durable;
use landfall_media::progress::Event;
use landfall_support::archive::{Head, MAX_BYTES, WriteError, Writer};
use landfall_support::redact::KEY_BYTES;
use landfall_support::{CollectorRecord, KnownValues, Redactor, Truncation};
use rand::TryRng as _;
use rand::rngs::SysRng;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::Operations;
use super::error::Result;
use super::history::History;
use super::past::JournaledOperation;
use landfall_site::{room, support};

/// Time for which the API server is queried for one list.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(5);

/// Mode of a support bundle: only root may read it, until a person hands it over.
const MODE: u32 = 0o600;

/// Result of collecting a support bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollectedSupport {
    /// Written file.
    pub file: PathBuf,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// Number of files in it, without its index.
    pub files: usize,
    /// Number of truncated files.
    pub truncated: usize,
    /// Number of known secret values, which were searched for.
    pub known_values: usize,
    /// Reasons why the values of some secrets are not known. These are found only if they look like secrets.
    pub unknown: Vec<String>,
    /// Results of the collectors.
    pub collectors: Vec<CollectorRecord>,
}

impl CollectedSupport {
    /// Returns the temporary file beside `file` for an incomplete bundle. A killed process leaves it behind.
    pub fn temporary(file: &Path) -> PathBuf {
        file.with_extension(durable::TEMPORARY_SUFFIX.trim_start_matches('.'))
    }
}

/// The secrets of a site.
pub(super) struct Secrets {
    pub(super) known: KnownValues,
    /// The cluster's Secrets, without their values.
    objects: Vec<Value>,
    /// Reasons why some values are not known.
    unknown: Vec<String>,
}

/// A bundle that is being collected.
pub(super) struct Collection {
    writer: Writer<BufWriter<File>>,
    collectors: Vec<CollectorRecord>,
    /// Time after which no further collector begins.
    until: Instant,
}

/// A collector's results, and the reasons for missing ones.
#[derive(Default)]
pub(super) struct CollectorResults {
    files: Vec<(String, Content)>,
    failures: Vec<String>,
}

enum Content {
    Text(Vec<u8>, Option<Truncation>),
    Document(Value),
    Lines(Vec<Value>),
}

impl CollectorResults {
    pub(super) fn text(&mut self, name: impl Into<String>, bytes: Vec<u8>, is_cut: bool) {
        self.files.push((name.into(), Content::Text(bytes, is_cut.then_some(Truncation::Beginning))));
    }

    fn lines(&mut self, name: impl Into<String>, lines: Vec<Value>) {
        self.files.push((name.into(), Content::Lines(lines)));
    }

    /// Adds a document as a command prints it with `--json`.
    fn document(
        &mut self,
        kind: &str,
        schema: u32,
        document: std::result::Result<impl Serialize, impl std::error::Error + 'static>,
    ) {
        match document.map(|document| serde_json::to_value(document)) {
            Ok(Ok(mut value)) => {
                value["kind"] = kind.into();
                value["schema"] = schema.into();
                self.files.push((format!("{kind}.json"), Content::Document(value)));
            }
            Ok(Err(error)) => self.failures.push(error.to_string()),
            Err(error) => self.failures.push(with_causes(&error)),
        }
    }

    pub(super) fn add_failure(&mut self, why: impl Into<String>) {
        self.failures.push(why.into());
    }
}

impl Operations {
    /// Collects a support bundle into a new file, with logs of the time `since` before now. The complete file is on the
    /// disk on return. The report and the file name what could not be collected.
    pub fn collect_support(&self, file: &Path, since: Duration) -> Result<CollectedSupport> {
        if file.symlink_metadata().is_ok() {
            return Err(StepError::new(codes::SUPPORT_EXISTS, format!("{} exists", file.display())).into());
        }
        let (now, until) = (Timestamp::now(), Instant::now() + support::COLLECTION);
        let cluster = self.cluster_of_support();
        // The redactor must know every value before anything is written.
        let Secrets { known, objects: secrets, unknown } = self.secrets(&cluster);
        let redactor = Redactor::new(known, random_key()?).map_err(bug)?;
        let known_values = redactor.known_values();
        let temporary = CollectedSupport::temporary(file);
        durable::remove_file(&temporary).map_err(StepError::from)?;
        let output = BufWriter::new(durable::create_file(&temporary, MODE).map_err(StepError::from)?);
        let modified = now.as_second().try_into().unwrap_or_default();
        let writer = Writer::new(output, redactor, modified);
        let mut collection = Collection { writer, collectors: Vec::new(), until };
        let written = self.collect_all(&mut collection, &cluster, secrets, since).and_then(|()| {
            let head = Head {
                collected_at: format!("{now:.0}"),
                landfall: env!("CARGO_PKG_VERSION").to_owned(),
                since_seconds: since.as_secs(),
                unknown: unknown.clone(),
                collectors: collection.collectors,
            };
            collection.writer.finish(head)
        });
        let (index, size_bytes) =
            match written.and_then(|(output, index)| Ok((place_file(output, &temporary, file)?, index))) {
                Ok((size, index)) => (index, size),
                Err(error) => {
                    // The partial file is useless, and the earlier error counts.
                    let _left = durable::remove_file(&temporary);
                    let what = format!("{} cannot be written", file.display());
                    return Err(StepError::new(codes::MEDIA_IO, what).because(error).into());
                }
            };
        Ok(CollectedSupport {
            file: file.to_owned(),
            size_bytes,
            files: index.files.len(),
            truncated: index.files.iter().filter(|file| file.truncated.is_some()).count(),
            known_values,
            unknown: index.redaction.unknown,
            collectors: index.collectors,
        })
    }

    /// Fails if the data folder's filesystem has no space for a support bundle beyond the reserve. The site's databases
    /// are on it. On the host, a person can choose another place.
    pub fn check_room_for_support(&self) -> Result<()> {
        let folder = self.paths.data();
        let needed = MAX_BYTES.saturating_add(room::reserve(&self.paths, &folder)?.bytes);
        let free = FreeSpace::at(&folder)?.bytes;
        if free >= needed {
            return Ok(());
        }
        let what = format!("{} has {free} bytes free, and a support bundle needs {needed}", folder.display());
        Err(StepError::new(codes::NO_SPACE, what).into())
    }

    /// Returns the secrets of this site, from the host and its cluster.
    pub(super) fn secrets(&self, cluster: &std::result::Result<Cluster, String>) -> Secrets {
        let (mut known, mut unknown) = (KnownValues::default(), Vec::new());
        let history = self.history().ok();
        let pins = history.as_ref().and_then(History::deciding).and_then(JournaledOperation::pins);
        let buckets = pins.map(|pins| pins.settings.backups.buckets.clone()).unwrap_or_default();
        support::known_values(&self.paths, &buckets, &mut known, &mut unknown);
        let answer = cluster.as_ref().map_err(Clone::clone);
        let answer =
            answer.and_then(|cluster| support::secrets(cluster, &mut known).map_err(|error| with_causes(&error)));
        let objects = answer.unwrap_or_else(|why| {
            unknown.push(format!("the cluster's Secrets cannot be read, but for those on this host: {why}"));
            Vec::new()
        });
        Secrets { known, objects, unknown }
    }

    fn cluster_of_support(&self) -> std::result::Result<Cluster, String> {
        let kubeconfig = self.paths.admin_kubeconfig();
        if !kubeconfig.exists() {
            return Err("there is no cluster on this machine".to_owned());
        }
        let cluster =
            Cluster::connect(&kubeconfig).map_err(|error| with_causes(&error))?.with_patience(CLUSTER_PATIENCE);
        cluster.resource("v1", "Pod").map_err(|error| with_causes(&error))?;
        Ok(cluster)
    }

    fn collect_all(
        &self,
        into: &mut Collection,
        cluster: &std::result::Result<Cluster, String>,
        secrets: Vec<Value>,
        since: Duration,
    ) -> std::result::Result<(), WriteError> {
        let after = SystemTime::now().checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH);
        let paths = &self.paths;
        // Small and informative parts come first, because the size limit cuts the last ones.
        self.collect(into, "status", |own, brought| brought.document("status", 1, own.status()))?;
        self.collect(into, "facts", |own, brought| {
            brought.document(
                landfall_host::facts::KIND,
                landfall_host::facts::SCHEMA,
                landfall_host::facts::collect(&own.paths, &ProbedGpus::recent(&own.paths)),
            );
        })?;
        self.collect(into, "preflight", |own, brought| match own.judged_now() {
            Ok(findings) => brought.lines("preflight.jsonl", findings),
            Err(error) => brought.add_failure(with_causes(&error)),
        })?;
        self.collect(into, "releases", |own, brought| {
            brought.document("releases", 1, own.releases().map(|releases| json!({ "releases": releases })));
        })?;
        self.collect(into, "license", |own, brought| brought.document("licenseStatus", 1, own.license_report()))?;
        self.collect(into, "backups", |own, brought| {
            let backups = own
                .backups()
                .and_then(|backups| Ok(json!({"backups": backups, "pointsInTime": own.points_in_time()?})));
            brought.document("backups", 1, backups);
        })?;
        self.collect(into, "journals", Self::bring_journals)?;
        let (cluster, measured) = (cluster.clone(), cluster.clone());
        self.collect(into, "cluster", move |_, brought| bring_objects(cluster, secrets, brought))?;
        self.collect(into, "metrics", move |_, brought| bring_metrics(measured, brought))?;
        let until = into.until.min(Instant::now() + support::COLLECTOR);
        self.collect(into, "proofs", move |own, brought| proofs::bring_proofs(own, until, brought))?;
        self.collect(into, "host", |own, brought| host::bring_host(&own.paths, brought))?;
        self.collect(into, "journald", move |_, brought| host::bring_journald(since, brought))?;
        let (folder, name) = (paths.logs(), "operations");
        self.collect(into, name, move |_, brought| host::bring_logs(&folder, name, after, brought))?;
        let folder = paths.pod_logs();
        self.collect(into, "pods", move |_, brought| host::bring_logs(&folder, "pods", after, brought))
    }

    /// Runs a collector in a separate thread, so that a hanging one blocks nothing, and adds its results. If no time is
    /// left, it does not run, and that is recorded.
    fn collect(
        &self,
        into: &mut Collection,
        name: &str,
        collector: impl FnOnce(&Self, &mut CollectorResults) + Send + 'static,
    ) -> std::result::Result<(), WriteError> {
        self.progress.event(Event::Note(format!("collecting {name}")));
        let begun = Instant::now();
        let patience = into.until.saturating_duration_since(begun).min(support::COLLECTOR);
        if patience.is_zero() {
            let why = "left out: the collectors before it took all of the time".to_owned();
            return into.add(name, begun, CollectorResults { files: Vec::new(), failures: vec![why] });
        }
        let (own, (sender, receiver)) = (self.clone(), mpsc::channel());
        std::thread::spawn(move || {
            let mut brought = CollectorResults::default();
            collector(&own, &mut brought);
            // The receiver may have given up.
            let _given_up = sender.send(brought);
        });
        let brought = receiver.recv_timeout(patience).unwrap_or_else(|error| {
            let why = match error {
                mpsc::RecvTimeoutError::Timeout => format!("it did not end within {} s", patience.as_secs()),
                mpsc::RecvTimeoutError::Disconnected => "it ended by a bug of Landfall's".to_owned(),
            };
            CollectorResults { files: Vec::new(), failures: vec![why] }
        });
        into.add(name, begun, brought)
    }

    /// Adds journals as JSON lines. Unreadable parts of a damaged journal are a failure.
    fn bring_journals(&self, brought: &mut CollectorResults) {
        let files = self.journals().list();
        for file in files.map_err(|error| brought.add_failure(with_causes(&error))).unwrap_or_default() {
            let name = file.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            match self.journals().read(&file) {
                Ok(replay) => {
                    let lines = replay.entries.iter().map(|entry| serde_json::to_value(entry).unwrap_or_default());
                    brought.lines(format!("journals/{name}.jsonl"), lines.collect());
                }
                Err(error) => brought.add_failure(with_causes(&error)),
            }
        }
    }
}

impl Collection {
    fn add(&mut self, name: &str, begun: Instant, brought: CollectorResults) -> std::result::Result<(), WriteError> {
        let mut failures = brought.failures;
        for (file, content) in brought.files {
            let added = match content {
                Content::Text(bytes, truncated) => self.writer.add_text(&file, &bytes, truncated),
                Content::Document(document) => self.writer.add_document(&file, document),
                Content::Lines(lines) => self.writer.add_lines(&file, lines),
            };
            match added {
                Err(error @ WriteError::Full { .. }) => failures.push(error.to_string()),
                added => added?,
            }
        }
        let milliseconds = begun.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        self.collectors.push(CollectorRecord { name: name.to_owned(), milliseconds, failures });
        Ok(())
    }
}

fn bring_objects(cluster: std::result::Result<Cluster, String>, secrets: Vec<Value>, brought: &mut CollectorResults) {
    let cluster = match cluster {
        Ok(cluster) => cluster,
        Err(why) => return brought.add_failure(why),
    };
    brought.lines("cluster/secrets.jsonl", secrets);
    for (version, kind, file) in support::KINDS {
        match support::objects(&cluster, version, kind) {
            Ok(objects) => brought.lines(format!("cluster/{file}.jsonl"), objects),
            Err(error) => brought.add_failure(with_causes(&error)),
        }
    }
}

/// Adds the kubelets' measurements: processors, memory and disks of nodes, pods and containers.
fn bring_metrics(cluster: std::result::Result<Cluster, String>, brought: &mut CollectorResults) {
    let measured = cluster.and_then(|cluster| support::statistics(&cluster).map_err(|error| with_causes(&error)));
    match measured {
        Ok(nodes) => brought.lines("cluster/metrics.jsonl", nodes),
        Err(why) => brought.add_failure(why),
    }
}

pub(super) fn random_key() -> Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    SysRng.try_fill_bytes(&mut key).map_err(bug)?;
    Ok(key)
}

pub(super) fn bug(error: impl std::error::Error + Send + Sync + 'static) -> StepError {
    StepError::new(codes::BUG, "secrets cannot be looked for").because(error)
}

/// Makes the file durable under its final name. Returns its size in bytes.
fn place_file(output: BufWriter<File>, temporary: &Path, file: &Path) -> std::result::Result<u64, WriteError> {
    let mut output = output.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    output.flush()?;
    durable::sync_file(&output, temporary).map_err(std::io::Error::other)?;
    let size = output.metadata()?.len();
    durable::rename(temporary, file).map_err(std::io::Error::other)?;
    Ok(size)
}
