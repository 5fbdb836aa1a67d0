//! Authentication for a repository: none, a token, or the user's name and password, as the registry's responses demand.
//!
//! A registry's root is requested first, as other registry clients do. The registry may allow that and still refuse a
//! repository: then the challenge of that refusal applies. Challenges come in several headers, or several in one; a
//! token is preferred.
//!
//! Threats: the response names the server to which credentials are sent. Therefore a server without TLS is refused, as
//! is one that does not belong to the registry ([`realm`]). Requests without credentials may go to any server with TLS:
//! they reveal only what is pulled, and their token is sent only to the registry. A challenge from another server, to
//! which the registry redirects, is ignored.

use http_auth::ChallengeRef;
use landfall_error_codes::{Code, codes};
use oci_client::secrets::RegistryAuth;
use reqwest::RequestBuilder;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use serde::Deserialize;
use url::Url;

use super::client::{Cause, Client, Failure};
use super::credentials::Credentials;
use super::realm;
use super::registry::Repository;
use super::web::{self, NotHttps};
use crate::error::Result;

const TOKEN_LIMIT_BYTES: usize = 1 << 20;

/// Adds the authentication for a repository to a request.
pub(super) fn open_with(request: RequestBuilder, by: RegistryAuth) -> RequestBuilder {
    match by {
        RegistryAuth::Anonymous => request,
        RegistryAuth::Bearer(token) => request.bearer_auth(token),
        RegistryAuth::Basic(user, password) => request.basic_auth(user, Some(password)),
    }
}

/// The authentication that a registry demands.
#[derive(Debug, Default)]
pub(super) struct Challenge {
    /// A token, with the realm that issues it.
    token: Option<Realm>,
    /// True if the user's name and password are accepted (`Basic`).
    password: bool,
}

/// A token server, as named in a challenge.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Realm {
    pub address: String,
    service: Option<String>,
    scope: Option<String>,
}

/// A token server that may be contacted, with the parameters of the request.
struct Issuer {
    address: Url,
    service: Option<String>,
    scope: String,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

type AttemptResult<T> = Result<std::result::Result<T, Failure>>;

impl Challenge {
    /// Challenges of a response; empty if another server sent it.
    pub(super) fn of(response: &reqwest::Response, asked: &Url) -> Self {
        if response.url().origin() == asked.origin() { Self::read(response.headers()) } else { Self::default() }
    }

    fn read(headers: &HeaderMap) -> Self {
        let password = challenges(headers).any(|challenge| challenge.scheme.eq_ignore_ascii_case("basic"));
        Self { token: realm(headers), password }
    }

    /// Returns true if it demands nothing that Landfall supports.
    pub(super) fn is_none(&self) -> bool {
        self.token.is_none() && !self.password
    }
}

impl Client {
    /// Authentication for a repository, according to the root of the registry.
    pub(super) async fn authorization(&self, repository: &Repository) -> AttemptResult<RegistryAuth> {
        let registry = repository.endpoint.registry.as_str();
        let credentials = match self.docker.credentials(registry).await? {
            Credentials::Bearer(token) => return Ok(Ok(RegistryAuth::Bearer(token))),
            credentials => credentials,
        };
        let root = repository.root()?;
        let request = self.web(registry).await?.get(root.clone());
        Ok(match web::send(request, self.registries.proxies(registry)).await {
            Ok(response) => self.answer_challenge(repository, Challenge::of(&response, &root), credentials).await?,
            Err(failure) => Err(failure),
        })
    }

    /// Authentication for a repository, according to a challenge of the registry.
    pub(super) async fn authorization_by(
        &self,
        repository: &Repository,
        challenge: Challenge,
    ) -> AttemptResult<RegistryAuth> {
        let credentials = self.docker.credentials(&repository.endpoint.registry).await?;
        self.answer_challenge(repository, challenge, credentials).await
    }

