//! Environment markers of requirements (PEP 508), evaluated for a target.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::FromStr as _;

use landfall_error_codes::{Code, codes};
use landfall_packages::normalize_name;
use pep440_rs::{Version, VersionSpecifier};

use super::requirements::Refusal;
use super::target::{Target, common_answer};

/// Maximum nesting of parentheses.
const DEPTH: usize = 32;

/// Environment of an evaluation: a target, and the chosen extras and groups of a project.
#[derive(Debug, Clone)]
pub struct Environment<'a> {
    target: &'a Target,
    /// Values of `extra`, of which several may apply at once.
    extra: BTreeSet<String>,
    extras: BTreeSet<String>,
    groups: BTreeSet<String>,
}

impl<'a> Environment<'a> {
    /// Creates an environment without extras and groups. As in pip, `extra` is empty then.
    pub fn of(target: &'a Target) -> Self {
        Self { target, extra: BTreeSet::from([String::new()]), extras: BTreeSet::new(), groups: BTreeSet::new() }
    }

    /// The target platform and Python.
    pub fn target(&self) -> &Target {
        self.target
    }

    /// Sets the values of `extra`, as in `uv.lock`.
    pub fn with_extra(self, extra: BTreeSet<String>) -> Self {
        Self { extra, ..self }
    }

    /// Adds values of `extra`.
    pub fn with_more_extra(mut self, extra: impl Iterator<Item = String>) -> Self {
        self.extra.extend(extra);
        self
    }

    /// Sets `extras` and `dependency_groups`, as in `pylock.toml`.
    pub fn with_names(self, extras: BTreeSet<String>, groups: BTreeSet<String>) -> Self {
        Self { extras, groups, ..self }
    }

    /// Value of a variable, for `CPython` on Linux. Kernel variables are unknown until a site runs.
    fn variable(&self, name: &str) -> Option<Value<'_>> {
        let plain = match name {
            "python_version" => return Some(Value::Version(format!("3.{}", self.target.minor()))),
            "python_full_version" | "implementation_version" => return Some(Value::Python(self.target)),
            "extra" => return Some(Value::Names(&self.extra)),
            "extras" => return Some(Value::Names(&self.extras)),
            "dependency_groups" => return Some(Value::Names(&self.groups)),
            "os_name" | "os.name" => "posix",
            "sys_platform" | "sys.platform" => "linux",
            "platform_system" => "Linux",
            "platform_machine" | "platform.machine" => self.target.machine(),
            "platform_python_implementation" | "platform.python_implementation" | "python_implementation" => "CPython",
            "implementation_name" => "cpython",
            _ => return None,
        };
        Some(Value::Text(plain.to_owned()))
    }
}

/// Reason why a marker cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkerError {
    /// The marker is malformed, with a description.
    Unreadable(String),
    /// The marker depends on the patch version of Python, and the target names none.
    Patch,
}

impl MarkerError {
    /// Code and error text; `unreadable` is the code for malformed content of the file.
    pub(super) fn refusal(self, unreadable: Code) -> Refusal {
        match self {
            Self::Unreadable(what) => (unreadable, what),
            Self::Patch => {
                let what = "its marker depends on the patch version of Python, and the lock names none".to_owned();
                (codes::PYTHON_PATCH, what)
            }
        }
    }
}

