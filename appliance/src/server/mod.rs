//! The server: TLS, the layers around every request, health checks, and shutdown.

#[cfg(test)]
mod canaries;
mod guard;
mod headers;
mod health;
mod log;
mod refuse;
mod router;
mod serve;

pub use log::begin_log;
pub use serve::serve;
#[cfg(test)]
pub use serve::serve_on;

#[cfg(test)]
mod tests;
