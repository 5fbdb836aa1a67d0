//! First approvals that wait for a second person, for at most eight hours. The beginning and any end of each are
//! recorded.

use jiff::{SignedDuration, Timestamp};
use landfall_documents::change::Change;

use super::Approver;
use super::people::{can_count, count, does_count, is_same_person};
use super::setting::{is_on, turn_off};
use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::database::{Connection, Row, query};
use crate::host::PlanPage;
use crate::refusal::Refusal;
use crate::role::Role;

/// Lifetime of a first approval.
const LIFE: SignedDuration = SignedDuration::from_hours(8);
/// Maximum length of a title's part from the host, in characters.
const LONGEST: usize = 100;
/// Maximum number of waiting first approvals.
const MOST: usize = 32;

/// Subject of a first approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalSubject {
    /// A change begins.
    Change {
        /// The change, as planned.
        change: Change,
        /// Digest of the plan.
        plan: String,
    },
    /// One approval is sufficient again.
    Off,
    /// A local user counts as a person.
    Count(String),
}

impl ApprovalSubject {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Change { .. } => "change",
            Self::Off => "off",
            Self::Count(_) => "count",
        }
    }

    fn subject(&self) -> &str {
        match self {
            Self::Change { plan, .. } => plan,
            Self::Off => "",
            Self::Count(name) => name,
        }
    }

    /// Returns the minimum role for the first approval.
    const fn first_role(&self) -> Role {
        match self {
            Self::Change { .. } => Role::Operator,
            Self::Off | Self::Count(_) => Role::Administrator,
        }
    }
}

/// A first approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// ID in requests.
    pub id: String,
    /// Subject of the approval.
    pub wanted: ApprovalSubject,
    /// Subject in words.
    pub title: String,
    /// The user.
    pub by: String,
    /// The user as named in the audit log, with the key if one was used.
    pub asked_as: String,
    /// Time of the approval.
    pub asked: Timestamp,
    /// Time at which it expires.
    pub ends: Timestamp,
}

impl Approval {
    /// Returns its object for the audit log.
    fn object(&self) -> String {
        match &self.wanted {
            ApprovalSubject::Change { plan, .. } => format!("{} by the plan {plan}", self.title),
            ApprovalSubject::Off | ApprovalSubject::Count(_) => self.title.clone(),
        }
    }

    fn detail(&self) -> String {
        format!("first approved by {} at {:.0}", self.asked_as, self.asked)
    }
}

const COLUMNS: &str = "SELECT id, kind, subject, change, title, user_name, asked_as, asked, ends FROM approvals";

/// Reads an approval; `None` for one of another version.
fn read(row: &Row) -> Result<Option<Approval>, sqlx::Error> {
    let (kind, subject, change): (String, String, String) =
        (row.try_get("kind")?, row.try_get("subject")?, row.try_get("change")?);
    let wanted = match kind.as_str() {
        "change" => serde_json::from_str(&change).ok().map(|change| ApprovalSubject::Change { change, plan: subject }),
        "off" => Some(ApprovalSubject::Off),
        _ => Some(ApprovalSubject::Count(subject)),
    };
    let Some(wanted) = wanted else { return Ok(None) };
    let time = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MIN);
    Ok(Some(Approval {
        id: row.try_get("id")?,
        wanted,
        title: row.try_get("title")?,
        by: row.try_get("user_name")?,
        asked_as: row.try_get("asked_as")?,
        asked: time(row.try_get("asked")?),
        ends: time(row.try_get("ends")?),
    }))
}

