//! Sentences of the host and of the code registry, formatted for a page. Text between backticks is code, and times are
//! written as everywhere else on the page. The text itself is escaped, because it may come from a stick.

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;
use jiff::Timestamp;

/// Sample of a time in a document, for its length.
const TIME: &str = "2026-11-20T08:00:00Z";

/// Text for a page.
pub struct Words(String);

/// Formats the text of a document.
pub fn words(text: impl AsRef<str>) -> Words {
    Words(with_times(text.as_ref()))
}

fn with_times(text: &str) -> String {
    let mut rest = text;
    let mut written = String::with_capacity(text.len());
    while let Some(letter) = rest.chars().next() {
        let time = rest.get(..TIME.len()).filter(|time| time.ends_with('Z')).and_then(|time| time.parse().ok());
        let length = time.map_or(letter.len_utf8(), |time: Timestamp| {
            written.push_str(&time.strftime("%Y-%m-%d %H:%M UTC").to_string());
            TIME.len()
        });
        if time.is_none() {
            written.push(letter);
        }
        rest = &rest[length..];
    }
    written
}

fn escape(text: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    text.chars().try_for_each(|letter| match letter {
        '&' => formatter.write_str("&#38;"),
        '<' => formatter.write_str("&#60;"),
        '>' => formatter.write_str("&#62;"),
        '"' => formatter.write_str("&#34;"),
        '\'' => formatter.write_str("&#39;"),
        letter => formatter.write_char(letter),
    })
}

impl fmt::Display for Words {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_str();
        while let Some((before, (code, after))) =
            rest.split_once('`').and_then(|(before, after)| Some((before, after.split_once('`')?)))
        {
            escape(before, formatter)?;
            formatter.write_str("<code>")?;
            escape(code, formatter)?;
            formatter.write_str("</code>")?;
            rest = after;
        }
        escape(rest, formatter)
    }
}

// Everything except the tags above is escaped.
impl HtmlSafe for Words {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commands_and_times_are_markup() {
        let shown = |text: &str| words(text).to_string();
        assert_eq!(shown("Run `landfall status`, then wait."), "Run <code>landfall status</code>, then wait.");
        assert_eq!(shown("a ` alone"), "a ` alone");
        assert_eq!(shown("`a` and ` again"), "<code>a</code> and ` again");
        assert_eq!(shown("`<script>` & \"x\" 'y'"), "<code>&#60;script&#62;</code> &#38; &#34;x&#34; &#39;y&#39;");
        assert_eq!(shown("ends “soon”, on 2026-12-01T00:00:00Z."), "ends “soon”, on 2026-12-01 00:00 UTC.");
        assert_eq!(shown("2026-99-01T00:00:00Z"), "2026-99-01T00:00:00Z");
    }
}
