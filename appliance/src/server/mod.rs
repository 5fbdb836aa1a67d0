//! The server: TLS, the layers around every request, health checks, and shutdown.

mod assets;
#[cfg(test)]
mod canaries;
mod certificate;
mod headers;
mod health;
mod log;
mod metrics;
mod plain;
mod refuse;
mod router;
mod serve;
mod site_metrics;

pub use assets::{ICON, OWN_SCRIPT, PALETTE_SCRIPT, SCRIPT, SECRET_SCRIPT, STYLE, UPLOAD_SCRIPT};
pub use certificate::CertificateStanding;
pub use log::begin_log;
pub use metrics::{Metrics, Tally};
pub use plain::{Limits, serve_plain};
pub use refuse::{Audience, Page, add_advice, refuse};
#[cfg(test)]
pub use serve::serve_on;
pub use serve::{end_on_signal, serve};

#[cfg(test)]
mod tests;
