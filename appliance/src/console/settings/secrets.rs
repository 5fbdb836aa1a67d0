//! Site secrets of the release: their presence, and a form for a new value. A value goes from the form to the host; no
//! page, log or database row ever contains it.

use axum::extract::State;
use landfall_documents::change::Change;
use landfall_documents::settings::{SecretSetting, SecretState};
use serde::Deserialize;

use crate::access::Caller;
use crate::api::{CheckedRequest, give_secret, known_secret};
use crate::console::PageResult;
use crate::console::change::{SETTINGS, hand_over};
use crate::console::fields::FormFields;
use crate::context::Context;
use crate::refusal::Refusal;

/// A secret on the page.
pub(super) struct SecretRow {
    /// ID in the page.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) component: String,
    pub(super) meaning: String,
    kind: String,
    /// Describes whether the site has it.
    pub(super) state: String,
    pub(super) reason: Option<String>,
}

impl SecretRow {
    pub(super) fn from_setting(index: usize, secret: &SecretSetting) -> Self {
        let number = secret.number.map(|number| format!("value {number}")).unwrap_or_default();
        let state = match secret.state {
            SecretState::Given => format!("Given, {number}"),
            SecretState::Unusable => format!("Given, {number}, and its file on the host cannot be used"),
            SecretState::Missing => "Not given".to_owned(),
            SecretState::Unknown => "In a state that this console does not know".to_owned(),
        };
        Self {
            id: format!("secret-{index}"),
            name: secret.name.clone(),
            component: secret.component.clone(),
            meaning: secret.meaning.clone(),
            kind: secret.kind.clone(),
            state,
            reason: secret.reason.clone(),
        }
    }

    pub(super) fn is_password(&self) -> bool {
        self.kind == "password"
    }

    pub(super) fn is_tls(&self) -> bool {
        self.kind == "tls"
    }

    /// Returns the label of the input, unless it is a password.
    pub(super) fn label(&self) -> &'static str {
        match self.kind.as_str() {
            "tls" => "Certificate with its chain, as PEM",
            "authorities" => "Certificates of the authorities, as PEM",
            _ => "Text of the file",
        }
    }
}

/// New value of a secret. No `Debug`: it must not reach a log.
#[derive(Deserialize)]
pub struct SecretForm {
    name: String,
    #[serde(default)]
    value: String,
    /// Repeated password.
    #[serde(default)]
    again: String,
    /// Private key of a certificate.
    #[serde(default)]
    key: String,
}

impl SecretForm {
    /// Returns the value in the form that the host accepts.
    fn value(self, secret: &SecretSetting) -> Result<String, Refusal> {
        // A browser sends a line end as two characters.
        let lines = |text: &str| text.replace("\r\n", "\n");
        match secret.kind.as_str() {
            "password" if self.value == self.again => Ok(self.value),
            "password" => Err(Refusal::Invalid(format!("{}: the two entries differ", secret.name))),
            "tls" => Ok(format!("{}\n{}", lines(&self.value).trim_end(), lines(&self.key))),
            _ => Ok(lines(&self.value)),
        }
    }
}

/// Sends the value to the host, and requests the plan of a change that uses it. One administrator approves it, or two
/// people if so configured.
pub async fn give(
    State(context): State<Context>,
    caller: Caller,
    FormFields(given): FormFields<SecretForm>,
) -> PageResult {
    let secret = known_secret(&context, &given.name).await?;
    let value = given.value(&secret)?;
    let id = give_secret(&context, &caller, &secret.name, value).await?.id;
    let change = Change::Configure { values: [].into(), secrets: [(secret.name, id)].into(), backup_time: None };
    hand_over(&context, &caller, SETTINGS, CheckedRequest::plan(&caller, None, change)?).await
}
