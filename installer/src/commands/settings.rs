//! `landfall settings`: what the site has set of what the release lets it set.

use landfall_lifecycle::operations::{Setting, SiteSettings};

use super::site::operations_of_root;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

impl Document for SiteSettings {
    const KIND: &'static str = "settings";
}

/// Prints them.
pub(crate) fn run(printer: Printer) -> Result<(), Failure> {
    let settings = operations_of_root(printer)?.settings()?;
    printer.report(&settings, text);
    Ok(())
}

fn text(settings: &SiteSettings) -> String {
    let SiteSettings { release, version, values } = settings;
    if values.is_empty() {
        return format!("{release} {version} has no settings");
    }
    values.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn line(setting: &Setting) -> String {
    let Setting { name, value, default, .. } = setting;
    match (value, default) {
        (Some(value), Some(default)) => format!("{name}: {value} (the release's default is {default})"),
        (Some(value), None) => format!("{name}: {value}"),
        (None, Some(default)) => format!("{name}: {default}, the release's default"),
        (None, None) => format!("{name}: not set, as the release was built"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn each_setting_says_what_it_is_and_what_it_would_be_by_itself() {
        let setting = |name: &str, value: Option<Value>, default: Option<Value>| Setting {
            name: name.to_owned(),
            components: vec!["postgres".to_owned()],
            value,
            default,
            schema: json!({}),
        };
        let values = vec![
            setting("postgres.storage", Some(json!("5Gi")), Some(json!("1Gi"))),
            setting("assistant.replicas", Some(json!(2)), None),
            setting("valkey.replicas", None, Some(json!(1))),
            setting("assistant.model", None, None),
        ];
        let settings = |values| SiteSettings { release: "starter".to_owned(), version: "1.0.0".to_owned(), values };
        insta::assert_snapshot!(text(&settings(values)), @r#"
        postgres.storage: "5Gi" (the release's default is "1Gi")
        assistant.replicas: 2
        valkey.replicas: 1, the release's default
        assistant.model: not set, as the release was built
        "#);
        assert_eq!(text(&settings(Vec::new())), "starter 1.0.0 has no settings");
    }
}
