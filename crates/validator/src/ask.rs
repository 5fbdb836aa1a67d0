//! Sends a question to the console: plain HTTP, one connection, a bounded answer.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use landfall_license::answer::{ANSWER_BYTES, Question, SealedAnswer};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time limit of the exchange.
const PATIENCE: Duration = Duration::from_secs(4);

/// Sends a question and reads the answer, which is untrusted until it is opened. The error is the reason for a missing
/// answer.
pub async fn ask(console: &str, question: &Question) -> Result<SealedAnswer, String> {
    let asked = timeout(PATIENCE, exchange(console, question)).await;
    asked.unwrap_or_else(|_| Err(format!("{console} has not answered in {} seconds", PATIENCE.as_secs())))
}

async fn exchange(console: &str, question: &Question) -> Result<SealedAnswer, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{console} does not answer: {error}");
    let stream = TcpStream::connect(console).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let connection = tokio::spawn(connection);
    let (kind, name) = (question.subject.kind(), question.subject.name());
    let request = Request::get(format!("/v1/license?{kind}={name}&nonce={}", question.nonce))
        .header(header::HOST, console)
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(&error))?;
    let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await.map_err(|error| failed(&error));
    connection.abort();
    if status != StatusCode::OK {
        return Err(format!("{console} answers {status}"));
    }
    SealedAnswer::read(&body?.to_bytes()).map_err(|error| format!("{console} sent no answer: {error}"))
}
