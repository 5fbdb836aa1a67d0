//! Images of Landfall's own programs: the appliance, which serves the console and package indexes, and the validator,
//! which checks the license next to software.
//!
//! Each image has one layer with one program and is made here, so that no registry needs to hold it. The result is
//! reproducible: the same program gives the same image.

use std::path::{Path, PathBuf};

use landfall_bundle_spec::{Sha256, to_canonical};
use landfall_error_codes::codes;
use landfall_media::durable;
use landfall_media::store::ContentStore;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::definition::Definition;
use crate::digests::Digests;
use crate::error::{BuildError, Place, Result};
use crate::executables::check_installer;
use crate::license_check::VALIDATOR_IMAGE;
use crate::manifest::OCI_MANIFEST;
use crate::pins::Pin;
use crate::reference::Reference;
use crate::render;
use crate::rendered::RenderedComponent;

/// File name of the console's program, in its image and next to `landfall`.
pub const APPLIANCE_PROGRAM: &str = "landfall-appliance";
/// File name of the program of license checks.
pub const VALIDATOR_PROGRAM: &str = "landfall-validator";

/// Recipe of an image that is made here.
#[derive(Debug, PartialEq, Eq)]
struct Recipe {
    /// Name of the image in manifests, without tag or digest.
    name: &'static str,
    program: &'static str,
    /// Name in messages.
    title: &'static str,
    /// The option that sets another path of the program.
    option: &'static str,
    /// Additional names of the program in the image.
    other_names: &'static [&'static str],
}

/// The appliance acts as `sh` and `sleep` only for the commands that Landfall runs in its containers.
const APPLIANCE: Recipe = Recipe {
    name: "landfall.internal/appliance",
    program: APPLIANCE_PROGRAM,
    title: "the appliance",
    option: "--appliance",
    other_names: &["sh", "sleep"],
};

const VALIDATOR: Recipe = Recipe {
    name: VALIDATOR_IMAGE,
    program: VALIDATOR_PROGRAM,
    title: "the validator",
    option: "--validator",
    other_names: &[],
};

const RECIPES: [&Recipe; 2] = [&APPLIANCE, &VALIDATOR];

/// Paths of the programs.
#[derive(Debug, Clone, Copy)]
pub struct Programs<'a> {
    /// Path of the appliance.
    pub appliance: &'a Path,
    /// Path of the validator.
    pub validator: &'a Path,
}

impl<'a> Programs<'a> {
    fn of(self, recipe: &Recipe) -> &'a Path {
        if recipe.program == APPLIANCE_PROGRAM { self.appliance } else { self.validator }
    }
}

const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// User and group of the process.
const USER: &str = "65532:65532";

/// An image in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnImage {
    /// Pin of the image, as a lock would record it.
    pub pin: Pin,
    /// Name of the program in the image.
    pub name: &'static str,
    /// SHA-256 of the program in the image.
    pub program: Sha256,
}

fn recipe(reference: &Reference) -> Option<&'static Recipe> {
    RECIPES.into_iter().find(|recipe| reference.name() == recipe.name)
}

/// The recipe that a reference names. Returns an error text if the reference resembles such a name but is invalid.
fn find_recipe(reference: &Reference) -> std::result::Result<Option<&'static Recipe>, String> {
    let Some(recipe) = recipe(reference) else { return Ok(None) };
    if reference.tag.is_some() || reference.digest.is_some() {
        return Err(format!(
            "`{reference}` has a tag or a digest, but `landfall build` makes this image: write `{}`",
            recipe.name
        ));
    }
    Ok(Some(recipe))
}

/// Returns true if a reference names an image that is made here. Returns an error text if it only resembles one.
pub fn is_meant(reference: &Reference) -> std::result::Result<bool, String> {
    find_recipe(reference).map(|recipe| recipe.is_some())
}

/// Returns true if the reference names the image of the appliance.
pub fn is_appliance(reference: &Reference) -> bool {
    find_recipe(reference) == Ok(Some(&APPLIANCE))
}

/// Returns true if an image that goes into the bundle under this reference is made here.
pub fn is_own(reference: &Reference) -> bool {
    recipe(reference).is_some()
}

/// The pin of the image with this name, among the images that were made.
pub fn pin_of<'a>(reference: &Reference, made: &'a [OwnImage]) -> Option<&'a Pin> {
    made.iter().map(|own| &own.pin).find(|pin| pin.reference.name() == reference.name())
}

