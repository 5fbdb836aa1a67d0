//! The start of every change of a site: a check of its state, the cluster's judgment, and the first record of its
//! journal.

use std::collections::BTreeSet;
use std::fmt;

use landfall_cluster::{Cluster, ClusterError, EditableObject, Edits, FieldEdit, ObjectName};
use landfall_documents::replaced_data::ReplacedData;
use landfall_engine::journal::{Event, JournalError, JournalErrorKind, JournalFile, Phase, UndoCause};
use landfall_engine::plan::Plan;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::command::Subprocesses;
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::bundle::TrustedRelease;
use super::correlation::correlation_of_environment;
use super::decision::{Decision, Refusal, Verb, decide};
use super::error::{OperationError, Result};
use super::history::History;
use super::past::JournaledOperation;
use super::unit::stop;
use crate::plan::upgrade::{ChangedObject, DocumentsOfBoth, WayOfChange, changed_objects};
use crate::steps::action::Action;
use landfall_site::pins::Pins;
use landfall_site::site_secrets::{NewSecrets, SecretStore};

/// Field of a component's object that another manager has set to another value than the release.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectEdit {
    /// Name of the component.
    pub component: String,
    /// Kind, namespace and name of the object.
    pub object: String,
    /// True if the release no longer has the object: it is deleted with its edits, and none of them prevents the
    /// change.
    pub is_removed: bool,
    /// Field, its manager, and both values.
    #[serde(flatten)]
    pub edit: FieldEdit,
}

impl ObjectEdit {
    /// Returns true if the change would overwrite the edit with the release's value.
    pub fn is_lost(&self) -> bool {
        !self.edit.stays && !self.is_removed
    }
}

impl fmt::Display for ObjectEdit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FieldEdit { field, manager, now, new, .. } = &self.edit;
        write!(formatter, "{} {field}, set by {manager}", self.object)?;
        match (now, new) {
            (Some(now), Some(new)) => write!(formatter, ": {now} now, {new} in the release"),
            (Some(now), None) => write!(formatter, ": {now} now"),
            _ => Ok(()),
        }
    }
}

/// Fails if a change would lose edits, unless a person accepts that.
pub(super) fn refuse_edits(found: &[ObjectEdit], edits: Edits) -> Result<()> {
    let lost: Vec<ObjectEdit> = found.iter().filter(|found| found.is_lost()).cloned().collect();
    if edits == Edits::Overwrite || lost.is_empty() { Ok(()) } else { Err(OperationError::Edited { lost }) }
}

/// Returns the edits of an object that a plan changes. Fails if the API server would reject the object.
fn edits_of(cluster: &Cluster, changed: &ChangedObject) -> Result<Vec<ObjectEdit>, ClusterError> {
    let ChangedObject { component, object, editable, way } = changed;
    let edited = EditableObject { object, editable, edits: Edits::Refuse };
    let found = cluster.edits(&edited)?;
    if !found.is_empty() && *way == WayOfChange::InPlace {
        // The API server has reported the conflicts, and judges the rest only without them.
        cluster.compare_edited(&EditableObject { edits: Edits::Overwrite, ..edited })?;
    }
    let object = ObjectName::of(object)?.to_string();
    let is_removed = *way == WayOfChange::Removed;
    let edit = |edit: FieldEdit| {
        // A value of the earlier release is not a value of the later one.
        let edit = FieldEdit { new: edit.new.filter(|_| !is_removed), ..edit };
        ObjectEdit { component: component.clone(), object: object.clone(), is_removed, edit }
    };
    Ok(found.into_iter().map(edit).collect())
}

/// Result of undoing an open change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AbortOutcome {
    /// Name and version of the installed release, as before the change.
    pub release: String,
    /// Data that the undo replaced in volumes that the change had modified. It is kept next to them.
    pub replaced_data: Vec<ReplacedData>,
}

impl Operations {
    /// Returns the history of a site; fails if an operation is running.
    pub(super) fn idle_history(&self) -> Result<History> {
        if let Some(holder) = self.journals().holder() {
            return Err(JournalError::from(JournalErrorKind::Busy { holder }).into());
        }
        self.history()
    }

