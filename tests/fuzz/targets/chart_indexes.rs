//! `index.yaml` of a chart repository, which other software writes: an offer is an address that Landfall accepts, and
//! nothing else.
#![no_main]

#[allow(dead_code, reason = "some errors cannot occur here")]
#[path = "../../../crates/builder/src/error.rs"]
mod error;
#[allow(dead_code, reason = "some parts of an address are not used here")]
#[path = "../../../crates/builder/src/file_url.rs"]
mod file_url;
#[allow(dead_code, reason = "the target compares no digests")]
#[path = "../../../crates/builder/src/charts/index.rs"]
mod index;

use std::sync::LazyLock;

use file_url::FileUrl;
use index::ChartIndex;
use libfuzzer_sys::fuzz_target;

const REPOSITORY: &str = "https://charts.example/stable";

static ADDRESS: LazyLock<FileUrl> = LazyLock::new(|| format!("{REPOSITORY}/index.yaml").parse().expect("an address"));

/// Names and versions in the seed, and some that are in none.
const CHARTS: [(&str, &str); 5] =
    [("shop", "2.0.0"), ("shop", "v1.0.0"), ("shop", "0.2.0"), ("shpo", "2.0.0"), ("", "")];

fuzz_target!(|bytes: &[u8]| {
    let Ok(index) = ChartIndex::read(&ADDRESS, bytes) else { return };
    for (name, version) in CHARTS {
        let Ok(offer) = index.offer(REPOSITORY, name, version) else { continue };
        let again: FileUrl = offer.url.to_string().parse().expect("an offer is an address of a file");
        assert_eq!(again, offer.url);
    }
});
