//! Renders a chart to the objects of a component of the release.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use landfall_error_codes::{CodedError as _, codes};
use landfall_kinds::chart_api_versions as served_kinds;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::files::ChartFiles;
use super::helm::{Rendering, lacks_current_passwords, values_file};
use super::hooks::{self, Rules};
use super::open::{Charts, OpenChart};
use super::output::{self, SourcedObject};
use super::unsteady::{self, ChartSecret, SteadyContent};
use super::{clock, lookup, stages, tests_as_proofs, upgrades};
use crate::definition::{ChartDefinition, ComponentDefinition, Definition, SecretDefinition};
use crate::error::{BuildError, Place, Result};
use crate::program::Program;
use crate::rendered::{RenderedComponent, title};
use crate::secret_entry::{self, SecretEntry};

/// Maximum size of a file of values, in bytes.
const VALUES_BYTES: u64 = 1 << 20;

/// A pause of more than one second, the finest time that template functions with an implicit clock print.
const TICK: Duration = Duration::from_millis(1100);

/// Folder of a chart during its rendering.
const CHART: &str = "chart";

/// Folder of the chart without its templates.
const BARE_CHART: &str = "bare-chart";

/// Folder of the chart whose look-ups return nothing and are not refused.
const UNTRAPPED_CHART: &str = "untrapped-chart";

/// Folder of the chart with trapped look-ups, rendered to find out whether the chart makes one.
const TRAPPED_CHART: &str = "trapped-chart";

/// Renders a component's chart, and adds to the definition everything that the chart provides besides objects.
///
/// Returns the component, between the components for hooks that run before and after it, if the chart has such hooks.
pub fn render(
    definition: &mut Definition,
    index: usize,
    charts: &Charts,
    before: &[RenderedComponent],
) -> Result<Vec<RenderedComponent>> {
    let component = definition.release.components[index].clone();
    let (Some(chart), Some(opened), Some(helm)) = (component.chart(), charts.opened.get(&index), &charts.helm) else {
        let what = format!("the chart of the component `{}` was not opened", component.name.value);
        return Err(BuildError::new(codes::BUG, what));
    };
    let served = cluster_kinds(definition, index, before);
    let ChartRendering { times: [mut first, mut second], asks } =
        at_two_times(definition, &component, chart, opened, helm, &charts.kubernetes, &served)?;
    leave_out(definition, index, chart, &mut first)?;
    second.retain(|sourced| !is_left_out(chart, sourced));
    let given = component.site_secrets.iter().map(|secret| &secret.value.name);
    let known = component.secrets.iter().map(|secret| &secret.name.value).chain(given);
    let known = known.map(|name| format!("Secret/{name}")).collect();
    let refusing = |error: BuildError| error.refusing(&opened.name);
    let steady = unsteady::steady(first, &second, &known, &component.namespace.value);
    let SteadyContent { objects, secrets } = steady.map_err(refusing)?;
    definition.release.remarks.extend(asks.map(|asks| remark(opened, &asks, &objects, &secrets)));
    let objects = absorb(&component, objects)?;
    let version = definition.release.version.value.clone();
    let repeatable = chart.repeatable.iter().map(|title| title.value.as_str()).collect();
    let rules = Rules { chart: Path::new(&opened.name), version: &version, repeatable };
    let placed = rules.place(objects).map_err(refusing)?;
    definition.release.proofs.extend(tests_as_proofs::proofs(&component, &placed.tests)?);
    let own = &mut definition.release.components[index].secrets;
    own.extend(secrets.into_iter().map(|secret| secret_definition(&component, secret)));
    stages::bring(definition, index, &opened.name, placed)
}

