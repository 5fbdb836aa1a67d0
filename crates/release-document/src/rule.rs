//! Rules of a release: the vendor's requirements for a host in addition to the fixed ones, as expressions in CEL (the
//! Common Expression Language). Here they are only text; `landfall-rules` parses and evaluates them.

use serde::{Deserialize, Serialize};

use landfall_bundle_spec::names::is_dns_label;

use crate::fields::{CheckResult, escape_shortened, require};

/// A rule for a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Name of the rule, a DNS label.
    pub name: String,
    /// Consequence if the rule is not met.
    pub severity: RuleSeverity,
    /// CEL expression that is true if the rule is met.
    pub require: String,
    /// Description of the fault if the rule is not met.
    pub message: RuleText,
    /// Measured value, with its unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<RuleText>,
    /// Required value, with its unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<RuleText>,
    /// Advice to a user on fixing the fault.
    pub fix: RuleText,
    /// Shell commands that fix it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<RuleText>,
}

/// The consequence of a rule that is not met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleSeverity {
    /// The release cannot be installed.
    Blocker,
    /// The release can be installed once a user has accepted the warning by name.
    MustAccept,
    /// The release can be installed, but a user should know of the fault.
    Warning,
}

/// A text of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RuleText {
    /// The text itself.
    Text(String),
    /// An expression that produces the text.
    Expression(RuleExpression),
}

/// An expression that produces a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleExpression {
    /// The expression, in CEL.
    pub cel: String,
}

impl Rule {
    /// Maximum number of rules of a release.
    pub const PER_RELEASE: usize = 64;

    /// Maximum size of an expression in bytes.
    pub const EXPRESSION_BYTES: usize = 2048;

    /// Maximum size of a text in bytes.
    pub const TEXT_BYTES: usize = 1000;

    /// Maximum number of commands of a rule.
    pub const COMMANDS: usize = 8;

    /// Every text of the rule, with the name of its field.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &RuleText)> {
        let optional = [("measured", self.measured.as_ref()), ("threshold", self.threshold.as_ref())];
        let optional = optional.into_iter().filter_map(|(field, text)| Some((field, text?)));
        let commands = self.commands.iter().map(|command| ("commands", command));
        [("message", &self.message), ("fix", &self.fix)].into_iter().chain(optional).chain(commands)
    }

    /// Checks the name, lengths and counts against their limits. A fault is a noun phrase, for a message that begins
    /// with "it has".
    pub fn check(&self) -> Result<(), String> {
        require(is_dns_label(&self.name), || {
            format!("the rule `{}`, which is not a DNS label", escape_shortened(&self.name))
        })?;
        let name = &self.name;
        check_expression(&self.require).map_err(|fault| format!("{fault} in `require` of rule {name}"))?;
        require(self.commands.len() <= Self::COMMANDS, || {
            format!("{} commands in rule {name}, where up to {} are allowed", self.commands.len(), Self::COMMANDS)
        })?;
        self.texts().try_for_each(|(field, text)| {
            let checked = match text {
                RuleText::Expression(expression) => check_expression(&expression.cel),
                RuleText::Text(text) => check_text(text),
            };
            checked.map_err(|fault| format!("{fault} in `{field}` of rule {name}"))
        })
    }
}

fn check_expression(expression: &str) -> CheckResult {
    let right = !expression.trim().is_empty() && expression.len() <= Rule::EXPRESSION_BYTES;
    require(right, || {
        format!("an expression of {} bytes, where 1 to {} are allowed", expression.len(), Rule::EXPRESSION_BYTES)
    })
}

fn check_text(text: &str) -> CheckResult {
    let right = !text.trim().is_empty() && text.len() <= Rule::TEXT_BYTES;
    require(right, || format!("a text of {} bytes, where 1 to {} are allowed", text.len(), Rule::TEXT_BYTES))?;
    require(!text.chars().any(char::is_control), || {
        format!("the text `{}`, which is not one line", escape_shortened(text))
    })
}
