//! Validation of a release document beyond its fields. At a site, its names, paths and references are given to `join`,
//! to containerd and to Kubernetes. So they must be valid even if the vendor's program was wrong.

use std::collections::BTreeSet;

use landfall_bundle_spec::limits;
use landfall_bundle_spec::names::{is_dns_label, is_document_name, is_file_name, is_relative_path, is_version};

use crate::canary::check_canary;
use crate::fields::{escape_shortened, is_secret_key, is_subdomain};
use crate::requirements::numbers;
use crate::site_secret::check_site_secrets;
use crate::{
    ArtifactEntry, ArtifactKind, BackupRule, COSIGN_SUFFIXES, ComponentEntry, Descriptor, EditableField,
    GeneratedSecret, GpuPlugin, ImageEntry, NodePack, Proof, ReleaseDocument, Rule, SignatureEntry, SignatureKind,
    SiteValue, check_node_packs, check_upgrades, referrers_tag,
};

/// Maximum length of a secret's random value in characters.
const SECRET_CHARACTERS: u32 = 4096;

/// Maximum time in seconds for a component to become ready: a week.
const READY_SECONDS: u64 = 7 * 24 * 3600;

/// Maximum number of proofs of a release.
const PROOFS: usize = 100;

type CheckResult = Result<(), String>;

/// Returns a description of the first invalid part as an error.
pub(super) fn check(release: &ReleaseDocument) -> CheckResult {
    require(is_dns_label(&release.name), || format!("the name `{}`", escape_shortened(&release.name)))?;
    require(is_version(&release.version), || format!("the version `{}`", escape_shortened(&release.version)))?;
    require(is_platform(&release.platform), || format!("the platform `{}`", escape_shortened(&release.platform)))?;
    if let Some(paths) = &release.upgrades {
        check_upgrades(&release.version, paths).map_err(|fault| format!("it has {} in its upgrades", fault.what))?;
    }
    let longest = ReleaseDocument::LONGEST_SOAK_SECONDS;
    let is_soak = |seconds: u64| (1..=longest).contains(&seconds);
    require(release.soak_seconds.is_none_or(is_soak), || {
        format!("a soak of {} seconds, where 1 to {longest} are allowed", release.soak_seconds.unwrap_or_default())
    })?;
    release.requirements.check()?;
    let rules = &release.rules;
    require(rules.len() <= Rule::PER_RELEASE, || format!("{} rules", rules.len()))?;
    rules.iter().try_for_each(Rule::check)?;
    unique("rule", rules.iter().map(|rule| &rule.name))?;
    release.images.iter().try_for_each(check_image)?;
    unique("image", release.images.iter().map(|image| &image.reference))?;
    release.artifacts.iter().try_for_each(check_artifact)?;
    unique("artifact", release.artifacts.iter().map(|artifact| &artifact.name))?;
    release.node_packs.iter().try_for_each(|pack| check_node_pack(release, pack))?;
    check_node_packs(release.node_packs.iter().map(|pack| pack.kubernetes.as_str()))
        .map_err(|fault| format!("{} in its node packs", fault.what))?;
    unique("component", release.components.iter().map(|component| &component.name))?;
    for (index, component) in release.components.iter().enumerate() {
        check_component(release, &release.components[..index], component)?;
    }
    unique("value", release.values.iter().map(|value| &value.name))?;
    let consoles = release.components.iter().filter(|component| component.console).count();
    require(consoles <= 1, || format!("{consoles} consoles"))?;
    release.values.iter().try_for_each(|value| check_value(release, value))?;
    check_gpu_plugin(release)?;
    check_site_secrets(release)?;
    require(release.proofs.len() <= PROOFS, || format!("{} proofs", release.proofs.len()))?;
    unique("proof", release.proofs.iter().map(|proof| &proof.name))?;
    release.proofs.iter().try_for_each(|proof| check_proof(release, proof))?;
    check_signatures(release)?;
    release.components.iter().try_for_each(|component| check_canary(release, component))
}

/// Checks that the values that determine how GPUs are offered exist.
fn check_gpu_plugin(release: &ReleaseDocument) -> CheckResult {
    let plugin = release.requirements.gpu_plugin();
    let mut names = plugin.into_iter().flat_map(GpuPlugin::values);
    let unknown = names.find(|name| release.values.iter().all(|value| value.name != *name));
    require(unknown.is_none(), || {
        format!(
            "the value `{}` of its device plugin, which it does not have",
            escape_shortened(unknown.unwrap_or_default())
        )
    })
}

