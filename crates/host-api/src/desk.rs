//! Queue of requests for a change. One is processed at a time, while a support bundle and an undo may run concurrently.
//! Each is known by its ID, and a plan can be approved once.
//!
//! Its content is bounded and lasts as long as the process. An upgrade restarts the API, and then every plan must be
//! made and approved again. The journal is the truth about changes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use landfall_documents::change::Change;
use landfall_error_codes::{Code, codes};
use landfall_peer::{ApprovedRequest, MediaPage, Medium, PlanPage, Problem, Refusal, Request, RequestState, Requester};
use tokio::time::{Duration, Instant};

/// Number of requests that are remembered.
const REQUESTS: usize = 32;
/// Number of plans that are kept.
const PLANS: usize = 8;
/// Time for which a plan can be approved.
const PLAN_LIFE: Duration = Duration::from_hours(1);

/// The queue; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Desk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    requests: VecDeque<KnownRequest>,
    plans: VecDeque<KeptPlan>,
    media: MediaPage,
}

/// A request with its content, so that its ID cannot be reused for something else.
struct KnownRequest {
    request: Request,
    wanted: RequestContent,
}

struct KeptPlan {
    plan: PlanPage,
    since: Instant,
}

/// Content of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestContent {
    Look,
    Plan(Change),
    /// A change, by the digest of its plan.
    Begin(Change, String),
    Abort(u64),
    /// A support bundle, with logs of this many hours.
    Support(u32),
}

impl RequestContent {
    /// Returns true if it need not wait for `running`. An undo uses no medium, and must not wait for one that answers
    /// slowly or never. A support bundle is most needed while something else hangs, and runs no proofs during a change.
    fn goes_beside(&self, running: &Self) -> bool {
        let is_support = |wanted: &Self| matches!(wanted, Self::Support(_));
        let is_undo = matches!(self, Self::Abort(_)) && matches!(running, Self::Look | Self::Plan(_));
        is_undo || is_support(self) != is_support(running)
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Plan(_) => "plan",
            Self::Begin(change, _) => change.verb(),
            Self::Abort(_) => "abort",
            Self::Support(_) => "support",
        }
    }
}

/// Outcome of a request.
pub(crate) enum Outcome {
    Looked(Vec<Medium>),
    Planned(PlanPage),
    /// The change has begun; with messages for people.
    Begun(Vec<String>),
    /// The host has collected and keeps a support bundle.
    Collected,
}

/// Decision about a received request.
pub(crate) enum RequestReceipt {
    /// The request is new.
    New(Request),
    /// The request was sent before; with its progress.
    Again(Request),
}

