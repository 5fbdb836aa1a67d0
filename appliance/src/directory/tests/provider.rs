//! Identity provider that does what a test wants, including what no honest one does. The part "pages" of the tests uses
//! an honest one, Dex.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use landfall_peer::{Authority, Identity};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::super::{State as Directory, files, settings};
use crate::configuration::{ServerFiles, server_config};
use crate::settings_files::Files;
use crate::testing::{Site, authority_on_loopback};

pub const CLIENT: &str = "landfall-console";
pub const SECRET: &str = "c0n sole:sécret";

/// A provider on loopback.
#[derive(Clone)]
pub struct FakeProvider(Arc<ProviderState>);

pub struct ProviderState {
    pub address: SocketAddr,
    pub authority: String,
    handle: Handle<SocketAddr>,
    facts: Mutex<Facts>,
}

/// Behavior of the provider.
pub struct Facts {
    pub key: (String, EncodingKey),
    /// Token of the next answer to a code.
    pub token: String,
    /// Replacements of answers, by path.
    pub replaced: HashMap<&'static str, (StatusCode, String)>,
    /// Changes of its metadata.
    pub description: Value,
    /// Forms that were sent for tokens, with the client's header.
    pub asked: Vec<(HashMap<String, String>, String)>,
}

impl Drop for ProviderState {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

pub fn new_key(id: &str) -> (String, EncodingKey) {
    let (_, pem) = Identity::generate(id).unwrap();
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    (id.to_owned(), EncodingKey::from_ec_der(der.secret_der()))
}

impl FakeProvider {
    pub fn begin() -> Self {
        let (authority, key) = authority_on_loopback("Provider");
        let issuer = Authority::of("Provider", &key).unwrap();
        let (certificate, key) = issuer.issue(&["127.0.0.1".to_owned()], (2020, 1, 1), (2040, 1, 1)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let own = ServerFiles { certificate: folder.path().join("crt"), key: folder.path().join("key") };
        for (path, text) in [(&own.certificate, certificate), (&own.key, key)] {
            landfall_media::durable::write_file(path, text.as_bytes(), 0o600).unwrap();
        }
        let tls = RustlsConfig::from_config(server_config(&own).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (address, handle) = (listener.local_addr().unwrap(), Handle::new());
        let facts = Facts {
            key: new_key("one"),
            token: String::new(),
            replaced: HashMap::new(),
            description: json!({}),
            asked: Vec::new(),
        };
        let provider =
            Self(Arc::new(ProviderState { address, authority, handle: handle.clone(), facts: facts.into() }));
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/elsewhere", get(async || Json(json!({}))))
            // The reference is weak, so that the provider ends with the test.
            .with_state(Arc::downgrade(&provider.0));
        let server = axum_server::from_tcp_rustls(listener, tls).unwrap().handle(handle);
        tokio::spawn(server.serve(routes.into_make_service()));
        provider
    }

    pub fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.facts.lock().unwrap()
    }

    pub fn issuer(&self) -> String {
        format!("https://{}", self.0.address)
    }

    pub fn authority(&self) -> String {
        self.0.authority.clone()
    }

    pub fn stop(&self) {
        self.0.handle.shutdown();
    }

    /// Returns the settings of a console that uses it.
    pub fn settings(&self, site: &Site) -> String {
        format!(
            "oidc:\n  issuer: {}\n  client: {CLIENT}\n  console: https://{}\n  label: Example\n  roles:\n    \
             administrator: [admins]\n    operator: [operators]\n    viewer: [staff]\n",
            self.issuer(),
            site.address
        )
    }

    /// Makes a console use it.
    pub fn serve_people_of(&self, site: &Site) {
        let state = derive_directory(&[
            (files::SETTINGS, &self.settings(site)),
            (files::OIDC_AUTHORITY, &self.0.authority),
            (files::OIDC_SECRET, &format!("{SECRET}\n")),
        ]);
        assert!(matches!(state, Directory::On(_)), "{state:?}");
        site.context.directory.replace(state);
    }

    /// Returns claims of a person, as in a valid token.
    pub fn claims(&self, nonce: &str, name: &str, groups: &[&str]) -> Value {
        let now = jsonwebtoken::get_current_timestamp();
        json!({
            "iss": self.issuer(), "aud": CLIENT, "sub": format!("id-of-{name}"), "exp": now + 300, "iat": now,
            "nonce": nonce, "preferred_username": name, "groups": groups,
        })
    }

    pub fn sign(&self, claims: &Value) -> String {
        let facts = self.facts();
        let header = Header { kid: Some(facts.key.0.clone()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &facts.key.1).unwrap()
    }
}

/// Returns the directory that the console derives from such files.
pub fn derive_directory(contents: &[(&str, &str)]) -> Directory {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in contents {
        landfall_media::durable::write_file(&folder.path().join(name), text.as_bytes(), 0o600).unwrap();
    }
    settings::read(&Files::read(folder.path(), &files::NAMES))
}

type Weak = std::sync::Weak<ProviderState>;

fn replaced_response(shared: &ProviderState, path: &'static str) -> Option<Response> {
    let (status, text) = shared.facts.lock().unwrap().replaced.get(path).cloned()?;
    let place = if status.is_redirection() { text.clone() } else { String::new() };
    Some((status, [(header::LOCATION, place)], text).into_response())
}

async fn describe(State(shared): State<Weak>) -> Response {
    let shared = shared.upgrade().unwrap();
    if let Some(answer) = replaced_response(&shared, "description") {
        return answer;
    }
    let issuer = format!("https://{}", shared.address);
    let mut description = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize?tenant=a"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
        "end_session_endpoint": format!("{issuer}/end"),
    });
    let changes = shared.facts.lock().unwrap().description.clone();
    for (name, value) in changes.as_object().unwrap() {
        description[name] = value.clone();
    }
    Json(description).into_response()
}

async fn keys(State(shared): State<Weak>) -> Response {
    let shared = shared.upgrade().unwrap();
    if let Some(answer) = replaced_response(&shared, "keys") {
        return answer;
    }
    let facts = shared.facts.lock().unwrap();
    let mut key = Jwk::from_encoding_key(&facts.key.1, Algorithm::ES256).unwrap();
    key.common.key_id = Some(facts.key.0.clone());
    Json(json!({ "keys": [{ "kty": "unheard-of", "kid": "other" }, key] })).into_response()
}

async fn token(State(shared): State<Weak>, headers: HeaderMap, Form(form): Form<HashMap<String, String>>) -> Response {
    let shared = shared.upgrade().unwrap();
    let client = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    shared.facts.lock().unwrap().asked.push((form, client));
    if let Some(answer) = replaced_response(&shared, "token") {
        return answer;
    }
    Json(json!({ "token_type": "Bearer", "id_token": shared.facts.lock().unwrap().token })).into_response()
}
