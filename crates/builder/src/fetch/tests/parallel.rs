//! Several transfers run in parallel: the registry answers no request before another one is open.

use super::*;

/// Fetches two images with two layers each from a registry that answers requests with these path parts only together.
/// `A1`, `A2`, `B1` and `B2` stand for digests of layers.
async fn fetch_two(together: &[&str]) -> crate::error::Result<FetchedContent> {
    let layers = [("A1", bytes(1000)), ("A2", bytes(2000)), ("B1", bytes(3000)), ("B2", bytes(4000))];
    let with_digests = |path: &&str| {
        layers.iter().fold((*path).to_owned(), |path, (name, layer)| path.replace(name, &digest(layer).to_string()))
    };
    let together: Vec<String> = together.iter().map(with_digests).collect();
    let together: Vec<&str> = together.iter().map(String::as_str).collect();
    let registry = Registry::start(|faults| faults.only_together(&together)).await;
    let [a1, a2, b1, b2] = layers.each_ref().map(|(_, layer)| layer.as_slice());
    let pins = [image(&registry, "a", &[a1, a2]), image(&registry, "b", &[b1, b2])];
    let folder = tempfile::tempdir().expect("folder");
    let store = ContentStore::at(folder.path());
    fetch_all(&client(), &store, "linux/amd64", &pins, &[], &Notes::default()).await
}

#[tokio::test]
async fn manifests_are_fetched_in_parallel() {
    assert_eq!(fetch_two(&["/v2/a/manifests/", "/v2/b/manifests/"]).await.expect("fetched").images.len(), 2);
}

#[tokio::test]
async fn blobs_of_two_images_are_parallel() {
    assert_eq!(fetch_two(&["/v2/a/blobs/", "/v2/b/blobs/"]).await.expect("fetched").images.len(), 2);
}

#[tokio::test]
async fn blobs_of_one_image_are_parallel() {
    for layers in [["/blobs/A1", "/blobs/A2"], ["/blobs/B1", "/blobs/B2"]] {
        assert_eq!(fetch_two(&layers).await.expect("fetched").images.len(), 2);
    }
}