    /// Authentication that satisfies a challenge, as far as the user's credentials allow.
    async fn answer_challenge(
        &self,
        repository: &Repository,
        challenge: Challenge,
        credentials: Credentials,
    ) -> AttemptResult<RegistryAuth> {
        let Some(realm) = challenge.token else {
            return Ok(Ok(match credentials {
                Credentials::Basic { user, password } if challenge.password => RegistryAuth::Basic(user, password),
                Credentials::Bearer(token) => RegistryAuth::Bearer(token),
                // A registry that does not ask for a password is not sent one.
                _ => RegistryAuth::Anonymous,
            }));
        };
        let has_secret = matches!(credentials, Credentials::Basic { .. } | Credentials::Identity(_));
        let issuer = match self.issuer(repository, realm, has_secret) {
            Ok(issuer) => issuer,
            Err(failure) => return Ok(Err(failure)),
        };
        let token = match credentials {
            Credentials::Bearer(token) => Ok(token),
            Credentials::Identity(identity) => self.exchange(repository, &identity, issuer).await?,
            Credentials::Basic { user, password } => self.token(repository, issuer, Some((user, password))).await?,
            Credentials::Anonymous => self.token(repository, issuer, None).await?,
        };
        Ok(token.map(RegistryAuth::Bearer))
    }

    /// The token server that a challenge names. Returns a failure if it must not receive the user's credentials.
    fn issuer(&self, repository: &Repository, realm: Realm, has_secret: bool) -> std::result::Result<Issuer, Failure> {
        let registry = repository.endpoint.registry.as_str();
        let root = repository.root().map_err(|error| Failure::Final(codes::FETCH_FAILED, error.into()))?;
        let address = address(&root, &realm.address)?;
        if has_secret && !realm::may_have_credentials(registry, &address, self.registries.tokens(registry)) {
            return Err(realm::elsewhere(registry, &address));
        }
        let scope = realm.scope.unwrap_or_else(|| format!("repository:{}:pull", repository.name));
        Ok(Issuer { address, service: realm.service, scope })
    }

    /// Requests a token for a user, or an anonymous one.
    async fn token(
        &self,
        repository: &Repository,
        issuer: Issuer,
        user: Option<(String, String)>,
    ) -> AttemptResult<String> {
        let Issuer { mut address, service, scope } = issuer;
        let who = web::authority(&address);
        address.query_pairs_mut().append_pair("scope", &scope);
        if let Some(service) = service {
            address.query_pairs_mut().append_pair("service", &service);
        }
        let registry = repository.endpoint.registry.as_str();
        let is_anonymous = user.is_none();
        let request = self.web(registry).await?.get(address);
        let request = match user {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        };
        Ok(self.token_of(repository, request, "it gives no token").await.map_err(|failure| match failure {
            Failure::Transient { code, cause, wait } => Failure::Transient {
                code,
                cause: token_error_text(&who, registry, &cause, code, is_anonymous).into(),
                wait,
            },
            failure => failure,
        }))
    }

