//! Guard of every request: identifies the caller, checks the caller's rights, and checks that the request was intended.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use jiff::Timestamp;
use landfall_license::FILE_BYTES as LICENSE_BYTES;
use landfall_peer::SECRET_BYTES;
use subtle::ConstantTimeEq as _;
use tower_http::request_id::RequestId;

use super::refuse::{Audience, refuse};
use crate::access::{Caller, FORM, Identity, Need, Proof, Rule, SESSION, cookie, is_own, peer};
use crate::console::{OWN_PASSWORD, prove_first};
use crate::context::Context;
use crate::people::{Role, Source, find_session, open_key, prove_again};
use crate::refusal::{Prover, Refusal};

/// Maximum size of a request's body, in bytes.
const BODY_BYTES: usize = 64 << 10;
/// Maximum size of a body with a license, each byte of which may take three in a form.
const LICENSE_BODY_BYTES: usize = 3 * LICENSE_BYTES + BODY_BYTES;
/// Maximum size of a body with a secret's value.
const SECRET_BODY_BYTES: usize = 3 * SECRET_BYTES + BODY_BYTES;
/// Header in which a page's scripts send the form token.
const TOKEN_HEADER: &str = "x-csrf-token";

/// Passes a request to its handler, with its [`Caller`], or refuses it.
pub async fn guard(State(context): State<Context>, request: Request, next: Next) -> Response {
    let audience = audience(&request);
    let (mut parts, body) = request.into_parts();
    let mut caller = anonymous(&parts);
    caller.address = context.ingress.state().client(caller.address, &parts.headers);
    let admitted = admit(&context, &parts, body, &mut caller).await;
    match admitted {
        Ok(body) => {
            parts.extensions.insert(caller);
            let limit = body_bytes(parts.uri.path());
            let mut request = Request::from_parts(parts, body);
            DefaultBodyLimit::max(limit).apply(&mut request);
            next.run(request).await
        }
        Err(Denial::Refused(refusal)) => refuse(refusal, &caller, audience),
        Err(Denial::Unproven(refusal, form)) => prove_first(&context, &caller, parts.uri.path(), (&refusal, &form)),
    }
}

