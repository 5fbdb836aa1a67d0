//! Rules of a release: what its vendor asks of a host beyond the fixed requirements, as expressions in CEL (the Common Expression
//! Language). Here they are text; `landfall-rules` understands and judges them.

use serde::{Deserialize, Serialize};

use landfall_bundle_spec::names::is_dns_label;

use crate::fields::{Checked, require, shown};

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Name, a DNS label.
    pub name: String,
    /// What it means where the rule is not met.
    pub severity: RuleSeverity,
    /// An expression that is true where the rule is met.
    pub require: String,
    /// What is wrong where it is not.
    pub message: RuleText,
    /// What was measured, with its unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<RuleText>,
    /// What is needed, with its unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<RuleText>,
    /// What a person does about it.
    pub fix: RuleText,
    /// Shell commands that do it, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<RuleText>,
}

/// What it means that a rule is not met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleSeverity {
    /// The release cannot be installed.
    Blocker,
    /// It can be, once a person has accepted the warning by its name.
    MustAccept,
    /// It can be, and a person should know.
    Warning,
}

/// A text of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RuleText {
    /// The text itself.
    Text(String),
    /// An expression that makes the text.
    Expression(RuleExpression),
}

/// An expression that makes a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleExpression {
    /// The expression, in CEL.
    pub cel: String,
}

impl Rule {
    /// Most rules of a release.
    pub const PER_RELEASE: usize = 64;

    /// Most bytes of an expression.
    pub const EXPRESSION_BYTES: usize = 2048;

    /// Most bytes of a text.
    pub const TEXT_BYTES: usize = 1000;

    /// Most commands of a rule.
    pub const COMMANDS: usize = 8;

    /// Every text of the rule, and the field that it is in.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &RuleText)> {
        let optional = [("measured", self.measured.as_ref()), ("threshold", self.threshold.as_ref())];
        let optional = optional.into_iter().filter_map(|(field, text)| Some((field, text?)));
        let commands = self.commands.iter().map(|command| ("commands", command));
        [("message", &self.message), ("fix", &self.fix)].into_iter().chain(optional).chain(commands)
    }

    /// Whether name, lengths and counts are within their bounds; the fault is a noun, for a message that begins with "it has".
    pub fn check(&self) -> Result<(), String> {
        require(is_dns_label(&self.name), || format!("the rule `{}`, which is not a DNS label", shown(&self.name)))?;
        let name = &self.name;
        check_expression(&self.require).map_err(|fault| format!("{fault} in `require` of rule {name}"))?;
        require(self.commands.len() <= Self::COMMANDS, || {
            format!("{} commands in rule {name}, where up to {} belong", self.commands.len(), Self::COMMANDS)
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

fn check_expression(expression: &str) -> Checked {
    let right = !expression.trim().is_empty() && expression.len() <= Rule::EXPRESSION_BYTES;
    require(right, || {
        format!("an expression of {} bytes, where 1 to {} belong", expression.len(), Rule::EXPRESSION_BYTES)
    })
}

fn check_text(text: &str) -> Checked {
    let right = !text.trim().is_empty() && text.len() <= Rule::TEXT_BYTES;
    require(right, || format!("a text of {} bytes, where 1 to {} belong", text.len(), Rule::TEXT_BYTES))?;
    require(!text.chars().any(char::is_control), || format!("the text `{}`, which is not one line", shown(text)))
}
