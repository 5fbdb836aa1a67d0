//! The page *Approval*: the setting of two approvals, the users who count as a person, and waiting approvals of these.

use askama::Template;
use axum::extract::{Path, State};
use serde::Deserialize;

use super::change::{home, plan_path};
use super::fields::{ActionNotice, FormFields, tell};
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::state::{Mark, State as How};
use super::{PageResult, draw, draw_refused, go};
use crate::access::Caller;
use crate::approval::{
    self, Approval, ApprovalSubject, ApproverAccount, approvers, does_count, is_same_person, open, setting, turn_on,
};
use crate::context::Context;
use crate::people::Role;
use crate::refusal::{Page, Refusal};

/// A waiting first approval, as seen by the caller.
pub struct WaitingApproval {
    pub approval: Approval,
    pub asked: Moment,
    pub ends: Moment,
    /// Path of its plan; `None` for an approval of the settings.
    pub plan: Option<String>,
    /// Reason why the caller cannot approve it as the second person; `None` if the caller can.
    pub barrier: Option<String>,
    pub can_withdraw: bool,
}

impl WaitingApproval {
    async fn load(context: &Context, caller: &Caller, approval: Approval) -> Result<Self, Refusal> {
        let barrier = barrier(context, caller, Some(&approval)).await?;
        let is_own = caller.user() == Some(&approval.by);
        Ok(Self {
            asked: Moment::new(approval.asked),
            ends: Moment::new(approval.ends),
            plan: match &approval.wanted {
                ApprovalSubject::Change { change, plan } => Some(plan_path(change, plan)),
                ApprovalSubject::Off | ApprovalSubject::Count(_) => None,
            },
            barrier,
            can_withdraw: is_own || caller.role() >= Some(Role::Administrator),
            approval,
        })
    }

    /// Returns all waiting approvals, oldest first.
    pub async fn all(context: &Context, caller: &Caller) -> Result<Vec<Self>, Refusal> {
        let mut rows = Vec::new();
        for approval in open(context).await? {
            rows.push(Self::load(context, caller, approval).await?);
        }
        Ok(rows)
    }

    /// Returns true if it is a change of the site, not of these settings.
    pub fn is_change(&self) -> bool {
        self.plan.is_some()
    }
}

/// Returns why the caller cannot approve: as the second person if another one has approved first, else as the first
/// one.
async fn barrier(context: &Context, caller: &Caller, first: Option<&Approval>) -> Result<Option<String>, Refusal> {
    let Some(user) = caller.user() else { return Ok(Some("you are not signed in".to_owned())) };
    if let Some(first) = first.filter(|first| is_same_person(user, &first.by)) {
        let own = if first.by == user { "you".to_owned() } else { format!("as {}, you", first.by) };
        return Ok(Some(format!(
            "{own} approved this first: a second person approves it, with an account of their own"
        )));
    }
    let least = if first.is_some() { Role::Administrator } else { Role::Operator };
    let mut connection = context.database.read().acquire().await?;
    match does_count(&mut connection, user, least).await {
        Ok(()) => Ok(None),
        Err(Refusal::NotCounted(why)) => Ok(Some(why)),
        Err(other) => Err(other),
    }
}

/// Missing approvals of a plan, if two are required.
pub struct TwoPeople {
    /// The first approval.
    pub first: Option<WaitingApproval>,
    /// Reason why the caller cannot approve it now.
    pub barrier: Option<String>,
}

impl TwoPeople {
    /// Returns the state of a plan's approvals; `None` if one approval is sufficient.
    pub async fn load(context: &Context, caller: &Caller, plan: &str) -> Result<Option<Self>, Refusal> {
        if setting(context).await?.is_none() {
            return Ok(None);
        }
        let first = match approval::open_change(context, plan).await? {
            Some(approval) => Some(WaitingApproval::load(context, caller, approval).await?),
            None => None,
        };
        let barrier = match &first {
            Some(waiting) => waiting.barrier.clone(),
            None => barrier(context, caller, None).await?,
        };
        Ok(Some(Self { first, barrier }))
    }
}

struct Row {
    user: ApproverAccount,
    mark: Mark,
    /// True if two people can make the user count, and no one has asked yet.
    can_be_asked: bool,
}

struct TwoPersonRule {
    since: Moment,
    by: String,
    /// True if no one has asked to require one approval again.
    can_end: bool,
}

#[derive(Template)]
#[template(path = "approval.html")]
struct ApprovalPage {
    frame: Frame,
    on: Option<TwoPersonRule>,
    rows: Vec<Row>,
    waiting: Vec<WaitingApproval>,
    /// Reason why the caller cannot request anything here while two approvals are required.
    barrier: Option<String>,
}

#[derive(Deserialize)]
pub struct Name {
    name: String,
}

