//! `landfall lock`: resolves the references of a release in registries, and pins them.

use std::path::PathBuf;

use landfall_builder::{
    EntryChange, InputChange, LockCheck, LockOptions, LockReport, LockRequests, LockUpdate, PinnedInput, SourceOptions,
    UnrenderedComponent,
};
use landfall_error_codes::codes;

use super::found_images;
use crate::cli::{LockArguments, SourceArguments};
use crate::count::format_count;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::TerminalProgress;

impl Document for LockReport {
    const KIND: &'static str = "lock";
}

impl Document for LockRequests {
    const KIND: &'static str = "lockRequests";
}

impl Document for LockCheck {
    const KIND: &'static str = "lockCheck";
}

impl Document for LockUpdate {
    const KIND: &'static str = "lockUpdate";
}

/// Resolves a lock and adds images, checks it, updates entries, or lists the requests.
pub(crate) fn run(arguments: LockArguments, printer: Printer) -> Result<(), Failure> {
    let source = source(arguments.release, arguments.source);
    if arguments.dry_run {
        let LockArguments { store, kubectl, helm, output, .. } = arguments;
        let options = LockOptions { source, store: store.unwrap_or_default(), kubectl, helm, output };
        printer.report(&landfall_builder::lock_requests(&options)?, requests_text)?;
        return Ok(());
    }
    let store = arguments.store.map_or_else(default_store, Ok)?;
    let options =
        LockOptions { source, store, kubectl: arguments.kubectl, helm: arguments.helm, output: arguments.output };
    if arguments.check {
        let check = landfall_builder::lock_check(&options, &TerminalProgress::new(printer))?;
        printer.report(&check, check_text)?;
        return Ok(());
    }
    if let Some(names) = &arguments.update {
        let update = landfall_builder::lock_update(&options, names, &TerminalProgress::new(printer))?;
        printer.report(&update, update_text)?;
        return Ok(());
    }
    let report = landfall_builder::lock(&options, &TerminalProgress::new(printer))?;
    printer.report(&report, text)?;
    Ok(())
}

fn text(report: &LockReport) -> String {
    let LockReport { lock, resolved, entries, renderer, helm, .. } = report;
    let mut lines = vec![format!("{}: {resolved} of {entries} entries newly resolved", lock.display())];
    lines.push(format!("renders with kubectl {}, {}", renderer.version, renderer.digest));
    lines.extend(helm.iter().map(|helm| format!("renders charts with Helm {}, {}", helm.version, helm.digest)));
    if report.signed > 0 {
        lines.push(format!("verified the signatures of {}", format_count(report.signed, "image")));
    }
    let moved = report.moved.iter().map(|moved| {
        format!(
            "moved since it was resolved: {} names {} now; the lock keeps {}",
            moved.reference, moved.now, moved.pinned
        )
    });
    lines.extend(moved);
    lines.extend(found_images::lines(&report.found));
    lines.join("\n")
}

fn check_text(check: &LockCheck) -> String {
    let LockCheck { lock, asked, found } = check;
    let held = format!("{}: everything is resolved and still what upstream has ({asked} asked)", lock.display());
    std::iter::once(held).chain(found_images::lines(found)).collect::<Vec<_>>().join("\n")
}

const FOLLOWS: &str = "what answers name is asked for then, here and by `landfall build`:";

const UNFORESEEN: &str =
    "a registry may name a server of tokens, a package index the addresses of its wheels, and any server may redirect";

fn requests_text(found: &LockRequests) -> String {
    let line = |upstream: &str, mirror: &Option<String>| match mirror {
        Some(mirror) => format!("{upstream} by way of {mirror}"),
        None => upstream.to_owned(),
    };
    let lines: Vec<_> = found.requests.iter().map(|request| line(&request.upstream, &request.mirror)).collect();
    let count = lines.len();
    let said =
        format!("{}\n{}: {count} addresses would be asked, and none was", lines.join("\n"), found.lock.display());
    let unknown = found.unrendered.iter().map(|UnrenderedComponent { component, problem }| {
        format!("\nwhat {component} names besides what the lock has is not known yet: {problem}")
    });
    let after: Vec<_> = found.follow_ups.iter().map(|one| line(&one.upstream, &one.mirror)).collect();
    let after =
        if after.is_empty() { String::new() } else { format!("\n{FOLLOWS}\n{}\n{UNFORESEEN}", after.join("\n")) };
    said + &unknown.collect::<Vec<_>>().concat() + &after
}

/// Text about each changed entry, with a line for each state of its pins: `-` for before, `+` for now.
fn update_text(update: &LockUpdate) -> String {
    let LockUpdate { lock, entries, changed } = update;
    let mut lines = Vec::new();
    for EntryChange { kind, entry, inputs } in changed {
        lines.push(format!("{} {entry}", kind.noun()));
        lines.extend(inputs.iter().flat_map(states));
    }
    let count = if changed.is_empty() { "nothing".to_owned() } else { changed.len().to_string() };
    lines.push(format!("{}: {} asked for, {count} changed", lock.display(), format_count(*entries, "entry")));
    lines.join("\n")
}

