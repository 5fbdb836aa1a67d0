//! Logs: one JSON object a line on standard error, with the request's id.

use tracing_subscriber::EnvFilter;

/// Begins to log. `RUST_LOG` chooses what; without it, what a person may need.
pub fn begin_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let _already = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .try_init();
}
