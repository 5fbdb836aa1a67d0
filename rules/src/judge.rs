//! Rules are judged in a thread of their own, one after another, within a deadline.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use landfall_release_document::{Rule, RuleSeverity, RuleText};

use crate::Inputs;
use crate::bound::{STEPS, Sizes};
use crate::expression::{self, Expression};
use crate::paths::unknown_field;

/// Most steps of all rules of a release.
const ALL_STEPS: u64 = 4 * STEPS;

/// Time for all rules of a release. The bound of their steps keeps them far below.
const DEADLINE: Duration = Duration::from_secs(10);

/// Stack of the worker, in bytes. The parser descends once for each level of parentheses.
const STACK_BYTES: usize = 64 << 20;

/// Sizes that a rule must be able to read where it is built: a large host's.
const LARGE_HOST: Sizes = Sizes { elements: 256, bytes: 1024, values: 4000 };

const NOTHING: Sizes = Sizes { elements: 0, bytes: 0, values: 0 };

/// What a rule came to on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgment {
    /// The name of the rule.
    pub name: String,
    /// What it means where it is not met.
    pub severity: RuleSeverity,
    /// What it came to.
    pub outcome: Outcome,
}

/// What a rule came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is met.
    Met {
        /// What was measured; empty where the rule does not say.
        measured: String,
        /// What is needed; empty where the rule does not say.
        threshold: String,
    },
    /// It is not met.
    NotMet {
        /// What is wrong.
        message: String,
        /// What was measured; empty where the rule does not say.
        measured: String,
        /// What is needed; empty where the rule does not say.
        threshold: String,
        /// What a person does about it.
        fix: String,
        /// Commands that do it.
        commands: Vec<String>,
    },
    /// It cannot be judged, and why.
    Unusable(String),
}

/// Why a rule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` of rule `{rule}`: {reason}")]
pub struct RuleFault {
    /// Place of the rule in its list, from 0.
    pub index: usize,
    /// The name of the rule.
    pub rule: String,
    /// The field of the rule.
    pub field: &'static str,
    /// Why.
    pub reason: String,
}

/// Judges every rule. An error of one is its own outcome and keeps no other from being judged.
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

/// Checks rules where they are built: they are understood, name fields that hosts have, stay within the bounds on a large host, and
/// come to a result on every sample.
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

/// A field of a rule, and what is wrong with it.
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

/// Runs work that sends `count` results in a thread with a large stack. What does not come in time, or at all, is an error: the
/// thread of work that does not end is left alone, and ends with the process.
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
