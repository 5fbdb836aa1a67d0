//! Comparison of the checked-in list of assembled images with the recipes' results.
//!
//! Tags name the true version of the content. If the archive delivers another version, a developer must change the
//! list.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::registry_tree::Reference;

/// File name of the list in the recipes' folder.
pub const FILE: &str = "assembled.lock";

/// The compared part of the list. The vendor's tools read the list strictly.
#[derive(Deserialize)]
struct AssembledImage {
    images: Vec<ListedImage>,
    artifacts: Vec<ListedImage>,
}

#[derive(Deserialize)]
struct ListedImage {
    reference: String,
    recipe: String,
}

/// Fails unless the list has exactly these references, each with its recipe, with images and artifacts in separate
/// lists.
pub fn check(path: &Path, built: &[Reference]) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let listed: AssembledImage =
        serde_saphyr::from_str(&text).with_context(|| format!("cannot parse {}", path.display()))?;
    let mut problems = Vec::new();
    for (kind, list, image) in [("image", &listed.images, true), ("artifact", &listed.artifacts, false)] {
        let listed: BTreeSet<(&str, &str)> =
            list.iter().map(|item| (item.reference.as_str(), item.recipe.as_str())).collect();
        let built: BTreeSet<(&str, &str)> = built
            .iter()
            .filter(|item| item.image == image)
            .map(|item| (item.reference.as_str(), item.recipe.as_str()))
            .collect();
        for (reference, recipe) in listed.difference(&built) {
            problems.push(format!("listed, but not what the recipe {recipe} makes: {kind} {reference}"));
        }
        for (reference, recipe) in built.difference(&listed) {
            problems.push(format!("made by the recipe {recipe}, but not listed: {kind} {reference}"));
        }
    }
    if !problems.is_empty() {
        bail!(
            "{} does not say what is inside (a package's version may have changed: correct the tags there and in the \
             manifests that use them)\n  {}",
            path.display(),
            problems.join("\n  ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "assembled: true\nimages:\n- reference: host.example/a:1\n  recipe: a\n  digest: unresolved\n\
                        artifacts: []\n";

    fn sample_reference(reference: &str) -> Reference {
        Reference {
            reference: reference.to_owned(),
            recipe: "a".to_owned(),
            image: true,
            digest: String::new(),
            media_type: String::new(),
            size: 0,
            content_size: 0,
        }
    }

    #[test]
    fn unlisted_version_names_recipe() {
        let file = tempfile::NamedTempFile::new().unwrap();
        crate::images::layer::put(file.path(), LIST.as_bytes()).unwrap();
        check(file.path(), &[sample_reference("host.example/a:1")]).unwrap();
        let error = check(file.path(), &[sample_reference("host.example/a:2")]).unwrap_err().to_string();
        assert!(error.contains("the recipe a makes: image host.example/a:1"), "{error}");
        assert!(error.contains("not listed: image host.example/a:2"), "{error}");
    }

    #[test]
    fn artifact_listed_as_image_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        crate::images::layer::put(file.path(), LIST.as_bytes()).unwrap();
        let artifact = Reference { image: false, ..sample_reference("host.example/a:1") };
        let error = check(file.path(), &[artifact]).unwrap_err().to_string();
        assert!(error.contains("the recipe a makes: image host.example/a:1"), "{error}");
        assert!(error.contains("not listed: artifact host.example/a:1"), "{error}");
    }
}