/// Creates the images that the components name. On return, manifest, configuration and layer of each are in the store
/// and synced to disk.
pub fn make(
    definition: &Definition,
    components: &[RenderedComponent],
    programs: Programs<'_>,
    store: &ContentStore,
    digests: &Digests,
) -> Result<Vec<OwnImage>> {
    let mut made: Vec<OwnImage> = Vec::new();
    for component in components {
        for usage in render::usages(definition, component)? {
            let found = find_recipe(&usage.reference);
            let found = found.map_err(|what| BuildError::at(codes::MANIFEST_INVALID, usage.place.clone(), what))?;
            let Some(recipe) = found.filter(|recipe| made.iter().all(|own| own.name != recipe.program)) else {
                continue;
            };
            let platform = &definition.release.platform.value;
            made.push(image(recipe, programs.of(recipe), platform, store, digests, usage.place)?);
        }
    }
    Ok(made)
}

/// Cached record of an image, so that an unchanged program is not read again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageRecord {
    /// Version of Landfall that made it; another version may produce another image.
    landfall: String,
    layer: Sha256,
    configuration: Sha256,
    manifest: Sha256,
    manifest_bytes: u64,
}

impl ImageRecord {
    fn path(store: &ContentStore, recipe: &Recipe, program: Sha256, platform: &str) -> PathBuf {
        let name = format!("{}-{}-{}.json", recipe.program, program.to_hex(), platform.replace('/', "-"));
        store.root().join("landfall/images").join(name)
    }

    /// Reads the record; `None` unless all blobs are in the store.
    fn read(path: &Path, store: &ContentStore) -> Option<Self> {
        let made: Self = serde_json::from_slice(&fs_err::read(path).ok()?).ok()?;
        let is_there = [made.layer, made.configuration, made.manifest].into_iter().all(|blob| store.contains(blob));
        (is_there && made.landfall == env!("CARGO_PKG_VERSION")).then_some(made)
    }

    fn write(&self, path: &Path) -> Result<()> {
        path.parent().map_or(Ok(()), durable::create_folder)?;
        Ok(durable::write_file(path, &serde_json::to_vec(self).unwrap_or_default(), 0o644)?)
    }

    fn pin(&self, recipe: &Recipe, place: Place) -> Result<Pin> {
        Ok(Pin {
            reference: Reference { tag: Some(tag(self.layer)), ..recipe_reference(recipe)? },
            digest: self.manifest,
            media_type: OCI_MANIFEST.to_owned(),
            size: self.manifest_bytes,
            license: Some("Apache-2.0".to_owned()),
            place,
        })
    }
}

fn image(
    recipe: &Recipe,
    program: &Path,
    platform: &str,
    store: &ContentStore,
    digests: &Digests,
    place: Place,
) -> Result<OwnImage> {
    let Recipe { program: name, title, option, .. } = *recipe;
    let missing = |error: std::io::Error| {
        let what = format!("{title}'s program cannot be read");
        let hint = format!("Put `{name}` beside `landfall`, or name its path with {option}.");
        BuildError::at(codes::TOOL_MISSING, Place::file(program), what).because(error).hint(hint)
    };
    let digest = digests.program(program).map_err(missing)?.digest;
    if let Some(made) = ImageRecord::read(&ImageRecord::path(store, recipe, digest, platform), store) {
        return Ok(OwnImage { pin: made.pin(recipe, place)?, name, program: digest });
    }
    check_installer(program, platform)?;
    let bytes = fs_err::read(program).map_err(missing)?;
    // The file may have changed since its digest was computed: the digest of the packed bytes is the valid one.
    let digest = Sha256::of(&bytes);
    let layer = layer(recipe, &bytes).map_err(missing)?;
    let layer = store.ingest_bytes(&layer)?;
    let (os, architecture) = platform.split_once('/').unwrap_or(("linux", platform));
    let configuration = json!({
        "architecture": architecture,
        "os": os,
        "config": {
            "User": USER,
            "Env": ["PATH=/bin"],
            "Entrypoint": [format!("/bin/{name}")],
            "WorkingDir": "/",
        },
        "rootfs": { "type": "layers", "diff_ids": [layer.sha256] },
        "history": [{ "created_by": "landfall build" }],
    });
    let configuration = store.ingest_bytes(&to_canonical(&format!("{title}'s configuration"), &configuration)?)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": { "mediaType": CONFIGURATION, "digest": configuration.sha256, "size": configuration.size },
        "layers": [{ "mediaType": LAYER, "digest": layer.sha256, "size": layer.size }],
    });
    let manifest = store.ingest_bytes(&to_canonical(&format!("{title}'s manifest"), &manifest)?)?;
    let made = ImageRecord {
        landfall: env!("CARGO_PKG_VERSION").to_owned(),
        layer: layer.sha256,
        configuration: configuration.sha256,
        manifest: manifest.sha256,
        manifest_bytes: manifest.size,
    };
    made.write(&ImageRecord::path(store, recipe, digest, platform))?;
    Ok(OwnImage { pin: made.pin(recipe, place)?, name, program: digest })
}

