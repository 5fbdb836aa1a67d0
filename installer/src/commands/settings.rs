//! `landfall settings`: what the site has set of what the release lets it set.

use landfall_error_codes::codes;
use landfall_lifecycle::operations::{SecretSetting, SecretState, Setting, SiteSettings};

use super::site::operations_of_root;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;

impl Document for SiteSettings {
    const KIND: &'static str = "settings";
}

/// Prints them.
pub(crate) fn run(printer: Printer) -> Result<(), Failure> {
    let settings = operations_of_root(printer)?.settings()?;
    printer.report(&settings, text)?;
    Ok(())
}

fn text(settings: &SiteSettings) -> String {
    let SiteSettings { release, version, values, secrets } = settings;
    if values.is_empty() && secrets.is_empty() {
        return format!("{release} {version} has no settings");
    }
    values.iter().map(line).chain(secrets.iter().map(secret_line)).collect::<Vec<_>>().join("\n")
}

/// A secret as changes name it: by its number. Its value is not known here.
fn secret_line(secret: &SecretSetting) -> String {
    let SecretSetting { name, component, meaning, kind: _, state, number, reason } = secret;
    let number = number.map(|number| format!(" ({number})")).unwrap_or_default();
    let state = match state {
        SecretState::Given => format!("given{number}"),
        SecretState::Missing => format!("not given; `landfall configure --secret {name}=FILE` gives it"),
        SecretState::Unusable => {
            let reason = shown::paragraph(reason.as_deref().unwrap_or("its file cannot be used"));
            format!("given{number}, but {reason} [{}]", codes::SITE_SECRET_FILE.id)
        }
    };
    format!("secrets.{name}: {state}\n  of {component}: {}", shown::paragraph(meaning))
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
        let settings = |values| SiteSettings {
            release: "starter".to_owned(),
            version: "1.0.0".to_owned(),
            values,
            secrets: Vec::new(),
        };
        insta::assert_snapshot!(text(&settings(values)), @r#"
        postgres.storage: "5Gi" (the release's default is "1Gi")
        assistant.replicas: 2
        valkey.replicas: 1, the release's default
        assistant.model: not set, as the release was built
        "#);
        assert_eq!(text(&settings(Vec::new())), "starter 1.0.0 has no settings");
    }

    #[test]
    fn each_secret_has_a_number_and_no_value() {
        let secret = |name: &str, state: SecretState, number: Option<u64>, reason: Option<&str>| SecretSetting {
            name: name.to_owned(),
            component: "bulletin".to_owned(),
            meaning: "Reads the directory".to_owned(),
            kind: "password".to_owned(),
            state,
            number,
            reason: reason.map(str::to_owned),
        };
        let secrets = vec![
            secret("directory", SecretState::Given, Some(2), None),
            secret("front", SecretState::Unusable, Some(1), Some("the secret's file /a/front.1.json is damaged")),
            secret("mail", SecretState::Missing, None, None),
        ];
        let (release, version) = ("bulletin".to_owned(), "1.0.0".to_owned());
        insta::assert_snapshot!(text(&SiteSettings { release, version, values: Vec::new(), secrets }), @"
        secrets.directory: given (2)
          of bulletin: Reads the directory
        secrets.front: given (1), but the secret's file /a/front.1.json is damaged [LF4213]
          of bulletin: Reads the directory
        secrets.mail: not given; `landfall configure --secret mail=FILE` gives it
          of bulletin: Reads the directory
        ");
    }
}
