//! Requests to the provider: over TLS with its own authority, without redirects and proxies, bounded in time and size.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::super::error::DirectoryError;

/// Time limit of a connection and its handshakes.
const CONNECT: Duration = Duration::from_secs(5);
/// Time limit of a whole answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Maximum size of an answer, in bytes.
const LIMIT: usize = 1 << 20;

/// HTTP client for one provider.
pub struct Web(Client);

impl Web {
    /// Creates a client that trusts what `tls` does, and that uses an address for the host, if given.
    pub fn new(host: &str, address: Option<IpAddr>, tls: &Arc<rustls::ClientConfig>) -> Result<Self, String> {
        let mut builder = Client::builder()
            .tls_backend_preconfigured(rustls::ClientConfig::clone(tls))
            .https_only(true)
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .pool_max_idle_per_host(0);
        if let Some(address) = address {
            builder = builder.resolve(host, (address, 0).into());
        }
        builder.build().map(Self).map_err(|error| format!("no client can be made: {error}"))
    }

    /// Requests a document.
    pub async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, DirectoryError> {
        let (status, body) = self.ask(self.0.get(url)).await?;
        if status != StatusCode::OK {
            return Err(DirectoryError::Unavailable(format!("{url}: the provider answered {}", status.as_u16())));
        }
        let unreadable = |error| DirectoryError::Unavailable(format!("{url}: the answer cannot be read: {error}"));
        serde_json::from_slice(&body).map_err(unreadable)
    }

    /// Posts a form and returns the answer. A provider refuses a form with 400 or 401, and a reason in one word.
    pub async fn post<T: DeserializeOwned>(
        &self,
        url: &Url,
        form: String,
        authorization: Option<String>,
    ) -> Result<T, DirectoryError> {
        let request = self.0.post(url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let request = authorization.into_iter().fold(request, |request, value| request.header(AUTHORIZATION, value));
        let (status, body) = self.ask(request).await?;
        match status {
            StatusCode::OK => serde_json::from_slice(&body)
                .map_err(|_| DirectoryError::refused("the provider sent no token that identifies a person")),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let why = reason(&body);
                Err(DirectoryError::Refused(format!("the provider refused the console's question for a token: {why}")))
            }
            _ => Err(DirectoryError::Unavailable(format!("{url}: the provider answered {}", status.as_u16()))),
        }
    }

    async fn ask(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), DirectoryError> {
        let failed = |error: reqwest::Error| DirectoryError::unavailable("the provider does not answer", &error);
        let mut response = request.header(ACCEPT, "application/json").send().await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(failed)? {
            if body.len() + part.len() > LIMIT {
                return Err(DirectoryError::Unavailable("the provider's answer is too long".to_owned()));
            }
            body.extend_from_slice(&part);
        }
        Ok((response.status(), body))
    }
}

/// Returns the word with which a provider refuses a form.
fn reason(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let word: String = body["error"].as_str().unwrap_or("no reason").chars().take(60).collect();
    word.chars().filter(|letter| !landfall_peer::is_hidden(*letter)).collect()
}
