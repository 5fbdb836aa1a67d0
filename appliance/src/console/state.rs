//! Marks for the state of something, with a word: never by color alone.

use std::fmt;

use askama::filters::HtmlSafe;

/// State of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// A person must act.
    Bad,
    /// A person should look.
    Attention,
    /// Work is in progress.
    Busy,
    /// The state is unknown.
    Unknown,
    /// The state is as it should be.
    Good,
}

impl State {
    const fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Attention => "attention",
            Self::Busy => "busy",
            Self::Unknown => "unknown",
            Self::Good => "good",
        }
    }

    /// Returns the shape, which differs for each state.
    const fn shape(self) -> &'static str {
        match self {
            Self::Bad => r#"<path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z"/><path class="ink" d="M5.5 5.5l5 5m0-5l-5 5"/>"#,
            Self::Attention => r#"<path d="M8 1l7.5 13.5H.5z"/><path class="ink" d="M8 6v4m0 2v.5"/>"#,
            Self::Busy => r#"<circle cx="8" cy="8" r="7"/><path class="ink" d="M8 4v4l2.5 2"/>"#,
            Self::Unknown => r#"<circle class="hollow" cx="8" cy="8" r="6"/>"#,
            Self::Good => r#"<circle cx="8" cy="8" r="7"/><path class="ink" d="M4.8 8.2l2.2 2.3 4.2-4.8"/>"#,
        }
    }

    /// Returns the mark with this word.
    pub const fn mark(self, word: &'static str) -> Mark {
        Mark { state: self, word }
    }
}

/// A state with a word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The state.
    pub state: State,
    word: &'static str,
}

impl fmt::Display for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, shape) = (self.state.class(), self.state.shape());
        let picture = format_args!(r#"<svg viewBox="0 0 16 16" aria-hidden="true" focusable="false">{shape}</svg>"#);
        write!(formatter, r#"<span class="mark {class}">{picture}<span>{}</span></span>"#, self.word)
    }
}

// The words are the program's own, and the rest is fixed.
impl HtmlSafe for Mark {}
