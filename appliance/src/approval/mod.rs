//! Approval by two people: an upgrade, a rollback or a restore that one person has approved waits for another person before the host is
//! asked.
//!
//! What an administrator alone could do against it, and what stops it: turn it off (that waits for a second person, too), create a second
//! account or set another user's password (such an account does not count until two people, or the host's token, say so), approve with
//! an API key or with an account of the directory beside a local one (a key is its user's; of a person, one account counts).

mod people;
mod setting;
mod waiting;

#[cfg(test)]
mod tests;

pub use people::{Counted, count_again, counted, does_count, forget, is_same_person};
pub use setting::{setting, turn_on};
pub use waiting::{Approval, Wanted, approve, ask, ask_change, open, open_change, void_others, withdraw};

use crate::access::Caller;
use crate::context::Context;
use crate::refusal::Refusal;

/// A plan that may be begun: only this module makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    plan: String,
    first: Option<String>,
}

impl Approved {
    /// By the caller alone. Refused while two people approve.
    pub async fn alone(context: &Context, plan: &str) -> Result<Self, Refusal> {
        if setting(context).await?.is_some() {
            return Err(Refusal::TwoPeople("on this site, two people approve a plan".to_owned()));
        }
        Ok(Self { plan: plan.to_owned(), first: None })
    }

    /// By the caller as the second person, for a plan that the host has now. The first approval is used up when this returns.
    pub async fn second(context: &Context, caller: &Caller, id: &str) -> Result<Self, Refusal> {
        let used = approve(context, caller, id).await?;
        match used.wanted {
            Wanted::Change { plan, .. } => Ok(Self { plan, first: Some(used.by) }),
            Wanted::Off | Wanted::Count(_) => Err(Refusal::NotThere(format!("plan that waits for approval {id}"))),
        }
    }

    /// Digest of the plan.
    pub fn plan(&self) -> &str {
        &self.plan
    }

    /// Who approved first, where two people did.
    pub fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }
}
