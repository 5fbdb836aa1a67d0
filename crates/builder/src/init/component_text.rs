//! The text of a component's own file, with comments where a user has to decide.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use landfall_release_document::PodSecurity;

use super::guess::{Guess, SecretGuess, rule_names};
use super::image_fields::ImageField;
use super::plain::quote_scalar;
use super::starter;
use crate::backup::unsaved_entry;
use crate::definition::{FILL_IN, Property};
use crate::secret_entry::RANDOM_LENGTH;

const RULE: &str = "  # `save` writes the data to its standard output in a running pod; `load` reads that from its \
    standard input into the\n  # empty volume, in a pod whose own program does not run. A check shows that the \
    software can use what was restored. See\n  # `landfall handbook vendor/backup-rules`. `landfall lock` refuses \
    the release until these fields are filled in.\n";

const UNSAVED: &str = "# A rule saves the volume of one pod, and these are of several: say why a site can do \
    without a backup of them, or set one pod and write a rule.\n";

const MOUNT: &str = "  # The pods mount this claim, and nothing here brings it: name the artifact whose files it \
    has, and list that under\n  # `artifacts` of the release and in images.lock. Remove the entry if software makes the claim at \
    the site.\n";

const IMAGE_FIELDS: &str = "# Images that programs get in texts, for pods that they make themselves. `landfall lock` \
    pins these images, in later versions as well. Remove\n\
    # what such a program never runs.\nimageFields:\n";

const WITHOUT: &str = "# What every component is expected to have, and this one lacks: add it and remove the line, or \
    say why a site\n# can do without.\n";

const OFFERS: &str = "# Ports of its pods, to components that have this one under `reaches`. `to: cluster` opens a \
    port to every pod, `to: everyone` to clients\n# outside as well. Components that these pods connect to belong under \
    `reaches`.\n";

/// The own file of a component that was derived from a source.
pub fn of_guess(guess: &Guess) -> String {
    let mut text = format!("# The component `{}`, begun by `landfall init`.\n", guess.name);
    let mut line = |words: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{words}");
    };
    if let Some(problem) = &guess.problem {
        line(format_args!("# With its default values it cannot be rendered, so nothing else is known of it yet:"));
        line(format_args!("# {}", problem.replace(FILL_IN, "")));
    }
    text += &objects(guess);
    let mut line = |words: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{words}");
    };
    if !guess.namespaces.is_empty() {
        let names: Vec<_> = guess.namespaces.iter().map(|name| quote_scalar(name)).collect();
        line(format_args!("namespaces: [{}]", names.join(", ")));
    }
    line(format_args!("needs: [{}]", guess.needs.join(", ")));
    line(format_args!("{}", pod_security(guess.pod_security)));
    if guess.is_console {
        line(format_args!("console: true"));
    }
    for missing in &guess.missing {
        line(format_args!(
            "# Its pods name {missing}, which nothing here brings: bring it, or list it under `madeOnSite`."
        ));
    }
    if !guess.made.is_empty() {
        let made: Vec<_> = guess.made.iter().map(|name| quote_scalar(&format!("Secret/{name}"))).collect();
        line(format_args!(
            "# A program of it is told these names and may create Secrets. What no software makes belongs under \
             `secrets`."
        ));
        line(format_args!("madeOnSite: [{}]", made.join(", ")));
    }
    text + &offers(&guess.offers)
        + &secrets(&guess.secrets)
        + &mounts(&guess.mounts)
        + &backup(guess)
        + &image_fields(&guess.image_fields)
        + &without(guess)
}

/// Statement of missing properties, with what is known as a reason.
fn without(guess: &Guess) -> String {
    if guess.lacks.is_empty() {
        return String::new();
    }
    let reason = |property: &Property| match property {
        Property::Probes => "some pods come without one",
        Property::Limits => "some containers come without them",
        Property::Proofs => "none is written yet",
    };
    let lines = guess.lacks.iter().map(|property| format!("  {}: {}\n", property.key(), reason(property)));
    format!("{WITHOUT}without:\n{}", lines.collect::<String>())
}

/// The own file of the platform's component that a source replaces: as the starter's, with other objects.
pub fn of_platform(guess: &Guess, tags: &BTreeMap<String, String>) -> String {
    format!("{}{}", objects(guess), starter::add_tags(starter::component_file(&guess.name), tags))
}

fn offers(ports: &[(u64, String)]) -> String {
    if ports.is_empty() {
        return String::new();
    }
    let entry = |(port, protocol): &(u64, String)| {
        let protocol = if protocol == "TCP" { String::new() } else { format!(", protocol: {protocol}") };
        format!("{{port: {port}{protocol}}}")
    };
    let entries: Vec<_> = ports.iter().map(entry).collect();
    format!("{OFFERS}offers: [{}]\n", entries.join(", "))
}

