//! Environment markers of requirements, as PEP 508 has them, evaluated for a target.

use std::iter::Peekable;
use std::str::FromStr as _;

use pep440_rs::{Version, VersionSpecifier};

use super::target::Target;

/// How deep parentheses may be.
const DEPTH: usize = 32;

/// Variables whose values are compared as versions.
const VERSIONS: [&str; 3] = ["python_version", "python_full_version", "implementation_version"];

/// The value of a variable for a target: `CPython` on Linux. An extra is never asked for, as pip has it. What the kernel says of
/// itself is not known before a site runs.
fn variable(name: &str, target: &Target) -> Option<String> {
    let python = target.python();
    let plain = match name {
        "python_version" => return Some(format!("3.{}", target.minor())),
        "python_full_version" | "implementation_version" => return Some(python.to_string()),
        "os_name" | "os.name" => "posix",
        "sys_platform" | "sys.platform" => "linux",
        "platform_system" => "Linux",
        "platform_machine" | "platform.machine" => target.machine(),
        "platform_python_implementation" | "platform.python_implementation" | "python_implementation" => "CPython",
        "implementation_name" => "cpython",
        "extra" => "",
        _ => return None,
    };
    Some(plain.to_owned())
}

/// Whether a marker holds for a target; the error says what is wrong with it.
pub fn holds(text: &str, target: &Target) -> Result<bool, String> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: tokens.into_iter().peekable(), target };
    let holds = reader.any(0)?;
    match reader.tokens.next() {
        None => Ok(holds),
        Some(token) => Err(unexpected(&token)),
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

fn unexpected(token: &Token<'_>) -> String {
    let shown = match token {
        Token::Open => "(",
        Token::Close => ")",
        Token::Operator(text) | Token::Word(text) | Token::Text(text) => text,
    };
    format!("the marker has `{}` where nothing like it belongs", shown.escape_default())
}

struct Reader<'a> {
    tokens: Peekable<std::vec::IntoIter<Token<'a>>>,
    target: &'a Target,
}

/// A value, and whether it is compared as a version.
struct Value {
    text: String,
    is_version: bool,
}

impl<'a> Reader<'a> {
    /// Parts between `or`, all of which are read.
    fn any(&mut self, depth: usize) -> Result<bool, String> {
        let mut holds = self.all(depth)?;
        while self.tokens.next_if_eq(&Token::Word("or")).is_some() {
            holds |= self.all(depth)?;
        }
        Ok(holds)
    }

    /// Parts between `and`.
    fn all(&mut self, depth: usize) -> Result<bool, String> {
        let mut holds = self.one(depth)?;
        while self.tokens.next_if_eq(&Token::Word("and")).is_some() {
            holds &= self.one(depth)?;
        }
        Ok(holds)
    }

    fn one(&mut self, depth: usize) -> Result<bool, String> {
        if self.tokens.next_if_eq(&Token::Open).is_some() {
            if depth == DEPTH {
                return Err("the marker has too many parentheses".to_owned());
            }
            let holds = self.any(depth + 1)?;
            return match self.take()? {
                Token::Close => Ok(holds),
                token => Err(unexpected(&token)),
            };
        }
        let left = self.value()?;
        let operator = match self.take()? {
            Token::Operator(operator) => operator,
            Token::Word("in") => "in",
            Token::Word("not") if self.tokens.next_if_eq(&Token::Word("in")).is_some() => "not in",
            token => return Err(unexpected(&token)),
        };
        let right = self.value()?;
        compare(&left, operator, &right)
    }

    fn take(&mut self) -> Result<Token<'a>, String> {
        self.tokens.next().ok_or_else(|| "the marker ends too early".to_owned())
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.take()? {
            Token::Text(text) => Ok(Value { text: text.to_owned(), is_version: false }),
            Token::Word(name) => {
                let text = variable(name, self.target).ok_or_else(|| {
                    format!("the marker asks for `{}`, which is not known of a target", name.escape_default())
                })?;
                Ok(Value { text, is_version: VERSIONS.contains(&name) })
            }
            token => Err(unexpected(&token)),
        }
    }
}

/// Compares as versions where one side is a version and both can be; else as texts.
fn compare(left: &Value, operator: &str, right: &Value) -> Result<bool, String> {
    let (one, other) = (left.text.as_str(), right.text.as_str());
    match operator {
        "in" => return Ok(other.contains(one)),
        "not in" => return Ok(!other.contains(one)),
        _ => {}
    }
    if left.is_version || right.is_version {
        let specifier = VersionSpecifier::from_str(&format!("{operator}{other}"));
        if let (Ok(version), Ok(specifier)) = (Version::from_str(one), specifier) {
            return Ok(specifier.contains(&version));
        }
    }
    match operator {
        "==" | "===" => Ok(one == other),
        "!=" => Ok(one != other),
        "<" => Ok(one < other),
        "<=" => Ok(one <= other),
        ">" => Ok(one > other),
        ">=" => Ok(one >= other),
        _ => Err(format!("the marker compares with `{}`, which does not fit", operator.escape_default())),
    }
}
