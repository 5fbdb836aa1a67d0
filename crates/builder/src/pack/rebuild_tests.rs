//! Requests of a second lock and a second build to registries, file servers and hubs, if nothing has changed.

use std::time::{Duration, Instant};

use crate::pack::tests::{Bench, composed_lock, tools};
use landfall_test_support::hub_server::Hub;

/// Time limit for the fastest of several builds of a small release without changes; other programs can slow down some
/// of them.
const LONGEST: Duration = Duration::from_secs(2);

/// Number of these builds.
const BUILDS: usize = 3;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A bench whose lock has images and artifacts in a registry, files of a server, and a model of a hub.
async fn bench(hub: &Hub) -> Bench {
    let (mut weights, file_bytes) = landfall_models::sample::safetensors(&[("a", "BF16", &[1000, 8], 16_000)]);
    weights.resize(usize::try_from(file_bytes).expect("small"), 7);
    hub.push("owner/model", COMMIT, &[("model.safetensors", &weights, true), ("README.md", b"a model", false)]);
    let bench = Bench::new(true, false).await;
    let (registry, endpoint) = (bench.registry.address(), hub.endpoint());
    let mirrors = format!(
        "mirrors: [{{host: '*', endpoint: 'http://{registry}'}}, {{host: hub.example, endpoint: '{endpoint}'}}]\n"
    );
    bench.write("registries.yaml", mirrors.as_bytes(), 0o644);
    let text = composed_lock(&bench, &tools());
    let model = text.lines().find(|line| line.contains("registry.example/models/small:1")).expect("the model");
    let of_hub = "  - reference: registry.example/models/small:1\n    hub:\n      address: https://hub.example\n      \
        repository: owner/model\n      revision: main\n      include: [model.safetensors, README.md]\n      pinned: \
        unresolved";
    bench.write("release/images.lock", text.replace(model, of_hub).as_bytes(), 0o644);
    bench
}

#[tokio::test]
async fn unchanged_rebuild_makes_no_requests() {
    let hub = Hub::start().expect("hub");
    let bench = bench(&hub).await;
    bench.lock().await.expect("locked");
    bench.build().await.expect("built");
    let before = bench.registry.requests();
    assert!(before > 10 && !hub.requests().is_empty(), "the servers received requests: {before}");
    hub.forget();

    let mut fastest = Duration::MAX;
    for _ in 0..BUILDS {
        let begun = Instant::now();
        let again = bench.build().await.expect("built again");
        fastest = fastest.min(begun.elapsed());
        assert!(again.kept.is_some(), "nothing has changed");
    }
    assert!(fastest <= LONGEST, "{fastest:?}");
    assert_eq!((bench.registry.requests(), hub.requests()), (before, Vec::new()));
}

/// Tags and branches are requested, because they may have moved. Pinned content is in the store, and is not requested.
#[tokio::test]
async fn second_lock_fetches_no_content() {
    let hub = Hub::start().expect("hub");
    let bench = bench(&hub).await;
    bench.lock().await.expect("locked");
    let text = fs_err::read(bench.path("release/images.lock")).expect("lock");
    let (files, blobs) = (bench.registry.file_ranges().len(), bench.registry.ranges().len());
    hub.forget();
    let again = bench.lock().await.expect("locked again");
    assert_eq!((again.resolved, again.moved.len()), (0, 0));
    assert_eq!(fs_err::read(bench.path("release/images.lock")).expect("lock"), text);
    assert_eq!((bench.registry.file_ranges().len(), bench.registry.ranges().len()), (files, blobs));
    assert!(hub.requests().iter().all(|seen| seen.path.starts_with("/api/models/")), "{:?}", hub.requests());
}
