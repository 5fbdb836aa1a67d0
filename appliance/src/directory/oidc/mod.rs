//! `OpenID` Connect: the authorization code flow with PKCE, at one provider.
//!
//! The provider is trusted to identify a person; the browser and the network in between are not. Threats and defenses.
//! A code of another person's sign-in is refused: state and nonce are derived from a cookie of this browser, and each
//! cookie works once. PKCE makes a stolen code worthless. `token` refuses a token of another provider, for another
//! program, old or unsigned; `iss` reveals another provider's answer. Against an impersonated provider, there is one
//! authority, and no redirects or proxies. `web` bounds an answer that never comes or never ends.

mod pending;
mod token;
mod web;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use form_urlencoded::Serializer;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use url::Url;

pub use pending::{Errand, PendingVisits};
use token::{ExpectedClaims, Keys, Verdict};
use web::Web;

use super::error::DirectoryError;
use super::settings::OidcSettings;
use crate::credentials::Secret;

/// Validity of the provider's metadata and keys.
const FRESH: Duration = Duration::from_hours(1);
/// Time between two requests for missing keys, and after a failure: not every sign-in queries a provider that is down.
const PAUSE: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 5 });
/// Path to which the provider redirects the browser.
pub const RETURN: &str = "/sign-in/directory/return";

/// An identity provider.
pub struct Provider {
    settings: OidcSettings,
    web: Web,
    known: Mutex<ProviderCache>,
}

/// Latest data from the provider.
#[derive(Default)]
struct ProviderCache {
    metadata: Option<(Instant, Arc<Metadata>)>,
    keys: Option<(Instant, Arc<Keys>)>,
    failure: Option<(Instant, DirectoryError)>,
}

/// The used parts of the provider's metadata.
#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    #[serde(deserialize_with = "place")]
    authorization_endpoint: Url,
    #[serde(deserialize_with = "place")]
    token_endpoint: Url,
    #[serde(deserialize_with = "place")]
    jwks_uri: Url,
    #[serde(default, deserialize_with = "maybe_place")]
    end_session_endpoint: Option<Url>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

fn place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

fn maybe_place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
}

/// Answer to a code.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

/// Parameters that a browser returns.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CallbackParameters {
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub state: String,
    /// The provider that answers (RFC 9207).
    pub iss: Option<String>,
    /// Reason of a refusal.
    pub error: Option<String>,
}

/// A user for whom a provider vouches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VouchedUser {
    /// Permanent identity at the provider.
    pub subject: String,
    /// Name of the person.
    pub name: String,
    /// Groups, as named by the provider.
    pub groups: Vec<String>,
    /// Time of the person's last authentication there, in seconds since 1970; `None` if the directory does not state
    /// it.
    pub proven: Option<u64>,
}

