//! Rules of a release: what its vendor asks of a host, as expressions in CEL over the facts, the release and the site configuration
//! (docs/VENDOR.md lists what they may use; ADR 34 says why it is so little).
//!
//! A rule travels in a signed head, but a site judges rules before it trusts anything else of a vendor, and a vendor's program may be
//! wrong. So an expression is bounded before it is evaluated: its length and depth, the functions that it may call, and an upper
//! bound of its steps and of the memory that it takes, computed from the expression and the size of what it reads. A worker thread
//! with a stack of its own and a deadline is the second line. An error of a rule names it, and no rule ends the process.

mod bound;
mod expression;
mod inputs;
mod judge;
mod paths;

pub use inputs::{Inputs, ReleaseView};
pub use judge::{Judgment, Outcome, RuleFault, check, judge};

#[cfg(test)]
mod tests;
