//! Unread rest of a request when its answer is ready. Closing a connection with unread bytes resets it, and the client
//! then gets a broken pipe instead of the answer (RFC 9112, section 9.6).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{Stream, StreamExt as _};
use tokio::time::timeout;

/// Maximum number of bytes read and discarded.
const MOST: usize = 8 << 20;
/// Time limit for reading them.
const PATIENCE: Duration = Duration::from_secs(5);

/// Middleware that reads the rest of a request's body, within bounds, before its answer is sent. The bytes are
/// discarded.
pub async fn read_rest(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = LentBody(Arc::new(Mutex::new(body.into_data_stream())));
    let response = next.run(Request::from_parts(parts, Body::from_stream(body.clone()))).await;
    // A client that sends more, or more slowly, gets a broken pipe after all.
    let _late = timeout(PATIENCE, body.drain()).await;
    response
}

/// A body that its handler returns.
#[derive(Clone)]
struct LentBody(Arc<Mutex<BodyDataStream>>);

impl LentBody {
    async fn drain(mut self) {
        let mut read = 0;
        while read <= MOST
            && let Some(Ok(piece)) = self.next().await
        {
            read += piece.len();
        }
    }
}

impl Stream for LentBody {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(context)
    }
}
