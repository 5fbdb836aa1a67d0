//! Results of the charts, as a page of the documentation.

use super::{Attempt, AttemptOutcome, Comparison, PublishedChart};

/// Length limit of a reason in the table, in characters.
const REASON: usize = 300;

/// Text after the number of objects in the row of a chart that differs.
const DIFFERING: &str = "differing";

/// Returns the page about these attempts, each with its chart and its commit. Rows of other charts are kept as in
/// `page`.
pub fn markdown(attempts: &[(PublishedChart, String, Attempt)], page: &str) -> String {
    let mut rows: Vec<String> = page.lines().filter(|line| line.starts_with("| ")).skip(1).map(str::to_owned).collect();
    for (published, commit, attempt) in attempts {
        let row = row(published, commit, attempt);
        match rows.iter_mut().find(|known| source(known) == source(&row)) {
            Some(known) => *known = row,
            None => rows.push(row),
        }
    }
    let rows_text: String = rows.iter().flat_map(|row| [row, "\n"]).collect();
    heading(&rows) + &rows_text
}

/// Returns the text above the rows, with the number of charts for each result.
fn heading(rows: &[String]) -> String {
    let count = |is: &dyn Fn(&str) -> bool| rows.iter().filter(|row| is(column(row, 4))).count();
    let unavailable = count(&|outcome| outcome == "–");
    let tried = rows.len() - unavailable;
    let untouched = count(&|outcome| outcome == "untouched");
    let edited = count(&|outcome| outcome == "edited");
    let built = untouched + edited;
    let percent = |part: usize| (part * 100).checked_div(tried).unwrap_or_default();
    let compared: Vec<_> = rows.iter().map(|row| column(row, 5)).filter(|objects| *objects != "–").collect();
    let equal = compared.iter().filter(|objects| !objects.contains(DIFFERING)).count();
    let objects: usize = compared.iter().filter_map(|objects| objects.split(',').next()?.parse::<usize>().ok()).sum();
    format!(
        "# Charts of the field\n\n`cargo xtask charts --write` writes this page. {tried} charts and kustomizations, as \
         their projects publish them, went through `landfall init`, `lock` and `build`, with a registry on loopback \
         that has a tiny image under every name. **{untouched} ({} %) built untouched, {edited} more after the edits \
         that messages ask for: {built} of {tried} ({} %).** {unavailable} more cannot be had where this ran: a chart \
         that they need is in none of the repositories. They do not count.\n\n**The objects equal those of `helm \
         template` in {equal} of {} charts that were built**, {objects} objects in all, with the same chart, values, \
         namespace and name, as kubectl reads both. Only what [Charts](vendor/charts.md) says that Landfall changes \
         may differ: digests of images, namespaces, names of Jobs, annotations of hooks, Secrets that a site \
         generates, tests, and what the release leaves out.\n\nA word in doubt was listed under `notImages`; a vendor \
         lists those that are images under `references`. Digests of images were removed, since no other registry has \
         what they name. Charts that a chart needs are those that their own projects have by now.\n\n\
         | chart | version | from | came to | objects | edits, or the reason |\n\
         |---|---|---|---|---|---|\n",
        percent(untouched),
        percent(built),
        compared.len()
    )
}

/// Returns the row of a chart.
fn row(published: &PublishedChart, commit: &str, attempt: &Attempt) -> String {
    let differences = attempt.compared.as_ref().and_then(Comparison::summary);
    let objects = attempt.compared.as_ref().map(|found| found.objects.to_string());
    let objects = objects.map(|count| if differences.is_some() { format!("{count}, {DIFFERING}") } else { count });
    let details = || attempt.edits.iter().cloned().chain(differences).collect::<Vec<_>>().join("; ");
    let (outcome, details) = match &attempt.outcome {
        AttemptOutcome::Built if attempt.edits.is_empty() => ("untouched", details()),
        AttemptOutcome::Built => ("edited", details()),
        AttemptOutcome::Refused(why) => ("refused", why.clone()),
        AttemptOutcome::Unavailable(why) => ("–", why.clone()),
    };
    let from = format!("{} {}, {commit}", published.repository.replace('+', "/"), published.path);
    let version = attempt.version.as_deref().unwrap_or("–");
    let (name, details, objects) = (&attempt.name, cell(&details), objects.as_deref().unwrap_or("–"));
    format!("| {name} | {version} | {from} | {outcome} | {objects} | {details} |")
}

/// Returns a cell of a row by its number. Only the last cell may contain a bar.
fn column(row: &str, number: usize) -> &str {
    row.splitn(7, '|').nth(number).unwrap_or_default().trim()
}

/// Returns the repository and the folder of a row.
fn source(row: &str) -> &str {
    column(row, 3).rsplit_once(", ").map_or("", |(source, _)| source)
}

/// Formats a text as one cell of a table.
fn cell(text: &str) -> String {
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    match plain.char_indices().nth(REASON) {
        Some((end, _)) => format!("{} …", &plain[..end]),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_counts_attempts() {
        let attempt = |edits: &[&str], outcome| Attempt {
            name: "shop".to_owned(),
            version: Some("1.0".to_owned()),
            edits: edits.iter().map(|edit| (*edit).to_owned()).collect(),
            compared: matches!(outcome, AttemptOutcome::Built).then(|| Comparison {
                objects: 3,
                differences: edits.iter().map(|edit| format!("Pod/a: /{edit}")).collect(),
            }),
            outcome,
        };
        let of = |path: &str, attempt| {
            let published = PublishedChart { repository: "a+b".into(), path: path.into(), values: String::new() };
            (published, "1234567 of 2026-01-01".to_owned(), attempt)
        };
        let page = markdown(
            &[
                of("a", attempt(&[], AttemptOutcome::Built)),
                of("b", attempt(&["needs: a"], AttemptOutcome::Built)),
                of("c", attempt(&[], AttemptOutcome::Refused("LF2082: a|b\nc".into()))),
                of("d", attempt(&[], AttemptOutcome::Unavailable("it needs c".into()))),
            ],
            "",
        );
        let says = |page: &str, text: &str| assert!(page.contains(text), "{text} is not in\n{page}");
        says(
            &page,
            "**1 (33 %) built untouched, 1 more after the edits that messages ask for: 2 of 3 (66 %).** 1 more",
        );
        says(&page, "| shop | 1.0 | a/b c, 1234567 of 2026-01-01 | refused | – | LF2082: a\\|b c |");
        says(&page, "in 1 of 2 charts that were built**, 6 objects in all");
        says(&page, "| edited | 3, differing | needs: a; differs from `helm template`: Pod/a: /needs: a |");
        let later = markdown(
            &[of("c", attempt(&[], AttemptOutcome::Built)), of("e", attempt(&[], AttemptOutcome::Built))],
            &page,
        );
        says(&later, "**3 (75 %) built untouched, 1 more after the edits that messages ask for: 4 of 4 (100 %).**");
        says(&later, "in 3 of 4 charts that were built**, 12 objects in all");
        assert_eq!(later.matches("a/b c, ").count(), 1, "{later}");
    }
}
