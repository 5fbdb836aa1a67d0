//! Tests of the index from a client's side, on loopback.

mod npm;
mod settings;
mod wheels;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_media::durable;
use landfall_packages::npm::Registry;
use landfall_packages::{Folder, Index};
use reqwest::{Client, Method, Response};

use super::router::ServedPackages;
use super::serve::serve_on;

/// A folder with files, and its index on loopback.
struct Site {
    folder: tempfile::TempDir,
    address: SocketAddr,
    client: Client,
    handle: axum_server::Handle<SocketAddr>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

fn write(path: &Path, bytes: &[u8]) {
    durable::create_folder(path.parent().unwrap()).unwrap();
    durable::write_file(path, bytes, 0o644).unwrap();
}

/// Places files of a set in the folder, and inspects each by its path, digest, length and bytes.
fn place_files<T>(
    folder: &Path,
    set: &str,
    files: &[(String, Vec<u8>)],
    inspect: impl Fn(&str, Sha256, u64, &[u8]) -> T,
) -> Vec<T> {
    let placed = files.iter().map(|(file, bytes)| {
        let path = format!("{set}/{file}");
        write(&folder.join(&path), bytes);
        inspect(&path, Sha256::of(bytes), bytes.len() as u64, bytes)
    });
    placed.collect()
}

impl Site {
    fn begin(folder: tempfile::TempDir, wheels: Option<Index>, npm: Option<Registry>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let handle = axum_server::Handle::new();
        let served = ServedPackages::new(Folder::open(folder.path()).unwrap(), wheels, npm);
        tokio::spawn(serve_on(listener, served, handle.clone()));
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { folder, address, client, handle }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.request(method, format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.ask(Method::GET, path, headers).await
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}
