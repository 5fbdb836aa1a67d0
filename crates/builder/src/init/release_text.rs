//! The text of `release.yaml`, with comments where a user has to decide.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use landfall_release_document::PodSecurity;

use super::guess::{Guess, SecretGuess, rule_names};
use super::image_fields::ImageField;
use super::plain::quote_scalar;
use super::sources::Source;
use super::starter;
use crate::backup::unsaved_entry;
use crate::definition::FILL_IN;
use crate::secret_entry::RANDOM_LENGTH;

const RULE: &str = "      # `save` writes the data to its standard output in a running pod; `load` reads that from its \
    standard input into the\n      # empty volume, in a pod whose own program does not run. A check shows that the \
    software can use what was restored. See\n      # `landfall handbook vendor/backup-rules`. `landfall lock` refuses \
    the release until these fields are filled in.\n";

const UNSAVED: &str = "    # A rule saves the volume of one pod, and these are of several: say why a site can do \
    without a backup of them, or set one pod and write a rule.\n";

const MOUNT: &str = "      # The pods mount this claim, and nothing here brings it: name the artifact whose files it \
    has, and list that under\n      # `artifacts` and in images.lock. Remove the entry if software makes the claim at \
    the site.\n";

const IMAGE_FIELDS: &str = "# Images that programs get in texts, for pods that they make themselves. `landfall lock` \
    pins these images, in later versions as well. Remove\n\
    # what such a program never runs.\nimageFields:\n";

const CONSOLE_NOTE: &str = "  # What a customer opens in a browser. `landfall build` makes its image. `landfall init \
    --no-console` leaves it out.\n";

/// Creates the definition of a release with these components, and with Landfall's console if requested. `tags`
/// completes images of the platform that would match several entries of the lock.
pub fn text(
    name: &str,
    sources: &[Source],
    guesses: &[Guess],
    has_console: bool,
    tags: &BTreeMap<String, String>,
) -> String {
    let folder_of = |component: &str| {
        let source = sources.iter().position(|source| source.name == component).and_then(|index| guesses.get(index));
        source.map_or_else(|| format!("manifests/{component}"), |guess| guess.folder.clone())
    };
    let mut platform: Vec<_> = starter::NAMES.iter().map(|name| starter::component(name, &folder_of(name))).collect();
    if has_console {
        let console = starter::component(starter::CONSOLE, &folder_of(starter::CONSOLE));
        platform.push(format!("{CONSOLE_NOTE}{console}"));
    }
    let own = guesses.iter().filter(|guess| !starter::NAMES.contains(&guess.name.as_str()));
    let own: Vec<_> = own.map(component).collect();
    format!(
        "# The release `{name}`, begun by `landfall init`. A field that says {FILL_IN} needs a person: `landfall lock` \
         refuses the\n\
         # release until it is filled in.\nname: {name}\nversion: 0.1.0\n# Monotonic: every release that customers get \
         has a greater one.\ncounter: 1\n\
         platform: linux/amd64\nlock: images.lock\n\n\
         # What a node must have. `data` is what your software writes; Landfall adds what the bundle brings.\n\
         requirements:\n  cores: 2\n  memory: 4Gi\n  data: 10Gi\n\n{}\nartifacts:\n{}\n\
         components:\n  # Network, names and volumes, as in Landfall's starter release.\n{}\n  # Made of what was \
         given to `landfall init`.\n{}\n{}\
         values:\n  # Computed at the site from facts and ranges; a site cannot set them.\n{}",
        starter::add_tags(&starter::node_packs(), tags),
        starter::artifacts(),
        starter::add_tags(&platform.join("\n"), tags),
        own.join("\n"),
        image_fields(guesses),
        starter::values()
    )
}

/// Table of fields with images; empty without such fields.
fn image_fields(guesses: &[Guess]) -> String {
    let fields = guesses.iter().flat_map(|guess| &guess.image_fields);
    let mut lines: Vec<_> = fields.map(ImageField::line).collect();
    lines.dedup();
    if lines.is_empty() { String::new() } else { format!("{IMAGE_FIELDS}{}\n", lines.concat()) }
}

