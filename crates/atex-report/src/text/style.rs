//! Colours, where they are wanted.

use std::borrow::Cow;

use atex_model::report::Outcome;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Bold,
    Dim,
    Good,
    Doubtful,
    Bad,
    /// Bad, and nothing that can be trusted.
    Broken,
}

impl Style {
    /// The look of an outcome.
    pub(crate) fn of(outcome: Outcome) -> Style {
        match outcome {
            Outcome::Infra => Style::Broken,
            Outcome::Error | Outcome::Fail => Style::Bad,
            Outcome::Warn => Style::Doubtful,
            Outcome::Pass => Style::Good,
            Outcome::Info => Style::Plain,
            Outcome::Skip => Style::Dim,
        }
    }

    /// Only colours that every terminal has, so that its user's palette decides.
    fn code(self) -> &'static str {
        match self {
            Style::Plain => "",
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Doubtful => "33",
            Style::Bad => "1;31",
            Style::Broken => "1;35",
        }
    }
}

/// The text with the codes of its style around it, if there are to be colours.
pub(crate) fn paint(text: &str, style: Style, color: bool) -> Cow<'_, str> {
    if !color || style == Style::Plain || text.is_empty() {
        return text.into();
    }
    format!("\x1b[{}m{text}\x1b[0m", style.code()).into()
}
