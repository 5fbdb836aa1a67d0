//! `landfall lock`: resolve what a release names against its registries, and pin it.

use std::path::PathBuf;

use landfall_builder::{LockCheck, LockOptions, LockReport, LockRequests, SourceOptions};
use landfall_error_codes::codes;

use crate::cli::{LockArguments, SourceArguments};
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::Drawn;

impl Document for LockReport {
    const KIND: &'static str = "lock";
}

impl Document for LockRequests {
    const KIND: &'static str = "lockRequests";
}

impl Document for LockCheck {
    const KIND: &'static str = "lockCheck";
}

/// Resolves a lock, checks it, or lists what it would ask.
pub(crate) fn run(arguments: LockArguments, printer: Printer) -> Result<(), Failure> {
    let source = source(arguments.release, arguments.source);
    if arguments.dry_run {
        let requests = landfall_builder::lock_requests(&source)?;
        printer.report(&requests, requests_text);
        return Ok(());
    }
    let store = arguments.store.map_or_else(default_store, Ok)?;
    if arguments.check {
        let check = landfall_builder::lock_check(&source, &store, &Drawn::new(printer))?;
        printer.report(&check, |check| {
            let LockCheck { lock, asked } = check;
            format!("{}: everything is resolved and still what upstream has ({asked} asked)", lock.display())
        });
        return Ok(());
    }
    let options =
        LockOptions { source, store, kubectl: arguments.kubectl, helm: arguments.helm, output: arguments.output };
    let report = landfall_builder::lock(&options, &Drawn::new(printer))?;
    printer.report(&report, text);
    Ok(())
}

fn text(report: &LockReport) -> String {
    let LockReport { lock, resolved, entries, renderer, helm, .. } = report;
    let mut lines = vec![format!("{}: {resolved} of {entries} entries newly resolved", lock.display())];
    lines.push(format!("renders with kubectl {}, {}", renderer.version, renderer.digest));
    lines.extend(helm.iter().map(|helm| format!("renders charts with Helm {}, {}", helm.version, helm.digest)));
    let moved = report.moved.iter().map(|moved| {
        format!(
            "moved since it was resolved: {} names {} now; the lock keeps {}",
            moved.reference, moved.now, moved.pinned
        )
    });
    lines.extend(moved);
    lines.join("\n")
}

fn requests_text(found: &LockRequests) -> String {
    let lines = found.requests.iter().map(|request| match &request.mirror {
        Some(mirror) => format!("{} by way of {mirror}", request.upstream),
        None => request.upstream.clone(),
    });
    let lines: Vec<_> = lines.collect();
    let count = lines.len();
    format!("{}\n{}: {count} addresses would be asked, and none was", lines.join("\n"), found.lock.display())
}

/// Where the vendor's content store is unless an option names another folder.
pub(super) fn default_store() -> Result<PathBuf, Failure> {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let data = data.or_else(|| std::env::home_dir().map(|home| home.join(".local/share")));
    let missing =
        || Failure::new(codes::BAD_ARGUMENT, "no home folder is known, so --store must name the content store");
    Ok(data.ok_or_else(missing)?.join("landfall/store"))
}

/// Where a release's inputs come from, as the builder takes it.
pub(super) fn source(release: PathBuf, arguments: SourceArguments) -> SourceOptions {
    SourceOptions { release, lock: arguments.lock, registries: arguments.registries }
}