fn check_descriptor(of: &str, blob: &Descriptor) -> CheckResult {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+;=".contains(&byte);
    let segment = |text: &str| text.bytes().all(inner) && text.starts_with(|first: char| first.is_ascii_alphanumeric());
    let media_type = &blob.media_type;
    let right = media_type.len() <= 255 && media_type.split('/').count() == 2 && media_type.split('/').all(segment);
    require(right, || format!("the media type `{}` of {}", escape_shortened(media_type), escape_shortened(of)))?;
    require(blob.size <= limits::BLOB_BYTES, || format!("a blob of {} bytes in {}", blob.size, escape_shortened(of)))
}

fn check_image(image: &ImageEntry) -> CheckResult {
    require(is_reference(&image.reference), || format!("the reference `{}`", escape_shortened(&image.reference)))?;
    let mut blobs = [&image.manifest, &image.config].into_iter().chain(&image.layers);
    blobs.try_for_each(|blob| check_descriptor(&image.reference, blob))
}

fn check_signatures(release: &ReleaseDocument) -> CheckResult {
    let signatures = &release.signatures;
    require(signatures.len() <= SignatureEntry::PER_RELEASE, || format!("{} signatures of images", signatures.len()))?;
    let images: BTreeSet<_> = release.images.iter().map(|image| &image.reference).collect();
    for signature in signatures {
        let image = &signature.image;
        require(images.contains(image), || {
            format!("a signature of `{}`, which it does not have", escape_shortened(image))
        })?;
        signature.descriptors().try_for_each(|blob| check_descriptor(image, blob))?;
        let of_subject = referrers_tag(signature.subject.digest);
        let is_tag = |tag: &String| {
            tag.strip_prefix(&of_subject).is_some_and(|suffix| match signature.kind {
                SignatureKind::Referrers => suffix.is_empty(),
                SignatureKind::Signature | SignatureKind::Attestation => COSIGN_SUFFIXES.contains(&suffix),
            })
        };
        let right = signature.tag.as_ref().map_or(signature.kind != SignatureKind::Referrers, is_tag);
        let tag = signature.tag.as_deref().unwrap_or_default();
        require(right, || {
            format!("the tag `{}` of a signature of {}", escape_shortened(tag), escape_shortened(image))
        })?;
        let is_type =
            |text: &String| text.len() <= SignatureEntry::PREDICATE_BYTES && !text.chars().any(char::is_control);
        let predicate = signature.predicates.iter().find(|text| !is_type(text));
        require(predicate.is_none(), || {
            format!(
                "the predicate `{}` about {}",
                escape_shortened(predicate.map_or("", String::as_str)),
                escape_shortened(image)
            )
        })?;
    }
    Ok(())
}

