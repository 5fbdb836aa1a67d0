//! Package index of a site: wheels of the release over HTTP, for pip and uv, and npm packages for npm, pnpm and Yarn.
//! It needs no host, database or rights, and neither writes nor queries anything; `landfall-packages` produces its
//! content.
//!
//! It uses plain HTTP. Its content is public within the cluster, and a client that requires hashes verifies each byte
//! against its own digest.

mod files;
mod npm;
mod pages;
mod router;
mod serve;
mod settings;
#[cfg(test)]
mod tests;
mod wheels;

pub use serve::serve;
pub use settings::Settings;
