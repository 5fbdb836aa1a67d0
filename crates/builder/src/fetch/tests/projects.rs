//! Sets of wheels of a `uv.lock` through lock and fetch. Covers URLs in the file, an index in their place, and the
//! files that go into the bundle.

use landfall_packages::sample;
use serde_json::json;

use super::set_bench::SetBench;
use super::*;
use crate::lock::{List, Lock};
use landfall_test_support::package_server::Resource;

/// A server with two wheels, and a lock with a `uv.lock` that names them.
struct Case {
    bench: SetBench,
    wheels: Vec<(String, Vec<u8>)>,
}

impl Case {
    fn new() -> Self {
        let wheels = vec![sample::wheel("bard", "1.0", ""), sample::wheel("lyre", "2.1", "")];
        let case = Self { bench: SetBench::of("files", wheels.clone()), wheels };
        case.bench.write("uv.lock", &case.project(|size| format!(", size = {size}")));
        case
    }

    /// A file in uv's format, for a project that needs `bard`, and `lyre` for an extra.
    fn project(&self, size: impl Fn(usize) -> String) -> String {
        let server = self.bench.server.endpoint();
        let package = |(name, bytes): &(String, Vec<u8>)| {
            let mut parts = name.split('-');
            let (project, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let (digest, size) = (digest(bytes), size(bytes.len()));
            format!(
                "[[package]]\nname = \"{project}\"\nversion = \"{version}\"\nsource = \
                 {{ registry = \"{server}/simple\" }}\n\
                 wheels = [{{ url = \"{server}/files/{name}\", hash = \"{digest}\"{size} }}]\n\n"
            )
        };
        let packages: String = self.wheels.iter().map(package).collect();
        format!(
            "version = 1\n\n[[package]]\nname = \"shop\"\nsource = {{ virtual = \".\" }}\n\
             dependencies = [{{ name = \"bard\" }}]\n\n\
             [package.optional-dependencies]\nmusic = [{{ name = \"lyre\" }}]\n\n\
             [package.metadata]\n\
             requires-dist = [{{ name = \"bard\" }}, {{ name = \"lyre\", marker = \"extra == 'music'\" }}]\n\n\
             {packages}"
        )
    }

    /// Text of a lock with the unresolved set; `more` are additional fields of it.
    fn text(more: &str) -> String {
        format!(
            "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: \
             shop.example/wheels:1\n    wheels:\n      requirements: uv.lock\n{more}      python: '3.12'\n      \
             platform: manylinux_2_28_x86_64\n      pinned: unresolved\n"
        )
    }

    async fn resolved_text(&self, text: &str) -> String {
        let resolution = self.bench.resolve(text).await;
        assert!(resolution.failures.is_empty(), "{:?}", resolution.failures);
        resolution.text
    }
}

#[tokio::test]
async fn uv_lock_becomes_requirements() {
    let case = Case::new();
    let text = case.resolved_text(&Case::text("      extras: [Music]\n")).await;
    assert_eq!(case.bench.requested_paths(), [""; 0], "the file states everything");
    let server = case.bench.server.endpoint();
    let resolved = "resolved: 'uv.lock, Python 3.12 on manylinux_2_28_x86_64, extra music'\n";
    assert!(text.contains(resolved), "{text}");
    for (name, bytes) in &case.wheels {
        let pin = format!(
            "{{path: '{name}', url: '{server}/files/{name}', digest: '{}', size: {}}}",
            digest(bytes),
            bytes.len()
        );
        assert!(text.contains(&pin), "{text}");
    }

    let fetched = case.bench.fetch(&text).await.expect("fetched");
    let layers = &fetched.artifacts[0].manifest.layers;
    let titles: Vec<_> =
        layers.iter().map(|layer| layer.annotations["org.opencontainers.image.title"].as_str()).collect();
    assert_eq!(titles, ["requirements.txt", case.wheels[0].0.as_str(), case.wheels[1].0.as_str()]);
    let requirements = case.bench.store().read(layers[0].digest, u64::MAX).expect("stored");
    let hash = |number: usize| digest(&case.wheels[number].1);
    let expected = format!(
        "# Made by landfall from the lock of a Python project, for one target.\nbard==1.0 --hash={}\nlyre==2.1 \
         --hash={}\n",
        hash(0),
        hash(1)
    );
    assert_eq!(String::from_utf8(requirements).expect("text"), expected);

    // Other extras, or another file, make the pins stale.
    let stale = |text: &str| {
        let lock = case.bench.lock(text);
        let entries: Vec<_> = lock.list(List::Artifacts).iter().collect();
        lock.check_resolved(&entries).err().map(|error| error.code())
    };
    assert_eq!(stale(&text), Some(codes::RENDERER_UNPINNED), "the pins are fresh: only the renderer has no name");
    assert_eq!(stale(&text.replace("[Music]", "[]")), Some(codes::LOCK_STALE));
    case.bench.write("uv.lock", &(case.project(|_| String::new()) + "# changed\n"));
    assert_eq!(stale(&text), Some(codes::LOCK_STALE));
}

#[tokio::test]
async fn missing_sizes_are_requested() {
    let case = Case::new();
    case.bench.write("uv.lock", &case.project(|_| String::new()));
    let text = case.resolved_text(&Case::text("")).await;
    let (bard, bytes) = &case.wheels[0];
    assert_eq!(case.bench.requested_paths(), [format!("/files/{bard}")]);
    assert!(text.contains(&format!("size: {}", bytes.len())) && !text.contains("lyre"), "{text}");

    let file = json!({ "filename": bard, "url": format!("../../other/{bard}"), "size": 9,
        "hashes": { "sha256": digest(bytes).to_hex() } });
    let page = json!({ "meta": { "api-version": "1.1" }, "name": "bard", "files": [file] });
    case.bench.server.put("/mirror/bard/", Resource::Page("application/vnd.pypi.simple.v1+json", page.to_string()));
    let index = format!("      index: {}/mirror\n", case.bench.server.endpoint());
    let text = case.resolved_text(&Case::text(&index)).await;
    assert_eq!(case.bench.requested_paths(), ["/mirror/bard/"]);
    assert!(text.contains(&format!("url: '{}/other/{bard}'", case.bench.server.endpoint())), "{text}");
    assert!(
        text.contains(&format!("resolved: 'uv.lock of {}/mirror, Python 3.12", case.bench.server.endpoint())),
        "{text}"
    );
}

#[tokio::test]
async fn outdated_project_lock_is_refused() {
    let case = Case::new();
    case.bench.write("pyproject.toml", "[project]\nname = \"shop\"\ndependencies = [\"bard\", \"harp\"]\n");
    let resolution = case.bench.resolve(&Case::text("")).await;
    assert_eq!(resolution.failures.len(), 1, "{:?}", resolution.failures);
    assert_eq!(resolution.failures[0].code(), codes::PROJECT_LOCK_OUTDATED);
    assert!(resolution.failures[0].to_string().contains("uv.lock: does not have `harp`"), "{:?}", resolution.failures);
    assert_eq!(resolution.text, Case::text(""));
    case.bench.write(
        "pyproject.toml",
        "[project]\nname = \"shop\"\ndependencies = [\"bard\"]\n[project.optional-dependencies]\nmusic = [\"lyre\"]\n",
    );
    case.resolved_text(&Case::text("")).await;
}

#[test]
fn contradictory_project_fields_are_refused() {
    let case = Case::new();
    let refusal = |text: &str| {
        let path = case.bench.folder.path().join("images.lock");
        let error = Lock::parse(&path, text.to_owned()).expect_err("refused");
        let folder = format!("{}/", case.bench.folder.path().display());
        format!("{} {error}", error.code().id).replace(&folder, "")
    };
    let text = Case::text("");
    let refusals = [
        refusal(&text.replace("uv.lock", "pyproject.toml")),
        refusal(&text.replace("uv.lock", "poetry.lock")),
        refusal(
            &Case::text("      index: https://packages.example/simple\n      extras: [a]\n")
                .replace("uv.lock", "requirements.txt"),
        ),
        refusal(&Case::text("      extra: [a]\n")),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}
