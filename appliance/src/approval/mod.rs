//! Approval by two people. An upgrade, a rollback or a restore that one person has approved waits for another person;
//! only then is it sent to the host.
//!
//! Attacks by a single administrator, and their prevention: turning it off also waits for a second person. A created
//! account, or one whose password was set, does not count until two people, or the host's token, say so. An API key
//! counts as its user. Of a local account and a directory account of one person, only one counts.

mod people;
mod setting;
mod waiting;

#[cfg(test)]
mod tests;

pub use people::{ApproverAccount, approvers, count_again, does_count, forget, is_same_person};
pub use setting::{setting, turn_on};
pub use waiting::{Approval, ApprovalSubject, approve, ask, ask_change, open, open_change, void_others, withdraw};

use crate::audit::Author;
use crate::context::Context;
use crate::refusal::Refusal;
use crate::role::Role;

/// Person who asks for, gives or withdraws an approval.
#[derive(Debug, Clone)]
pub struct Approver {
    /// Name of the user; `None` for an anonymous request.
    pub user: Option<String>,
    /// Role of the user.
    pub role: Option<Role>,
    /// The person as named in the audit log.
    pub author: Author,
}

/// A plan that may begin: only this module creates this value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedPlan {
    plan: String,
    first: Option<String>,
}

impl ApprovedPlan {
    /// Approves by the caller alone. Refused while two approvals are required.
    pub async fn alone(context: &Context, plan: &str) -> Result<Self, Refusal> {
        if setting(context).await?.is_some() {
            return Err(Refusal::TwoPeople("on this site, two people approve a plan".to_owned()));
        }
        Ok(Self { plan: plan.to_owned(), first: None })
    }

    /// Approves as the second person, for a plan that the host currently has. Uses up the first approval.
    pub async fn second(context: &Context, approver: &Approver, id: &str) -> Result<Self, Refusal> {
        let used = approve(context, approver, id).await?;
        match used.wanted {
            ApprovalSubject::Change { plan, .. } => Ok(Self { plan, first: Some(used.by) }),
            ApprovalSubject::Off | ApprovalSubject::Count(_) => {
                Err(Refusal::NotThere(format!("plan that waits for approval {id}")))
            }
        }
    }

    /// Returns the digest of the plan, and who approved first, if two people did.
    pub fn into_parts(self) -> (String, Option<String>) {
        (self.plan, self.first)
    }
}
