//! Backup rules as a vendor writes them: complete, or with a preset.

use landfall_error_codes::codes;
use serde_saphyr::{Location, Spanned};

use super::presets::{self, FilledPreset, Misfit, Preset, PresetCheck, PresetHold};
use crate::definition::{
    AppliedPreset, BackupDefinition, BackupEntry, CheckDefinition, ContainerNeeds, HoldDefinition, LogDefinition,
    MarkerDefinition, Release, Sources,
};
use crate::error::{BuildError, Result};
use crate::name_hint;

/// Expands the backup rules of every component.
pub fn expand(sources: &Sources, release: &mut Release) -> Result<()> {
    for (component, definition) in release.components.iter_mut().enumerate() {
        let entries = definition.backup.iter().enumerate();
        let rules = entries.map(|(index, entry)| LocatedEntry { sources, component, index, entry }.definition());
        definition.rules = rules.collect::<Result<_>>()?;
    }
    Ok(())
}

/// A rule with its place in the definition, for errors.
struct LocatedEntry<'a> {
    sources: &'a Sources,
    component: usize,
    index: usize,
    entry: &'a BackupEntry,
}

impl LocatedEntry<'_> {
    fn definition(&self) -> Result<BackupDefinition> {
        match &self.entry.preset {
            Some(preset) => self.of_preset(preset),
            None => self.as_it_is(),
        }
    }

    /// Converts a rule that has its own programs.
    fn as_it_is(&self) -> Result<BackupDefinition> {
        let entry = self.entry;
        let without_preset = |field: &str| {
            let what = format!("the backup rule `{}` has `{field}`, which only a preset uses", entry.name.value);
            let hint = format!("Name one, such as `preset: postgresql`, or remove `{field}`.");
            self.invalid(field, entry.name.referenced, what).hint(hint)
        };
        if entry.with.is_some() {
            return Err(without_preset("with"));
        }
        if entry.points_in_time.is_some() {
            return Err(without_preset("pointsInTime"));
        }
        if entry.counted.is_some() {
            return Err(without_preset("counted"));
        }
        let missing = |field: &str| {
            let what = format!("the backup rule `{}` has neither `{field}` nor a preset", entry.name.value);
            let known = presets::names().into_iter().collect::<Vec<_>>().join(", ");
            let hint = format!("Write the program and its arguments, or name a preset: {known}.");
            self.invalid(field, entry.name.referenced, what).hint(hint)
        };
        let save = entry.save.clone().ok_or_else(|| missing("save"))?;
        let load = entry.load.clone().ok_or_else(|| missing("load"))?;
        let (log, hold, marker) = (entry.log.clone(), entry.hold.clone(), entry.marker.clone());
        let (counts, checks, needs) = (entry.counts.clone(), entry.checks.clone(), ContainerNeeds::default());
        Ok(self.with(Programs { save, load, log, hold, counts, marker, checks, needs }))
    }

    /// Converts a rule whose programs a preset provides.
    fn of_preset(&self, preset: &Spanned<String>) -> Result<BackupDefinition> {
        let entry = self.entry;
        let values = entry.with.as_ref().map(|with| with.value.clone()).unwrap_or_default();
        let FilledPreset { preset: filled, needs } =
            presets::fill(&preset.value, &values).map_err(|misfit| self.misfit(preset, misfit))?;
        self.refuse_own(preset, &filled)?;
        let log = self.log(preset, &filled)?;
        let hold = filled.hold.as_ref().map(|hold| Self::hold(preset, hold)).or_else(|| entry.hold.clone());
        let counts = self.counts(preset, &filled, log.is_some() || hold.is_some())?;
        let script = |text: &str| script(preset, text);
        let check = |check: &PresetCheck| Self::check(preset, check);
        let last = filled.last_checks.iter().map(check);
        let checks = filled.checks.iter().map(check).chain(entry.checks.iter().cloned()).chain(last).collect();
        let marker = MarkerDefinition { write: script(&filled.marker.write), read: script(&filled.marker.read) };
        Ok(self.with(Programs {
            save: script(&filled.save),
            load: script(&filled.load),
            log,
            hold,
            counts,
            marker: Some(marker),
            checks,
            needs,
        }))
    }

    fn hold(preset: &Spanned<String>, hold: &PresetHold) -> HoldDefinition {
        HoldDefinition {
            begin: script(preset, &hold.begin),
            end: script(preset, &hold.end),
            limit_seconds: None,
            until: Some(hold.until),
        }
    }

    /// Returns an error if the rule has programs that its preset provides.
    fn refuse_own(&self, preset: &Spanned<String>, filled: &Preset) -> Result<()> {
        let entry = self.entry;
        let hold = entry.hold.as_ref().filter(|_| filled.hold.is_some());
        let counts = entry.counts.as_ref().filter(|_| filled.counts.is_some());
        let own = [
            ("save", entry.save.as_ref().map(|own| own.referenced)),
            ("load", entry.load.as_ref().map(|own| own.referenced)),
            ("log", entry.log.as_ref().map(|log| log.keep.referenced)),
            ("hold", hold.map(|hold| hold.begin.referenced)),
            ("counts", counts.map(|own| own.referenced)),
            ("marker", entry.marker.as_ref().map(|marker| marker.write.referenced)),
        ];
        if let Some((field, at)) = own.into_iter().find_map(|(field, at)| Some((field, at?))) {
            let what = format!(
                "the backup rule `{}` has `{field}`, and so has its preset `{}`",
                entry.name.value, preset.value
            );
            let hint = "Remove it, or write the whole rule without a preset.";
            return Err(self.invalid(field, at, what).hint(hint));
        }
        Ok(())
    }

    fn log(&self, preset: &Spanned<String>, filled: &Preset) -> Result<Option<LogDefinition>> {
        let setting = self.entry.points_in_time.as_ref();
        match (&filled.log, setting) {
            (None, Some(setting)) => {
                let what = format!("the preset `{}` has no log, so no points in time", preset.value);
                Err(self.invalid("pointsInTime", setting.referenced, what).hint("Remove `pointsInTime`."))
            }
            (Some(log), setting) if setting.is_none_or(|setting| setting.value) => Ok(Some(LogDefinition {
                keep: script(preset, &log.keep),
                save: script(preset, &log.save),
                saved: script(preset, &log.saved),
                load: script(preset, &log.load),
                recover: script(preset, &log.recover),
            })),
            _ => Ok(None),
        }
    }

    /// Program that prints counts: the preset's if the rule knows the time as of which its numbers are exact. If the
    /// preset has none, the release's own.
    fn counts(
        &self,
        preset: &Spanned<String>,
        filled: &Preset,
        has_time: bool,
    ) -> Result<Option<Spanned<Vec<String>>>> {
        let setting = self.entry.counted.as_ref();
        match (&filled.counts, setting) {
            (None, Some(setting)) => {
                let what = format!("the preset `{}` counts nothing", preset.value);
                Err(self.invalid("counted", setting.referenced, what).hint("Remove `counted`."))
            }
            (None, None) => Ok(self.entry.counts.clone()),
            (Some(counts), setting) if has_time && setting.is_none_or(|setting| setting.value) => {
                Ok(Some(script(preset, counts)))
            }
            (Some(_), _) => Ok(None),
        }
    }

    fn check(preset: &Spanned<String>, check: &PresetCheck) -> CheckDefinition {
        CheckDefinition {
            shows: at(preset, check.shows.clone()),
            arguments: script(preset, &check.run),
            limit_seconds: check.limit_seconds.map(|limit| at(preset, limit)),
            expect: check.expect.clone().map(|expect| at(preset, expect)),
        }
    }

    fn with(&self, programs: Programs) -> BackupDefinition {
        let BackupEntry { name, workload, container, volume, limit_seconds, preset, .. } = self.entry.clone();
        let Programs { save, load, log, hold, counts, marker, checks, needs } = programs;
        let preset = preset.map(|preset| AppliedPreset { name: preset, needs });
        BackupDefinition {
            name,
            workload,
            container,
            volume,
            limit_seconds,
            preset,
            save,
            load,
            log,
            hold,
            counts,
            marker,
            checks,
        }
    }

    fn misfit(&self, preset: &Spanned<String>, misfit: Misfit) -> BuildError {
        let at = preset.referenced;
        let with = self.entry.with.as_ref().map_or(at, |with| with.referenced);
        let name = &preset.value;
        match misfit {
            Misfit::Unknown { why: Some(why), .. } => self
                .invalid("preset", at, format!("there is no preset `{name}`"))
                .hint(format!("`{name}` has no preset, since {why}")),
            Misfit::Unknown { known, why: None } => {
                let what = format!("there is no preset `{name}`");
                name_hint::add_name_hint(self.invalid("preset", at, what), name, known.into_iter())
            }
            Misfit::Parameter { name: parameter, known } => {
                let what = format!("the preset `{name}` has no parameter `{parameter}`");
                name_hint::add_name_hint(self.invalid("with", with, what), &parameter, known.iter().map(String::as_str))
            }
            Misfit::Value { name: parameter, expected } => {
                let what = format!("`{parameter}` of the preset `{name}` is not {expected}");
                self.invalid(&format!("with.{parameter}"), with, what)
            }
            Misfit::Missing { name: parameter } => {
                let what = format!("the preset `{name}` needs the parameter `{parameter}`");
                self.invalid("with", with, what).hint(format!("Add `with: {{{parameter}: …}}`."))
            }
            Misfit::Bug(why) => BuildError::new(codes::BUG, format!("the preset `{name}` cannot be used: {why}")),
        }
    }

    fn invalid(&self, field: &str, at: Location, what: String) -> BuildError {
        let Self { sources, component, index, .. } = self;
        let place = sources.place(at, format!("components[{component}].backup[{index}].{field}"));
        BuildError::at(codes::RELEASE_INVALID, place, what)
    }
}

/// Parts of a rule that a preset may provide.
struct Programs {
    save: Spanned<Vec<String>>,
    load: Spanned<Vec<String>>,
    log: Option<LogDefinition>,
    hold: Option<HoldDefinition>,
    counts: Option<Spanned<Vec<String>>>,
    marker: Option<MarkerDefinition>,
    checks: Vec<CheckDefinition>,
    needs: ContainerNeeds,
}

/// Converts a script of a preset to a program with its arguments.
fn script(preset: &Spanned<String>, text: &str) -> Spanned<Vec<String>> {
    at(preset, ["sh", "-euc", text].map(str::to_owned).to_vec())
}

/// Gives a value of a preset the place at which the release names the preset.
fn at<T>(preset: &Spanned<String>, value: T) -> Spanned<T> {
    Spanned::new(value, preset.referenced, preset.defined)
}
