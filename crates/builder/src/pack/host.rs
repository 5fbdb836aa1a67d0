//! Host packs: only packages of distributions, in a signed bundle like that of a release.

use std::path::{Path, PathBuf};

use landfall_bundle_spec::head::{Identity, NewDocument};
use landfall_bundle_spec::to_canonical;
use landfall_bundle_spec::trust::{Role, SigningKey};
use landfall_error_codes::codes;
use landfall_media::Payload;
use landfall_media::counters::Counters;
use landfall_media::pack::{pack, pack_to_stream};
use landfall_media::parts::{Output, WrittenFile, supersede};
use landfall_media::progress::{Event, Progress};
use landfall_media::store::ContentStore;
use landfall_release_document::{
    Descriptor, HOST_PACK_DOCUMENT_NAME, HOST_PACK_DOCUMENT_TYPE, HostPackDocument, HostPackage, HostRecipe,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::SiteRoom;
use super::build::{BuildProgress, BuildReport, BuiltFile, signed_head};
use super::contents::placed_beside;
use super::existing::existing;
use super::order::{PlacedFile, order_of_files};
use super::roots::{Trust, check_signers, read_trust};
use crate::digests::Digests;
use crate::documents::yaml;
use crate::error::{BuildError, Place, Result};
use crate::executables::check_installer;
use crate::manifest::OCI_INDEX;
use crate::options::{BuildOptions, BuildOutput};
use crate::paths::is_relative;

/// Name of the definition in a host pack's folder.
const FILE_NAME: &str = "host-pack.yaml";

/// Media type of packages.
const PACKAGE: &str = "application/octet-stream";

/// Definition of a host pack.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    name: String,
    version: String,
    counter: u64,
    platform: String,
    recipes: Vec<Recipe>,
}

/// Packages for some versions of a distribution.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    distribution: String,
    versions: Vec<String>,
    packages: Vec<Package>,
}

/// A package: name, version, and path of its file below the definition's folder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Package {
    name: String,
    version: String,
    file: String,
}

/// The definition of a host pack, given as its file or folder; `None` for a release.
pub fn definition(path: &Path) -> Option<PathBuf> {
    let file = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
    (file.file_name().is_some_and(|name| name == FILE_NAME) && file.is_file()).then_some(file)
}

/// Builds a host pack, signed with each of the keys. Nothing is written to the output before everything is read and
/// signed.
pub fn build(
    definition: &Path,
    options: &BuildOptions,
    keys: &[SigningKey],
    output: BuildOutput<'_>,
    progress: &dyn Progress,
) -> Result<BuildReport> {
    let trust = read_trust(&options.roots)?;
    check_signers(&options.roots, trust.newest(), Role::Release, keys, options.sign_commands.len())?;
    let store = ContentStore::at(&options.store);
    let digests = Digests::of(&store);
    progress.event(Event::PhaseStarted { phase: "reading packages".into(), total_bytes: None });
    let document = document(definition, &store)?;
    check_installer(&options.installer, &document.platform)?;
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": Value::Array(Vec::new()) });
    let placed = placed_beside(&store, &index, &options.installer, &digests)?;
    let payload = sign(options, &document, &placed, &store, &trust, keys)?;
    digests.keep()?;
    progress.event(Event::PhaseDone);
    write(options, output, &document, &payload, &trust, (&store, &digests), progress)
}

/// Reads every package into the store, and creates the document.
fn document(path: &Path, store: &ContentStore) -> Result<HostPackDocument> {
    let Definition { name, version, counter, platform, recipes } = yaml(path, codes::HOST_PACK_INVALID)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let recipe = |Recipe { distribution, versions, packages }| -> Result<HostRecipe> {
        let packages = packages.into_iter().map(|one| package(path, folder, one, store)).collect::<Result<_>>()?;
        Ok(HostRecipe { distribution, versions, packages })
    };
    let recipes = recipes.into_iter().map(recipe).collect::<Result<_>>()?;
    let document_type = HOST_PACK_DOCUMENT_TYPE.to_owned();
    let document = HostPackDocument { document_type, name, version, counter, platform, recipes };
    let invalid = |what: String| BuildError::at(codes::HOST_PACK_INVALID, Place::file(path), what);
    document.check().map_err(invalid)?;
    Ok(document)
}

fn package(definition: &Path, folder: &Path, package: Package, store: &ContentStore) -> Result<HostPackage> {
    let Package { name, version, file } = package;
    let invalid = |what: String| BuildError::at(codes::HOST_PACK_INVALID, Place::file(definition), what);
    if !is_relative(&file) {
        return Err(invalid(format!("the file `{}` is not a relative path", file.escape_default())));
    }
    let path = folder.join(&file);
    let mut bytes = fs_err::File::open(&path)
        .map_err(|error| invalid(format!("the file of the package {name} cannot be read")).because(error))?;
    let sums = store.ingest(&mut bytes, None)?;
    let own_name = file.rsplit('/').next().unwrap_or(&file).to_owned();
    let blob = Descriptor { media_type: PACKAGE.to_owned(), digest: sums.sha256, size: sums.size };
    Ok(HostPackage { name, version, file: own_name, blob })
}