impl VouchedUser {
    /// Returns an error if the authentication is older than a request made `age` ago. A provider that states no time is
    /// believed.
    pub fn be_newer_than(&self, age: Duration) -> Result<(), DirectoryError> {
        let begun = jsonwebtoken::get_current_timestamp().saturating_sub(age.as_secs() + token::LEEWAY);
        if self.proven.is_some_and(|proven| proven < begun) {
            return Err(DirectoryError::refused("the provider did not ask who it is again"));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Provider").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Provider {
    /// Creates a provider that has not been contacted yet.
    pub fn new(settings: OidcSettings) -> Result<Self, String> {
        let web = Web::new(&settings.host, settings.address, &settings.tls)?;
        Ok(Self { settings, web, known: Mutex::default() })
    }

    /// Returns the settings.
    pub fn settings(&self) -> &OidcSettings {
        &self.settings
    }

    /// Returns the redirect URI to register at the provider.
    pub fn redirect(&self) -> String {
        format!("{}{RETURN}", self.settings.console)
    }

    /// Returns the address at which a browser with this secret authenticates again, whatever its session at the
    /// provider.
    pub async fn begin_again(&self, secret: &Secret) -> Result<Url, DirectoryError> {
        let mut url = self.begin(secret).await?;
        url.query_pairs_mut().append_pair("prompt", "login").append_pair("max_age", "0");
        Ok(url)
    }

    /// Returns the address at which a browser with this secret signs in.
    pub async fn begin(&self, secret: &Secret) -> Result<Url, DirectoryError> {
        let metadata = self.metadata().await?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(secret.word(VERIFIER)));
        let mut url = metadata.authorization_endpoint.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client)
            .append_pair("redirect_uri", &self.redirect())
            .append_pair("scope", &["openid"].into_iter().chain(self.scopes()).collect::<Vec<_>>().join(" "))
            .append_pair("state", &secret.word(STATE))
            .append_pair("nonce", &secret.word(NONCE))
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    fn scopes(&self) -> impl Iterator<Item = &str> {
        self.settings.scopes.iter().map(String::as_str).filter(|scope| *scope != "openid")
    }

    /// Returns the user for whom the provider vouches, after a browser with this secret has returned.
    pub async fn finish(&self, secret: &Secret, returned: &CallbackParameters) -> Result<VouchedUser, DirectoryError> {
        use subtle::ConstantTimeEq as _;
        if !bool::from(returned.state.as_bytes().ct_eq(secret.word(STATE).as_bytes())) {
            return Err(DirectoryError::refused("the answer belongs to another sign-in"));
        }
        if returned.iss.as_ref().is_some_and(|issuer| *issuer != self.settings.issuer) {
            return Err(DirectoryError::refused("another provider answered"));
        }
        if let Some(error) = &returned.error {
            let error: String = error.chars().filter(char::is_ascii_graphic).take(60).collect();
            return Err(DirectoryError::refused(format!("the provider refused the sign-in: {error}")));
        }
        if returned.code.is_empty() || returned.code.len() > 4096 {
            return Err(DirectoryError::refused("the provider sent no code"));
        }
        let metadata = self.metadata().await?;
        let token = self.exchange(&metadata, secret, &returned.code).await?;
        let nonce = secret.word(NONCE);
        let expected = ExpectedClaims { issuer: &self.settings.issuer, client: &self.settings.client, nonce: &nonce };
        let claims = match token::verify(&token, &*self.keys(&metadata, false).await?, &expected) {
            // The provider may have changed its keys since they were read.
            Verdict::UnknownKey => token::verify(&token, &*self.keys(&metadata, true).await?, &expected),
            verdict => verdict,
        };
        claims.claims()?.vouched_user(&self.settings)
    }

    /// Returns the address at which a browser ends its session at the provider, if there is one.
    pub async fn end(&self) -> Result<Option<Url>, DirectoryError> {
        let Some(mut url) = self.metadata().await?.end_session_endpoint.clone() else { return Ok(None) };
        url.query_pairs_mut()
            .append_pair("client_id", &self.settings.client)
            .append_pair("post_logout_redirect_uri", &format!("{}/sign-in", self.settings.console));
        Ok(Some(url))
    }

    /// Makes the queries that a sign-in will need, whatever is cached: for the check of settings.
    pub async fn check(&self) -> Result<usize, DirectoryError> {
        let metadata = self.metadata().await?;
        Ok(self.keys(&metadata, true).await?.len())
    }

    async fn metadata(&self) -> Result<Arc<Metadata>, DirectoryError> {
        let mut known = self.known.lock().await;
        if let Some((_, metadata)) = known.metadata.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(metadata.clone());
        }
        if let Some((_, failure)) = known.failure.as_ref().filter(|(at, _)| at.elapsed() < PAUSE) {
            return Err(failure.clone());
        }
        match self.discover().await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                known.failure = None;
                known.metadata = Some((Instant::now(), metadata.clone()));
                Ok(metadata)
            }
            Err(error) => {
                known.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn discover(&self) -> Result<Metadata, DirectoryError> {
        let url = format!("{}/.well-known/openid-configuration", self.settings.issuer.trim_end_matches('/'));
        let metadata: Metadata = self.web.get(&url).await?;
        if metadata.issuer != self.settings.issuer {
            let why = format!("the provider calls itself {}, not {}", metadata.issuer, self.settings.issuer);
            return Err(DirectoryError::Unavailable(why));
        }
        let places = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        if places.into_iter().chain(&metadata.end_session_endpoint).any(|url| url.scheme() != "https") {
            return Err(DirectoryError::Unavailable("the provider names a place without TLS".to_owned()));
        }
        Ok(metadata)
    }

    /// Returns the provider's keys: the cached ones unless they are old, or unless `again` is set and they were not
    /// just read.
    async fn keys(&self, metadata: &Metadata, again: bool) -> Result<Arc<Keys>, DirectoryError> {
        let mut known = self.known.lock().await;
        let limit = if again { PAUSE } else { FRESH };
        if let Some((_, keys)) = known.keys.as_ref().filter(|(at, _)| at.elapsed() < limit) {
            return Ok(keys.clone());
        }
        let keys = Arc::new(Keys::read(self.web.get(metadata.jwks_uri.as_str()).await?));
        known.keys = Some((Instant::now(), keys.clone()));
        Ok(keys)
    }

    async fn exchange(&self, metadata: &Metadata, secret: &Secret, code: &str) -> Result<String, DirectoryError> {
        let (form, authorization) = self.question(metadata, secret, code);
        let tokens: Tokens = self.web.post(&metadata.token_endpoint, form, authorization).await?;
        Ok(tokens.id_token)
    }

    /// Returns the form that requests a token, and the header for it: one of them contains the console's secret.
    fn question(&self, metadata: &Metadata, secret: &Secret, code: &str) -> (String, Option<String>) {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.redirect())
            .append_pair("code_verifier", &secret.word(VERIFIER));
        let methods = &metadata.token_endpoint_auth_methods_supported;
        let has = |name: &str| methods.iter().any(|method| method == name);
        let authorization = match &self.settings.secret {
            Some(own) if methods.is_empty() || has("client_secret_basic") => Some(self.basic(&own.0)),
            own => {
                form.append_pair("client_id", &self.settings.client);
                if let Some(own) = own {
                    form.append_pair("client_secret", &own.0);
                }
                None
            }
        };
        (form.finish(), authorization)
    }

    /// Returns the header of RFC 6749, 2.3.1: both parts are form-encoded first.
    fn basic(&self, secret: &str) -> String {
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(&self.settings.client), encoded(secret))))
    }
}

/// Purposes of the values derived from a browser's secret.
const STATE: &str = "oidc state";
const NONCE: &str = "oidc nonce";
const VERIFIER: &str = "oidc verifier";