/// Table of fields with images; empty without such fields.
fn image_fields(fields: &[ImageField]) -> String {
    let mut lines: Vec<_> = fields.iter().map(ImageField::line).collect();
    lines.dedup();
    if lines.is_empty() { String::new() } else { format!("{IMAGE_FIELDS}{}", lines.concat()) }
}

/// Fields with the source of the objects, and with the objects that are left out.
fn objects(guess: &Guess) -> String {
    let folder = if guess.folder.starts_with('/') { guess.folder.clone() } else { format!("../../{}", guess.folder) };
    if !guess.is_chart {
        let is_own = guess.folder == format!("manifests/{}", guess.name);
        return if is_own { String::new() } else { format!("manifests: {}\n", quote_scalar(&folder)) };
    }
    let mut text = String::new();
    if !guess.left_out.is_empty() {
        text += "# Left out: tests that are more than one `curl --fail`, and what runs at an uninstall or a \
            rollback. What such a test\n# shows belongs under `proofs`.\n";
    }
    if let Some(place) = &guess.looks_up {
        let place = place.replace('\n', " ").replace(FILL_IN, "");
        let _infallible = writeln!(
            text,
            "# It looks up what a cluster has, and finds nothing here, as with `helm template`; `landfall build` \
             says what that\n# changes. {place}"
        );
    }
    text + &format!("chart: {}    # and `values: [FILE, …]`\n", guess.chart(&folder))
}

fn pod_security(level: PodSecurity) -> &'static str {
    match level {
        PodSecurity::Restricted => "podSecurity: restricted",
        PodSecurity::Baseline => "podSecurity: baseline    # `restricted` forbids some of its pods",
        PodSecurity::Privileged => "podSecurity: privileged    # `baseline` forbids some of its pods",
    }
}

fn secrets(secrets: &[SecretGuess]) -> String {
    if secrets.is_empty() {
        return String::new();
    }
    let mut text = "# Generated at the site, once. What is no secret, such as a user's name, belongs under `fixed: \
         {KEY: VALUE}`.\nsecrets:\n"
        .to_owned();
    for SecretGuess { name, keys, fixed, is_random, had_values } in secrets {
        if *had_values {
            text += "  # The manifests have it with values, which do not travel.\n";
        }
        let values: Vec<_> = if keys.is_empty() && fixed.is_empty() {
            vec![format!("{FILL_IN}: {RANDOM_LENGTH}")]
        } else if *is_random {
            keys.iter().map(|key| format!("{}: {RANDOM_LENGTH}", quote_scalar(key))).collect()
        } else {
            text += "  # Random letters and digits cannot be its values: have a Job make it, and list it under \
                `madeOnSite` instead.\n";
            keys.iter().map(|key| format!("{}: {FILL_IN}", quote_scalar(key))).collect()
        };
        let fixed: Vec<_> =
            fixed.iter().map(|(key, value)| format!("{}: {}", quote_scalar(key), quote_scalar(value))).collect();
        let parts = [("random", values), ("fixed", fixed)].into_iter().filter(|(_, keys)| !keys.is_empty());
        let parts: Vec<_> = parts.map(|(field, keys)| format!(", {field}: {{{}}}", keys.join(", "))).collect();
        let _infallible = writeln!(text, "  - {{name: {}{}}}", quote_scalar(name), parts.concat());
    }
    text
}

fn mounts(claims: &[String]) -> String {
    if claims.is_empty() {
        return String::new();
    }
    let entries = claims.iter().map(|claim| format!("  - {{artifact: {FILL_IN}, claim: {}}}\n", quote_scalar(claim)));
    format!("mounts:\n{MOUNT}{}", entries.collect::<String>())
}

fn backup(guess: &Guess) -> String {
    let (replicated, saved): (Vec<_>, Vec<_>) = guess.volumes.iter().cloned().partition(|volume| volume.is_replicated);
    let mut text = String::new();
    if !saved.is_empty() {
        text = format!("# `migrated` if an upgrade changes the data.\ndata: kept\nbackup:\n{RULE}");
    }
    for (volume, name) in saved.iter().zip(rule_names(&saved)) {
        let container = volume.container.as_ref().map(|name| format!("    container: {}\n", quote_scalar(name)));
        let _infallible = write!(
            text,
            "  - name: {name}\n    workload: {}\n{}    volume: {}\n    save: [{FILL_IN}]\n    \
             load: [{FILL_IN}]\n    checks:\n      - {{shows: {FILL_IN}, arguments: [{FILL_IN}]}}\n",
            quote_scalar(&volume.workload),
            container.unwrap_or_default(),
            quote_scalar(&volume.name)
        );
    }
    if !replicated.is_empty() {
        let entries = replicated.iter().map(|it| unsaved_entry(&format!("{}/{}", it.workload, it.name)));
        let entries: Vec<_> = entries.map(|entry| format!("  {entry}\n")).collect();
        let _infallible = write!(text, "{UNSAVED}unsaved:\n{}", entries.concat());
    }
    text
}