/// Creates the signed head.
fn sign(
    options: &BuildOptions,
    document: &HostPackDocument,
    placed: &[PlacedFile],
    store: &ContentStore,
    trust: &Trust,
    keys: &[SigningKey],
) -> Result<Payload> {
    // Two versions of a distribution may share a package.
    let packages = document.recipes.iter().flat_map(|recipe| &recipe.packages);
    let order = order_of_files(store, placed, packages.map(|package| &package.blob))?;
    let bytes = to_canonical(HOST_PACK_DOCUMENT_NAME, document)?;
    let documents = vec![NewDocument { name: HOST_PACK_DOCUMENT_NAME.to_owned(), bytes }];
    let identity = Identity {
        name: document.name.clone(),
        version: document.version.clone(),
        counter: document.counter,
        built_at: options.built_at.clone(),
    };
    Ok(Payload::from(signed_head(options, trust, keys, &identity, documents, &order)?))
}

fn write(
    options: &BuildOptions,
    output: BuildOutput<'_>,
    document: &HostPackDocument,
    payload: &Payload,
    trust: &Trust,
    (prepared, digests): (&ContentStore, &Digests),
    progress: &dyn Progress,
) -> Result<BuildReport> {
    let store = ContentStore::with_counters(&options.store, Counters::new());
    let media = Counters::new();
    let verified = payload.verified_head();
    let (mut files, mut superseded) = (Vec::new(), Vec::new());
    match output {
        BuildOutput::Folder { path, part_bytes, .. } => {
            let new = verified.bundle_name();
            let (in_the_way, others): (Vec<_>, Vec<_>) =
                existing(&path, verified).into_iter().partition(|other| other.name == new);
            in_the_way.iter().try_for_each(|other| supersede(&path, &other.name))?;
            let beside = |_: &[WrittenFile]| Vec::new();
            let output = Output { folder: &path, part_bytes, others: &beside, others_bytes: 0 };
            files.extend(
                pack(payload, &store, output, &media, &BuildProgress(progress))?.into_iter().map(BuiltFile::from),
            );
            for other in others {
                supersede(&path, &other.name)?;
                superseded.push(other.name.stem().to_owned());
            }
        }
        BuildOutput::Stream(stream) => pack_to_stream(payload, &store, stream, &media, progress)?,
    }
    let (bundle_bytes, first) = (payload.blob_bytes(), &trust.roots[0]);
    let site_room =
        SiteRoom { bundle_bytes, unpacked_bytes: 0, unpacking_bytes: 0, data_bytes: 0, total_bytes: bundle_bytes };
    Ok(BuildReport {
        name: document.name.clone(),
        version: document.version.clone(),
        id: verified.id(),
        files,
        kept: None,
        superseded,
        total_bytes: payload.layout().total_bytes(),
        site_room,
        images: 0,
        artifacts: document.recipes.iter().map(|recipe| recipe.packages.len()).sum(),
        fingerprint: first.fingerprint(),
        first_root: first.number(),
        development: verified.trusted_root().development(),
        ingested_bytes: prepared.counters().totals(),
        installer_sha256: payload.blob(0).sha256,
        installer_bytes: payload.blob(0).size,
        hashed_bytes: digests.read_bytes(),
        store_bytes: store.counters().totals(),
        media_bytes: media.totals(),
    })
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::Sha256;
    use landfall_error_codes::CodedError;
    use landfall_media::durable;

    use super::*;

    const DEFINITION: &str = "name: gpu-driver\nversion: '580.1'\ncounter: 1\nplatform: linux/amd64\nrecipes:\n- \
        distribution: debian\n  versions: ['12']\n  packages:\n  - \
        {name: gpu-driver, version: 580.1-1, file: debian/gpu-driver.deb}\n";

    /// Creates the document from a definition, next to one package.
    fn read(text: &str) -> Result<HostPackDocument> {
        let folder = tempfile::tempdir().expect("folder");
        durable::create_folder(&folder.path().join("debian")).expect("folder");
        durable::write_file(&folder.path().join("debian/gpu-driver.deb"), b"a package", 0o644).expect("file");
        let path = folder.path().join(FILE_NAME);
        durable::write_file(&path, text.as_bytes(), 0o644).expect("file");
        assert_eq!(definition(folder.path()), Some(path.clone()));
        document(&path, &ContentStore::at(folder.path().join("store")))
    }

    #[test]
    fn definition_becomes_readable_document() {
        let document = read(DEFINITION).expect("good");
        let package = &document.recipes[0].packages[0];
        assert_eq!((package.file.as_str(), package.blob.size), ("gpu-driver.deb", 9));
        assert_eq!(package.blob.digest, Sha256::of(b"a package"));
        let bytes = to_canonical(HOST_PACK_DOCUMENT_NAME, &document).expect("canonical");
        assert_eq!(HostPackDocument::read(&bytes).expect("read"), document);
    }

    #[test]
    fn invalid_definition_names_file() {
        for (from, to) in [
            ("counter: 1", "counter: 1\nsurprise: 1"),
            ("name: gpu-driver\nversion", "name: GPU\nversion"),
            ("debian/gpu-driver.deb", "debian/missing.deb"),
            ("debian/gpu-driver.deb", "../debian/gpu-driver.deb"),
            ("{name: gpu-driver", "{name: --force-all"),
        ] {
            let error = read(&DEFINITION.replacen(from, to, 1)).expect_err(to);
            assert_eq!(error.code(), codes::HOST_PACK_INVALID, "{to}");
            assert!(error.to_string().contains(FILE_NAME), "{error}");
        }
        let folder = tempfile::tempdir().expect("folder");
        assert_eq!(definition(folder.path()), None, "a release");
    }
}
