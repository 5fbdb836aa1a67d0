//! What opens a repository: the credentials themselves, or the token that they are exchanged for, as the registry asks.
//!
//! Threats: whoever answers names where the credentials are sent. Only the registry itself is believed in that, not a place
//! that it led to; the token must be fetched with TLS unless the registry is spoken to without; and it may only pull.

use http_auth::ChallengeRef;
use landfall_error_codes::codes;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response};
use serde::Deserialize;
use url::Url;

use super::client::{Client, Failure};
use super::credentials::Credentials;
use super::registries::Endpoint;
use super::web::{self, NotHttps};
use crate::error::{BuildError, Result};

/// Where docker.io answers.
const DOCKER_HUB: &str = "registry-1.docker.io";

const TOKEN_LIMIT_BYTES: usize = 1 << 20;

/// One repository of one registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Repository {
    /// The registry.
    pub endpoint: Endpoint,
    /// Its name there.
    pub name: String,
}

impl Repository {
    /// Where something of it is.
    pub(super) fn address(&self, what: &str) -> Result<Url> {
        let Endpoint { registry, plain_http, .. } = &self.endpoint;
        let scheme = if *plain_http { "http" } else { "https" };
        let host = if registry == "docker.io" { DOCKER_HUB } else { registry };
        let text = format!("{scheme}://{host}/v2/{}/{what}", self.name);
        let malformed = || BuildError::new(codes::FETCH_FAILED, format!("{text} is not an address"));
        Url::parse(&text).map_err(|error| malformed().because(error))
    }
}

/// What is sent along with a request.
#[derive(Clone)]
pub(super) enum Authorization {
    Basic { user: String, password: String },
    Bearer(String),
}

impl Authorization {
    /// The request with it. It goes no further than the host: redirections elsewhere lose it.
    pub(super) fn give(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Basic { user, password } => request.basic_auth(user, Some(password)),
            Self::Bearer(token) => request.bearer_auth(token),
        }
    }

    fn of(credentials: Credentials) -> Option<Self> {
        match credentials {
            Credentials::Anonymous => None,
            Credentials::Basic { user, password } => Some(Self::Basic { user, password }),
            Credentials::Bearer(token) => Some(Self::Bearer(token)),
        }
    }
}

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    /// The credentials themselves.
    Basic,
    /// A token from this address.
    Bearer { realm: String, service: Option<String> },
}

/// Registries name it in one of two ways, or in both.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Client {
    /// Meets the challenge of a refusal; none where there is nothing to meet it with.
    pub(super) async fn authorize(
        &self,
        repository: &Repository,
        refusal: &Response,
    ) -> Result<std::result::Result<Option<Authorization>, Failure>> {
        let asked_by_registry = refusal.url().origin() == repository.address("")?.origin();
        let Some(challenge) = challenge(refusal.headers()).filter(|_| asked_by_registry) else { return Ok(Ok(None)) };
        let credentials = self.docker.credentials(&repository.endpoint.registry).await?;
        let known = Authorization::of(credentials);
        let (Challenge::Bearer { realm, service }, None | Some(Authorization::Basic { .. })) = (challenge, &known)
        else {
            // The credentials themselves; they may be a token already.
            return Ok(Ok(known));
        };
        let address = match token_address(refusal.url(), &realm, service.as_deref(), &repository.name) {
            Ok(address) => address,
            Err(failure) => return Ok(Err(failure)),
        };
        let request = self.web().await?.get(address);
        let request = match known {
            Some(credentials) => credentials.give(request),
            None => request,
        };
        Ok(token(request).await.map(Some))
    }
}