/// Creates a problem with an entry of the registry.
pub(crate) fn problem(status: StatusCode, code: Code, title: impl Into<String>) -> Problem {
    Problem {
        status: status.as_u16(),
        title: title.into(),
        detail: None,
        code: Some(code.into()),
        hint: Some(code.fix.to_owned()),
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts a request, unless another one is in progress. A repeated request is not processed again.
    pub(crate) fn take(
        &self,
        asking: &Requester,
        wanted: RequestContent,
        now: String,
    ) -> Result<RequestReceipt, Problem> {
        let mut state = self.state();
        if let Some(known) = state.requests.iter().find(|known| known.request.request == asking.request) {
            if known.wanted == wanted {
                return Ok(RequestReceipt::Again(known.request.clone()));
            }
            let title = "the id of the request was used for another one";
            return Err(problem(StatusCode::CONFLICT, codes::REQUEST_INVALID, title));
        }
        let is_in_the_way =
            |known: &&KnownRequest| known.request.state == RequestState::Running && !wanted.goes_beside(&known.wanted);
        if let Some(known) = state.requests.iter().find(is_in_the_way) {
            let Request { verb, by, begun, .. } = &known.request;
            let title = format!("the host works on the {verb} that {by} asked for at {begun}");
            return Err(problem(StatusCode::CONFLICT, codes::REQUEST_RUNS, title));
        }
        let request = Request {
            request: asking.request.clone(),
            verb: wanted.verb().to_owned(),
            by: asking.by.clone(),
            first: asking.first.clone(),
            begun: now,
            state: RequestState::Running,
            plan: None,
            problem: None,
            blockers: Vec::new(),
            notes: Vec::new(),
        };
        push(&mut state.requests, KnownRequest { request: request.clone(), wanted }, REQUESTS);
        Ok(RequestReceipt::New(request))
    }

    /// Records what a request waits for, until it has ended.
    pub(crate) fn note(&self, id: &str, what: String) {
        let mut state = self.state();
        if let Some(known) = state.requests.iter_mut().find(|known| known.request.request == id) {
            known.request.notes = vec![what];
        }
    }

    /// Records the outcome of a request.
    pub(crate) fn end(&self, id: &str, outcome: Result<Outcome, Refusal>, now: String) {
        let mut state = self.state();
        let (mut plan, mut said) = (None, Vec::new());
        let refusal = match outcome {
            Err(refusal) => Some(refusal),
            Ok(outcome) => {
                match outcome {
                    Outcome::Looked(media) => state.media = MediaPage { looked: Some(now), media },
                    Outcome::Planned(page) => {
                        plan = Some(page.digest.clone());
                        state.plans.retain(|kept| kept.plan.digest != page.digest);
                        push(&mut state.plans, KeptPlan { plan: page, since: Instant::now() }, PLANS);
                    }
                    Outcome::Begun(notes) => said = notes,
                    Outcome::Collected => {}
                }
                None
            }
        };
        let Some(known) = state.requests.iter_mut().find(|known| known.request.request == id) else { return };
        let (problem, blockers) = refusal.map(|refusal| (*refusal.problem, refusal.blockers)).unzip();
        known.request.state = if problem.is_some() { RequestState::Failed } else { RequestState::Done };
        (known.request.plan, known.request.problem, known.request.notes) = (plan, problem, said);
        known.request.blockers = blockers.unwrap_or_default();
    }

    /// Returns a request, if it is remembered.
    pub(crate) fn request(&self, id: &str) -> Option<Request> {
        self.state().requests.iter().find(|known| known.request.request == id).map(|known| known.request.clone())
    }

    /// Returns the result of the last look.
    pub(crate) fn media(&self) -> MediaPage {
        self.state().media.clone()
    }

    /// Returns a plan that can be approved.
    pub(crate) fn plan(&self, digest: &str) -> Option<PlanPage> {
        let mut state = self.state();
        state.plans.retain(|kept| kept.since.elapsed() < PLAN_LIFE);
        state.plans.iter().find(|kept| kept.plan.digest == digest).map(|kept| kept.plan.clone())
    }

    /// Returns the plan that a request approves, and forgets it: an approval counts once.
    pub(crate) fn approve(&self, request: &ApprovedRequest) -> Result<PlanPage, Problem> {
        let unknown = || problem(StatusCode::NOT_FOUND, codes::PLAN_UNKNOWN, "the host keeps no plan with this digest");
        let plan = self.plan(&request.plan).ok_or_else(unknown)?;
        if plan.change != request.change {
            let title = "the plan with this digest is of another change";
            return Err(problem(StatusCode::UNPROCESSABLE_ENTITY, codes::PLAN_DIFFERS, title));
        }
        if plan.site != request.confirm {
            let title = format!("this site is named {}, and that was not typed; nothing was changed", plan.site);
            let refused = problem(StatusCode::UNPROCESSABLE_ENTITY, codes::DELETION_UNCONFIRMED, title);
            return Err(Problem {
                hint: Some("Type the name of the site exactly as it is shown.".to_owned()),
                ..refused
            });
        }
        self.state().plans.retain(|kept| kept.plan.digest != request.plan);
        Ok(plan)
    }
}

fn push<T>(list: &mut VecDeque<T>, item: T, most: usize) {
    if list.len() >= most {
        list.pop_front();
    }
    list.push_back(item);
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn notes_last_until_request_ends() {
        let desk = Desk::default();
        let asking = Requester {
            request: "00000001".to_owned(),
            by: "ada".to_owned(),
            correlation: "c".to_owned(),
            first: None,
        };
        desk.take(&asking, RequestContent::Look, String::new()).map(drop).unwrap();
        desk.note("00000001", "it waits".to_owned());
        desk.note("00000002", "no one asked".to_owned());
        let request = desk.request("00000001").unwrap();
        assert_eq!((request.state, request.notes), (RequestState::Running, vec!["it waits".to_owned()]));
        desk.end("00000001", Ok(Outcome::Begun(Vec::new())), String::new());
        assert_eq!(desk.request("00000001").unwrap().notes, Vec::<String>::new());
    }

    #[test]
    fn plan_expires_after_its_life() {
        let desk = Desk::default();
        let asking = Requester {
            request: "00000001".to_owned(),
            by: "ada".to_owned(),
            correlation: "c".to_owned(),
            first: None,
        };
        let change = Change::Restore { backup: Some("aaaaaaaa".to_owned()), at: None, components: Vec::new() };
        let approved = ApprovedRequest {
            asking: asking.clone(),
            change: change.clone(),
            plan: "sha256:aaaaaaaa".to_owned(),
            confirm: "node-1".to_owned(),
        };
        let plan = || {
            let page = PlanPage {
                digest: approved.plan.clone(),
                change: change.clone(),
                site: "node-1".to_owned(),
                made: String::new(),
                document: Value::Null,
            };
            desk.end(&asking.request, Ok(Outcome::Planned(page)), String::new());
        };
        let pass = |time: Duration| {
            let since = Instant::now().checked_sub(time).unwrap();
            desk.state().plans.iter_mut().for_each(|kept| kept.since = since);
        };
        plan();
        pass(PLAN_LIFE);
        let expired = desk.approve(&approved).unwrap_err();
        assert_eq!((expired.status, expired.code.as_deref()), (404, Some(codes::PLAN_UNKNOWN.id)));
        plan();
        pass(PLAN_LIFE.saturating_sub(Duration::from_mins(1)));
        assert_eq!(desk.approve(&approved).unwrap().change, change);
    }
}
