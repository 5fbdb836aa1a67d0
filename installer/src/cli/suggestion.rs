//! Names that a person probably meant by an unknown one.

use std::collections::BTreeSet;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use landfall_suggestion::distance;

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
    let mut names = nearest_first(&typed, names);
    // A tip about an option is a single name.
    match suggested {
        _ if names.is_empty() => error.remove(suggested),
        ContextKind::SuggestedSubcommand => error.insert(suggested, ContextValue::Strings(names)),
        _ => error.insert(suggested, ContextValue::String(names.swap_remove(0))),
    };
    error
}

/// The similar names, the most similar first. Dashes before options do not count.
fn nearest_first(typed: &str, names: Vec<String>) -> Vec<String> {
    let plain = |name: &str| name.trim_start_matches('-').to_owned();
    let typed = plain(typed);
    let near = names.into_iter().filter_map(|name| Some((distance(&typed, &plain(&name))?, name)));
    let near: BTreeSet<_> = near.collect();
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
        assert!(install.contains("'install', 'uninstall'"), "{install}");
        let restore = error_text("landfall backup chekc");
        assert!(restore.contains("'check'"), "{restore}");
        let far = error_text("landfall settings --previous");
        assert!(!far.contains("tip:"), "{far}");
        let near = error_text("landfall status --jsn");
        assert!(near.contains("'--json'"), "{near}");
    }
}