/// Where a token to pull is had, if it may be asked for there.
fn token_address(
    registry: &Url,
    realm: &str,
    service: Option<&str>,
    repository: &str,
) -> std::result::Result<Url, Failure> {
    let malformed = |error| {
        Failure::Final(
            codes::FETCH_FAILED,
            format!("its realm `{}` is no address: {error}", realm.escape_default()).into(),
        )
    };
    let mut address = Url::parse(realm).map_err(malformed)?;
    if !web::may_lead(registry, &address) {
        return Err(Failure::Final(codes::PLAIN_HTTP_REFUSED, NotHttps(address).into()));
    }
    address.query_pairs_mut().append_pair("scope", &format!("repository:{repository}:pull"));
    if let Some(service) = service {
        address.query_pairs_mut().append_pair("service", service);
    }
    Ok(address)
}

async fn token(request: RequestBuilder) -> std::result::Result<Authorization, Failure> {
    let response = web::send(request).await?;
    let bytes = web::read(response, TOKEN_LIMIT_BYTES, codes::CREDENTIALS_REFUSED).await?;
    let answer: Option<TokenAnswer> = serde_json::from_slice(&bytes).ok();
    let token = answer.and_then(|answer| answer.token.or(answer.access_token)).filter(|token| !token.is_empty());
    let none = || Failure::Final(codes::CREDENTIALS_REFUSED, "where it sends for a token, none is given".into());
    token.map(Authorization::Bearer).ok_or_else(none)
}

/// The challenge of a refusal that can be met; a token is preferred, since it does less than the credentials.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let mut basic = None;
    for found in texts.filter_map(|text| http_auth::parse_challenges(text).ok()).flatten() {
        if found.scheme.eq_ignore_ascii_case("bearer")
            && let Some(realm) = parameter(&found, "realm")
        {
            return Some(Challenge::Bearer { realm, service: parameter(&found, "service") });
        }
        if found.scheme.eq_ignore_ascii_case("basic") {
            basic = Some(Challenge::Basic);
        }
    }
    basic
}

fn parameter(challenge: &ChallengeRef<'_>, name: &str) -> Option<String> {
    let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_unescaped())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenged(texts: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for text in texts {
            headers.append(WWW_AUTHENTICATE, text.parse().expect("header"));
        }
        challenge(&headers)
    }

    #[test]
    fn challenges_are_read_and_a_token_is_preferred() {
        let bearer = Challenge::Bearer { realm: "https://auth.example/token".into(), service: Some("a b".into()) };
        let text = r#"bearer realm="https://auth.example/token",service="a b",scope="repository:x:pull,push""#;
        assert_eq!(challenged(&[text]).as_ref(), Some(&bearer));
        assert_eq!(challenged(&[r#"Basic realm="r""#, text]), Some(bearer));
        assert_eq!(challenged(&[r#"Basic realm="r""#]), Some(Challenge::Basic));
        assert_eq!(challenged(&["Negotiate", "Bearer service=x"]), None);
        assert_eq!(challenged(&[]), None);
    }

    #[test]
    fn a_token_is_asked_for_to_pull_and_never_without_tls_from_a_place_with_it() {
        let ask = |registry: &str, realm: &str| {
            token_address(&registry.parse().expect("address"), realm, Some("s"), "library/a")
        };
        let asked = ask("https://registry.example/v2/", "https://auth.example/token?x=1").expect("allowed");
        assert_eq!(asked.as_str(), "https://auth.example/token?x=1&scope=repository%3Alibrary%2Fa%3Apull&service=s");
        for realm in ["http://registry.example/token", "http://127.0.0.1/token", "file:///etc/passwd"] {
            let refused = ask("https://registry.example/v2/", realm).expect_err(realm);
            assert!(matches!(refused, Failure::Final(codes::PLAIN_HTTP_REFUSED, _)), "{refused:?}");
        }
        assert!(ask("http://127.0.0.1:5000/v2/", "http://127.0.0.1:5001/token").is_ok());
        assert!(ask("http://127.0.0.1:5000/v2/", "http://auth.example/token").is_err());
        assert!(matches!(ask("https://a.example", "token"), Err(Failure::Final(codes::FETCH_FAILED, _))));
    }
}