/// Reason why a request is stopped.
enum Denial {
    Refused(Refusal),
    /// A form waits until its sender has proven to be the user.
    Unproven(Refusal, Bytes),
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Returns the request with its unchecked caller and its audience, for answers that no handler gives.
pub fn unchecked(request: Request) -> (Request, Caller, Audience) {
    let audience = audience(&request);
    let (parts, body) = request.into_parts();
    let caller = anonymous(&parts);
    (Request::from_parts(parts, body), caller, audience)
}

fn audience(request: &Request) -> Audience {
    match request.uri().path() {
        path if is_api(path) => Audience::Program,
        path if path.starts_with("/live/") => Audience::LivePart,
        _ if request.method() == Method::GET => Audience::Reader,
        _ => Audience::Sender,
    }
}

/// Returns true if a path is for programs, whose errors are problem documents.
fn is_api(path: &str) -> bool {
    path.starts_with("/api/") || path == "/metrics"
}

fn anonymous(parts: &Parts) -> Caller {
    let id = parts.extensions.get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
    Caller {
        identity: Identity::Anonymous,
        form_secret: None,
        door_secret: None,
        address: peer(parts),
        correlation: id.unwrap_or_default().to_owned(),
    }
}

async fn admit(context: &Context, parts: &Parts, body: Body, caller: &mut Caller) -> Result<Body, Denial> {
    let path = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let rule = Rule::find(&parts.method, path).ok_or_else(|| unknown(parts, path))?;
    if rule.need == Need::Open {
        return Ok(body);
    }
    let changes = rule.changes();
    identify(context, parts, rule, caller, changes).await?;
    permit(rule.need, caller)?;
    let is_program = matches!(caller.identity, Identity::Program(_));
    if !changes || is_program {
        return Ok(body);
    }
    // A script sends the token in a header, so the body is not read for it: a body may be part of a bundle.
    if is_api(path) {
        be_meant(rule.need, caller, header_token(&parts.headers))?;
        be_proven(context, rule.proof, caller, None).await?;
        return Ok(body);
    }
    let form = form(path, body).await?;
    be_meant(rule.need, caller, field(&form, "csrf"))?;
    match be_proven(context, rule.proof, caller, field(&form, OWN_PASSWORD)).await {
        Ok(()) => Ok(Body::from(form)),
        Err(refusal @ (Refusal::Internal(_) | Refusal::SignInNeeded)) => Err(Denial::Refused(refusal)),
        Err(refusal) => Err(Denial::Unproven(refusal, form)),
    }
}

/// Reads the body of a form.
async fn form(path: &str, body: Body) -> Result<Bytes, Refusal> {
    let limit = body_bytes(path);
    let too_long = |_| Refusal::Invalid(format!("the body is longer than {limit} bytes"));
    to_bytes(body, limit).await.map_err(too_long)
}

/// Refuses a request that needs a recent proof if the session has none, unless it carries the user's correct password.
async fn be_proven(context: &Context, proof: Proof, caller: &Caller, password: Option<String>) -> Result<(), Refusal> {
    if proof == Proof::OfSession {
        return Ok(());
    }
    let session = caller.session()?;
    if session.is_proven(Timestamp::now()) {
        return Ok(());
    }
    match password.filter(|password| !password.is_empty()) {
        Some(password) => prove_again(context, &caller.author(), (session, caller.address), &password).await,
        None if session.source == Source::Oidc => Err(Refusal::ProofNeeded(Prover::Provider)),
        None => Err(Refusal::ProofNeeded(Prover::Password)),
    }
}

/// Refuses a request that matches no route.
fn unknown(parts: &Parts, path: &str) -> Refusal {
    let allowed = Rule::methods(path);
    if allowed.is_empty() {
        return Refusal::NotThere(format!("{} {}", parts.method, parts.uri.path()));
    }
    Refusal::Method(allowed.join(", "))
}

/// Returns the maximum size of a request's body for this path, in bytes.
fn body_bytes(path: &str) -> usize {
    match path {
        "/license" | "/api/v1/license" => LICENSE_BODY_BYTES,
        "/settings/secret" | "/api/v1/secrets" => SECRET_BODY_BYTES,
        _ => BODY_BYTES,
    }
}

/// Refuses a request without a form token of this browser. A form from before a sign-in may be sent after it, from
/// another tab.
fn be_meant(need: Need, caller: &Caller, token: Option<String>) -> Result<(), Refusal> {
    let token = token.unwrap_or_default();
    let door = caller.door_secret.as_ref().filter(|_| need == Need::Form);
    let mut secrets = caller.form_secret.iter().chain(door);
    let is_meant = secrets.any(|secret| bool::from(token.as_bytes().ct_eq(secret.form_token().as_bytes())));
    if is_meant { Ok(()) } else { Err(Refusal::Foreign) }
}

/// Identifies the caller. A key is valid only for the API; a cookie is valid only if the request comes from the
/// console's own pages.
async fn identify(
    context: &Context,
    parts: &Parts,
    rule: &Rule,
    caller: &mut Caller,
    changes: bool,
) -> Result<(), Refusal> {
    let bearer = parts.headers.get(header::AUTHORIZATION);
    if let (Some(value), true) = (bearer, is_api(rule.path)) {
        let text = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
        let key = open_key(context, text.trim()).await?.ok_or(Refusal::SignInNeeded)?;
        caller.identity = Identity::Program(key);
        return Ok(());
    }
    let (session, form) = (cookie(&parts.headers, SESSION), cookie(&parts.headers, FORM));
    let ingress = context.ingress.state();
    if !is_own(&parts.headers, ingress.host(peer(parts), &parts.headers), changes) {
        // Without its cookies the request is anonymous. A request that would change something is refused with the
        // reason.
        return if changes && (session.is_some() || form.is_some()) { Err(Refusal::Foreign) } else { Ok(()) };
    }
    caller.form_secret.clone_from(&form);
    caller.door_secret = form;
    if let Some(secret) = session {
        let is_active = !rule.path.starts_with("/live/");
        if let Some(found) = find_session(context, &secret, is_active).await? {
            caller.identity = Identity::Browser(found);
            caller.form_secret = Some(secret);
        }
    }
    Ok(())
}

fn permit(need: Need, caller: &Caller) -> Result<(), Refusal> {
    let least = |role: Role| match caller.role() {
        None => Err(Refusal::SignInNeeded),
        Some(own) if own < role => Err(Refusal::Role(role)),
        Some(_) => Ok(()),
    };
    match (need, &caller.identity) {
        (Need::Open | Need::Form, _) => Ok(()),
        (Need::ApiSession(_), Identity::Program(_)) => Err(Refusal::NotByKey),
        (Need::Api(role, scope), Identity::Program(key)) => {
            least(role)?;
            if key.scopes.contains(&scope) { Ok(()) } else { Err(Refusal::Scope(scope.text())) }
        }
        (Need::Page(role) | Need::Api(role, _) | Need::ApiSession(role), _) => least(role),
    }
}

fn header_token(headers: &HeaderMap) -> Option<String> {
    headers.get(TOKEN_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Returns a form field that must occur exactly once.
fn field(form: &[u8], name: &str) -> Option<String> {
    let mut values = form_urlencoded::parse(form).filter(|(key, _)| key == name).map(|(_, value)| value);
    let one = values.next()?;
    if values.next().is_some() { None } else { Some(one.into_owned()) }
}