fn check_artifact(artifact: &ArtifactEntry) -> CheckResult {
    let name = escape_shortened(&artifact.name);
    require(is_dns_label(&artifact.name), || format!("the artifact `{name}`"))?;
    require(is_reference(&artifact.reference), || {
        format!("the reference `{}`", escape_shortened(&artifact.reference))
    })?;
    let files = artifact.files.iter();
    let mut blobs = [&artifact.manifest, &artifact.config].into_iter().chain(files.map(|file| &file.blob));
    blobs.try_for_each(|blob| check_descriptor(&artifact.name, blob))?;
    let mut places = BTreeSet::new();
    for file in &artifact.files {
        require(is_relative_path(&file.path), || {
            format!("the path `{}` of artifact {name}", escape_shortened(&file.path))
        })?;
        require(places.insert(file.path.clone()), || format!("the path `{}` twice", escape_shortened(&file.path)))?;
        let folder = file.path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        for link in &file.links {
            require(is_file_name(link), || format!("the link `{}` of artifact {name}", escape_shortened(link)))?;
            require(places.insert(format!("{folder}{link}")), || {
                format!("the link `{}` twice", escape_shortened(link))
            })?;
        }
    }
    let is_folder = |path: &String| {
        places
            .range(format!("{path}/")..)
            .next()
            .is_some_and(|next| next.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/')))
    };
    let both = places.iter().find(|path| is_folder(path));
    require(both.is_none(), || format!("a file and a folder of one name in artifact {name}"))
}

fn check_node_pack(release: &ReleaseDocument, pack: &NodePack) -> CheckResult {
    let version = &pack.kubernetes;
    let right = version.strip_prefix('v').is_some_and(is_version);
    require(right, || format!("the Kubernetes version `{}`", escape_shortened(version)))?;
    let glibc = pack.glibc.as_deref();
    require(glibc.is_none_or(|version| numbers(version) == Some(2)), || {
        format!("`{}`, which is not a version of glibc such as 2.34", escape_shortened(glibc.unwrap_or_default()))
    })?;
    for name in &pack.artifacts {
        let found = release.artifacts.iter().find(|artifact| artifact.name == *name);
        let right = found.is_some_and(|artifact| artifact.kind == ArtifactKind::Node);
        require(right, || format!("`{}`, which is not an artifact for nodes, in a node pack", escape_shortened(name)))?;
    }
    for reference in pack.images.values() {
        let right = release.images.iter().any(|image| image.reference == *reference);
        require(right, || format!("the image `{}`, which the release does not have", escape_shortened(reference)))?;
    }
    Ok(())
}

fn check_component(release: &ReleaseDocument, before: &[ComponentEntry], component: &ComponentEntry) -> CheckResult {
    let name = escape_shortened(&component.name);
    require(is_dns_label(&component.name), || format!("the component `{name}`"))?;
    let namespace = &component.namespace;
    require(is_dns_label(namespace), || {
        format!("the namespace `{}` of component {name}", escape_shortened(namespace))
    })?;
    let entitlement = component.entitlement.as_deref();
    require(entitlement.is_none_or(is_dns_label), || {
        format!("the entitlement `{}` of component {name}", escape_shortened(entitlement.unwrap_or_default()))
    })?;
    for need in &component.needs {
        let right = before.iter().any(|other| other.name == *need);
        require(right, || format!("component {name} before `{}`, which it needs", escape_shortened(need)))?;
    }
    let objects = &component.objects;
    require(is_document_name(objects), || format!("the document `{}` of component {name}", escape_shortened(objects)))?;
    let seconds = component.ready_seconds;
    require(seconds <= READY_SECONDS, || format!("{seconds} seconds for component {name} to become ready"))?;
    for (key, value) in &component.quota {
        let right = is_plain(key) && is_plain(value);
        require(right, || format!("the quota `{}` of component {name}", escape_shortened(key)))?;
    }
    component.secrets.iter().try_for_each(|secret| check_secret(&name, secret, before))?;
    for mount in &component.mounts {
        let right = release.artifacts.iter().any(|artifact| artifact.name == mount.artifact);
        require(right, || {
            format!("`{}`, which is not an artifact, in component {name}", escape_shortened(&mount.artifact))
        })?;
        require(is_subdomain(&mount.claim), || {
            format!("the claim `{}` of component {name}", escape_shortened(&mount.claim))
        })?;
    }
    component.editable.iter().try_for_each(|field| {
        let EditableField { kind, name: object, path } = field;
        let right = is_plain(kind) && is_plain(object) && !object.contains('/') && is_pointer(path);
        require(right, || format!("the editable field `{}` of component {name}", escape_shortened(path)))
    })?;
    check_backup(&name, component)
}

/// Returns true if the text is a JSON Pointer to a part of an object.
fn is_pointer(path: &str) -> bool {
    path.len() <= 4096 && path.starts_with('/') && !path.chars().any(char::is_control)
}

/// Checks that data and rules match: data without a rule would be lost with its machine, and a rule without data has
/// nothing to save.
fn check_backup(name: &str, component: &ComponentEntry) -> CheckResult {
    let rules = &component.backup;
    require(component.data.is_none() == rules.is_empty(), || match rules.len() {
        0 => format!("data without a backup rule in component {name}"),
        _ => format!("a backup rule without data in component {name}"),
    })?;
    require(component.name != BackupRule::RESERVED_COMPONENT || rules.is_empty(), || {
        format!("a backup rule in a component named {name}, which names what backups have of the cluster itself")
    })?;
    require(rules.len() <= BackupRule::PER_COMPONENT, || format!("{} backup rules in component {name}", rules.len()))?;
    unique("backup rule", rules.iter().map(|rule| &rule.name))?;
    for (index, rule) in rules.iter().enumerate() {
        let shares = |other: &&BackupRule| other.workload == rule.workload && other.volume == rule.volume;
        require(!rules[..index].iter().any(|other| shares(&other)), || {
            format!("a second backup rule for the volume {} of component {name}", escape_shortened(&rule.volume))
        })?;
    }
    rules.iter().try_for_each(|rule| {
        rule.check().map_err(|fault| {
            format!("it has {} in backup rule {} of component {name}", fault.what, escape_shortened(&rule.name))
        })
    })
}

fn check_secret(component: &str, secret: &GeneratedSecret, before: &[ComponentEntry]) -> CheckResult {
    let name = escape_shortened(&secret.name);
    require(is_subdomain(&secret.name), || format!("the secret `{name}` of component {component}"))?;
    for key in secret.random.keys().chain(secret.fixed.keys()).chain(secret.copies.keys()) {
        require(is_secret_key(key), || format!("the key `{}` of secret {name}", escape_shortened(key)))?;
    }
    for (key, source) in &secret.copies {
        // A copy is made when the component is installed, from the file of a secret that exists then.
        let mut secrets = before.iter().filter(|other| other.namespace == source.namespace).flat_map(|it| &it.secrets);
        let exists = secrets.any(|other| other.name == source.secret && other.random.contains_key(&source.key));
        require(exists, || {
            let (of, from) = (escape_shortened(key), escape_shortened(&source.key));
            format!("the key `{of}` of secret {name}, a copy of `{from}`, which no earlier component generates")
        })?;
    }
    let long = secret.random.values().find(|length| !(1..=SECRET_CHARACTERS).contains(*length));
    require(long.is_none(), || format!("a random value of {} characters in secret {name}", long.unwrap_or(&0)))
}

fn check_value(release: &ReleaseDocument, value: &SiteValue) -> CheckResult {
    let name = escape_shortened(&value.name);
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let first = value.name.starts_with(|first: char| first.is_ascii_alphanumeric());
    let right = first && value.name.len() <= 100 && value.name.bytes().all(inner);
    require(right, || format!("the value `{name}`"))?;
    for target in &value.targets {
        let component = &target.component;
        let right = release.components.iter().any(|other| other.name == *component);
        require(right, || format!("the component `{}` of value {name}", escape_shortened(component)))?;
        let right = is_plain(&target.kind) && is_plain(&target.name) && !target.name.contains('/');
        require(right, || {
            format!(
                "the object `{} {}` of value {name}",
                escape_shortened(&target.kind),
                escape_shortened(&target.name)
            )
        })?;
        let path = &target.path;
        require(is_pointer(path), || format!("the path `{}` of value {name}", escape_shortened(path)))?;
    }
    Ok(())
}

fn check_proof(release: &ReleaseDocument, proof: &Proof) -> CheckResult {
    let name = escape_shortened(&proof.name);
    proof.check().map_err(|fault| format!("it has {} in proof {name}", fault.what))?;
    let right = release.components.iter().any(|component| component.name == proof.component);
    require(right, || format!("the component `{}` of proof {name}", escape_shortened(&proof.component)))
}

/// Returns true for `os/architecture`, optionally with a variant.
fn is_platform(text: &str) -> bool {
    let part = |part: &str| (1..=32).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (2..=3).contains(&text.split('/').count()) && text.split('/').all(part)
}

/// Returns true for a registry's host, a path, and a tag or digest: text that may become part of an address and of a
/// folder's name.
fn is_reference(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@+".contains(&byte);
    (1..=512).contains(&text.len())
        && text.bytes().all(inner)
        && text.contains('/')
        && text.split('/').all(|segment| !["", ".", ".."].contains(&segment))
}

/// Returns true for visible ASCII that begins with a letter or digit, like Kubernetes' names and quantities.
fn is_plain(text: &str) -> bool {
    text.len() <= 253
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !text.contains("..")
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> CheckResult {
    let mut seen = BTreeSet::new();
    for name in names {
        require(seen.insert(name), || format!("the {what} `{}` twice", escape_shortened(name)))?;
    }
    Ok(())
}

fn require(right: bool, what: impl FnOnce() -> String) -> CheckResult {
    if right { Ok(()) } else { Err(format!("it has {}", what())) }
}

#[cfg(test)]
mod tests;
