//! `landfall settings`: shows which values of the release the site has set.

use landfall_documents::settings::{SecretSetting, SecretState, Setting, SiteSettings};
use landfall_error_codes::codes;

use super::site::operations_of_root;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;
use crate::table::format_table;

impl Document for SiteSettings {
    const KIND: &'static str = "settings";
}

/// Prints the settings.
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
    let values = (!values.is_empty()).then(|| format_table(["setting", "value", "default"], values.iter().map(row)));
    let headings = ["secret", "state", "component", "what it is for"];
    let secrets = (!secrets.is_empty()).then(|| format_table(headings, secrets.iter().map(secret_row)));
    values.into_iter().chain(secrets).collect::<Vec<_>>().join("\n\n")
}

/// The row of a secret, with its number. Its value is not known here.
fn secret_row(secret: &SecretSetting) -> [String; 4] {
    let SecretSetting { name, component, meaning, kind: _, state, number, reason } = secret;
    let number = number.map(|number| format!(" ({number})")).unwrap_or_default();
    let state = match state {
        SecretState::Given => format!("given{number}"),
        SecretState::Missing => format!("not given; `landfall configure --secret {name}=FILE` gives it"),
        SecretState::Unusable => {
            let reason = shown::paragraph(reason.as_deref().unwrap_or("its file cannot be used"));
            format!("given{number}, but {reason} [{}]", codes::SITE_SECRET_FILE.id)
        }
        SecretState::Unknown => "in a state that this version does not know".to_owned(),
    };
    [format!("secrets.{name}"), state, component.clone(), meaning.clone()]
}

fn row(setting: &Setting) -> [String; 3] {
    let Setting { name, value, default, .. } = setting;
    let default_text = default.as_ref().map_or_else(|| "as built".to_owned(), ToString::to_string);
    let value = value.as_ref().map_or_else(|| "not set".to_owned(), ToString::to_string);
    [name.clone(), value, default_text]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn settings_show_value_and_default() {
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
        SETTING             VALUE    DEFAULT
        postgres.storage    "5Gi"    "1Gi"
        assistant.replicas  2        as built
        valkey.replicas     not set  1
        assistant.model     not set  as built
        "#);
        assert_eq!(text(&settings(Vec::new())), "starter 1.0.0 has no settings");
    }

    #[test]
    fn secrets_show_number_without_value() {
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
        SECRET             STATE                                                                 COMPONENT  WHAT IT IS FOR
        secrets.directory  given (2)                                                             bulletin   Reads the directory
        secrets.front      given (1), but the secret's file /a/front.1.json is damaged [LF4213]  bulletin   Reads the directory
        secrets.mail       not given; `landfall configure --secret mail=FILE` gives it           bulletin   Reads the directory
        ");
    }
}
