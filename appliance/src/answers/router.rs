//! The only route, and the layers around every question.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use landfall_error_codes::{Code, CodedError as _, codes};
use landfall_license::answer::{AnswerError, Question, Subject};
use landfall_peer::Problem;
use landfall_peer::routes::PROBLEM;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use super::allowance::Allowance;
use crate::host::{HostError, Site};

/// Time limit of an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Path for questions: `?entitlement=NAME&nonce=HEX`, or `?feature=NAME&nonce=HEX`.
pub const PATH: &str = "/v1/license";

/// Context of the route.
#[derive(Clone)]
pub struct AnswerContext {
    site: Arc<Site>,
    allowance: Arc<Allowance>,
}

/// Returns the router of this listener.
pub fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route(PATH, get(answer))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, PATIENCE))
        .layer(CatchPanicLayer::new())
        .with_state(AnswerContext { site, allowance: Arc::default() })
}

/// Parses the question of a query, which has exactly two fields.
fn question(query: &str) -> Result<Question, AnswerError> {
    let mut fields: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    fields.sort_by_key(|(name, _)| name == "nonce");
    let [(kind, name), (nonce, value)] = fields.as_slice() else {
        return Err(AnswerError::Question("does not have a name and a nonce".to_owned()));
    };
    if nonce != "nonce" {
        return Err(AnswerError::Question("has no nonce".to_owned()));
    }
    Ok(Question { subject: Subject::new(kind, name)?, nonce: value.parse()? })
}

async fn answer(
    State(asked): State<AnswerContext>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
) -> Response {
    if let Err(wait) = asked.allowance.take(from.ip(), Instant::now()) {
        let seconds = wait.as_millis().div_ceil(1000);
        let title = format!("this address may ask about the license again in {seconds} seconds");
        let mut response = refusal_response(StatusCode::TOO_MANY_REQUESTS, codes::LICENSE_QUESTIONS_TOO_MANY, title);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        return response;
    }
    let question = match question(query.as_deref().unwrap_or_default()) {
        Ok(question) => question,
        Err(error) => return refusal_response(StatusCode::UNPROCESSABLE_ENTITY, error.code(), error.to_string()),
    };
    match asked.site.license_answer(&question).await {
        Ok(sealed) => {
            let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
            (headers, sealed.bytes().to_vec()).into_response()
        }
        Err(error) => no_answer_response(&error),
    }
}

/// Responds that the host gave no answer. The reason is in the logs of the console and the host; software learns only
/// that there is no answer.
fn no_answer_response(error: &HostError) -> Response {
    tracing::debug!(%error, "a question about the license has no answer");
    let too_many = matches!(error, HostError::Refused(problem) if problem.status == 429);
    if too_many {
        let title = "the site answers too many questions about the license".to_owned();
        return refusal_response(StatusCode::TOO_MANY_REQUESTS, codes::LICENSE_QUESTIONS_TOO_MANY, title);
    }
    refusal_response(
        StatusCode::SERVICE_UNAVAILABLE,
        error.registry_code(),
        "the site gives no answer about the license now".to_owned(),
    )
}

fn refusal_response(status: StatusCode, code: Code, title: String) -> Response {
    let (code, hint) = (Some(code.into()), Some(code.fix.to_owned()));
    let problem = Problem { status: status.as_u16(), title, detail: None, code, hint };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, PROBLEM)], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_takes_one_subject() {
        let nonce = "07".repeat(16);
        let asked = question(&format!("nonce={nonce}&entitlement=analytics")).unwrap();
        assert_eq!(asked, question(&format!("entitlement=analytics&nonce={nonce}")).unwrap());
        assert_eq!(
            (asked.subject.to_string(), asked.nonce.to_string()),
            ("entitlement analytics".to_owned(), nonce.clone())
        );
        for query in [
            String::new(),
            "entitlement=analytics".to_owned(),
            format!("nonce={nonce}"),
            format!("nonce={nonce}&nonce={nonce}"),
            format!("nonce={nonce}&entitlement=a&feature=b"),
            format!("nonce={nonce}&component=a"),
            format!("nonce={nonce}&feature=%00"),
            "nonce=07&feature=a".to_owned(),
        ] {
            assert_eq!(question(&query).unwrap_err().code(), codes::LICENSE_QUESTION, "{query}");
        }
    }
}
