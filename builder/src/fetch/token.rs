//! The authorization for a repository, before `oci-client` asks for a token with it: credentials of the Docker
//! configuration, and the exchange of an identity token, which `oci-client` does not know.
//!
//! Threats: the server that answers names where credentials are sent. `oci-client` sends them wherever a registry says.
//! So Landfall asks the registry first, and refuses a server without TLS, and one that is not of the registry ([`realm`]). Requests without
//! credentials may go anywhere with TLS: they reveal only what is pulled, and their token is sent to the registry alone.

use http_auth::ChallengeRef;
use landfall_error_codes::{Code, codes};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use serde::Deserialize;
use url::Url;

use super::client::{Cause, Client, Failure};
use super::credentials::Credentials;
use super::realm;
use super::registry::Repository;
use super::web::{self, NotHttps};
use crate::error::{BuildError, Result};

/// Where docker.io answers, by the name that `oci-client` has for it.
const DOCKER_HUB: &str = "index.docker.io";

const TOKEN_LIMIT_BYTES: usize = 1 << 20;

/// Where a token is issued.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Realm {
    pub address: String,
    service: Option<String>,
}

/// How a registry is opened, by its own answer.
#[derive(Debug)]
enum Opened {
    /// A token, which this address issues for this service.
    ByToken(Url, Option<String>),
    /// The user's name and password (`Basic`).
    ByPassword,
    /// Nothing.
    Itself,
    /// It redirects to another server, which gets no credentials of this registry.
    Elsewhere,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

type Asked<T> = Result<std::result::Result<T, Failure>>;

impl Client {
    /// What `oci-client` opens a repository with.
    pub(super) async fn authorization(&self, repository: &Repository) -> Asked<RegistryAuth> {
        Ok(match self.docker.credentials(&repository.endpoint.registry).await? {
            Credentials::Anonymous => Ok(RegistryAuth::Anonymous),
            Credentials::Bearer(token) => Ok(RegistryAuth::Bearer(token)),
            Credentials::Basic { user, password } => {
                self.ask_with_secret(repository).await?.map(|opened| match opened {
                    Opened::ByToken(..) | Opened::ByPassword => RegistryAuth::Basic(user, password),
                    // A registry that asks for no password gets none.
                    Opened::Itself | Opened::Elsewhere => RegistryAuth::Anonymous,
                })
            }
            Credentials::Identity(token) => match self.ask_with_secret(repository).await? {
                Ok(Opened::ByToken(address, service)) => self.exchange(repository, &token, address, service).await?,
                Ok(Opened::ByPassword | Opened::Itself | Opened::Elsewhere) => Ok(RegistryAuth::Anonymous),
                Err(failure) => Err(failure),
            },
        })
    }

    /// Asks how a registry is opened; a place of tokens without TLS is a failure.
    async fn ask(&self, repository: &Repository) -> Asked<Opened> {
        let endpoint = &repository.endpoint;
        let scheme = if endpoint.plain_http { "http" } else { "https" };
        let host = if endpoint.registry == "docker.io" { DOCKER_HUB } else { &endpoint.registry };
        let text = format!("{scheme}://{host}/v2/");
        let registry = Url::parse(&text).map_err(|error| {
            BuildError::new(codes::FETCH_FAILED, format!("{text} is not an address")).because(error)
        })?;
        let request = self.web(&endpoint.registry).await?.get(registry.clone());
        let response = match web::send(request, self.registries.proxies(&endpoint.registry)).await {
            Ok(response) => response,
            Err(failure) => return Ok(Err(failure)),
        };
        if response.url().origin() != registry.origin() {
            return Ok(Ok(Opened::Elsewhere));
        }
        Ok(match realm(response.headers()) {
            Some(realm) => address(&registry, &realm.address).map(|address| Opened::ByToken(address, realm.service)),
            None if asks_for_password(response.headers()) => Ok(Opened::ByPassword),
            None => Ok(Opened::Itself),
        })
    }

    /// The same for a user with credentials: a place of tokens that must not have them is a failure.
    async fn ask_with_secret(&self, repository: &Repository) -> Asked<Opened> {
        let registry = &repository.endpoint.registry;
        Ok(self.ask(repository).await?.and_then(|opened| match opened {
            Opened::ByToken(place, _)
                if !realm::may_have_credentials(registry, &place, self.registries.tokens(registry)) =>
            {
                Err(realm::elsewhere(registry, &place))
            }
            opened => Ok(opened),
        }))
    }

    /// Why a registry's token server gives no token. `oci-client` keeps neither the status nor the headers of its answer, so one that
    /// refuses is asked once more: a limit of requests, or a server that is overloaded, passes after the wait that it asks for.
    pub(super) async fn no_token(
        &self,
        repository: &Repository,
        auth: &RegistryAuth,
        error: OciDistributionError,
    ) -> Result<Failure> {
        let refused = self.failure(repository, error);
        if !matches!(refused, Failure::Final(codes::CREDENTIALS_REFUSED, _)) {
            return Ok(refused);
        }
        let Ok(Opened::ByToken(mut address, service)) = self.ask(repository).await? else { return Ok(refused) };
        let who = web::authority(&address);
        address.query_pairs_mut().append_pair("scope", &format!("repository:{}:pull", repository.name));
        if let Some(service) = service {
            address.query_pairs_mut().append_pair("service", &service);
        }
        let registry = repository.endpoint.registry.as_str();
        let mut request = self.web(registry).await?.get(address);
        let is_anonymous = match auth {
            RegistryAuth::Basic(user, password) => {
                request = request.basic_auth(user, Some(password));
                false
            }
            other => matches!(other, RegistryAuth::Anonymous),
        };
        let Ok(response) = web::send(request, self.registries.proxies(registry)).await else { return Ok(refused) };
        Ok(match web::read(response, TOKEN_LIMIT_BYTES, self.longest_stall(), codes::CREDENTIALS_REFUSED).await {
            // It was a limit that has passed meanwhile.
            Ok(_) => Failure::transient(format!("its token server {who} gave no token at first")),
            Err(Failure::Transient { code, cause, wait }) => {
                Failure::Transient { code, cause: limited(&who, registry, &cause, code, is_anonymous).into(), wait }
            }
            Err(_) => refused,
        })
    }