    /// Returns the pins of the site's last committed operation; fails if the site may not change now.
    pub(super) fn changeable<'a>(&self, history: &'a History) -> Result<&'a Pins> {
        let deciding = history.deciding();
        if deciding.is_none() {
            self.check_not_missing()?;
        }
        match decide(Verb::Change, deciding.map(JournaledOperation::position)) {
            Decision::Refuse(refusal) => Err(refusal.of(deciding.map(JournaledOperation::release).unwrap_or_default())),
            _ => history.last_committed().and_then(JournaledOperation::pins).ok_or(OperationError::NotInstalled),
        }
    }

    /// Returns every field that another manager has set to a different value. Fails if the API server would reject an
    /// object. The API server judges in a dry run, so nothing is stored.
    pub(super) fn dry_run(&self, plan: &Plan<Action>, documents: DocumentsOfBoth<'_>) -> Result<Vec<ObjectEdit>> {
        let unfit = |error| OperationError::ChangeUnfit(Box::new(error));
        let objects = changed_objects(plan, documents).map_err(unfit)?;
        if objects.is_empty() {
            return Ok(Vec::new());
        }
        let judged = || -> Result<Vec<ObjectEdit>, StepError> {
            let cluster = Cluster::connect(&self.paths.admin_kubeconfig())?;
            let edits = objects.iter().map(|changed| edits_of(&cluster, changed)).collect::<Result<Vec<_>, _>>()?;
            Ok(edits.into_iter().flatten().collect())
        };
        judged().map_err(unfit)
    }

    /// Writes the journal of a change that was planned on a site with these `pins`. From here on, the change ends even
    /// if this process does not. `secrets` are on the disk before it; `with` adds the pins of this change.
    pub(super) fn begin_change(
        &self,
        plan: &Plan<Action>,
        release: &TrustedRelease,
        pins: &Pins,
        secrets: &NewSecrets,
        with: impl FnOnce(Pins) -> Pins,
    ) -> Result<JournalFile> {
        refuse_ambiguous(plan)?;
        let lock = self.journals().lock(plan.operation.name())?;
        // Another operation may have run between the first check and the lock.
        if self.changeable(&self.history()?)? != pins {
            return Err(OperationError::ChangeOpen { release: release.name() });
        }
        let engine = self.place_own_files(release)?;
        let text = serde_json::to_string(plan)
            .map_err(|source| OperationError::Plan { path: self.paths.journal(), source })?;
        let change = Pins {
            operation: plan.operation,
            engine,
            steps: plan.all().map(|step| step.id.clone()).collect(),
            closing: plan.closing.len(),
            plan: text,
            kept: Vec::new(),
            ..pins.clone()
        };
        secrets.store(&SecretStore::of(&self.paths))?;
        drop(self.journals().create(&lock, with(change))?);
        let file = self.journals().latest()?.ok_or(OperationError::NotInstalled)?;
        self.note_asked(file.number, correlation_of_environment());
        self.note_asker(file.number, self.asker());
        drop(lock);
        Ok(file)
    }

    /// Undoes the open change and ends it. The unit that runs it is stopped first; the undo of its interrupted step
    /// removes partial effects.
    pub fn abort_change(&self) -> Result<AbortOutcome> {
        let past = self.request_undo(|_| true)?;
        match self.end_change(&past.file) {
            // The undo was requested, so it is a success whether or not the change failed first.
            Err(OperationError::ChangeUndone { release, replaced, .. }) => {
                Ok(AbortOutcome { release, replaced_data: replaced })
            }
            Err(error) => Err(error),
            Ok(_) => Err(Refusal::NothingToAbort.of(past.release())),
        }
    }

    /// Requests the undo of the open change with this number, without waiting for it.
    pub fn begin_abort(&self, number: u64) -> Result<()> {
        self.request_undo(|file| file.number == number)?;
        self.start_unit();
        Ok(())
    }

    /// Stops the unit, and records the requested undo of the open change.
    fn request_undo(&self, is_meant: impl Fn(&JournalFile) -> bool) -> Result<JournaledOperation> {
        let history = self.history_or_hand_over()?;
        let refused = |refusal: Refusal, past: Option<&JournaledOperation>| {
            refusal.of(past.map(JournaledOperation::release).unwrap_or_default())
        };
        let deciding = history.deciding();
        match (decide(Verb::Abort, deciding.map(JournaledOperation::position)), deciding) {
            // Steps after the commit are never undone, so the unit need not stop for this refusal.
            (Decision::Change, Some(past)) if past.replay.state.phase != Phase::Committed => {}
            (Decision::Refuse(refusal), past) => return Err(refused(refusal, past)),
            (_, past) => return Err(refused(Refusal::NothingToAbort, past)),
        }
        let past = history.into_deciding().ok_or(OperationError::NothingToAbort)?;
        if !is_meant(&past.file) {
            return Err(OperationError::OtherOperation { release: past.release() });
        }
        stop(&Subprocesses)?;
        let noted = self.note_undo(&past);
        if noted.is_err() {
            // The stopped change continues, because it may have been committed in the meantime.
            self.start_unit();
        }
        noted.map(|()| past)
    }

    /// Records in the journal that the open change is undone. On the disk on return.
    fn note_undo(&self, past: &JournaledOperation) -> Result<()> {
        let lock = self.journals().lock("abort")?;
        let mut journal = self.journals().open(&lock, &past.file)?;
        match journal.state().phase {
            Phase::Empty | Phase::Forward => {
                journal.append(Event::UndoRequested { keep_data: true, cause: UndoCause::Requested })?;
            }
            Phase::Undoing { .. } => {}
            // The change ended before its unit stopped.
            Phase::Committed | Phase::Undone { .. } => return Err(Refusal::NothingToAbort.of(past.release())),
        }
        Ok(())
    }
}

/// Fails if two steps of a plan have the same ID, because the journal could not distinguish them.
fn refuse_ambiguous(plan: &Plan<Action>) -> Result<(), StepError> {
    let mut known = BTreeSet::new();
    match plan.all().find(|planned| !known.insert(&planned.id)) {
        None => Ok(()),
        Some(planned) => Err(StepError::new(codes::BUG, format!("two steps of the plan are {}", planned.id))),
    }
}
