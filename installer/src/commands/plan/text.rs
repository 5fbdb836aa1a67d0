//! Text form of the plan.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{HumanBytes, HumanDuration};
use landfall_engine::plan::Undo;
use landfall_host::facts::{Facts, Filesystem, Security, Speeds};
use landfall_lifecycle::plan::figures::{Basis, FilesystemFigures, PlanFigures};
use landfall_site::configuration::ResolvedValues;

use super::DryRun;
use crate::shown;

/// Text for a terminal.
pub(super) fn text(dry_run: &DryRun<'_>) -> String {
    let DryRun { plan, facts, figures, accepted, fitted, .. } = dry_run;
    let mut text = format!(
        "plan: install {} {}, {} steps; printing it changes nothing\n{}",
        plan.release,
        plan.version,
        plan.steps.len(),
        host_text(facts)
    );
    if let Some(line) = models(fitted) {
        let _infallible = writeln!(text, "models: {}", shown::line(&line));
    }
    for warning in *accepted {
        let _infallible =
            writeln!(text, "accepted: {}", shown::line(&format!("{} [{}]", warning.message, warning.name)));
    }
    text.push('\n');
    for ((index, step), taken) in plan.steps.iter().enumerate().zip(&figures.steps) {
        let mut remarks = vec![duration(taken.milliseconds)];
        if taken.written_bytes > 0 {
            remarks.insert(0, HumanBytes(taken.written_bytes).to_string());
        }
        if step.undo == Undo::Irreversible {
            remarks.push("cannot be undone".to_owned());
        }
        let _infallible =
            writeln!(text, "{:>4}. {:<40} {:<56} {}", index + 1, step.id.to_string(), step.title, remarks.join(", "));
    }
    let _infallible = writeln!(text, "\n{}", summary(figures));
    let _infallible = writeln!(text, "{}", way_back(figures));
    for filesystem in &figures.filesystems {
        filesystem_text(&mut text, filesystem);
    }
    text
}

/// One sentence about time and objects.
pub(super) fn summary(figures: &PlanFigures) -> String {
    let of = |basis: Basis| figures.steps.iter().filter(|step| step.basis == basis).count();
    let known: Vec<String> = [Basis::Measured, Basis::Speed, Basis::Reference]
        .into_iter()
        .filter(|basis| of(*basis) > 0)
        .map(|basis| format!("{} {}", of(basis), basis.title()))
        .collect();
    format!(
        "about {} (steps known: {}), {} objects of Kubernetes",
        duration(figures.milliseconds),
        known.join(", "),
        figures.objects
    )
}

/// Text about the point of no return.
pub(super) fn way_back(figures: &PlanFigures) -> String {
    match &figures.point_of_no_return {
        None => "point of no return: none; `landfall uninstall` undoes every step".to_owned(),
        Some(step) => format!("point of no return: the step \"{step}\""),
    }
}

fn filesystem_text(text: &mut String, figures: &FilesystemFigures) {
    let FilesystemFigures { paths, total_bytes, free_bytes, peak_bytes, final_bytes, moments } = figures;
    let (peak, last) = (HumanBytes(*peak_bytes), HumanBytes(*final_bytes));
    let _infallible = writeln!(
        text,
        "\nspace of {}: {peak} at the peak, {last} in the end, {} free of {}",
        shown::line(&paths.join(", ")),
        HumanBytes(*free_bytes),
        HumanBytes(*total_bytes)
    );
    for moment in moments {
        let passing = moment.peak_bytes.saturating_sub(moment.used_bytes);
        let passing =
            if passing > 0 { format!(", {} until then", HumanBytes(moment.peak_bytes)) } else { String::new() };
        let _infallible = writeln!(text, "    after {:<40} {}{passing}", moment.step, HumanBytes(moment.used_bytes));
    }
}

/// Formats milliseconds for a person.
pub(super) fn duration(milliseconds: u64) -> String {
    if milliseconds < 1000 {
        return "under 1 second".to_owned();
    }
    HumanDuration(Duration::from_millis(milliseconds)).to_string()
}

/// Lines about the host of the plan, which matter most if it is planned elsewhere. Each is a name and a value; a fact
/// may contain arbitrary text, but cannot create a line of its own.
pub(super) fn host_text(facts: &Facts) -> String {
    let mut text = String::new();
    for (name, value) in host(facts) {
        let _infallible = writeln!(text, "{name}: {}", shown::line(&value));
    }
    text
}

