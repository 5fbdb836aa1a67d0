//! The secrets that the release asks the site for: whether each was given, and a form for another value. A value goes from the form to the
//! host, and no page, no log and no row of the database ever has it.

use axum::extract::State;
use serde::Deserialize;

use crate::access::Caller;
use crate::api::{Intent, give_secret, known_secret};
use crate::console::Shown;
use crate::console::change::{SETTINGS, hand_over};
use crate::console::fields::Sent;
use crate::context::Context;
use crate::host::{Change, SecretSetting, SecretState};
use crate::refusal::Refusal;

/// A secret on the page.
pub(super) struct SecretRow {
    /// Its id in the page.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) component: String,
    pub(super) meaning: String,
    kind: String,
    /// Whether the site has it, in words.
    pub(super) state: String,
    pub(super) reason: Option<String>,
}

impl SecretRow {
    pub(super) fn of(index: usize, secret: &SecretSetting) -> Self {
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

    /// What is entered where it is no password.
    pub(super) fn label(&self) -> &'static str {
        match self.kind.as_str() {
            "tls" => "Certificate with its chain, as PEM",
            "authorities" => "Certificates of the authorities, as PEM",
            _ => "Text of the file",
        }
    }
}

/// Another value of a secret. No `Debug`: it must not reach a log.
#[derive(Deserialize)]
pub struct Given {
    name: String,
    #[serde(default)]
    value: String,
    /// A password once more.
    #[serde(default)]
    again: String,
    /// The private key of a certificate.
    #[serde(default)]
    key: String,
}

impl Given {
    /// The value as the host takes it.
    fn value(self, secret: &SecretSetting) -> Result<String, Refusal> {
        // A browser sends the end of a line as two characters.
        let lines = |text: &str| text.replace("\r\n", "\n");
        match secret.kind.as_str() {
            "password" if self.value == self.again => Ok(self.value),
            "password" => Err(Refusal::Invalid(format!("{}: the two entries differ", secret.name))),
            "tls" => Ok(format!("{}\n{}", lines(&self.value).trim_end(), lines(&self.key))),
            _ => Ok(lines(&self.value)),
        }
    }
}

/// Hands the value to the host, and asks for the plan of a change that uses it. An administrator approves that, or two where it is set.
pub async fn give(State(context): State<Context>, caller: Caller, Sent(given): Sent<Given>) -> Shown {
    let secret = known_secret(&context, &given.name).await?;
    let value = given.value(&secret)?;
    let id = give_secret(&context, &caller, &secret.name, value).await?.id;
    let change = Change::Configure { values: [].into(), secrets: [(secret.name, id)].into(), backup_time: None };
    hand_over(&context, &caller, SETTINGS, (None, Intent::Plan(change))).await
}