    /// Exchanges an identity token for one that may pull from a repository.
    async fn exchange(
        &self,
        repository: &Repository,
        identity: &str,
        address: Url,
        service: Option<String>,
    ) -> Asked<RegistryAuth> {
        let scope = format!("repository:{}:pull", repository.name);
        let service = service.unwrap_or_default();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for (key, value) in [
            ("grant_type", "refresh_token"),
            ("client_id", "landfall"),
            ("service", &service),
            ("scope", &scope),
            ("refresh_token", identity),
        ] {
            form.append_pair(key, value);
        }
        let kind = (reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let registry = repository.endpoint.registry.as_str();
        // A redirect could lead the form, secret and all, to another server.
        let web = self.web_without_redirects(registry).await?;
        let request = web.post(address).header(kind.0, kind.1).body(form.finish());
        let answer = match web::send(request, self.registries.proxies(registry)).await {
            Ok(response) => {
                web::read(response, TOKEN_LIMIT_BYTES, self.longest_stall(), codes::CREDENTIALS_REFUSED).await
            }
            Err(failure) => Err(failure),
        };
        let token = answer.map(|bytes| {
            let answer: Option<TokenAnswer> = serde_json::from_slice(&bytes).ok();
            answer.and_then(|answer| answer.access_token.or(answer.token)).filter(|token| !token.is_empty())
        });
        let none = || Failure::Final(codes::CREDENTIALS_REFUSED, "it refused to exchange the identity token".into());
        Ok(token.and_then(|token| token.map(RegistryAuth::Bearer).ok_or_else(none)))
    }
}

/// What a token server answers, with its name, since it is seldom the registry itself; and what helps against its limit.
fn limited(who: &str, registry: &str, cause: &Cause, code: Code, is_anonymous: bool) -> String {
    let said = cause.to_string();
    let said = said.strip_prefix("it answers ").unwrap_or(&said);
    let is_limit = code == codes::RATE_LIMITED && is_anonymous;
    let help = if is_limit {
        format!(" to requests without a login, of which it allows fewer: `docker login {registry}`")
    } else {
        String::new()
    };
    format!("its token server {who} answers {said}{help}")
}

/// An address to which credentials may be sent.
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

/// What a refusal asks for.
fn challenges(headers: &HeaderMap) -> impl Iterator<Item = ChallengeRef<'_>> {
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    texts.filter_map(|text| http_auth::parse_challenges(text).ok()).flatten()
}

/// Whether a refusal asks for a user's name and password.
fn asks_for_password(headers: &HeaderMap) -> bool {
    challenges(headers).any(|challenge| challenge.scheme.eq_ignore_ascii_case("basic"))
}

/// The place of tokens that a refusal names.
pub(super) fn realm(headers: &HeaderMap) -> Option<Realm> {
    let bearer = challenges(headers).find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"))?;
    Some(Realm { address: parameter(&bearer, "realm")?, service: parameter(&bearer, "service") })
}

fn parameter(challenge: &ChallengeRef<'_>, name: &str) -> Option<String> {
    let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_unescaped())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(texts: &[&str]) -> Option<Realm> {
        let mut headers = HeaderMap::new();
        for text in texts {
            headers.append(WWW_AUTHENTICATE, text.parse().expect("header"));
        }
        realm(&headers)
    }

    #[test]
    fn the_place_of_tokens_is_read() {
        let realm = Realm { address: "https://auth.example/token".into(), service: Some("a b".into()) };
        let text = r#"bearer realm="https://auth.example/token",service="a b",scope="repository:x:pull,push""#;
        assert_eq!(asked(&[text]).as_ref(), Some(&realm));
        assert_eq!(asked(&[r#"Basic realm="r""#, text]), Some(realm));
        assert_eq!(asked(&[r#"Basic realm="r""#]), None);
        assert_eq!(asked(&["Negotiate", "Bearer service=x"]), None);
    }

    #[test]
    fn credentials_are_never_sent_without_tls_from_a_place_with_it() {
        let ask = |registry: &str, realm: &str| address(&registry.parse().expect("address"), realm);
        assert!(ask("https://registry.example/v2/", "https://auth.example/token?x=1").is_ok());
        for realm in ["http://registry.example/token", "http://127.0.0.1/token", "file:///etc/passwd"] {
            let refused = ask("https://registry.example/v2/", realm).expect_err(realm);
            assert!(matches!(refused, Failure::Final(codes::PLAIN_HTTP_REFUSED, _)), "{refused:?}");
        }
        assert!(ask("http://127.0.0.1:5000/v2/", "http://127.0.0.1:5001/token").is_ok());
        assert!(ask("http://127.0.0.1:5000/v2/", "http://auth.example/token").is_err());
        assert!(matches!(ask("https://a.example", "token"), Err(Failure::Final(codes::FETCH_FAILED, _))));
    }
}
