//! Test that `docs/FORMAT.md` names every possible field of a release document.

use serde::de::DeserializeOwned;

use crate::*;

const FORMAT: &str = include_str!("../../../docs/FORMAT.md");

/// Returns the fields of a type, as listed in the error for an unknown field.
fn fields<T: DeserializeOwned>() -> Vec<String> {
    let refused = serde_json::from_str::<T>(r#"{"no such field": 0}"#).err().unwrap().to_string();
    let (_, known) = refused.split_once("expected").unwrap();
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn format_documentation_names_all_fields() {
    let described = FORMAT.split("**`documents/release.json`**").nth(1).unwrap();
    let all = [
        fields::<ReleaseDocument>(),
        fields::<NodePack>(),
        fields::<ImageEntry>(),
        fields::<ArtifactEntry>(),
        fields::<ArtifactFile>(),
        fields::<ComponentEntry>(),
        fields::<GeneratedSecret>(),
        fields::<SecretKey>(),
        fields::<ArtifactMount>(),
        fields::<EditableField>(),
        fields::<Canary>(),
        fields::<SiteValue>(),
        fields::<ValueTarget>(),
        fields::<Requirements>(),
        fields::<Rule>(),
        fields::<UpgradePath>(),
        fields::<Proof>(),
        fields::<SignatureEntry>(),
        fields::<BackupRule>(),
    ];
    assert!(all.iter().all(|fields| !fields.is_empty()));
    let missing: Vec<String> = all
        .concat()
        .into_iter()
        .filter(|field| field != "type" && !described.contains(&format!("`{field}`")))
        .collect();
    assert!(missing.is_empty(), "docs/FORMAT.md does not name {missing:?}");
}
