//! The package index of a site: wheels of the release over HTTP, for pip and uv, and npm packages for npm, pnpm and Yarn. It needs no
//! host, no database and no rights, writes nothing and asks nothing; what it serves is in `landfall-packages`.
//!
//! It speaks plain HTTP. What it serves is public within the cluster, and a client that requires hashes checks each byte by
//! the digest that it brings itself.

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