/// Lines with the earlier and the present pin of an input.
fn states(change: &InputChange) -> Vec<String> {
    let InputChange { name, before, after } = change;
    let version = |pinned: &Option<PinnedInput>| pinned.as_ref().and_then(|pinned| pinned.version.clone());
    // An unchanged tag or URL is in the lock, and would only hide the difference.
    let is_same = before.is_some() && version(before) == version(after);
    let line = |mark: char, pinned: &PinnedInput| {
        let version = pinned.version.clone().filter(|_| !is_same);
        let digest = pinned.digest.map(|digest| digest.to_string());
        let size = pinned.size_bytes.map(|bytes| format!("({})", format_count(bytes, "byte")));
        let parts = [name.clone(), version, digest, size];
        format!("  {mark} {}", parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
    };
    let states = [before.as_ref().map(|pinned| line('-', pinned)), after.as_ref().map(|pinned| line('+', pinned))];
    states.into_iter().flatten().collect()
}

/// Default path of the vendor's content store.
pub(super) fn default_store() -> Result<PathBuf, Failure> {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let data = data.or_else(|| std::env::home_dir().map(|home| home.join(".local/share")));
    let missing =
        || Failure::new(codes::BAD_ARGUMENT, "no home folder is known, so --store must name the content store");
    Ok(data.ok_or_else(missing)?.join("landfall/store"))
}

/// Converts the arguments to the sources of a release's inputs.
pub(super) fn source(release: PathBuf, arguments: SourceArguments) -> SourceOptions {
    SourceOptions { release, lock: arguments.lock, registries: arguments.registries }
}

#[cfg(test)]
mod tests {
    use landfall_builder::{ChangedKind, FollowUp, FollowUpKind, LockFindings, LockRequest, RequestKind, UnusedEntry};

    use super::*;

    fn sample_pin(version: Option<&str>, digit: u8, size_bytes: u64) -> PinnedInput {
        let digest = format!("sha256:{}", format!("{digit:02x}").repeat(32)).parse().ok();
        PinnedInput { version: version.map(str::to_owned), digest, size_bytes: Some(size_bytes) }
    }

    fn change(kind: ChangedKind, entry: &str, inputs: Vec<InputChange>) -> EntryChange {
        EntryChange { kind, entry: entry.to_owned(), inputs }
    }

    /// A change of the entry's own pin.
    fn pin_change(before: PinnedInput, after: PinnedInput) -> InputChange {
        InputChange { name: None, before: Some(before), after: Some(after) }
    }

    #[test]
    fn check_lists_findings_below_result() {
        let unused = UnusedEntry { kind: ChangedKind::Image, entry: "docker.io/valkey/valkey:1".to_owned() };
        let found = LockFindings { unused: vec![unused], ..LockFindings::default() };
        let check = LockCheck { lock: "images.lock".into(), asked: 3, found };
        let expected = "images.lock: everything is resolved and still what upstream has (3 asked)\n\
                        not used by this release, and kept: image docker.io/valkey/valkey:1";
        assert_eq!(check_text(&check), expected);
    }

    #[test]
    fn dry_run_lists_follow_up_requests() {
        let request = LockRequest {
            entry: "ghcr.io/a/one:1".to_owned(),
            what: RequestKind::Manifest,
            upstream: "https://ghcr.io/v2/a/one/manifests/1".to_owned(),
            mirror: None,
        };
        let follow_up = FollowUp {
            what: FollowUpKind::Blob,
            upstream: "https://ghcr.io/v2/NAME/blobs/DIGEST".to_owned(),
            mirror: Some("https://mirror.example/v2/NAME/blobs/DIGEST".to_owned()),
        };
        let (requests, follow_ups) = (vec![request], vec![follow_up]);
        let found = LockRequests { lock: "images.lock".into(), requests, follow_ups, unrendered: Vec::new() };
        assert_eq!(
            requests_text(&found),
            "https://ghcr.io/v2/a/one/manifests/1\nimages.lock: 1 addresses would be asked, and none was\n\
             what answers name is asked for then, here and by `landfall build`:\n\
             https://ghcr.io/v2/NAME/blobs/DIGEST by way of https://mirror.example/v2/NAME/blobs/DIGEST\n\
             a registry may name a server of tokens, a package index the addresses of its wheels, and any server may \
             redirect"
        );
    }

    #[test]
    fn update_lists_changed_inputs() {
        let named = |name: &str, before, after| InputChange { name: Some(name.to_owned()), before, after };
        let commit = |digit: &str| PinnedInput { version: Some(digit.repeat(40)), digest: None, size_bytes: None };
        let program = |version, digit| PinnedInput { size_bytes: None, ..sample_pin(Some(version), digit, 0) };
        let of_model = vec![
            pin_change(commit("a"), commit("b")),
            named("x.json", Some(sample_pin(None, 5, 2)), Some(sample_pin(None, 6, 3))),
            named("y.json", Some(sample_pin(None, 7, 2)), None),
            named("z.json", None, Some(sample_pin(None, 8, 2))),
        ];
        let of_set =
            vec![named("torch", Some(sample_pin(Some("2.9.0"), 9, 7)), Some(sample_pin(Some("2.9.1"), 10, 8)))];
        let renderer = vec![pin_change(program("v1.36.2", 3), program("v1.36.3", 4))];
        let image = vec![pin_change(sample_pin(Some("1"), 1, 531), sample_pin(Some("1"), 2, 1))];
        let retagged = vec![pin_change(sample_pin(Some("1"), 1, 531), sample_pin(Some("2"), 1, 531))];
        let changed = vec![
            change(ChangedKind::Renderer, "kubectl", renderer),
            change(ChangedKind::Image, "docker.io/grafana/grafana:11.1.0", image),
            change(ChangedKind::Image, "docker.io/valkey/valkey:2", retagged),
            change(ChangedKind::Artifact, "huggingface.co/a/b:main", of_model),
            change(ChangedKind::Artifact, "shop.example/wheels:1", of_set),
        ];
        let update = LockUpdate { lock: "images.lock".into(), entries: 18, changed };
        insta::assert_snapshot!(update_text(&update));
        let none = LockUpdate { entries: 1, changed: Vec::new(), ..update };
        assert_eq!(update_text(&none), "images.lock: 1 entry asked for, nothing changed");
    }
}