/// Figures of models in one line; `None` without models.
pub(super) fn models(fitted: &ResolvedValues) -> Option<String> {
    let each: Vec<String> = fitted.iter().map(|(name, value)| format!("{name} {value}")).collect();
    join_words(&each, ", ")
}

/// Facts about a host, as names and texts.
pub(super) fn host(facts: &Facts) -> Vec<(&'static str, String)> {
    let swap =
        if facts.swap_bytes > 0 { format!("{} of swap", HumanBytes(facts.swap_bytes)) } else { "no swap".to_owned() };
    let tables = &facts.network.filter_tables;
    let tables = if tables.is_empty() { "no tables".to_owned() } else { tables.join(", ") };
    let memory = HumanBytes(facts.memory_bytes);
    let Facts { hostname, operating_system, kernel, cores, .. } = facts;
    let system = format!("{hostname}, {operating_system}, kernel {kernel}, {cores} cores, {memory} of memory, {swap}");
    let mut shown = vec![
        ("host", system),
        ("processor", processor(facts)),
        ("clock", clock(facts)),
        ("security", security(facts)),
        ("packet filter", tables),
    ];
    shown.extend(facts.network.mtu.map(|mtu| ("network", format!("packets of up to {mtu} bytes"))));
    shown.extend(mounts(&facts.filesystems).map(|mounts| ("filesystems", mounts)));
    shown.extend(facts.speeds.map(|speeds| ("disk", disk(speeds))));
    let settings = facts.kernel_settings.iter().map(|(name, value)| format!("{name} {value}"));
    shown.extend(join_words(&settings.collect::<Vec<_>>(), ", ").map(|settings| ("kernel settings", settings)));
    shown
}

/// Type and options of each filesystem; `None` if facts of an older version lack them.
fn mounts(filesystems: &[Filesystem]) -> Option<String> {
    let known = filesystems.iter().filter(|filesystem| !filesystem.kind.is_empty());
    let each = known.map(|one| format!("{} on {} ({})", one.paths.join(", "), one.kind, one.options.join(",")));
    join_words(&each.collect::<Vec<_>>(), "; ")
}

/// Joins words; `None` without any.
fn join_words(words: &[String], between: &str) -> Option<String> {
    Some(words.join(between)).filter(|line| !line.is_empty())
}

fn disk(speeds: Speeds) -> String {
    let (writes, reads) = (HumanBytes(speeds.write_bytes_per_second), HumanBytes(speeds.read_bytes_per_second));
    let sync = speeds.sync_p99_micros.div_ceil(1000);
    format!("writes {writes}/s, reads {reads}/s; 99 of 100 synced writes within {sync} ms")
}

fn processor(facts: &Facts) -> String {
    let Some(cpu) = &facts.cpu else { return "unknown".to_owned() };
    let model = if cpu.model.is_empty() { "unknown" } else { &cpu.model };
    let level = cpu.level.map(|level| format!(", x86-64-v{level}")).unwrap_or_default();
    let nodes = if cpu.numa_nodes > 1 { format!(", {} NUMA nodes", cpu.numa_nodes) } else { String::new() };
    format!("{model}{level}{nodes}")
}

fn clock(facts: &Facts) -> String {
    let source = facts.clock_source.as_deref().unwrap_or("unknown source");
    let program = facts.time_program.as_deref().unwrap_or("no known program");
    let drift = facts.clock_drift_ppb.map(|drift| format!(", drift {drift} billionths")).unwrap_or_default();
    let ahead = facts.ahead_of_hardware_clock_seconds;
    let hardware = ahead.map(|ahead| format!(", {ahead} s ahead of the hardware clock")).unwrap_or_default();
    format!("{source}, kept right by {program}{drift}{hardware}")
}

fn security(facts: &Facts) -> String {
    let security = facts.security.as_ref();
    let on = |name: &str, is_on: fn(&Security) -> bool| match security.map(is_on) {
        Some(true) => format!("{name} on"),
        Some(false) => format!("{name} off"),
        None => format!("{name} unknown"),
    };
    let parts = [
        format!("SELinux {}", facts.selinux.as_deref().unwrap_or("off")),
        on("AppArmor", |security| security.app_armor),
        on("fapolicyd", |security| security.fapolicyd),
        on("Secure Boot", |security| security.secure_boot == Some(true)),
        format!(
            "C library {}",
            facts.glibc.as_deref().map_or("unknown".to_owned(), |version| format!("glibc {version}"))
        ),
    ];
    parts.join(", ")
}
