//! `serve`: answers software in the same pod, and asks the site every few minutes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use landfall_license::answer::Subject;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::say;
use crate::validator::{Validator, is_settled};

/// Interval between questions about a name: twice within the time for which an answer is current.
const RENEWAL: Duration = Duration::from_mins(5);

/// Interval while nothing is known, or only an earlier refusal: the console may be starting.
const RETRY: Duration = Duration::from_secs(15);

/// Interval between attempts to listen, if other software in the pod occupies the port.
const LISTEN_AGAIN: Duration = Duration::from_secs(30);

/// Maximum number of simultaneous connections.
const CONNECTIONS: usize = 64;

/// Time limit for the head of a request.
const HEAD: Duration = Duration::from_secs(10);

/// Serves until the kubelet ends it.
pub async fn run(validator: Validator) {
    let validator = Arc::new(validator);
    tokio::spawn(renew(validator.clone()));
    tokio::spawn(listen(validator));
    until_ended().await;
}

/// Waits for the signal with which the kubelet ends a container. Without a handler, the first process of a container
/// ignores it.
pub async fn until_ended() {
    match signal(SignalKind::terminate()) {
        Ok(mut end) => {
            end.recv().await;
        }
        Err(error) => say(&format!("signals cannot be received: {error}")),
    }
}

async fn renew(validator: Arc<Validator>) {
    loop {
        validator.renew_all().await;
        let known = validator.report(&validator.settings.entitlement).await;
        sleep(if is_settled(&known) { RENEWAL } else { RETRY }).await;
    }
}

/// Accepts connections. If the port is occupied, the files are still kept up to date.
async fn listen(validator: Arc<Validator>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let address = validator.settings.listen;
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => {
                say(&format!("cannot answer at {address}: {error}; the files are kept up to date"));
                sleep(LISTEN_AGAIN).await;
                continue;
            }
        };
        say(&format!("answers software at {address}"));
        while let (Ok(place), Ok((stream, _))) = (places.clone().acquire_owned().await, listener.accept().await) {
            let validator = validator.clone();
            tokio::spawn(async move {
                let _until_closed = place;
                connection(validator, stream).await;
            });
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn connection(validator: Arc<Validator>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let validator = validator.clone();
        async move { Ok::<_, Infallible>(answer(&validator, &request).await) }
    });
    let mut server = http1::Builder::new();
    let server = server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(8 << 10);
    // A broken connection concerns only the software at the other end.
    let _broken = server.serve_connection(TokioIo::new(stream), service).await;
}

/// Subject of a path: `/v1/entitlements/NAME` or `/v1/features/NAME`.
fn subject(path: &str) -> Option<Subject> {
    let (kind, name) = path.strip_prefix("/v1/")?.split_once('/')?;
    let kind = match kind {
        "entitlements" => "entitlement",
        "features" => "feature",
        _ => return None,
    };
    Subject::new(kind, name).ok()
}

async fn answer(validator: &Validator, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "ask with GET\n");
    }
    let Some(subject) = subject(request.uri().path()) else {
        return plain(StatusCode::NOT_FOUND, "ask for /v1/entitlements/NAME or /v1/features/NAME\n");
    };
    let report = validator.report(&subject).await;
    let mut response = Response::new(Full::from(serde_json::to_vec(&report).unwrap_or_default()));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_subjects() {
        let named = |path: &str| subject(path).map(|subject| subject.to_string());
        assert_eq!(named("/v1/entitlements/analytics").as_deref(), Some("entitlement analytics"));
        assert_eq!(named("/v1/features/export").as_deref(), Some("feature export"));
        for path in [
            "/",
            "/v1/",
            "/v1/entitlements",
            "/v1/entitlements/",
            "/v1/features/A",
            "/v1/features/a/b",
            "/v2/features/a",
        ] {
            assert_eq!(named(path), None, "{path}");
        }
    }
}