/// Hooks of a component's chart that a release normally omits, by kind and name. Does not change the definition.
pub fn idle_hooks(definition: &Definition, index: usize, charts: &Charts) -> Result<Vec<String>> {
    let component = &definition.release.components[index];
    let (Some(chart), Some(opened), Some(helm)) = (component.chart(), charts.opened.get(&index), &charts.helm) else {
        return Ok(Vec::new());
    };
    let served = cluster_kinds(definition, index, &[]);
    let printed = at_two_times(definition, component, chart, opened, helm, &charts.kubernetes, &served)?;
    let [first, second] = &printed.times;
    let mut idle = hooks::idle(component, first);
    // An object whose name changes at each rendering cannot be listed.
    idle.retain(|wanted| second.iter().any(|sourced| title(&sourced.object) == *wanted));
    Ok(idle)
}

/// The rendered objects of a chart.
struct ChartRendering {
    /// The objects, rendered at two times.
    times: [Vec<SourcedObject>; 2],
    /// The first look-up that the rendering makes, if look-ups are allowed.
    asks: Option<String>,
}

/// Remark on look-ups that return nothing, for a user who wrote `lookups: empty`.
fn remark(opened: &OpenChart, asks: &str, objects: &[SourcedObject], secrets: &[ChartSecret]) -> String {
    let own = lookup::asking(&opened.files);
    let is_asking =
        |sourced: &&SourcedObject| own.iter().any(|path| Path::new(&opened.name).join(path) == sourced.file);
    let asking: BTreeSet<_> = objects.iter().filter(is_asking).map(|sourced| title(&sourced.object)).collect();
    let generated: Vec<_> = secrets.iter().map(|secret| format!("Secret/{}", secret.name)).collect();
    let count = if objects.len() == 1 { "1 object".to_owned() } else { format!("{} objects", objects.len()) };
    let mut text = format!("{asks}; it finds nothing, as `lookups: empty` says, and the chart renders {count}");
    if !asking.is_empty() {
        let asking: Vec<_> = asking.into_iter().collect();
        let _infallible = write!(text, "; of templates that ask: {}", asking.join(", "));
    }
    if !generated.is_empty() {
        let _infallible = write!(text, "; generated at the site: {}", generated.join(", "));
    }
    text
}

/// Renders the objects of a component's chart at two times.
fn at_two_times(
    definition: &Definition,
    component: &ComponentDefinition,
    chart: &ChartDefinition,
    opened: &OpenChart,
    helm: &Program,
    kubernetes: &str,
    served: &[String],
) -> Result<ChartRendering> {
    let mut files = opened.files.clone();
    if !chart.has_empty_lookups() {
        lookup::trap(&opened.name, &mut files).map_err(|error| error.refusing(&opened.name))?;
    }
    let values = values(definition, chart)?;
    let folder = tempfile::tempdir().map_err(|error| super::interruption_error("the chart", error))?;
    let [today, another_day] = ["today", "another-day"].map(|name| folder.path().join(name));
    write(&files, &values, &today)?;
    write(&clock::on_another_day(&files), &clock::on_another_day(&values), &another_day)?;
    let reads_seconds = clock::reads_seconds(&files) || clock::reads_seconds(&values);
    let days = Days { another: &another_day, pause: if reads_seconds { TICK } else { Duration::ZERO } };
    let mut rendering = Rendering {
        name: &opened.name,
        folder: &today,
        chart: CHART,
        values: chart.values.len(),
        release: &chart.release.as_ref().unwrap_or(&component.name).value,
        namespace: &component.namespace.value,
        kubernetes,
        served,
        is_upgrade: false,
    };
    let served = with_own(&rendering, &files, helm)?;
    rendering.served = &served;
    let install = days.both(&rendering, helm)?;
    let asks = if chart.has_empty_lookups() { first_lookup(&rendering, &files, helm)? } else { None };
    Ok(ChartRendering { times: with_upgrade(&rendering, chart, (&opened.files, days), helm, install)?, asks })
}

