//! Rules of a release: a vendor's requirements for a host, as CEL expressions over the facts, the release and the site
//! configuration. `docs/vendor/rules.md` lists the allowed elements; ADR 34 explains why they are so few.
//!
//! A rule is part of a signed head. But a site evaluates rules before it trusts anything else from a vendor, and a
//! vendor's program may be wrong. So an expression is bounded before it is evaluated: its length and depth, the
//! functions that it may call, its steps, and its memory. The last two bounds are computed from the expression and the
//! size of its inputs. A worker thread with its own stack and a deadline is the second line of defense. An error names
//! its rule, and no rule ends the process.

mod bound;
mod expression;
mod inputs;
mod judge;
mod paths;

pub use inputs::{Inputs, ReleaseView};
pub use judge::{Judgment, Outcome, RuleFault, check, judge};

#[cfg(test)]
mod tests;
