//! Access control: one table of routes and rights, and what a request states about its caller. The server has one guard
//! for every request. A route that is not in the table is refused.

mod caller;
mod cookies;
mod origin;
mod rules;

pub use caller::{Caller, Identity, peer};
pub use cookies::{DEPARTED, FORM, SESSION, cookie, set_cookie, set_departed, unset_cookie};
pub use origin::is_own;
pub use rules::{Need, Proof, RULES, Rule};

#[cfg(test)]
mod tests;
