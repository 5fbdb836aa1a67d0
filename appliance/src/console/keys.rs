//! API keys, for administrators.

use askama::Template;
use axum::extract::{Path, State};
use serde::Deserialize;

use super::fields::{ActionNotice, FormFields, tell};
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::state::{Mark, State as How};
use super::{PageResult, draw, draw_refused};
use crate::access::Caller;
use crate::context::Context;
use crate::people::{Key, NewKey, Scope, keys, make_key, remove_key};
use crate::refusal::{Page, Refusal};

struct Row {
    mark: Mark,
    key: Key,
    scopes: String,
    ends: Moment,
    used: Option<Moment>,
}

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    frame: Frame,
    rows: Vec<Row>,
    scopes: [Scope; 8],
    /// The new key, shown only once.
    made: Option<String>,
}

/// Form of a new key; an unchecked box is not sent.
#[derive(Deserialize)]
pub struct Create {
    label: String,
    days: String,
    #[serde(default)]
    read: String,
    #[serde(default)]
    backup: String,
    #[serde(default)]
    upgrade: String,
    #[serde(default)]
    license: String,
    #[serde(default)]
    people: String,
    #[serde(default)]
    audit: String,
    #[serde(default)]
    metrics: String,
    #[serde(default)]
    support: String,
}

impl Create {
    fn new_key(&self) -> Result<NewKey, Refusal> {
        let boxes = [
            &self.read,
            &self.backup,
            &self.upgrade,
            &self.license,
            &self.people,
            &self.audit,
            &self.metrics,
            &self.support,
        ];
        let chosen = Scope::ALL.into_iter().zip(boxes).filter(|(_, text)| !text.is_empty());
        let days = self.days.trim().parse().map_err(|_| Refusal::Invalid("days: give a whole number".to_owned()))?;
        Ok(NewKey { label: self.label.clone(), scopes: chosen.map(|(scope, _)| scope).collect(), days })
    }
}

/// Describes the rights of a scope, next to its box.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
fn meaning(scope: &Scope) -> &'static str {
    match scope {
        Scope::Read => "status, releases, backups, license, media and operations",
        Scope::Backup => "begin backups and drills",
        Scope::Upgrade => {
            "look for media and plan; of an administrator's key, also approve and undo upgrades, rollbacks and restores"
        }
        Scope::License => "import licenses; of an administrator's key alone",
        Scope::People => "read and change users, sessions and keys: as powerful as an administrator",
        Scope::Audit => "export the audit log",
        Scope::Metrics => "read /metrics",
        Scope::Support => "collect and download support bundles; of an operator's or an administrator's key",
    }
}

fn row(key: Key) -> Row {
    let ends = Moment::new(key.ends);
    let mark = if ends.age().is_negative() { How::Good.mark("Valid") } else { How::Unknown.mark("Ended") };
    let scopes = key.scopes.iter().map(|scope| scope.text()).collect::<Vec<_>>().join(", ");
    Row { mark, scopes, ends, used: key.used.map(Moment::new), key }
}

async fn page(context: &Context, frame: Frame, made: Option<String>) -> Result<KeysPage, Refusal> {
    let rows = keys(context).await?.into_iter().map(row).collect();
    Ok(KeysPage { frame, rows, scopes: Scope::ALL, made })
}

pub async fn show(State(context): State<Context>, caller: Caller, ActionNotice(done): ActionNotice) -> PageResult {
    let notice = (done == "removed").then_some("The API key is removed. It no longer works.");
    let frame = Frame::new(&context, &caller, Place::Keys, "API keys").with(notice);
    draw(&page(&context, frame, None).await?)
}

pub async fn create(
    State(context): State<Context>,
    caller: Caller,
    FormFields(form): FormFields<Create>,
) -> PageResult {
    let frame = Frame::new(&context, &caller, Place::Keys, "API keys");
    let made = match form.new_key() {
        Ok(request) => make_key(&context, &caller.author(), &caller.session()?.user, request).await,
        Err(refusal) => Err(refusal),
    };
    match made {
        Ok((_, text)) => draw(&page(&context, frame, Some(text)).await?),
        Err(Refusal::Internal(error)) => Err(Page(Refusal::Internal(error))),
        Err(refusal) => draw_refused(&page(&context, frame.refusing(Some(&refusal)), None).await?, &refusal),
    }
}

pub async fn remove(State(context): State<Context>, caller: Caller, Path(id): Path<String>) -> PageResult {
    remove_key(&context, &caller.author(), &id).await?;
    tell(&caller, "/keys", "removed")
}
