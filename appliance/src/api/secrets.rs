//! Values of site secrets. A value goes to the host, and the console does not store it; later requests name it by its
//! ID.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request, State};
use landfall_documents::settings::{SecretSetting, SiteSettings};
use landfall_peer::{KeptSecret, SECRET_BYTES, SecretRequest};
use schemars::JsonSchema;
use serde::Deserialize;

use super::requester::host_name_of;
use super::site::note_outcome;
use crate::access::Caller;
use crate::context::Context;
use crate::host::Topic;
use crate::refusal::Refusal;

/// New value of a secret. The type has no `Debug`, so that the value reaches no log.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSecretValue {
    /// Name of the secret, as the settings list it.
    #[schemars(length(min = 1, max = 63))]
    name: String,
    /// Value as text: a password, or PEM; for a certificate with its key, both in sequence.
    #[schemars(length(min = 1, max = SECRET_BYTES))]
    value: String,
}

impl<S: Send + Sync> FromRequest<S> for NewSecretValue {
    type Rejection = Refusal;

    /// Reads the body. Refusals quote nothing of it, although derived code would quote a lone number or value: programs
    /// log refusals.
    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let why = match Json::<Self>::from_request(request, state).await {
            Ok(Json(given)) => return Ok(given),
            Err(JsonRejection::JsonDataError(_)) => {
                "the body has `name` and `value`, each a text, and nothing else".to_owned()
            }
            Err(other) => other.body_text(),
        };
        Err(Refusal::Invalid(why))
    }
}

/// Give another value of a secret
///
/// Only the host keeps it, in memory for an hour. The ID goes into `secrets` of a plan of the kind `configure`, by the
/// secret's name, and into that of its approval.
#[utoipa::path(
    post,
    path = "/api/v1/secrets",
    operation_id = "giveSecret",
    tag = "changes",
    request_body(content = ref("#/components/schemas/NewSecretValue"), description = "the value",
        content_type = "application/json"),
    responses(
        (status = 200, description = "the host keeps it under this id", body = ref("#/components/schemas/KeptSecret")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn give(
    State(context): State<Context>,
    caller: Caller,
    given: NewSecretValue,
) -> Result<Json<KeptSecret>, Refusal> {
    let NewSecretValue { name, value } = given;
    let secret = known_secret(&context, &name).await?;
    give_secret(&context, &caller, &secret.name, value).await.map(Json)
}

/// Returns the host's listing of a secret. Names that the release does not declare reach neither host nor audit log.
pub async fn known_secret(context: &Context, name: &str) -> Result<SecretSetting, Refusal> {
    let settings = context.site.read::<SiteSettings>(Topic::Settings).await?;
    let secrets = settings.map(|settings| settings.secrets).unwrap_or_default();
    let found = secrets.into_iter().find(|secret| secret.name == name);
    found.ok_or_else(|| Refusal::NotThere("secret of that name in this release".to_owned()))
}

/// Sends a value of a secret to the host, which keeps it in memory for an hour, and returns the ID by which a change
/// names it. The audit log contains only the secret's name; the value is stored nowhere else.
pub async fn give_secret(context: &Context, caller: &Caller, name: &str, value: String) -> Result<KeptSecret, Refusal> {
    if value.is_empty() {
        return Err(Refusal::Invalid(format!("{name}: enter a value")));
    }
    if value.len() > SECRET_BYTES {
        let advice = format!("give it on the host with `landfall configure --secret {name}=FILE`");
        let what = format!("{name}: the console takes values of up to {SECRET_BYTES} bytes");
        return Err(Refusal::Invalid(format!("{what}; {advice}")));
    }
    let author = caller.author();
    let (by, correlation) = (host_name_of(&author), author.correlation.clone());
    let request = SecretRequest { by, correlation, name: name.to_owned(), value };
    let kept = context.site.keep_secret(&request).await;
    note_outcome(context, &author, ("secret.give", name), &kept).await?;
    Ok(kept?)
}