fn component(guess: &Guess) -> String {
    if guess.is_console && guess.name == starter::CONSOLE {
        return starter::component(starter::CONSOLE, &guess.folder);
    }
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{words}");
    };
    line(format_args!("  - name: {}", guess.name));
    if let Some(problem) = &guess.problem {
        line(format_args!("    # With its default values it cannot be rendered, so nothing else is known of it yet:"));
        line(format_args!("    # {}", problem.replace(FILL_IN, "")));
    }
    text += &objects(guess);
    let mut line = |words: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{words}");
    };
    line(format_args!("    namespace: {}", quote_scalar(&guess.namespace)));
    if !guess.namespaces.is_empty() {
        let names: Vec<_> = guess.namespaces.iter().map(|name| quote_scalar(name)).collect();
        line(format_args!("    namespaces: [{}]", names.join(", ")));
    }
    line(format_args!("    needs: [{}]", guess.needs.join(", ")));
    line(format_args!("    {}", pod_security(guess.pod_security)));
    if guess.is_console {
        line(format_args!("    console: true"));
    }
    for missing in &guess.missing {
        line(format_args!(
            "    # Its pods name {missing}, which nothing here brings: bring it, or list it under `madeOnSite`."
        ));
    }
    if !guess.made.is_empty() {
        let made: Vec<_> = guess.made.iter().map(|name| quote_scalar(&format!("Secret/{name}"))).collect();
        line(format_args!(
            "    # A program of it is told these names and may create Secrets. What no software makes belongs under \
             `secrets`."
        ));
        line(format_args!("    madeOnSite: [{}]", made.join(", ")));
    }
    text + &secrets(&guess.secrets) + &mounts(&guess.mounts) + &backup(guess)
}

/// Fields with the source of the objects, and with the objects that are left out.
fn objects(guess: &Guess) -> String {
    if !guess.is_chart {
        return format!("    manifests: {}\n", quote_scalar(&guess.folder));
    }
    let mut text = String::new();
    if !guess.left_out.is_empty() {
        text += "    # Left out: tests that are more than one `curl --fail`, and what runs at an uninstall or a \
            rollback. What such a test\n    # shows belongs under `proofs`.\n";
    }
    if let Some(place) = &guess.looks_up {
        let place = place.replace('\n', " ").replace(FILL_IN, "");
        let _infallible = writeln!(
            text,
            "    # It looks up what a cluster has, and finds nothing here, as with `helm template`; `landfall build` \
             says what that\n    # changes. {place}"
        );
    }
    text + &format!("    chart: {}    # and `values: [FILE, …]`\n", guess.chart())
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
    let mut text =
        "    # Generated at the site, once. What is no secret, such as a user's name, belongs under `fixed: \
         {KEY: VALUE}`.\n    secrets:\n"
            .to_owned();
    for SecretGuess { name, keys, fixed, is_random, had_values } in secrets {
        if *had_values {
            text += "      # The manifests have it with values, which do not travel.\n";
        }
        let values: Vec<_> = if keys.is_empty() && fixed.is_empty() {
            vec![format!("{FILL_IN}: {RANDOM_LENGTH}")]
        } else if *is_random {
            keys.iter().map(|key| format!("{}: {RANDOM_LENGTH}", quote_scalar(key))).collect()
        } else {
            text += "      # Random letters and digits cannot be its values: have a Job make it, and list it under \
                `madeOnSite` instead.\n";
            keys.iter().map(|key| format!("{}: {FILL_IN}", quote_scalar(key))).collect()
        };
        let fixed: Vec<_> =
            fixed.iter().map(|(key, value)| format!("{}: {}", quote_scalar(key), quote_scalar(value))).collect();
        let parts = [("random", values), ("fixed", fixed)].into_iter().filter(|(_, keys)| !keys.is_empty());
        let parts: Vec<_> = parts.map(|(field, keys)| format!(", {field}: {{{}}}", keys.join(", "))).collect();
        let _infallible = writeln!(text, "      - {{name: {}{}}}", quote_scalar(name), parts.concat());
    }
    text
}

fn mounts(claims: &[String]) -> String {
    if claims.is_empty() {
        return String::new();
    }
    let entries =
        claims.iter().map(|claim| format!("      - {{artifact: {FILL_IN}, claim: {}}}\n", quote_scalar(claim)));
    format!("    mounts:\n{MOUNT}{}", entries.collect::<String>())
}

fn backup(guess: &Guess) -> String {
    let (replicated, saved): (Vec<_>, Vec<_>) = guess.volumes.iter().cloned().partition(|volume| volume.is_replicated);
    let mut text = String::new();
    if !saved.is_empty() {
        text = format!("    # `migrated` if an upgrade changes the data.\n    data: kept\n    backup:\n{RULE}");
    }
    for (volume, name) in saved.iter().zip(rule_names(&saved)) {
        let container = volume.container.as_ref().map(|name| format!("        container: {}\n", quote_scalar(name)));
        let _infallible = write!(
            text,
            "      - name: {name}\n        workload: {}\n{}        volume: {}\n        save: [{FILL_IN}]\n        \
             load: [{FILL_IN}]\n        checks:\n          - {{shows: {FILL_IN}, arguments: [{FILL_IN}]}}\n",
            quote_scalar(&volume.workload),
            container.unwrap_or_default(),
            quote_scalar(&volume.name)
        );
    }
    if !replicated.is_empty() {
        let entries = replicated.iter().map(|it| unsaved_entry(&format!("{}/{}", it.workload, it.name)));
        let entries: Vec<_> = entries.map(|entry| format!("      {entry}\n")).collect();
        let _infallible = write!(text, "{UNSAVED}    unsaved:\n{}", entries.concat());
    }
    text
}
