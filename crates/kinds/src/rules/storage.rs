//! Lines for claims, volumes and their classes.

use super::Line;
use super::Rule::{Amounts, Exactly, Fields, Filled, Fits, Is, IsOrEmpty, OneOf};
use super::{forms, kinds, relations};

const ACCESS_MODES: &[&str] = &["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];

const VOLUME_MODES: &[&str] = &["Filesystem", "Block"];

pub(super) const PERSISTENT_VOLUME_CLAIM: &[Line] = &[("spec", Fields(CLAIM))];

/// Lines for the specification of a claim.
pub(super) const CLAIM: &[Line] = &[
    ("accessModes", Filled),
    ("accessModes/*", Exactly(ACCESS_MODES)),
    ("", Fits(relations::access_modes)),
    ("volumeMode", Exactly(VOLUME_MODES)),
    ("storageClassName", IsOrEmpty(forms::SUBDOMAIN)),
    ("selector", Fields(kinds::SELECTOR)),
    ("", Fits(relations::storage)),
    ("dataSource/kind", Filled),
    ("dataSource/name", Filled),
];

pub(super) const PERSISTENT_VOLUME: &[Line] = &[
    ("spec/accessModes", Filled),
    ("spec/accessModes/*", Exactly(ACCESS_MODES)),
    ("spec", Fits(relations::access_modes)),
    ("spec/capacity", Filled),
    ("spec/capacity", Amounts),
    ("spec/volumeMode", Exactly(VOLUME_MODES)),
    ("spec/storageClassName", IsOrEmpty(forms::SUBDOMAIN)),
    ("spec/persistentVolumeReclaimPolicy", OneOf(&["Retain", "Delete", "Recycle"])),
    ("spec/hostPath/path", Is(forms::NOT_UPWARD)),
    ("spec/local/path", Filled),
    ("spec", Fits(relations::volume)),
];

pub(super) const STORAGE_CLASS: &[Line] = &[
    ("provisioner", Filled),
    ("reclaimPolicy", OneOf(&["Retain", "Delete"])),
    ("volumeBindingMode", Exactly(&["Immediate", "WaitForFirstConsumer"])),
];

pub(super) const DRIVER: &[Line] = &[
    ("spec/fsGroupPolicy", Exactly(&["ReadWriteOnceWithFSType", "File", "None"])),
    ("spec/volumeLifecycleModes/*", Exactly(&["Persistent", "Ephemeral"])),
];
