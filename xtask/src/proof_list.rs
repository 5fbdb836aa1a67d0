//! Independent proofs of one test. A failed one does not keep the others from running, and the test reports all of
//! them.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use crate::printer;

/// Proofs that ran so far.
#[derive(Debug, Default)]
#[must_use = "a failed proof fails the test only at the end"]
pub struct ProofList {
    proofs: usize,
    failures: Vec<(String, anyhow::Error)>,
}

impl ProofList {
    /// Runs a proof. Prints its failure at once, since a test of a site goes on for minutes.
    pub fn run(&mut self, name: &str, proof: impl FnOnce() -> Result<()>) {
        self.proofs += 1;
        if let Err(error) = proof() {
            printer::note(format!("failed: {name}: {error:#}"));
            self.failures.push((name.to_owned(), error));
        }
    }

    /// Fails if a proof failed, with the names and causes of all that did.
    pub fn end(self) -> Result<()> {
        if self.failures.is_empty() {
            return Ok(());
        }
        let mut text = format!("{} of {} proofs failed:", self.failures.len(), self.proofs);
        for (name, error) in self.failures {
            let _written = write!(text, "\n{name}: {error:?}");
        }
        bail!(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_proof_hides_no_other() {
        let mut proofs = ProofList::default();
        proofs.run("first", || bail!("no pod"));
        proofs.run("second", || Ok(()));
        proofs.run("third", || bail!("no volume"));
        let text = proofs.end().expect_err("two failures").to_string();
        assert!(
            text.starts_with("2 of 3 proofs failed:\nfirst: no pod") && text.contains("\nthird: no volume"),
            "{text}"
        );
        let mut proofs = ProofList::default();
        proofs.run("only", || Ok(()));
        proofs.end().expect("no failure");
    }
}
