//! Access control: one table of routes and rights, and one guard for every request. A route that is not in the table is
//! refused.

mod caller;
mod cookies;
mod guard;
mod origin;
mod rules;

pub use caller::{Caller, Identity};
pub use cookies::{DEPARTED, FORM, SESSION, cookie, set_cookie, set_departed, unset_cookie};
pub use guard::{guard, peer, stranger};
#[cfg(test)]
pub use rules::Proof;
pub use rules::{Need, RULES, Rule};

#[cfg(test)]
mod tests;