/// The error text of the first look-up that a rendering makes; `None` if it makes none.
fn first_lookup(rendering: &Rendering<'_>, files: &ChartFiles, helm: &Program) -> Result<Option<String>> {
    let mut trapped = files.clone();
    match lookup::trap(rendering.name, &mut trapped) {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        Err(error) => return Ok(Some(error.to_string())),
    }
    let written = trapped.write(&rendering.folder.join(TRAPPED_CHART));
    written.map_err(|error| super::interruption_error("the chart", error))?;
    let refused = Rendering { chart: TRAPPED_CHART, ..*rendering }.run(helm).err();
    Ok(refused.filter(|error| error.code() == codes::CHART_LOOKUP).map(|error| error.to_string()))
}

/// The second rendering: the same chart on another day, after a pause.
#[derive(Clone, Copy)]
struct Days<'a> {
    another: &'a Path,
    pause: Duration,
}

impl Days<'_> {
    /// Renders the chart, and renders it again on another day.
    fn both(self, rendering: &Rendering<'_>, helm: &Program) -> Result<[Vec<SourcedObject>; 2]> {
        let first = lookup::restore_lookup(rendering.run(helm)?);
        std::thread::sleep(self.pause);
        let second = lookup::restore_lookup(Rendering { folder: self.another, ..*rendering }.run(helm)?);
        Ok([output::objects(rendering.name, &first)?, output::objects(rendering.name, &clock::restore_now(&second))?])
    }
}

/// Writes a chart and values into a folder.
fn write(chart: &ChartFiles, values: &ChartFiles, folder: &Path) -> Result<()> {
    let written = chart.write(&folder.join(CHART)).and_then(|()| values.write(folder));
    written.map_err(|error| super::interruption_error("the chart", error))
}

