//! Evaluation of rules in a separate thread, one after another, within a deadline.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use landfall_release_document::{Rule, RuleSeverity, RuleText};

use crate::Inputs;
use crate::bound::{STEPS, Sizes};
use crate::expression::{self, Expression};
use crate::paths::unknown_field;

/// Maximum total steps of a release's rules.
const ALL_STEPS: u64 = 4 * STEPS;

/// Time limit for all rules of a release. The bound on their steps keeps them far below it.
const DEADLINE: Duration = Duration::from_secs(10);

/// Stack of the worker in bytes. The parser recurses once for each level of parentheses.
const STACK_BYTES: usize = 64 << 20;

/// Sizes of inputs for which a rule must work at build time: those of a large host.
const LARGE_HOST: Sizes = Sizes { elements: 256, bytes: 1024, values: 4000 };

const NOTHING: Sizes = Sizes { elements: 0, bytes: 0, values: 0 };

/// The judgment of a rule on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgment {
    /// Name of the rule.
    pub name: String,
    /// Consequence if the rule is not met.
    pub severity: RuleSeverity,
    /// Result of the rule.
    pub outcome: Outcome,
}

/// The result of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The rule is met.
    Met {
        /// Measured value; empty if the rule does not state it.
        measured: String,
        /// Required value; empty if the rule does not state it.
        threshold: String,
    },
    /// The rule is not met.
    NotMet {
        /// Description of the fault.
        message: String,
        /// Measured value; empty if the rule does not state it.
        measured: String,
        /// Required value; empty if the rule does not state it.
        threshold: String,
        /// Advice to a user on fixing the fault.
        fix: String,
        /// Commands that fix the fault.
        commands: Vec<String>,
    },
    /// The rule cannot be evaluated, for this reason.
    Unusable(String),
}

/// The reason why a rule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` of rule `{rule}`: {reason}")]
pub struct RuleFault {
    /// Index of the rule in its list, from 0.
    pub index: usize,
    /// Name of the rule.
    pub rule: String,
    /// Field of the rule.
    pub field: &'static str,
    /// The reason.
    pub reason: String,
}

/// Evaluates every rule. An error in one rule is its own outcome and does not affect the others.
pub fn judge(rules: &[Rule], inputs: &Inputs) -> Vec<Judgment> {
    let (work, shared) = (rules.to_vec(), inputs.clone());
    let outcomes = in_worker(rules.len(), move |send| {
        let sizes = Sizes::of(&shared, NOTHING);
        let mut left = ALL_STEPS;
        for rule in &work {
            let outcome = outcome(rule, &shared, sizes, &mut left);
            send(outcome.unwrap_or_else(|(field, reason)| Outcome::Unusable(format!("`{field}`: {reason}"))));
        }
    });
    let judged = rules.iter().zip(outcomes);
    judged
        .map(|(rule, outcome)| Judgment {
            name: rule.name.clone(),
            severity: rule.severity,
            outcome: outcome.unwrap_or_else(Outcome::Unusable),
        })
        .collect()
}

/// Checks rules at build time: they must parse, use only fields that hosts have, stay within the bounds on a large
/// host, and produce a result on every sample.
pub fn check(rules: &[Rule], samples: &[Inputs]) -> Result<(), RuleFault> {
    let (work, shared) = (rules.to_vec(), samples.to_vec());
    let checked = in_worker(rules.len(), move |send| {
        for rule in &work {
            send(check_one(rule, &shared));
        }
    });
    for ((rule, checked), index) in rules.iter().zip(checked).zip(0..) {
        let fault = |field, reason| RuleFault { index, rule: rule.name.clone(), field, reason };
        checked.map_err(|reason| fault("require", reason))?.map_err(|(field, reason)| fault(field, reason))?;
    }
    Ok(())
}

/// A field of a rule, and its fault.
type Fault = (&'static str, String);

fn check_one(rule: &Rule, samples: &[Inputs]) -> Result<(), Fault> {
    let texts = rule.texts().filter_map(|(field, text)| match text {
        RuleText::Expression(expression) => Some((field, expression.cel.as_str())),
        RuleText::Text(_) => None,
    });
    for (field, text) in [("require", rule.require.as_str())].into_iter().chain(texts) {
        let fault = |reason| (field, reason);
        let expression = Expression::parse(text).map_err(fault)?;
        expression.steps(LARGE_HOST).map_err(fault)?;
        if let Some(reason) = unknown_field(expression.tree(), samples) {
            return Err(fault(reason));
        }
        for sample in samples {
            expression.steps(Sizes::of(sample, NOTHING)).map_err(fault)?;
            let context = expression::context(sample);
            let tried = if field == "require" {
                expression.holds(&context).map(|_| ())
            } else {
                expression.text(&context).map(|_| ())
            };
            tried.map_err(|reason| (field, format!("on a sample host: {reason}")))?;
        }
    }
    Ok(())
}

fn outcome(rule: &Rule, inputs: &Inputs, sizes: Sizes, left: &mut u64) -> Result<Outcome, Fault> {
    let context = expression::context(inputs);
    let mut expression = |field: &'static str, text: &str| -> Result<Expression, Fault> {
        let expression = Expression::parse(text).map_err(|reason| (field, reason))?;
        let steps = expression.steps(sizes).map_err(|reason| (field, reason))?;
        let rest = left.checked_sub(steps);
        *left =
            rest.ok_or_else(|| (field, format!("the rules of the release could take more than {ALL_STEPS} steps")))?;
        Ok(expression)
    };
    let is_met = expression("require", &rule.require)?.holds(&context).map_err(|reason| ("require", reason))?;
    let mut text = |field: &'static str, text: Option<&RuleText>| match text {
        None => Ok(String::new()),
        Some(RuleText::Text(text)) => Ok(text.clone()),
        Some(RuleText::Expression(made)) => {
            expression(field, &made.cel)?.text(&context).map_err(|reason| (field, reason))
        }
    };
    let measured = text("measured", rule.measured.as_ref())?;
    let threshold = text("threshold", rule.threshold.as_ref())?;
    if is_met {
        return Ok(Outcome::Met { measured, threshold });
    }
    let commands = rule.commands.iter().map(|command| text("commands", Some(command))).collect::<Result<_, _>>()?;
    let (message, fix) = (text("message", Some(&rule.message))?, text("fix", Some(&rule.fix))?);
    Ok(Outcome::NotMet { message, measured, threshold, fix, commands })
}

/// Runs work that sends `count` results in a thread with a large stack. A result that is late or missing becomes an
/// error. A thread that does not end is abandoned, and ends with the process.
fn in_worker<T: Send + 'static>(
    count: usize,
    work: impl FnOnce(&dyn Fn(T)) + Send + 'static,
) -> Vec<Result<T, String>> {
    let (sender, receiver) = mpsc::channel();
    let send = move |result| drop(sender.send(result));
    let worker = std::thread::Builder::new().name("rules".to_owned()).stack_size(STACK_BYTES);
    if let Err(error) = worker.spawn(move || work(&send)) {
        return (0..count).map(|_| Err(format!("no thread could be started: {error}"))).collect();
    }
    let end = Instant::now() + DEADLINE;
    let receive = |_| {
        receiver.recv_timeout(end.saturating_duration_since(Instant::now())).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("it was not judged within {} s", DEADLINE.as_secs()),
            RecvTimeoutError::Disconnected => "the interpreter failed on it, or on a rule before it".to_owned(),
        })
    };
    (0..count).map(receive).collect()
}