/// Evaluates a marker.
pub fn holds(text: &str, environment: &Environment<'_>) -> Result<bool, MarkerError> {
    let tokens = tokens(text).map_err(MarkerError::Unreadable)?;
    let mut reader = Reader { tokens: tokens.into_iter().peekable(), environment };
    let holds = reader.any(0).map_err(MarkerError::Unreadable)?;
    match reader.tokens.next() {
        None => holds.ok_or(MarkerError::Patch),
        Some(token) => Err(MarkerError::Unreadable(unexpected_token(&token))),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    Operator(&'a str),
    Word(&'a str),
    Text(&'a str),
}

fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let until = |end: &dyn Fn(char) -> bool| rest.find(|letter: char| !end(letter)).unwrap_or(rest.len());
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '\'' | '"' => {
                let end = rest[1..].find(first).ok_or("the marker has a quote without an end")?;
                (Token::Text(&rest[1..=end]), end + 2)
            }
            _ if "<>=!~".contains(first) => {
                let length = until(&|letter| "<>=!~".contains(letter));
                (Token::Operator(&rest[..length]), length)
            }
            _ => {
                let length = until(&|letter| letter.is_ascii_alphanumeric() || "_.".contains(letter));
                if length == 0 {
                    return Err(format!("the marker has `{}`, which no marker has", first.escape_default()));
                }
                (Token::Word(&rest[..length]), length)
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn unexpected_token(token: &Token<'_>) -> String {
    let shown = match token {
        Token::Open => "(",
        Token::Close => ")",
        Token::Operator(text) | Token::Word(text) | Token::Text(text) => text,
    };
    format!("the marker has `{}` in an unexpected place", shown.escape_default())
}

struct Reader<'a> {
    tokens: Peekable<std::vec::IntoIter<Token<'a>>>,
    environment: &'a Environment<'a>,
}

/// A value in a marker.
#[derive(Clone)]
enum Value<'a> {
    Text(String),
    /// Compared as a version if both sides are versions.
    Version(String),
    /// Full version of the target's Python, which may be one of several.
    Python(&'a Target),
    /// Normalized names, all of which apply.
    Names(&'a BTreeSet<String>),
}

impl<'a> Reader<'a> {
    /// Evaluates the operands of `or`; all are parsed. Here and below, `None` means that the result depends on the
    /// patch version of Python.
    fn any(&mut self, depth: usize) -> Result<Option<bool>, String> {
        let mut holds = self.all(depth)?;
        while self.tokens.next_if_eq(&Token::Word("or")).is_some() {
            holds = either(true, holds, self.all(depth)?);
        }
        Ok(holds)
    }

    /// Evaluates the operands of `and`.
    fn all(&mut self, depth: usize) -> Result<Option<bool>, String> {
        let mut holds = self.one(depth)?;
        while self.tokens.next_if_eq(&Token::Word("and")).is_some() {
            holds = either(false, holds, self.one(depth)?);
        }
        Ok(holds)
    }

    fn one(&mut self, depth: usize) -> Result<Option<bool>, String> {
        if self.tokens.next_if_eq(&Token::Open).is_some() {
            if depth == DEPTH {
                return Err("the marker has too many parentheses".to_owned());
            }
            let holds = self.any(depth + 1)?;
            return match self.take()? {
                Token::Close => Ok(holds),
                token => Err(unexpected_token(&token)),
            };
        }
        let left = self.value()?;
        let operator = match self.take()? {
            Token::Operator(operator) => operator,
            Token::Word("in") => "in",
            Token::Word("not") if self.tokens.next_if_eq(&Token::Word("in")).is_some() => "not in",
            token => return Err(unexpected_token(&token)),
        };
        let right = self.value()?;
        let Some(target) = [&left, &right].into_iter().find_map(Value::python) else {
            return compare(&left, operator, &right).map(Some);
        };
        let answers = target.pythons().map(|python| {
            let [left, right] = [&left, &right].map(|value| value.of(&python));
            compare(&left, operator, &right)
        });
        Ok(common_answer(answers.collect::<Result<Vec<_>, _>>()?.into_iter()))
    }

    fn take(&mut self) -> Result<Token<'a>, String> {
        self.tokens.next().ok_or_else(|| "the marker ends too early".to_owned())
    }

    fn value(&mut self) -> Result<Value<'a>, String> {
        match self.take()? {
            Token::Text(text) => Ok(Value::Text(text.to_owned())),
            Token::Word(name) => self.environment.variable(name).ok_or_else(|| {
                format!("the marker asks for `{}`, which is not known of a target", name.escape_default())
            }),
            token => Err(unexpected_token(&token)),
        }
    }
}

impl<'a> Value<'a> {
    fn python(&self) -> Option<&'a Target> {
        if let Self::Python(target) = self { Some(target) } else { None }
    }

    /// The value for this version of Python.
    fn of(&self, python: &Version) -> Self {
        if let Self::Python(_) = self { Self::Version(python.to_string()) } else { self.clone() }
    }
}

/// Combines two results; a `decisive` one determines the combination, whatever the other is.
fn either(decisive: bool, one: Option<bool>, other: Option<bool>) -> Option<bool> {
    if one == Some(decisive) || other == Some(decisive) {
        return Some(decisive);
    }
    one.and(other)
}

fn compare(left: &Value<'_>, operator: &str, right: &Value<'_>) -> Result<bool, String> {
    let (one, other) = match (left, right) {
        (Value::Names(names), Value::Text(name)) | (Value::Text(name), Value::Names(names)) => {
            let has = names.contains(&normalize_name(name));
            return match operator {
                "==" | "in" => Ok(has),
                "!=" | "not in" => Ok(!has),
                _ => Err(misfit(operator)),
            };
        }
        (Value::Text(one) | Value::Version(one), Value::Text(other) | Value::Version(other)) => (one, other),
        _ => return Err(misfit(operator)),
    };
    let is_version = [left, right].iter().any(|value| matches!(value, Value::Version(_)));
    let specifier = VersionSpecifier::from_str(&format!("{operator}{other}"));
    if let (true, Ok(version), Ok(specifier)) = (is_version, Version::from_str(one), specifier) {
        return Ok(specifier.contains(&version));
    }
    compare_texts(one, operator, other)
}

fn compare_texts(one: &str, operator: &str, other: &str) -> Result<bool, String> {
    match operator {
        "in" => Ok(other.contains(one)),
        "not in" => Ok(!other.contains(one)),
        "==" | "===" => Ok(one == other),
        "!=" => Ok(one != other),
        "<" => Ok(one < other),
        "<=" => Ok(one <= other),
        ">" => Ok(one > other),
        ">=" => Ok(one >= other),
        _ => Err(misfit(operator)),
    }
}

fn misfit(operator: &str) -> String {
    format!("the marker compares with `{}`, which does not fit", operator.escape_default())
}
