//! Names that a person probably meant, beside those that are not known: the nearest first, and none that is far.

use clap::error::{ContextKind, ContextValue, ErrorKind};

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
    let mut names = near(&typed, names);
    // A tip about an option is a single name.
    match suggested {
        _ if names.is_empty() => error.remove(suggested),
        ContextKind::SuggestedSubcommand => error.insert(suggested, ContextValue::Strings(names)),
        _ => error.insert(suggested, ContextValue::String(names.swap_remove(0))),
    };
    error
}

/// Those of the names that are near, the nearest first.
fn near(typed: &str, names: Vec<String>) -> Vec<String> {
    let plain = |name: &str| name.trim_start_matches('-').to_lowercase();
    let typed = plain(typed);
    let limit = (typed.chars().count() / 3).max(1);
    let mut near: Vec<(usize, String)> = names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&typed, &plain(&name)), name))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort();
    near.into_iter().map(|(_, name)| name).collect()
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
