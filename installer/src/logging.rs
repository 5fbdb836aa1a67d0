//! Logs for the developers of Landfall: off unless asked for, and always on standard error.

use tracing_subscriber::EnvFilter;

/// Environment variable that holds a `tracing` filter, as `landfall_builder=debug`.
const FILTER_VARIABLE: &str = "LANDFALL_LOG";

/// Starts logging to standard error: `-v` shows what the builder and the engine do, `-vv` everything of ours.
pub(crate) fn start(verbosity: u8) {
    let default = match verbosity {
        0 => "warn",
        1 => "info",
        _ => "info,landfall=debug,landfall_builder=debug,landfall_lifecycle=debug,landfall_media=debug",
    };
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).compact().init();
}
