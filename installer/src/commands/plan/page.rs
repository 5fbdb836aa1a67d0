//! The plan as a self-contained page, for e-mail, a printer or a phone.

use askama::Template;
use indicatif::HumanBytes;
use landfall_engine::plan::Undo;
use landfall_lifecycle::plan::figures::{FilesystemFigures, Moment};

use super::DryRun;
use super::text::{duration, host, models, summary, way_back};
use crate::commands::pages::render_page;
use crate::failure::Failure;
use crate::shown;

/// Width of a filesystem's picture in its own units, shared by the bars.
const WIDTH: u64 = 1000;
/// Height of a filesystem's picture, in its own units.
const HEIGHT: u64 = 200;

/// The page. All text is escaped, and invisible characters are spelled out.
#[derive(Template)]
#[template(path = "plan.html")]
struct Page {
    title: String,
    collected: String,
    host: Vec<(String, String)>,
    bundle: String,
    development: bool,
    summary: String,
    way_back: String,
    accepted: Vec<(String, String)>,
    filesystems: Vec<Space>,
    steps: Vec<Item>,
}

/// A filesystem with its picture.
struct Space {
    paths: String,
    free: String,
    peak: String,
    last: String,
    bars: Vec<Bar>,
    moments: Vec<(String, String)>,
}

/// A bar of the picture: space in use after a step, and peak until then.
struct Bar {
    x: u64,
    width: u64,
    used_y: u64,
    used_height: u64,
    peak_y: u64,
    peak_height: u64,
}

struct Item {
    id: String,
    title: String,
    time: String,
    basis: &'static str,
    written: Option<String>,
    is_final: bool,
}

/// Makes the page of a plan.
pub(super) fn page(dry_run: &DryRun<'_>) -> Result<String, Failure> {
    let DryRun { bundle, development, facts, accepted, fitted, figures, plan } = dry_run;
    let steps = plan.steps.iter().zip(&figures.steps).map(|(planned, step)| Item {
        id: shown::line(&step.id),
        title: shown::line(&step.title),
        time: duration(step.milliseconds),
        basis: step.basis.title(),
        written: (step.written_bytes > 0).then(|| HumanBytes(step.written_bytes).to_string()),
        is_final: planned.undo == Undo::Irreversible,
    });
    let page = Page {
        title: shown::line(&format!("{} {}", plan.release, plan.version)),
        collected: shown::line(&facts.collected_at),
        host: host(facts)
            .into_iter()
            .chain(models(fitted).map(|line| ("models", line)))
            .map(|(name, value)| (capitalize(name), shown::line(&value)))
            .collect(),
        bundle: bundle.clone(),
        development: *development,
        summary: capitalize(&summary(figures)),
        way_back: capitalize(&way_back(figures)),
        accepted: accepted
            .iter()
            .map(|one| (shown::line(&one.name), shown::line(&format!("{} ({})", one.message, one.measured))))
            .collect(),
        filesystems: figures.filesystems.iter().map(space).collect(),
        steps: steps.collect(),
    };
    render_page(&page)
}

fn space(figures: &FilesystemFigures) -> Space {
    let shown = |bytes: u64| HumanBytes(bytes).to_string();
    let moment = |moment: &Moment| {
        let passing = if moment.peak_bytes > moment.used_bytes {
            format!("{}, at most {} until then", shown(moment.used_bytes), shown(moment.peak_bytes))
        } else {
            shown(moment.used_bytes)
        };
        (shown::line(&moment.step), passing)
    };
    Space {
        paths: shown::line(&figures.paths.join(", ")),
        free: format!("{} of {}", shown(figures.free_bytes), shown(figures.total_bytes)),
        peak: shown(figures.peak_bytes),
        last: shown(figures.final_bytes),
        bars: bars(figures),
        moments: figures.moments.iter().map(moment).collect(),
    }
}

/// Bars for all moments, with heights in proportion to the used space.
fn bars(figures: &FilesystemFigures) -> Vec<Bar> {
    let count = figures.moments.len() as u64;
    let scaled = |bytes: u64| {
        let height = u128::from(bytes) * u128::from(HEIGHT) / u128::from(figures.peak_bytes.max(1));
        u64::try_from(height).unwrap_or(HEIGHT).clamp(1, HEIGHT)
    };
    let bar = |(index, moment): (u64, &Moment)| {
        let (used_height, peak_height) = (scaled(moment.used_bytes), scaled(moment.peak_bytes));
        let (begin, end) = (index * WIDTH / count, (index + 1) * WIDTH / count);
        Bar {
            x: begin,
            width: (end - begin).saturating_sub(4).max(1),
            used_y: HEIGHT - used_height,
            used_height,
            peak_y: HEIGHT - peak_height,
            peak_height,
        }
    };
    (0..).zip(&figures.moments).map(bar).collect()
}

fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
