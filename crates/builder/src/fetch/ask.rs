//! Requests for files across redirects: which server gets which header, and a hub's statements about its content.
//!
//! Threats: a redirect may lead to a server that must not see a token or a secret header. A hub may serve a commit
//! other than the requested one, or name another server for its token. Secrets are sent only to the server that was
//! named.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use reqwest::Response;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, IF_RANGE, RANGE};
use url::Url;

use super::client::{Client, Failure};
use super::credentials::Credentials;
use super::registries::is_loopback;
use super::{objects, token, web};
use crate::error::{BuildError, Result};
use crate::file_url::FileUrl;
use crate::hub::Commit;

/// The hub that `HF_TOKEN` is for; no other host gets it.
const TOKEN_HOST: &str = "huggingface.co";

/// Header with the commit of a hub's file, sent before any redirect to its bytes.
const COMMIT: &str = "x-repo-commit";
const LINKED_TAG: &str = "x-linked-etag";
const LINKED_SIZE: &str = "x-linked-size";

/// Accepted formats of a page: JSON (PEP 691), and HTML (PEP 503) from an index without JSON.
const PAGE_FORMS: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";

/// Header with a hub's error code.
const ERROR_CODE: &str = "x-error-code";
const ERROR_MESSAGE: &str = "x-error-message";

/// Maximum length of a hub's reason in messages, in characters.
const REASON_LETTERS: usize = 300;

/// A request for a file or a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileRequest<'a> {
    /// URL at the publisher.
    pub url: &'a FileUrl,
    /// Kind of the server and of the request.
    pub of: RequestTarget<'a>,
}

/// Kinds of servers and requests.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RequestTarget<'a> {
    /// A file server.
    Server,
    /// A package index: the page of a project.
    Index,
    /// A hub: the list of a repository.
    HubList,
    /// A hub: a file of a repository at a commit, with its digest and size if known.
    Hub { commit: &'a Commit, digest: Option<Sha256>, size: u64 },
    /// An S3 server: a page of the list of objects with the prefix; `after` is the continuation token of the previous
    /// page.
    ObjectList { region: &'a str, prefix: &'a str, after: Option<&'a str> },
    /// An S3 server: an object of a bucket; `tag` is its `ETag` in the bucket's list, if that version is required.
    Object { region: &'a str, tag: Option<&'a str> },
}

impl RequestTarget<'_> {
    fn is_hub(self) -> bool {
        matches!(self, Self::HubList | Self::Hub { .. })
    }
}

/// The rest of a file: its offset, and its version if known.
pub(super) type Rest<'a> = (u64, Option<&'a str>);

impl<'a> FileRequest<'a> {
    /// Creates a request for a file of a file server.
    pub(crate) fn file(url: &'a FileUrl) -> Self {
        Self { url, of: RequestTarget::Server }
    }
}

impl Client {
    /// Requests a file or the rest of one, and follows permitted redirects.
    ///
    /// Secrets go only to the first server: after a redirect to another one, none are sent, not even if a later
    /// redirect leads back. Redirects of an S3 server are not followed, because a signature is valid for one URL.
    pub(super) async fn request(
        &self,
        asked: FileRequest<'_>,
        rest: Option<Rest<'_>>,
    ) -> Result<std::result::Result<Response, Failure>> {
        let mut address = self.address(asked)?;
        let secrets = self.secrets(&address, asked.of).await?;
        let home = address.origin();
        let mut is_home = true;
        address = self.sign_url(address, asked.of)?;
        for _ in 0..=web::REDIRECTS {
            // Each server is reached with its own client, even after a redirect.
            let host = web::authority(&address);
            let mut request = self.web_without_redirects(&host).await?.get(address).header(ACCEPT_ENCODING, "identity");
            if matches!(asked.of, RequestTarget::Index) {
                request = request.header(ACCEPT, PAGE_FORMS);
            }
            if let Some((offset, version)) = rest {
                request = request.header(RANGE, format!("bytes={offset}-"));
                if let Some(version) = version {
                    request = request.header(IF_RANGE, version);
                }
            }
            if is_home {
                request = request.headers(secrets.clone());
            }
            let response = match web::send(request, self.registries.proxies(&host)).await {
                Ok(response) => response,
                Err(failure) => return Ok(Err(failure)),
            };
            if is_home && let Some(failure) = of_hub(asked.of, &response, secrets.contains_key(AUTHORIZATION)) {
                return Ok(Err(failure));
            }
            if asked.of.is_of_bucket() && !response.status().is_success() {
                return Ok(Err(objects::s3_failure(response, self.longest_stall()).await));
            }
            if let Some(failure) = objects::etag_mismatch(asked.of, &response) {
                return Ok(Err(failure));
            }
            address = match web::redirect_target(&response) {
                Ok(Some(to)) => to,
                Ok(None) => return Ok(Ok(response)),
                Err(failure) => return Ok(Err(failure)),
            };
            is_home &= address.origin() == home;
        }
        let what = format!("there are more than {} redirections", web::REDIRECTS);
        Ok(Err(Failure::Final(codes::FETCH_FAILED, what.into())))
    }

