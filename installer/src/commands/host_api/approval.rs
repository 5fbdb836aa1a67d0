//! Waits for root's approval of a change that the console's users have approved, if the host requires it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_peer::{PlanPage, Refusal, Requester};
use landfall_site::host_approvals::{HostApprovals, PATIENCE, WaitingChange, Word};

use super::child::refusal;
use super::problem;

/// Interval between checks for an approval.
const LOOK: Duration = Duration::from_secs(1);

/// Returns after root has approved the plan on this host; immediately if root's approval is not required.
pub(super) fn await_word(
    approvals: &HostApprovals,
    plan: &PlanPage,
    asking: &Requester,
    note: &dyn Fn(String),
) -> Result<(), Refusal> {
    if !approvals.is_required() {
        return Ok(());
    }
    let until = Instant::now() + PATIENCE;
    let digest: Sha256 =
        plan.digest.parse().map_err(|_| refusal(422, codes::PLAN_UNKNOWN, "the plan's digest is not valid"))?;
    let waiting = waiting(plan, asking);
    let asked = approvals.ask(digest, &waiting).map_err(|error| Refusal::from(problem(&error.into())))?;
    tracing::info!(plan = plan.digest, by = asking.by, "a change of the console waits for the approval of this host");
    note(format!(
        "the host's administrator must also approve it until {}: `landfall approvals list` on the host shows the plan \
         {}",
        waiting.until, plan.digest
    ));
    while Instant::now() < until {
        match asked.word() {
            Some(Word::Approved) => {
                tracing::info!(plan = plan.digest, "this host has approved a change of the console");
                note("the host's administrator has approved it".to_owned());
                return Ok(());
            }
            Some(Word::Refused) => {
                return Err(refusal(409, codes::APPROVAL_MISSING, "the host's administrator refused the change"));
            }
            None => std::thread::sleep(LOOK),
        }
    }
    let minutes = PATIENCE.as_secs() / 60;
    let what = format!("the host's administrator did not approve the change within {minutes} minutes");
    Err(refusal(409, codes::APPROVAL_MISSING, &what))
}

fn waiting(plan: &PlanPage, asking: &Requester) -> WaitingChange {
    let until = Timestamp::now() + jiff::SignedDuration::try_from(PATIENCE).unwrap_or_default();
    WaitingChange {
        plan: plan.digest.clone(),
        change: plan.change.clone(),
        by: asking.by.clone(),
        first: asking.first.clone(),
        until: format!("{until:.0}"),
        document: plan.document.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use landfall_documents::change::Change;
    use landfall_host::paths::SitePaths;
    use serde_json::json;

    use super::*;

    fn begin(approvals: &HostApprovals, notes: &Mutex<Vec<String>>) -> Result<(), Refusal> {
        let plan = PlanPage {
            digest: Sha256([0xab; 32]).to_string(),
            change: Change::Rollback { version: "1.0.0".to_owned(), data: None },
            site: "node-1".to_owned(),
            made: String::new(),
            document: json!({}),
        };
        let asking = Requester {
            request: "00000001".to_owned(),
            by: "ada".to_owned(),
            correlation: String::new(),
            first: Some("bob".to_owned()),
        };
        await_word(approvals, &plan, &asking, &|note| notes.lock().unwrap().push(note))
    }

    #[test]
    fn change_waits_for_host_approval() {
        let root = tempfile::tempdir().unwrap();
        let approvals = HostApprovals::of(&SitePaths::below(root.path()));
        let notes = Mutex::default();
        begin(&approvals, &notes).unwrap();
        assert!(notes.lock().unwrap().is_empty(), "no approval is required");
        approvals.require(true).unwrap();
        for word in [Word::Approved, Word::Refused] {
            let ended = std::thread::scope(|scope| {
                let beginning = scope.spawn(|| begin(&approvals, &notes));
                let waiting = loop {
                    if let [waiting] = &approvals.waiting()[..] {
                        break waiting.clone();
                    }
                    assert!(!beginning.is_finished(), "it began unasked");
                    std::thread::sleep(Duration::from_millis(5));
                };
                assert_eq!((waiting.by.as_str(), waiting.first.as_deref()), ("ada", Some("bob")));
                approvals.say(word, &waiting.plan).unwrap();
                beginning.join().unwrap()
            });
            let code = ended.map_err(|refusal| refusal.problem.code.map(String::from).unwrap_or_default());
            let expected = if word == Word::Approved { Ok(()) } else { Err(codes::APPROVAL_MISSING.id.to_owned()) };
            assert_eq!(code, expected);
            assert_eq!(approvals.waiting(), [], "nothing is left");
        }
        let notes = notes.lock().unwrap();
        assert_eq!(notes.len(), 3);
        assert!(notes[0].contains("landfall approvals list") && notes[0].contains("sha256:abab"), "{notes:?}");
    }
}
