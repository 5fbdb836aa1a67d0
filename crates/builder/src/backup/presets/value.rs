//! Values of parameters, restricted so that every shell and SQL takes them literally.

use serde::Deserialize;
use serde_json::Value;

/// Maximum length of a value.
const LONGEST: usize = 255;

/// A kind of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ValueKind {
    /// Name of a user or a database.
    Name,
    /// A port number.
    Port,
    /// An absolute path.
    Path,
}

impl ValueKind {
    /// Description of the kind in an error.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Name => "a name of letters, digits, `_`, `.` and `-`",
            Self::Port => "a port from 1 to 65535",
            Self::Path => "an absolute path of letters, digits, `_`, `.`, `-` and `/`",
        }
    }

    /// The value as text; `None` if it is of another kind.
    pub(super) fn text(self, value: &Value) -> Option<String> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let is_plain =
            |more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c) || more.contains(c));
        let is_it = match self {
            Self::Name => is_plain("") && text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_'),
            Self::Port => text.parse::<u16>().is_ok_and(|port| port > 0 && port.to_string() == text),
            Self::Path => {
                is_plain("/") && text.len() > 1 && text.starts_with('/') && !text[1..].split('/').any(is_detour)
            }
        };
        (is_it && text.len() <= LONGEST).then_some(text)
    }
}

fn is_detour(part: &str) -> bool {
    matches!(part, "" | "." | "..")
}