    /// Exchanges an identity token for one with pull permission on a repository.
    async fn exchange(&self, repository: &Repository, identity: &str, issuer: Issuer) -> AttemptResult<String> {
        let service = issuer.service.unwrap_or_default();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for (key, value) in [
            ("grant_type", "refresh_token"),
            ("client_id", "landfall"),
            ("service", &service),
            ("scope", &issuer.scope),
            ("refresh_token", identity),
        ] {
            form.append_pair(key, value);
        }
        let kind = (reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        // A redirect could send the form, including the secret, to another server.
        let web = self.web_without_redirects(&repository.endpoint.registry).await?;
        let request = web.post(issuer.address).header(kind.0, kind.1).body(form.finish());
        Ok(self.token_of(repository, request, "it refused to exchange the identity token").await)
    }

    /// Reads the token of a response; `none` is the error text if there is no token.
    async fn token_of(
        &self,
        repository: &Repository,
        request: RequestBuilder,
        none: &str,
    ) -> std::result::Result<String, Failure> {
        let proxies = self.registries.proxies(&repository.endpoint.registry);
        let response = web::send(request, proxies).await?;
        let refused = codes::CREDENTIALS_REFUSED;
        let bytes = match web::read(response, TOKEN_LIMIT_BYTES, self.longest_stall(), refused).await {
            Err(Failure::Final(code, cause)) if code != codes::BODY_TOO_LONG => {
                return Err(Failure::Final(refused, format!("{none}: {cause}").into()));
            }
            answer => answer?,
        };
        let answer: Option<TokenAnswer> = serde_json::from_slice(&bytes).ok();
        let mut tokens = answer.into_iter().flat_map(|answer| [answer.token, answer.access_token]).flatten();
        let token = tokens.find(|token| !token.is_empty());
        token.ok_or_else(|| Failure::Final(refused, none.into()))
    }
}

/// Error text of a token server, with its name, because it is seldom the registry itself, and with advice about rate
/// limits.
fn token_error_text(who: &str, registry: &str, cause: &Cause, code: Code, is_anonymous: bool) -> String {
    let said = cause.to_string();
    let said = said.strip_prefix("it answers ").unwrap_or(&said);
    let is_limit = code == codes::RATE_LIMITED && is_anonymous;
    let help = if is_limit {
        format!(" to requests without a login, which it limits more: `docker login {registry}`")
    } else {
        String::new()
    };
    format!("its token server {who} answers {said}{help}")
}

/// Parses a realm. Returns a failure if credentials may not be sent there.
fn address(registry: &Url, realm: &str) -> std::result::Result<Url, Failure> {
    let address = Url::parse(realm).map_err(|error| {
        let what = format!("its realm `{}` is not an address: {error}", realm.escape_default());
        Failure::Final(codes::FETCH_FAILED, what.into())
    })?;
    if web::may_lead(registry, &address) {
        return Ok(address);
    }
    Err(Failure::Final(codes::PLAIN_HTTP_REFUSED, NotHttps(address).into()))
}

/// Challenges of a refusal.
fn challenges(headers: &HeaderMap) -> impl Iterator<Item = ChallengeRef<'_>> {
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    texts.filter_map(|text| http_auth::parse_challenges(text).ok()).flatten()
}

/// The first token server that a refusal names.
pub(super) fn realm(headers: &HeaderMap) -> Option<Realm> {
    let mut bearers = challenges(headers).filter(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"));
    bearers.find_map(|bearer| {
        let [service, scope] = ["service", "scope"].map(|name| parameter(&bearer, name));
        Some(Realm { address: parameter(&bearer, "realm")?, service, scope: scope.filter(|scope| !scope.is_empty()) })
    })
}

fn parameter(challenge: &ChallengeRef<'_>, name: &str) -> Option<String> {
    let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_unescaped())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm_of(texts: &[&str]) -> Option<Realm> {
        let mut headers = HeaderMap::new();
        for text in texts {
            headers.append(WWW_AUTHENTICATE, text.parse().expect("header"));
        }
        realm(&headers)
    }

    #[test]
    fn token_realm_is_parsed() {
        let scope = Some("repository:x:pull,push".into());
        let realm = Realm { address: "https://auth.example/token".into(), service: Some("a b".into()), scope };
        let text = r#"bearer realm="https://auth.example/token",service="a b",scope="repository:x:pull,push""#;
        assert_eq!(realm_of(&[text]).as_ref(), Some(&realm));
        for texts in
            [&[r#"Basic realm="r""#, text][..], &[&format!(r#"Basic realm="r", {text}"#)], &["Bearer x=y", text]]
        {
            assert_eq!(realm_of(texts).as_ref(), Some(&realm), "{texts:?}");
        }
        assert_eq!(realm_of(&[r#"Basic realm="r""#]), None);
        assert_eq!(realm_of(&["Negotiate", "Bearer service=x"]), None);
    }

    #[test]
    fn tls_registry_needs_tls_realm() {
        let ask = |registry: &str, realm: &str| address(&registry.parse().expect("address"), realm);
        assert!(ask("https://registry.example/v2/", "https://auth.example/token?x=1").is_ok());
        for realm in ["http://registry.example/token", "http://127.0.0.1/token", "file:///etc/passwd"] {
            let refused = ask("https://registry.example/v2/", realm).expect_err(realm);
            assert!(matches!(refused, Failure::Final(codes::PLAIN_HTTP_REFUSED, _)), "{refused:?}");
        }
        assert!(ask("http://127.0.0.1:5000/v2/", "http://127.0.0.1:5001/token").is_ok());
        let refused = ask("http://127.0.0.1:5000/v2/", "http://auth.example/token");
        assert!(matches!(refused, Err(Failure::Final(codes::PLAIN_HTTP_REFUSED, _))), "{refused:?}");
        assert!(matches!(ask("https://a.example", "token"), Err(Failure::Final(codes::FETCH_FAILED, _))));
    }
}