    /// URL of the request, on the mirror if one is configured.
    pub(super) fn address(&self, asked: FileRequest<'_>) -> Result<Url> {
        let mut address = self.registries.file(asked.url)?;
        match asked.of {
            RequestTarget::HubList => address.set_query(Some("blobs=true")),
            // PEP 503: URLs of project pages end with `/`.
            RequestTarget::Index => address.set_path(&format!("{}/", address.path())),
            // Query strings are part of the signature there.
            RequestTarget::Server
            | RequestTarget::Hub { .. }
            | RequestTarget::ObjectList { .. }
            | RequestTarget::Object { .. } => {}
        }
        Ok(address)
    }

    /// Headers that only this server gets. None of them is sent over a connection without TLS.
    async fn secrets(&self, address: &Url, of: RequestTarget<'_>) -> Result<HeaderMap> {
        let host = web::authority(address);
        let mut secrets = self.registries.headers(&host);
        if of.is_hub()
            && !secrets.contains_key(AUTHORIZATION)
            && let Some(token) = self.hub_token(&host).await?
        {
            secrets.insert(AUTHORIZATION, token);
        }
        if !secrets.is_empty() && address.scheme() == "http" && !is_loopback(&host) {
            let what = format!("{host} would get a secret without TLS");
            return Err(BuildError::new(codes::PLAIN_HTTP_REFUSED, what));
        }
        Ok(secrets)
    }

    /// Token for a hub: from the Docker configuration, as for a registry; otherwise from the environment, if it is for
    /// this hub.
    async fn hub_token(&self, host: &str) -> Result<Option<HeaderValue>> {
        let token = match self.docker.credentials(host).await? {
            Credentials::Bearer(token) | Credentials::Identity(token) => Some(token),
            Credentials::Basic { password, .. } => Some(password),
            Credentials::Anonymous => self.hub_token.clone().filter(|_| host == TOKEN_HOST),
        };
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
            BuildError::new(
                codes::CREDENTIALS_REFUSED,
                format!("the token for {host} contains characters that no token has"),
            )
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Failure for a hub's response that is refused before any of its bytes is read.
fn of_hub(of: RequestTarget<'_>, response: &Response, has_token: bool) -> Option<Failure> {
    if !of.is_hub() {
        return None;
    }
    let headers = response.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let status = response.status();
    if matches!(status.as_u16(), 401 | 403) {
        return Some(hub_refusal(response, &reason(response), has_token));
    }
    if matches!(status.as_u16(), 404 | 410) {
        return Some(Failure::Final(codes::FILE_MISSING, reason(response).into()));
    }
    let RequestTarget::Hub { commit, digest, size } = of else { return None };
    if let Some(found) = text(COMMIT).filter(|found| !found.eq_ignore_ascii_case(commit.as_str())) {
        let what = format!("it serves the commit {} where {commit} was requested", found.escape_default());
        return Some(Failure::Final(codes::HUB_COMMIT, what.into()));
    }
    let linked: Option<Sha256> = text(LINKED_TAG).and_then(|tag| {
        let hex = tag.trim_start_matches("W/").trim_matches('"');
        format!("sha256:{hex}").parse().ok()
    });
    if let (Some(found), Some(pinned)) = (linked, digest)
        && found != pinned
    {
        return Some(Failure::Final(codes::FETCH_MISMATCH, format!("it has {found} where {pinned} is pinned").into()));
    }
    let found: Option<u64> = text(LINKED_SIZE).and_then(|text| text.parse().ok());
    found.filter(|found| *found != size).map(|found| {
        Failure::Final(codes::FETCH_MISMATCH, format!("it has {found} bytes where {size} are pinned").into())
    })
}

/// Classifies a refusal of a hub. If it names another server as the realm, no token is requested there.
fn hub_refusal(response: &Response, reason: &str, has_token: bool) -> Failure {
    let place = token::realm(response.headers()).and_then(|realm| Url::parse(&realm.address).ok());
    if let Some(elsewhere) = place.filter(|place| place.origin() != response.url().origin()) {
        let what = format!("{reason}, and names {} as the place of its tokens", web::authority(&elsewhere));
        return Failure::Final(codes::HUB_REALM, what.into());
    }
    let token = if has_token { "with a token" } else { "without a token" };
    Failure::Final(codes::HUB_ACCESS, format!("{reason}, {token}").into())
}

/// Status of a response with the reason from a hub's headers, escaped because it comes from outside.
fn reason(response: &Response) -> String {
    let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let words: Vec<_> = [ERROR_CODE, ERROR_MESSAGE].into_iter().filter_map(text).collect();
    let said: String = words.join(" ").chars().take(REASON_LETTERS).flat_map(char::escape_default).collect();
    let colon = if said.is_empty() { "" } else { ": " };
    format!("it answers {}{colon}{said}", response.status())
}