async fn all(connection: &mut Connection) -> Result<Vec<Approval>, Refusal> {
    let rows = query(sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY asked, id"))).fetch_all(connection).await?;
    Ok(rows.iter().filter_map(|row| read(row).transpose()).collect::<Result<_, _>>()?)
}

/// Returns waiting approvals, oldest first.
pub async fn open(context: &Context) -> Result<Vec<Approval>, Refusal> {
    let now = Timestamp::now();
    let mut found = all(&mut context.database.read().acquire().await?).await?;
    found.retain(|approval| approval.ends > now);
    Ok(found)
}

/// Returns the first approval of a plan, if it waits.
pub async fn open_change(context: &Context, plan: &str) -> Result<Option<Approval>, Refusal> {
    let is_of_plan =
        |approval: &Approval| matches!(&approval.wanted, ApprovalSubject::Change { plan: of, .. } if of == plan);
    Ok(open(context).await?.into_iter().find(is_of_plan))
}

/// Removes matching approvals, and records each in the audit log.
async fn end(
    write: &mut Connection,
    author: &Author,
    (action, because): (&'static str, &str),
    matches: impl Fn(&Approval) -> bool,
) -> Result<(), Refusal> {
    for approval in all(&mut *write).await?.into_iter().filter(|approval| matches(approval)) {
        query("DELETE FROM approvals WHERE id = $1").bind(&approval.id).execute(&mut *write).await?;
        let detail = format!("{because}; {}", approval.detail());
        record(&mut *write, author, Event::done(action, &approval.object()).with(&detail)).await?;
    }
    Ok(())
}

/// Records the expiry of overdue approvals, at the next access.
async fn end_late(write: &mut Connection, author: &Author) -> Result<(), Refusal> {
    let now = Timestamp::now();
    end(write, author, ("approval.lapse", "it was not approved in time"), |approval| approval.ends <= now).await
}

pub(super) async fn void_all(write: &mut Connection, author: &Author, because: &str) -> Result<(), Refusal> {
    end(write, author, ("approval.void", because), |_| true).await
}

/// Voids a user's first approvals, and the pending approval that the user counts.
pub(super) async fn void_of(write: &mut Connection, author: &Author, name: &str, because: &str) -> Result<(), Refusal> {
    let is_about = |approval: &Approval| matches!(&approval.wanted, ApprovalSubject::Count(of) if of == name);
    end(write, author, ("approval.void", because), |approval| approval.by == name || is_about(approval)).await
}

/// Voids first approvals of the same change by another plan, because that plan is no longer what would be done.
pub async fn void_others(context: &Context, author: &Author, of: &Change, plan: &str) -> Result<(), Refusal> {
    let is_other = |approval: &Approval| {
        matches!(&approval.wanted,
        ApprovalSubject::Change { change, plan: approved } if change == of && approved != plan)
    };
    if !open(context).await?.iter().any(is_other) {
        return Ok(());
    }
    let mut write = context.database.write().await?;
    end(&mut write, author, ("approval.void", "the plan is another one now"), is_other).await?;
    write.commit().await?;
    Ok(())
}

/// Approves a plan as the first of two people. The caller has checked the typed name of the site.
pub async fn ask_change(context: &Context, approver: &Approver, page: &PlanPage) -> Result<Approval, Refusal> {
    let title = title_of(page);
    let wanted = ApprovalSubject::Change { change: page.change.clone(), plan: page.digest.clone() };
    ask(context, approver, wanted, title).await
}

/// Describes a plan in a few words of the host.
fn title_of(page: &PlanPage) -> String {
    let short = |text: &str| text.chars().take(LONGEST).collect::<String>();
    let text = |pointer: &str| page.document.pointer(pointer).and_then(serde_json::Value::as_str);
    let at = match &page.change {
        Change::Restore { at, .. } => at,
        Change::Configure { values, secrets, backup_time } => {
            let time = backup_time.as_ref().map(|_| "backups.time");
            let names: Vec<&str> = values.keys().chain(secrets.keys()).map(String::as_str).chain(time).collect();
            return format!("change of settings {}", short(&names.join(", ")));
        }
        Change::Upgrade { .. } | Change::Rollback { .. } => {
            return format!("{} to {}", page.change.verb(), short(text("/to").unwrap_or("another release")));
        }
    };
    let components = page.document["components"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
    let components = short(&components.collect::<Vec<_>>().join(", "));
    let when = at.as_ref().map_or_else(
        || format!("from the backup of {}", short(text("/backup/time").unwrap_or("an unknown time"))),
        |at| format!("as of {}", short(at)),
    );
    format!("restore of {components} {when}")
}

/// Approves something as the first of two people. Repeated by the same person, it is the same approval.
pub async fn ask(
    context: &Context,
    approver: &Approver,
    wanted: ApprovalSubject,
    title: String,
) -> Result<Approval, Refusal> {
    let (user, author) = (approver.user.as_deref().ok_or(Refusal::SignInNeeded)?, &approver.author);
    let mut write = context.database.write().await?;
    if !is_on(&mut write).await? {
        return Err(Refusal::Invalid("one person approves on this site; no second one is waited for".to_owned()));
    }
    end_late(&mut write, author).await?;
    does_count(&mut write, user, wanted.first_role()).await?;
    if let ApprovalSubject::Count(name) = &wanted {
        can_count(&mut write, name).await?;
    }
    let waiting = all(&mut write).await?;
    if let Some(known) = waiting.iter().find(|approval| approval.wanted.is_same(&wanted)) {
        return if known.by == user { Ok(known.clone()) } else { Err(duplicate_refusal(known)) };
    }
    if waiting.len() >= MOST {
        return Err(Refusal::TwoPeople(format!("{MOST} approvals wait already; withdraw one of them")));
    }
    // Rounded to the stored precision.
    let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or(Timestamp::MIN);
    let id = uuid::Uuid::new_v4().to_string();
    let (by, asked_as) = (user.to_owned(), author.name.clone());
    let made = Approval { id, wanted, title, by, asked_as, asked: now, ends: now + LIFE };
    insert(&mut write, &made).await?;
    let detail = format!("waits for a second person until {:.0}", made.ends);
    record(&mut write, author, Event::done("approval.ask", &made.object()).with(&detail)).await?;
    write.commit().await?;
    Ok(made)
}

impl ApprovalSubject {
    fn is_same(&self, other: &Self) -> bool {
        (self.kind(), self.subject()) == (other.kind(), other.subject())
    }
}

fn duplicate_refusal(known: &Approval) -> Refusal {
    Refusal::TwoPeople(format!(
        "{} has approved this first, at {:.0}; approve it as the second person",
        known.by, known.asked
    ))
}

async fn insert(write: &mut Connection, made: &Approval) -> Result<(), Refusal> {
    let change = match &made.wanted {
        ApprovalSubject::Change { change, .. } => serde_json::to_string(change).unwrap_or_default(),
        ApprovalSubject::Off | ApprovalSubject::Count(_) => String::new(),
    };
    let insert = "INSERT INTO approvals (id, kind, subject, change, title, user_name, asked_as, asked, ends) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let insert = query(insert).bind(&made.id).bind(made.wanted.kind()).bind(made.wanted.subject());
    let insert = insert.bind(change).bind(&made.title).bind(&made.by).bind(&made.asked_as);
    let insert = insert.bind(made.asked.as_millisecond()).bind(made.ends.as_millisecond());
    insert.execute(write).await?;
    Ok(())
}

async fn find(connection: &mut Connection, id: &str) -> Result<Option<Approval>, Refusal> {
    Ok(all(connection).await?.into_iter().find(|approval| approval.id == id))
}

fn not_waiting_refusal() -> Refusal {
    Refusal::NotThere("approval of this id that waits for a second person".to_owned())
}

/// Withdraws a first approval: its own user and every administrator may do so.
pub async fn withdraw(context: &Context, approver: &Approver, id: &str) -> Result<Approval, Refusal> {
    let author = &approver.author;
    let mut write = context.database.write().await?;
    let found = find(&mut write, id).await?.ok_or_else(not_waiting_refusal)?;
    if approver.user.as_ref() != Some(&found.by) && approver.role < Some(Role::Administrator) {
        return Err(Refusal::NotCounted(format!("{} or an administrator withdraws this", found.by)));
    }
    end(&mut write, author, ("approval.withdraw", "withdrawn"), |approval| approval.id == found.id).await?;
    write.commit().await?;
    Ok(found)
}

/// Approves as the second person. The console's own actions are complete on return; the caller must begin a change. An
/// approval is used up by this.
pub async fn approve(context: &Context, approver: &Approver, id: &str) -> Result<Approval, Refusal> {
    let (user, author) = (approver.user.as_deref().ok_or(Refusal::SignInNeeded)?, &approver.author);
    let mut write = context.database.write().await?;
    end_late(&mut write, author).await?;
    let Some(found) = find(&mut write, id).await? else {
        // Expired approvals are recorded whatever the caller wanted.
        write.commit().await?;
        return Err(not_waiting_refusal());
    };
    if is_same_person(user, &found.by) {
        let why = format!("{} approved this first, and {user} counts as the same person", found.by);
        return Err(Refusal::NotCounted(why));
    }
    does_count(&mut write, user, Role::Administrator).await?;
    does_count(&mut write, &found.by, found.wanted.first_role()).await?;
    query("DELETE FROM approvals WHERE id = $1").bind(&found.id).execute(&mut *write).await?;
    let detail = found.detail();
    record(&mut write, author, Event::done("approval.second", &found.object()).with(&detail)).await?;
    match &found.wanted {
        ApprovalSubject::Change { .. } => {
            let because = "another change begins";
            let is_change = |other: &Approval| matches!(other.wanted, ApprovalSubject::Change { .. });
            end(&mut write, author, ("approval.void", because), is_change).await?;
        }
        ApprovalSubject::Off => turn_off(&mut write, author, &detail).await?,
        ApprovalSubject::Count(name) => count(&mut write, author, name, &detail).await?,
    }
    write.commit().await?;
    Ok(found)
}
