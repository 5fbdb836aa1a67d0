//! Execution of a proof: finds its target in the cluster, asks until there is an answer, and judges the first answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use landfall_cluster::{Cluster, ClusterError, NoAnswer, ObjectName, Question, ask};
use landfall_engine::causes::with_causes;
use landfall_release_document::{CommandProof, Proof, ProofTrial, ReleaseDocument, RequestProof};

use super::canary::CanaryPod;
use super::judge::{self, Mismatch};
use crate::pods::{Container, NoContainer, ready_container};

/// Time between two attempts.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// Runner of a release's proofs.
pub struct Prover {
    cluster: Cluster,
    release: Arc<ReleaseDocument>,
    /// Pod that is asked instead of workloads and Services.
    canary: Option<CanaryPod>,
}

/// Outcome of a proof.
pub(super) struct ProofOutcome {
    /// The last target.
    pub(super) asked: Option<String>,
    /// Success, or the expected and found values.
    pub(super) verdict: Result<(), Mismatch>,
}

/// Reason why an attempt gave nothing to judge.
pub(super) struct AttemptFailure {
    reason: String,
    /// True if a later attempt may get an answer.
    pub(super) transient: bool,
}

impl AttemptFailure {
    fn yet(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), transient: true }
    }

    fn ever(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), transient: false }
    }
}

impl From<NoAnswer> for AttemptFailure {
    fn from(error: NoAnswer) -> Self {
        Self { transient: error.is_transient() || is_unknown_yet(&error), reason: with_causes(&error) }
    }
}

/// Returns true if a newly started kubelet refused a pod that the API server has listed: it learns of its pods one by
/// one.
fn is_unknown_yet(error: &NoAnswer) -> bool {
    matches!(error, NoAnswer::Refused { code: 404, .. })
}

impl From<NoContainer> for AttemptFailure {
    fn from(error: NoContainer) -> Self {
        match error {
            NoContainer::Cluster(error) => error.into(),
            NoContainer::Missing(reason) => Self::ever(reason),
            NoContainer::NotReady(_) => Self::yet(error.to_string()),
        }
    }
}

impl From<ClusterError> for AttemptFailure {
    fn from(error: ClusterError) -> Self {
        Self { transient: error.is_transient(), reason: with_causes(&error) }
    }
}

/// Result of an attempt: success, or a description of the mismatch.
type AttemptResult = Result<Result<(), String>, AttemptFailure>;

impl Prover {
    /// Returns a prover for the software of a release.
    pub fn new(cluster: Cluster, release: &Arc<ReleaseDocument>) -> Self {
        Self { cluster, release: Arc::clone(release), canary: None }
    }

    /// Returns a prover for one pod: commands run in it, and it gets the requests for a Service.
    pub fn of_canary(cluster: Cluster, release: &Arc<ReleaseDocument>, canary: CanaryPod) -> Self {
        Self { canary: Some(canary), ..Self::new(cluster, release) }
    }

    /// Runs a proof. Asks again until the limit if there is no answer; judges an answer at once.
    pub(super) fn prove(&self, proof: &Proof) -> ProofOutcome {
        let limit = Duration::from_secs(proof.limit_seconds);
        let begun = Instant::now();
        let mut asked = None;
        let found = loop {
            let left = limit.saturating_sub(begun.elapsed());
            match self.try_once(proof, left, &mut asked) {
                Ok(Ok(())) => return ProofOutcome { asked, verdict: Ok(()) },
                Ok(Err(found)) => break found,
                Err(AttemptFailure { reason, transient: false }) => break reason,
                Err(AttemptFailure { reason, .. }) if begun.elapsed() + INTERVAL >= limit => {
                    break format!("{reason}, for {} s", limit.as_secs());
                }
                Err(AttemptFailure { .. }) => std::thread::sleep(INTERVAL),
            }
        };
        ProofOutcome { asked, verdict: Err(Mismatch { expected: judge::expectation(&proof.trial), found }) }
    }

    fn try_once(&self, proof: &Proof, left: Duration, asked: &mut Option<String>) -> AttemptResult {
        let component = self.release.components.iter().find(|component| component.name == proof.component);
        // The document was checked, so its proofs belong to its components.
        let namespace = component.map(|component| component.namespace.as_str()).unwrap_or_default();
        match &proof.trial {
            ProofTrial::Command(command) => self.command(namespace, command, left, asked),
            ProofTrial::Request(request) => self.request(namespace, request, left, asked),
        }
    }

    fn command(
        &self,
        namespace: &str,
        command: &CommandProof,
        left: Duration,
        asked: &mut Option<String>,
    ) -> AttemptResult {
        let Container { pod, name, .. } = self.container(namespace, command)?;
        *asked = Some(format!("container {name} of pod {namespace}/{pod}"));
        let executed = self.cluster.execute(namespace, &pod, &name, &command.arguments, left)?;
        Ok(judge::command(&command.expect, &executed))
    }

    fn container(&self, namespace: &str, command: &CommandProof) -> Result<Container, AttemptFailure> {
        let Some(canary) = &self.canary else {
            let wanted = command.container.as_deref();
            return Ok(ready_container(&self.cluster, namespace, &command.workload, wanted)?);
        };
        let name = canary.container(command).ok_or_else(|| AttemptFailure::ever("the pod has no such container"))?;
        Ok(Container { namespace: namespace.to_owned(), pod: canary.name().to_owned(), name: name.to_owned() })
    }

    /// Returns the target of a request, as an address and as text.
    fn address(&self, namespace: &str, request: &RequestProof) -> Result<(SocketAddr, String), AttemptFailure> {
        if let Some(canary) = &self.canary {
            let address = canary.address(request).map_err(AttemptFailure::ever)?;
            return Ok((address, format!("http://{address}{} of pod {namespace}/{}", request.path, canary.name())));
        }
        let name = ObjectName::new("v1", "Service", namespace, &request.service);
        let service = self.cluster.get(&name)?.ok_or_else(|| AttemptFailure::ever(format!("{name} does not exist")))?;
        let address: Option<IpAddr> = service["spec"]["clusterIP"].as_str().and_then(|address| address.parse().ok());
        let address = address.ok_or_else(|| AttemptFailure::ever(format!("{name} has no address of its own")))?;
        let address = SocketAddr::from((address, request.port.get()));
        Ok((address, format!("http://{address}{} of Service {namespace}/{}", request.path, request.service)))
    }

    fn request(
        &self,
        namespace: &str,
        request: &RequestProof,
        left: Duration,
        asked: &mut Option<String>,
    ) -> AttemptResult {
        let (address, place) = self.address(namespace, request)?;
        *asked = Some(place);
        let host = format!("{}.{namespace}.svc", request.service);
        let question = Question {
            address,
            host: if request.port.get() == 80 { host } else { format!("{host}:{}", request.port) },
            method: request.method.name(),
            path: request.path.clone(),
            headers: request.headers.clone().into_iter().collect(),
            body: request.body.clone().into_bytes(),
        };
        Ok(judge::response(&request.expect, &ask(&question, left)?))
    }
}