fn recipe_reference(recipe: &Recipe) -> Result<Reference> {
    recipe.name.parse().map_err(|error| BuildError::new(codes::BUG, format!("{error}")))
}

/// The tag contains the layer's digest, because two programs may have the same version.
fn tag(layer: Sha256) -> String {
    format!("{}-{}", env!("CARGO_PKG_VERSION"), &layer.to_hex()[..12])
}

/// A tar with the program and its additional names, with fixed header fields.
fn layer(recipe: &Recipe, program: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::with_capacity(program.len() + (8 << 10)));
    let mut header = header(tar::EntryType::Regular, 0o755);
    header.set_size(program.len() as u64);
    archive.append_data(&mut header, format!("bin/{}", recipe.program), program)?;
    for name in recipe.other_names {
        let mut link = self::header(tar::EntryType::Symlink, 0o777);
        archive.append_link(&mut link, format!("bin/{name}"), recipe.program)?;
    }
    archive.into_inner()
}

fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executables::program as program_for_tests;

    #[test]
    fn own_images_are_matched_by_name() {
        let meant = |text: &str| is_meant(&text.parse().unwrap());
        assert_eq!(meant("landfall.internal/appliance"), Ok(true));
        assert_eq!(meant("landfall.internal/validator"), Ok(true));
        assert_eq!(meant("landfall.internal/other"), Ok(false));
        assert!(is_appliance(&"landfall.internal/appliance".parse().unwrap()));
        assert!(!is_appliance(&"landfall.internal/validator".parse().unwrap()));
        assert_eq!(meant("docker.io/library/busybox:1"), Ok(false));
        assert!(meant("landfall.internal/appliance:1").unwrap_err().contains("has a tag"));
    }

    #[test]
    fn image_depends_on_program_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        let made = |recipe: &Recipe, store: &str, content: &[u8]| {
            durable::write_file(&path, &program_for_tests(&[(1, content)]), 0o755).unwrap();
            let store = ContentStore::at(folder.path().join(store));
            let make =
                || image(recipe, &path, "linux/amd64", &store, &Digests::of(&store), Place::file(&path)).unwrap();
            let own = make();
            assert!(store.contains(own.pin.digest));
            assert_eq!(make(), own, "it is remembered");
            assert_eq!(own.program, Sha256::of(fs_err::read(&path).unwrap()));
            own.pin
        };
        for recipe in RECIPES {
            let first = made(recipe, "one", b"code");
            assert_eq!(made(recipe, "two", b"code").digest, first.digest);
            let other = made(recipe, "one", b"other");
            assert_ne!(other.digest, first.digest);
            assert_ne!(other.reference.tag, first.reference.tag);
        }
        let [one, other] = RECIPES.map(|recipe| made(recipe, "one", b"code"));
        assert_ne!(one.digest, other.digest, "one program under two names is two images");
    }

    #[test]
    fn packed_program_is_stated() {
        let folder = tempfile::tempdir().unwrap();
        let path = fs_err::canonicalize(folder.path()).unwrap().join("program");
        let store = ContentStore::at(folder.path().join("store"));
        durable::write_file(&path, &program_for_tests(&[(1, b"code")]), 0o755).unwrap();
        // The digest of another program, as if the file had been replaced after its digest was computed.
        let stale = Sha256([7; 32]);
        Digests::of(&store).remember(&path, stale);
        assert_eq!(Digests::of(&store).program(&path).unwrap().digest, stale);
        let make =
            || image(&APPLIANCE, &path, "linux/amd64", &store, &Digests::of(&store), Place::file(&path)).unwrap();
        assert_eq!(make().program, Sha256::of(fs_err::read(&path).unwrap()));
        assert!(
            ImageRecord::read(&ImageRecord::path(&store, &APPLIANCE, stale, "linux/amd64"), &store).is_none(),
            "nothing is made of it"
        );
    }

    #[test]
    fn unusable_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        let store = ContentStore::at(folder.path().join("store"));
        let refused = |platform: &str| {
            image(&VALIDATOR, &path, platform, &store, &Digests::of(&store), Place::file(&path)).unwrap_err()
        };
        let missing = refused("linux/amd64");
        assert!(missing.to_string().contains("the validator's program cannot be read"), "{missing}");
        durable::write_file(&path, &program_for_tests(&[(1, b"code")]), 0o755).unwrap();
        assert!(refused("linux/arm64").to_string().contains("is a program for linux/amd64"));
    }
}
