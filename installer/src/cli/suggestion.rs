//! The name that a person probably meant, beside one that is not known; none that is far.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use landfall_suggestion::nearest;

/// The error of the command line, with better tips.
pub(super) fn improve_suggestions(mut error: clap::Error) -> clap::Error {
    let (typed, suggested) = match error.kind() {
        ErrorKind::InvalidSubcommand => (ContextKind::InvalidSubcommand, ContextKind::SuggestedSubcommand),
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, ContextKind::SuggestedArg),
        ErrorKind::InvalidValue => (ContextKind::InvalidValue, ContextKind::SuggestedValue),
        _ => return error,
    };
    let Some(ContextValue::String(typed)) = error.get(typed).cloned() else { return error };
    let names = match error.get(suggested) {
        Some(ContextValue::Strings(names)) => names.clone(),
        Some(ContextValue::String(name)) => vec![name.clone()],
        _ => return error,
    };
    let near = nearest(&typed, names.iter().map(String::as_str)).map(str::to_owned);
    // A tip about an option is a single name.
    match (near, suggested) {
        (None, _) => error.remove(suggested),
        (Some(name), ContextKind::SuggestedSubcommand) => error.insert(suggested, ContextValue::Strings(vec![name])),
        (Some(name), _) => error.insert(suggested, ContextValue::String(name)),
    };
    error
}

#[cfg(test)]
mod tests {
    use crate::cli::parse;

    fn error_text(words: &str) -> String {
        parse(words.split(' ')).expect_err(words).render().to_string()
    }

    #[test]
    fn nearest_name_is_suggested() {
        let install = error_text("landfall instal stick");
        assert!(install.contains("'install'") && !install.contains("'uninstall'"), "{install}");
        let restore = error_text("landfall backup chekc");
        assert!(restore.contains("'check'"), "{restore}");
        let far = error_text("landfall settings --previous");
        assert!(!far.contains("tip:"), "{far}");
        let near = error_text("landfall status --jsn");
        assert!(near.contains("'--json'"), "{near}");
    }
}
