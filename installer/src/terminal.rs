//! Text for a terminal: wrapped between words at its width, and in color if the person wants color.

use std::io::IsTerminal;

use rustix::termios::tcgetwinsize;

/// Width if none is known.
const USUAL_COLUMNS: usize = 80;

/// Minimum width: narrower lines are harder to read when wrapped.
const LEAST_COLUMNS: usize = 40;

/// Maximum column at which the value after a name may start for later lines to be indented to it.
const NAME_COLUMNS: usize = 16;

/// Meaning of a word, which determines its color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Attention,
    Bad,
}

/// Words with their tones. The first of them in a line is colored.
pub(crate) type Words = &'static [(&'static str, Tone)];

/// The terminal of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terminal {
    columns: usize,
    /// Number of lines that fit on the screen.
    pub(crate) rows: usize,
    color: bool,
}

impl Terminal {
    /// The terminal; `None` if standard output is a file or a pipe.
    pub(crate) fn of_stdout() -> Option<Self> {
        let stdout = std::io::stdout();
        if !stdout.is_terminal() {
            return None;
        }
        let size = tcgetwinsize(&stdout).ok().filter(|size| size.ws_col > 0);
        let columns = size.map_or(USUAL_COLUMNS, |size| usize::from(size.ws_col));
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let color = variable("NO_COLOR").is_none() && variable("TERM").is_some_and(|term| term != "dumb");
        let rows = size.map_or(24, |size| usize::from(size.ws_row).max(2));
        Some(Self { columns: columns.max(LEAST_COLUMNS), rows, color })
    }

    /// Wraps and colors plain text.
    pub(crate) fn laid_out(&self, text: &str, words: Words) -> String {
        let lines = text.lines().flat_map(|line| wrap_line(line, self.columns));
        lines.map(|line| if self.color { paint_line(&line, words) } else { line }).collect::<Vec<_>>().join("\n")
    }
}

/// Wraps a line at this width, if its words allow. Later lines are indented to the value if the line starts with a
/// name, otherwise by a little.
fn wrap_line(line: &str, columns: usize) -> Vec<String> {
    let indent = " ".repeat(indent(line));
    let (mut lines, mut rest) = (Vec::new(), line.to_owned());
    while rest.chars().count() > columns {
        let least = rest.len() - rest.trim_start().len();
        let end = rest.char_indices().nth(columns).map_or(rest.len(), |(index, _)| index);
        // A word longer than the line ends at the next space.
        let at = rest[..=floor(&rest, end)].rfind(' ').filter(|at| *at > least.max(indent.len()));
        let Some(at) = at.or_else(|| rest[end..].find(' ').map(|at| end + at)) else { break };
        lines.push(rest[..at].trim_end().to_owned());
        rest = format!("{indent}{}", rest[at..].trim_start());
        if rest.trim().is_empty() {
            return lines;
        }
    }
    lines.push(rest);
    lines
}

/// Index of the last byte of the character at an index, or of the text.
fn floor(text: &str, index: usize) -> usize {
    let mut last = index.min(text.len().saturating_sub(1));
    while !text.is_char_boundary(last + 1) {
        last += 1;
    }
    last
}

fn indent(line: &str) -> usize {
    let own = line.chars().take_while(|letter| *letter == ' ').count();
    let name = line.trim_start().split("  ").next().map_or(0, |name| name.chars().count());
    let gap = line.chars().skip(own + name).take_while(|letter| *letter == ' ').count();
    if gap >= 2 && own + name + gap <= NAME_COLUMNS { own + name + gap } else { own + 2 }
}

fn paint_line(line: &str, words: Words) -> String {
    let found = words.iter().find_map(|(word, tone)| Some((line.find(word)?, word, tone)));
    let Some((at, word, tone)) = found else { return line.to_owned() };
    let color = match tone {
        Tone::Good => 32,
        Tone::Attention => 33,
        Tone::Bad => 31,
    };
    format!("{}\u{1b}[{color}m{word}\u{1b}[0m{}", &line[..at], &line[at + word.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words = &[("not ready", Tone::Bad), ("ready", Tone::Good)];

    fn laid_out(text: &str, color: bool) -> String {
        Terminal { columns: 40, rows: 24, color }.laid_out(text, WORDS)
    }

    #[test]
    fn long_lines_break_between_words() {
        let text = "agent     not ready: the unit landfall-agent.service is inactive, and no one knows";
        assert_eq!(
            laid_out(text, false),
            "agent     not ready: the unit\n          landfall-agent.service is\n          inactive, and no one knows"
        );
        let text = "    StatefulSet postgres/postgres: 0 of 1 pods are ready";
        assert_eq!(laid_out(text, false), "    StatefulSet postgres/postgres: 0 of\n      1 pods are ready");
        let whole = "x".repeat(90);
        assert_eq!(laid_out(&whole, false), whole, "it has no place to break");
        assert_eq!(laid_out(&format!("{whole} {whole}"), false), format!("{whole}\n  {whole}"));
        assert_eq!(laid_out("short\n\nlines", false), "short\n\nlines");
        let wide = "é".repeat(30);
        assert_eq!(laid_out(&format!("{wide} {wide}"), false), format!("{wide}\n  {wide}"));
    }

    #[test]
    fn worst_word_is_colored() {
        assert_eq!(laid_out("agent  not ready: x", true), "agent  \u{1b}[31mnot ready\u{1b}[0m: x");
        assert_eq!(laid_out("agent  ready", true), "agent  \u{1b}[32mready\u{1b}[0m");
        assert_eq!(laid_out("agent  ready", false), "agent  ready");
    }
}
