//! Logs: one JSON object per line on standard error, with the request's ID.

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging. `RUST_LOG` selects the events; by default, those that people may need.
pub fn begin_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let _already = logger(filter, std::io::stderr).try_init();
}

/// Returns the subscriber that writes the log.
pub(super) fn logger<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer)
        .with_env_filter(filter)
        .finish()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::Ordering;

    use axum::http::Method;
    use serde_json::Value;

    use super::*;
    use crate::server::canaries::Log;
    use crate::testing::{PASSWORD, Reply, Site, Visitor};

    /// Sends requests whose work continues after their sender is gone.
    async fn ask(number: usize, root: &Visitor, door: &Visitor) -> Option<Reply> {
        let id = "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f";
        let call = async |path: &str, body: &str| root.call(Method::POST, path, body).await;
        Some(match number {
            0 => call("/api/v1/backups", "").await,
            1 => call("/api/v1/drills", "").await,
            2 => call("/api/v1/license", r#"{"license": "x"}"#).await,
            3 => call("/api/v1/media", "{}").await,
            4 => {
                let headers = [("x-csrf-token", root.csrf.as_str()), ("tus-resumable", "1.0.0")];
                root.send(Method::DELETE, &format!("/api/v1/uploads/{id}"), &headers, "").await
            }
            5 => {
                let claim = [("token", "one"), ("name", "ada"), ("password", PASSWORD), ("again", PASSWORD)];
                door.post("/first", &claim).await
            }
            _ => return None,
        })
    }

    /// Returns lines with this message.
    fn lines(log: &Log, message: &str) -> Vec<Value> {
        let lines = log.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
        lines.into_iter().filter(|line| line["message"] == message).collect()
    }

    #[tokio::test]
    async fn task_logs_carry_request_id() {
        let (log, filter) = (Log::default(), EnvFilter::new("info,sqlx=warn"));
        let sink = log.clone();
        // With a single subscriber, tracing lets the thread of any other test disable its events.
        let _second = tracing::Dispatch::new(logger(EnvFilter::new("off"), io::sink));
        let _logging = tracing::subscriber::set_default(logger(filter, move || sink.clone()));
        let site = Site::begin().await;
        let (root, door) = (site.sign_in("root").await, site.at_the_door("/first").await);
        let mut ids = Vec::new();
        for number in 0.. {
            site.host.is_silent.store(true, Ordering::SeqCst);
            let Some(reply) = ask(number, &root, &door).await else { break };
            assert!(reply.status.is_server_error(), "{number}: {} {}", reply.status, reply.body);
            ids.push(reply.header("x-request-id").to_owned());
            site.host.is_silent.store(false, Ordering::SeqCst);
            root.call(Method::POST, "/api/v1/media", "{}").await;
            assert!(site.context.site.silent_since().is_none(), "{number}");
        }
        let logged = lines(&log, "the host does not answer");
        let logged: Vec<&str> = logged.iter().map(|line| line["span"]["id"].as_str().unwrap_or("none")).collect();
        assert_eq!(logged, ids);
    }
}
