//! Fetching from registries and file servers: parallel, retried, resumed by Range within a blob, and verified into the
//! content store.

mod ask;
mod attached;
mod blob;
mod bucket_keys;
mod chart;
mod client;
mod credentials;
mod file;
pub(crate) mod foreign;
mod headers;
mod hosts;
mod local;
mod manifest_bytes;
mod objects;
mod pace;
mod proxies;
mod pull;
mod realm;
mod registries;
mod registry;
mod retry;
#[cfg(test)]
pub(crate) mod tests;
mod token;
mod web;

pub(crate) use ask::{FileRequest, RequestTarget};
pub(crate) use attached::fetch_attached;
pub use chart::fetch_chart;
pub use client::{Client, RawManifest};
pub use credentials::DockerConfiguration;
pub(crate) use file::IndexPage;
pub use file::MeasuredFile;
pub(crate) use local::read_local;
pub use pull::{FetchedContent, Manifests, fetch, fetch_manifests};
pub use registries::{Endpoint, Registries};
pub use retry::Retry;