fn notice(done: &str) -> Option<&'static str> {
    match done {
        "on" => Some("From now on, two people approve a plan."),
        "asked" => Some("This waits for another administrator. Tell them to open this page."),
        "approved" => Some("It is approved by two people, and done."),
        "withdrawn" => Some("The approval is withdrawn. Nothing was changed."),
        _ => None,
    }
}

fn row(user: ApproverAccount, waiting: &[WaitingApproval]) -> Row {
    let is_asked =
        waiting.iter().any(|row| matches!(&row.approval.wanted, ApprovalSubject::Count(name) if *name == user.name));
    let mark = match (user.counts, is_asked) {
        (true, _) => How::Good.mark("Counts"),
        (false, true) => How::Busy.mark("Waits"),
        (false, false) => How::Unknown.mark("Does not count"),
    };
    Row { mark, can_be_asked: user.is_local && !user.counts && !is_asked, user }
}

async fn page(context: &Context, caller: &Caller, frame: Frame) -> Result<ApprovalPage, Refusal> {
    let waiting = WaitingApproval::all(context, caller).await?;
    let is_asked = waiting.iter().any(|row| row.approval.wanted == ApprovalSubject::Off);
    let on =
        setting(context).await?.map(|on| TwoPersonRule { since: Moment::new(on.since), by: on.by, can_end: !is_asked });
    let rows = approvers(context).await?.into_iter().map(|user| row(user, &waiting)).collect();
    let barrier = if on.is_some() { barrier(context, caller, None).await? } else { None };
    Ok(ApprovalPage { frame, on, rows, waiting, barrier })
}

fn frame_of(context: &Context, caller: &Caller) -> Frame {
    Frame::new(context, caller, Place::Approval, "Approval")
}

/// Shows the page again after a request.
async fn after(context: &Context, caller: &Caller, (done, said): (Result<(), Refusal>, &str)) -> PageResult {
    match done {
        Ok(()) => tell(caller, "/approval", said),
        Err(refusal @ (Refusal::Internal(_) | Refusal::NotThere(_))) => Err(Page(refusal)),
        Err(refusal) => {
            let frame = frame_of(context, caller).refusing(Some(&refusal));
            draw_refused(&page(context, caller, frame).await?, &refusal)
        }
    }
}

pub async fn show(State(context): State<Context>, caller: Caller, ActionNotice(done): ActionNotice) -> PageResult {
    let frame = frame_of(&context, &caller).with(notice(&done));
    draw(&page(&context, &caller, frame).await?)
}

/// Turns the setting on. The fields `person` are the chosen names.
pub async fn on(
    State(context): State<Context>,
    caller: Caller,
    FormFields(fields): FormFields<Vec<(String, String)>>,
) -> PageResult {
    let chosen: Vec<String> = fields.into_iter().filter(|(field, _)| field == "person").map(|(_, name)| name).collect();
    let user = caller.session()?.user.clone();
    let done = turn_on(&context, &caller.author(), &user, &chosen).await;
    after(&context, &caller, (done, "on")).await
}

pub async fn off(State(context): State<Context>, caller: Caller) -> PageResult {
    let title = "one person approves again".to_owned();
    let done = approval::ask(&context, &caller.approver(), ApprovalSubject::Off, title).await.map(drop);
    after(&context, &caller, (done, "asked")).await
}

pub async fn count(
    State(context): State<Context>,
    caller: Caller,
    FormFields(Name { name }): FormFields<Name>,
) -> PageResult {
    let title = format!("the user {} counts as a person", name.chars().take(64).collect::<String>());
    let done = approval::ask(&context, &caller.approver(), ApprovalSubject::Count(name), title).await.map(drop);
    after(&context, &caller, (done, "asked")).await
}

/// Approves a change of these settings. A plan is approved on its own page, where it is read.
pub async fn approve(State(context): State<Context>, caller: Caller, Path(id): Path<String>) -> PageResult {
    let waiting = open(&context).await?.into_iter().find(|approval| approval.id == id);
    if let Some(ApprovalSubject::Change { change, plan }) = waiting.map(|approval| approval.wanted) {
        return go(&plan_path(&change, &plan));
    }
    let done = approval::approve(&context, &caller.approver(), &id).await.map(drop);
    after(&context, &caller, (done, "approved")).await
}

pub async fn withdraw(State(context): State<Context>, caller: Caller, Path(id): Path<String>) -> PageResult {
    let withdrawn = approval::withdraw(&context, &caller.approver(), &id).await?;
    match withdrawn.wanted {
        ApprovalSubject::Change { change, .. } => tell(&caller, home(change.verb()), "withdrawn"),
        ApprovalSubject::Off | ApprovalSubject::Count(_) => tell(&caller, "/approval", "withdrawn"),
    }
}
