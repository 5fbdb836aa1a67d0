//! A stick with one release for two platforms: the bundle for this host is installed, without further guesses.

use landfall_host::facts::host;

use super::*;
use crate::operations::{open_trusted, open_verified};

fn release_for(platform: &str, counter: u64, version: &str) -> serde_json::Value {
    let mut release = release(counter);
    release["platform"] = json!(platform);
    release["version"] = json!(version);
    release
}

#[test]
fn bundle_for_own_platform_is_chosen() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let (own, other) =
        if host::platform() == "linux/arm64" { ("linux/arm64", "linux/amd64") } else { ("linux/amd64", "linux/arm64") };
    let fixture = Fixture::with(&vendor, &release_for(own, 3, "1.0.0"));
    let put = |name: &str, release: &serde_json::Value| {
        durable::write_file(&fixture.path("stick").join(name), &bundle(&vendor, release), 0o644).unwrap();
    };
    put("another.landfall", &release_for(other, 3, "1.0.0"));
    let stick = fixture.path("stick");
    let trust = Trust::read(fixture.request().trust.as_deref(), &stick).unwrap();
    let media = &fixture.operations.io.media;
    let (located, release) = open_trusted(&stick, &trust, media).unwrap();
    assert_eq!((release.release.platform.as_str(), located.head_path()), (own, stick.join("tiny.landfall").as_path()));
    fixture.prepared_install().run().unwrap();
    assert_eq!(fixture.operations.verify_site().unwrap().release, "tiny 1.0.0");

    // A check must name the bundle, because a check of one would pass for both.
    assert_eq!(open_verified(&stick, &trust, media).err().unwrap().code(), codes::SEVERAL_BUNDLES);
    open_verified(&stick.join("another.landfall"), &trust, media).unwrap();

    // Two bundles for this host, or bundles of different versions, are ambiguous.
    for second in [release_for(own, 4, "1.0.0"), release_for(other, 4, "1.1.0")] {
        put("another.landfall", &second);
        assert_eq!(open_trusted(&stick, &trust, media).err().unwrap().code(), codes::SEVERAL_BUNDLES, "{second}");
    }
}