/// Adds to the objects of an install those that only an upgrade renders, if the release names them.
///
/// The comparison with an upgrade runs without the trap: at an upgrade, charts mostly look up the password that they
/// generated, which a site keeps. Objects taken from an upgrade make no look-up, like all others.
fn with_upgrade(
    rendering: &Rendering<'_>,
    chart: &ChartDefinition,
    (untrapped, days): (&ChartFiles, Days<'_>),
    helm: &Program,
    mut install: [Vec<SourcedObject>; 2],
) -> Result<[Vec<SourcedObject>; 2]> {
    let written = untrapped.write(&rendering.folder.join(UNTRAPPED_CHART));
    written.map_err(|error| super::interruption_error("the chart", error))?;
    let printed = match (Rendering { chart: UNTRAPPED_CHART, is_upgrade: true, ..*rendering }).run(helm) {
        // A site keeps the Secrets that it generated at install, which the chart cannot see here.
        Err(error) if chart.has_empty_lookups() && lacks_current_passwords(&error) => return Ok(install),
        printed => printed?,
    };
    let upgrade = output::objects(rendering.name, &printed)?;
    if !unsteady::have_same_names(&install[0], &install[1]) {
        return Ok(install);
    }
    let added = upgrades::upgrade_objects(chart, &install[0], &upgrade)?;
    let twice = if upgrades::are_kept(chart, &added) {
        days.both(&Rendering { is_upgrade: true, ..*rendering }, helm)?
    } else {
        [upgrade.clone(), upgrade]
    };
    for (install, upgrade) in install.iter_mut().zip(&twice) {
        upgrades::add(install, upgrade);
    }
    Ok(install)
}

/// Served kinds including those of the chart's own `crds`, and of the `crds` of subcharts that the values enable.
///
/// Helm applies these before it determines what is served. A rendering without templates lists them.
fn with_own(rendering: &Rendering<'_>, files: &ChartFiles, helm: &Program) -> Result<Vec<String>> {
    let mut served: BTreeSet<_> = rendering.served.iter().cloned().collect();
    if files.0.keys().any(|path| path.starts_with("crds/") || path.contains("/crds/")) {
        let mut bare = files.clone();
        bare.0.retain(|path, _| !lookup::is_template(path));
        let written = bare.write(&rendering.folder.join(BARE_CHART));
        written.map_err(|error| super::interruption_error("the chart", error))?;
        let printed = Rendering { chart: BARE_CHART, ..*rendering }.run(helm)?;
        for sourced in output::objects(rendering.name, &printed)? {
            served.extend(served_by(&sourced.object));
        }
    }
    Ok(served.into_iter().collect())
}

/// Reads and checks the files of values for a chart, under the names that Helm gets.
fn values(definition: &Definition, chart: &ChartDefinition) -> Result<ChartFiles> {
    let mut values = ChartFiles::default();
    for (number, written) in chart.values.iter().enumerate() {
        let path = definition.resolve(&written.value);
        let name = values_file(Path::new(""), number).display().to_string();
        values.0.insert(name, checked_values(&path, chart)?);
    }
    Ok(values)
}

/// Reads and checks a file of values.
fn checked_values(path: &Path, chart: &ChartDefinition) -> Result<Vec<u8>> {
    let place = Place::file(path);
    let unreadable =
        |error| BuildError::at(codes::CHART_REFUSED, place.clone(), "the values cannot be read").because(error);
    if fs_err::metadata(path).map_err(unreadable)?.len() > VALUES_BYTES {
        let what = format!("values have at most {VALUES_BYTES} bytes");
        return Err(BuildError::at(codes::CHART_LIMIT, place, what));
    }
    let mut files = ChartFiles([(String::new(), fs_err::read(path).map_err(unreadable)?)].into());
    if !chart.has_empty_lookups() {
        lookup::trap(&path.display().to_string(), &mut files)?;
    }
    Ok(files.0.remove("").unwrap_or_default())
}

/// Kinds that the cluster serves when the component is applied: those of Kubernetes, and those of the components that
/// it needs.
fn cluster_kinds(definition: &Definition, index: usize, before: &[RenderedComponent]) -> Vec<String> {
    let needed = definition.needed_by(index);
    let objects = before.iter().filter(|rendered| needed.contains(&rendered.index)).flat_map(|it| &it.objects);
    let unique: BTreeSet<_> = served_kinds().into_iter().chain(objects.flat_map(served_by)).collect();
    unique.into_iter().collect()
}

/// API versions and kinds that a cluster serves because of an object: for a CRD its versions with its kind, for an
/// `APIService` its version.
///
/// Only the server behind an `APIService` knows its kinds. Empty for any other object.
fn served_by(object: &Value) -> Vec<String> {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    match text("/kind") {
        "CustomResourceDefinition" => {
            let versions = object.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
            let versions = versions.filter(|version| version["served"] == true).filter_map(|it| it["name"].as_str());
            let versions = versions.map(|version| format!("{}/{version}", text("/spec/group")));
            versions.flat_map(|version| [format!("{version}/{}", text("/spec/names/kind")), version]).collect()
        }
        "APIService" => vec![format!("{}/{}", text("/spec/group"), text("/spec/version"))],
        _ => Vec::new(),
    }
}

fn is_left_out(chart: &ChartDefinition, sourced: &SourcedObject) -> bool {
    let title = title(&sourced.object);
    chart.leave_out.iter().any(|wanted| wanted.value == title)
}

/// Removes the objects in `leaveOut`. Returns an error for a title that the chart does not render.
fn leave_out(
    definition: &Definition,
    index: usize,
    chart: &ChartDefinition,
    objects: &mut Vec<SourcedObject>,
) -> Result<()> {
    let titles: BTreeSet<_> = objects.iter().map(|sourced| title(&sourced.object)).collect();
    let lists = [("leaveOut", &chart.leave_out), ("repeatable", &chart.repeatable)];
    for (field, number, wanted) in
        lists.into_iter().flat_map(|(field, list)| list.iter().enumerate().map(move |(at, one)| (field, at, one)))
    {
        if !titles.contains(&wanted.value) {
            let place = definition.place(wanted, format!("components[{index}].chart.{field}[{number}]"));
            let what = format!("the chart renders no {}", wanted.value);
            let error = BuildError::at(codes::RELEASE_INVALID, place, what);
            return Err(crate::name_hint::add_name_hint(error, &wanted.value, titles.iter().map(String::as_str)));
        }
    }
    objects.retain(|sourced| !is_left_out(chart, sourced));
    Ok(())
}

/// Removes objects that Landfall creates itself: namespaces of the component, and Secrets that it declares. A declared
/// Secret must have all keys of the chart's Secret.
fn absorb(component: &ComponentDefinition, objects: Vec<SourcedObject>) -> Result<Vec<SourcedObject>> {
    let mut kept = Vec::new();
    let mut incomplete = Vec::new();
    for sourced in objects {
        let object = &sourced.object;
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        if object["kind"] == "Namespace" && component.has_namespace(name) {
            continue;
        }
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
        let is_here = namespace.is_none_or(|namespace| namespace == component.namespace.value);
        let is_secret = is_here && object["kind"] == "Secret";
        let Some(own) = keys_of(component, name).filter(|_| is_secret) else {
            kept.push(sourced);
            continue;
        };
        let keys = secret_entry::values(object).into_iter().map(|(key, _)| key);
        let missing: Vec<_> = keys.filter(|key| !own.contains(&key.as_str())).collect();
        if !missing.is_empty() {
            incomplete.push((sourced, missing));
        }
    }
    if incomplete.is_empty() { Ok(kept) } else { Err(lacks_keys(component, &incomplete)) }
}

/// Error for declared Secrets that lack keys of the chart's Secrets; it names all of them and the lines to add.
fn lacks_keys(component: &ComponentDefinition, incomplete: &[(SourcedObject, Vec<String>)]) -> BuildError {
    let name = |sourced: &SourcedObject| sourced.object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let listed =
        incomplete.iter().map(|(sourced, keys)| format!("`{}` without `{}`", name(sourced), keys.join("`, `")));
    let what = format!(
        "the component declares Secrets without all keys of the chart's: {}",
        listed.collect::<Vec<_>>().join("; ")
    );
    let place = incomplete.first().map(|(sourced, _)| Place {
        file: Some(sourced.file.clone()),
        line: None,
        field: Some(format!("{}: /data", title(&sourced.object))),
    });
    let entries = incomplete.iter().map(|(sourced, _)| {
        let found = component.secrets.iter().find(|secret| secret.name.value == name(sourced));
        let mut entry = found.map_or_else(
            || SecretEntry::new(&name(sourced)),
            |secret| SecretEntry::with(&secret.name.value, &secret.random, &secret.fixed),
        );
        entry.extend(&sourced.object);
        entry
    });
    let hint = secret_entry::hint(&component.name.value, entries);
    BuildError::at(codes::RELEASE_INVALID, place.unwrap_or_else(|| Place::file(Path::new(""))), what).hint(hint)
}

/// Keys of a Secret that the component declares; `None` if it declares no such Secret.
fn keys_of<'a>(component: &'a ComponentDefinition, name: &str) -> Option<Vec<&'a str>> {
    let generated = component.secrets.iter().find(|secret| secret.name.value == name);
    let given = component.site_secrets.iter().find(|secret| secret.value.name == name);
    generated.map(|secret| secret.keys().collect()).or_else(|| given.map(|secret| secret.value.keys().collect()))
}

/// Converts a Secret of a chart to a declaration of the component.
fn secret_definition(component: &ComponentDefinition, secret: ChartSecret) -> SecretDefinition {
    let ChartSecret { name, random, fixed } = secret;
    let name = Spanned { value: name, ..component.name.clone() };
    SecretDefinition { name, random, fixed, copies: BTreeMap::new(), shared: Vec::new() }
}
