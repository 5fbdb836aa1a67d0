//! Codes and next steps of the errors of operations.

use landfall_error_codes::{Code, CodedError, ExitClass, cases, codes};

use super::error::OperationError;
use landfall_site::findings::Finding;

/// Returns true if the machine itself is ready and only a license is missing.
pub(super) fn only_license(blockers: &[Finding]) -> bool {
    let of_license = |blocker: &Finding| blocker.code.class() == Some(ExitClass::License);
    !blockers.is_empty() && blockers.iter().all(of_license)
}

impl CodedError for OperationError {
    fn code(&self) -> Code {
        match self {
            Self::TrustMissing { .. } => codes::TRUST_MISSING,
            Self::TrustUnreadable { .. } => codes::TRUST_UNREADABLE,
            Self::FingerprintMalformed { .. } => codes::FINGERPRINT_MALFORMED,
            Self::Refused { source, .. } | Self::Document { source, .. } => source.code(),
            Self::Media(error) => error.code(),
            Self::Staged { source, .. } => source.code(),
            Self::DocumentMissing { .. } => codes::INVALID_DOCUMENT,
            Self::Assembled { .. } => codes::ASSEMBLED_REFUSED,
            Self::Marks(error) => error.code(),
            Self::Configuration(error) => error.code(),
            Self::Look(error) => error.code(),
            Self::NotReady { blockers } if only_license(blockers) => codes::NOT_LICENSED,
            Self::NotReady { .. } => codes::NOT_READY,
            Self::AlreadyInstalled { .. } => codes::ALREADY_INSTALLED,
            Self::InstallOpen { .. } => codes::OPERATION_OPEN,
            Self::NotInstalled => codes::NOT_INSTALLED,
            Self::ChangeOpen { .. } | Self::DataDisplaced { .. } => codes::CHANGE_OPEN,
            Self::ChangeNotUndone { .. } => codes::UNDO_FAILED,
            Self::ChangeUndone { .. } => codes::CHANGE_UNDONE,
            Self::ChangeUnfit(_) => codes::CHANGE_UNFIT,
            Self::Edited { .. } => codes::EDITED,
            Self::SettingsFixed { .. } => codes::SETTINGS_FIXED,
            Self::SettingsSame => codes::SETTINGS_SAME,
            Self::UninstallOpen { .. } => codes::UNINSTALLING,
            Self::NothingStaged => codes::NOTHING_STAGED,
            Self::NothingKept { .. } => codes::NOTHING_KEPT,
            Self::KeptRecord { .. } => codes::KEPT_RECORD,
            Self::Unconfirmed { .. } => codes::DELETION_UNCONFIRMED,
            Self::NoCluster { .. } => codes::NO_CLUSTER,
            Self::UnknownComponent { .. } => codes::UNKNOWN_COMPONENT,
            Self::UnknownContainer { .. } => codes::UNKNOWN_CONTAINER,
            Self::UnknownOperation { .. } => codes::UNKNOWN_OPERATION,
            Self::NothingToAbort => codes::NOTHING_TO_ABORT,
            Self::OtherOperation { .. } => codes::OTHER_OPERATION,
            Self::PlanDiffers { .. } => codes::PLAN_DIFFERS,
            Self::OtherRelease { .. } => codes::UPGRADE_OTHER,
            Self::SameRelease { .. } => codes::UPGRADE_SAME,
            Self::OlderRelease { .. } => codes::UPGRADE_OLDER,
            Self::NoUpgradePath { .. } => codes::UPGRADE_PATH,
            Self::NoEarlierRelease { .. } => codes::ROLLBACK_NOWHERE,
            Self::DataUndecided { .. } => codes::ROLLBACK_DATA,
            Self::DataUnchanged { .. } => codes::ROLLBACK_DATA_UNCHANGED,
            Self::EngineMissing { .. } => codes::ENGINE_MISSING,
            Self::Io { .. } => codes::SITE_IO,
            Self::Durable(error) => error.code(),
            Self::Journal(error) => error.code(),
            Self::Engine(error) => error.code(),
            Self::Prove(error) => error.code(),
            Self::Archive { .. } => codes::OLD_JOURNAL_UNREADABLE,
            Self::Plan { .. } => codes::BUG,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { source, .. } | Self::Document { source, .. } => source.hint(),
            Self::Media(error) => error.hint(),
            Self::Staged { store, .. } => Some(format!(
                "Run `landfall stage BUNDLE --trust ROOT --store {}` with the bundle of this release: it copies the \
                 named files again. Then run `landfall verify --installed` once more.",
                store.display()
            )),
            Self::NoEarlierRelease { kept, .. } if kept.is_empty() => Some(cases::ROLLBACK_FIRST.next.to_owned()),
            Self::NoEarlierRelease { kept, .. } => {
                Some(format!("Name a version that this site keeps: {}.", kept.join(", ")))
            }
            Self::Unconfirmed { .. } => Some(cases::CONFIRMATION_WRONG.next.to_owned()),
            Self::Io { source, .. } => cases::of_file(source).map(|case| case.next.to_owned()),
            Self::Durable(error) => error.hint(),
            Self::DataUndecided { backup: Err(why), .. } => Some(format!(
                "With `--data keep` the data stays as it is; if the proofs fail with it, everything is as it is now. \
                 `--data restore` is not possible: {why}."
            )),
            Self::DataUndecided { backup: Ok(time), .. } => Some(format!(
                "With `--data restore` the data is that of {time} again, and what was written since is lost. With \
                 `--data keep` it stays as it is; if the proofs fail with it, everything is as it is now."
            )),
            Self::ChangeUndone { replaced, .. } if !replaced.is_empty() => Some(format!(
                "{} Look at the kept data in its folder; `landfall replaced-data list` names it again, and `landfall \
                 replaced-data remove NAME` removes it.",
                codes::CHANGE_UNDONE.fix
            )),
            Self::ChangeNotUndone { .. } => {
                Some("Remove the cause, then run `landfall resume`; it continues to undo the change.".to_owned())
            }
            Self::DataDisplaced { .. } => Some(
                "Run `landfall resume`, which ends the open change, or `landfall upgrade --abort`, which puts the data \
                 back; then run the same command again."
                    .to_owned(),
            ),
            Self::Marks(error) => error.hint(),
            Self::Configuration(error) => error.hint(),
            Self::Look(error) => CodedError::hint(error),
            Self::Journal(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Prove(error) => CodedError::hint(error),
            _ => None,
        }
    }
}
