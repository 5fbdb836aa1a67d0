//! What the charts came to, as a page of the documentation.

use std::fmt::Write as _;

use super::{Attempt, Comparison, Ending, Published};

/// The longest reason in the table, in characters.
const REASON: usize = 300;

/// The page about these attempts, each with its chart and the commit that it was taken from.
pub fn markdown(attempts: &[(Published, String, Attempt)]) -> String {
    let count = |is: &dyn Fn(&Attempt) -> bool| attempts.iter().filter(|(_, _, attempt)| is(attempt)).count();
    let unavailable = count(&|attempt| matches!(attempt.ending, Ending::Unavailable(_)));
    let tried = attempts.len() - unavailable;
    let built = count(&|attempt| matches!(attempt.ending, Ending::Built));
    let untouched = count(&|attempt| matches!(attempt.ending, Ending::Built) && attempt.edits.is_empty());
    let percent = |part: usize| (part * 100).checked_div(tried).unwrap_or_default();
    let compared: Vec<_> = attempts.iter().filter_map(|(_, _, attempt)| attempt.compared.as_ref()).collect();
    let equal = compared.iter().filter(|comparison| comparison.differences.is_empty()).count();
    let objects: usize = compared.iter().map(|comparison| comparison.objects).sum();
    let mut text = format!(
        "# Charts of the field\n\n`cargo xtask charts --write` writes this page. {tried} charts and kustomizations, as their projects publish them, \
         went through `landfall init`, `lock` and `build`, with a registry on loopback that has a tiny image under every name. **{untouched} \
         ({} %) built untouched, {} more after the edits that messages ask for: {built} of {tried} ({} %).** {unavailable} more cannot be had \
         where this ran: a chart that they need is in none of the repositories. They do not count.\n\n**The objects equal those of `helm \
         template` in {equal} of {} charts that were built**, {objects} objects in all, with the same chart, values, namespace and name, as kubectl \
         reads both. Only what [VENDOR.md](VENDOR.md#charts) says that Landfall changes may differ: digests of images, namespaces, names of Jobs, \
         annotations of hooks, Secrets that a site generates, tests, and what the release leaves out.\n\nA word in doubt \
         was listed under `notImages`; a vendor lists those that are images under `references`. Digests of images were removed, since no other \
         registry has what they name. Charts that a chart needs are those that their own projects have by now.\n\n\
         | chart | version | from | came to | objects | edits, or the reason |\n|---|---|---|---|---|---|\n",
        percent(untouched),
        built - untouched,
        percent(built),
        compared.len()
    );
    for (published, commit, attempt) in attempts {
        let differences = attempt.compared.as_ref().and_then(Comparison::said);
        let details = || attempt.edits.iter().cloned().chain(differences.clone()).collect::<Vec<_>>().join("; ");
        let (ending, details) = match &attempt.ending {
            Ending::Built if attempt.edits.is_empty() => ("untouched", details()),
            Ending::Built => ("edited", details()),
            Ending::Refused(why) => ("refused", why.clone()),
            Ending::Unavailable(why) => ("–", why.clone()),
        };
        let from = format!("{} {}, {commit}", published.repository.replace('+', "/"), published.path);
        let version = attempt.version.as_deref().unwrap_or("–");
        let (name, details) = (&attempt.name, cell(&details));
        let objects = attempt.compared.as_ref().map_or_else(|| "–".to_owned(), |found| found.objects.to_string());
        let _infallible = writeln!(text, "| {name} | {version} | {from} | {ending} | {objects} | {details} |");
    }
    text
}

/// A text in one cell of a table.
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
    fn a_page_counts_what_was_tried() {
        let attempt = |edits: &[&str], ending| Attempt {
            name: "shop".to_owned(),
            version: Some("1.0".to_owned()),
            edits: edits.iter().map(|edit| (*edit).to_owned()).collect(),
            compared: matches!(ending, Ending::Built).then(|| Comparison {
                objects: 3,
                differences: edits.iter().map(|edit| format!("Pod/a: /{edit}")).collect(),
            }),
            ending,
        };
        let published = Published { repository: "a+b".into(), path: "charts/shop".into(), values: String::new() };
        let of = |attempt| (published.clone(), "1234567 of 2026-01-01".to_owned(), attempt);
        let page = markdown(&[
            of(attempt(&[], Ending::Built)),
            of(attempt(&["needs: a"], Ending::Built)),
            of(attempt(&[], Ending::Refused("LF2082: a|b\nc".into()))),
            of(attempt(&[], Ending::Unavailable("it needs c".into()))),
        ]);
        assert!(
            page.contains(
                "**1 (33 %) built untouched, 1 more after the edits that messages ask for: 2 of 3 (66 %).** 1 more"
            ),
            "{page}"
        );
        assert!(
            page.contains("| shop | 1.0 | a/b charts/shop, 1234567 of 2026-01-01 | refused | – | LF2082: a\\|b c |"),
            "{page}"
        );
        assert!(page.contains("in 1 of 2 charts that were built**, 6 objects in all"), "{page}");
        let differing = "| edited | 3 | needs: a; differs from `helm template`: Pod/a: /needs: a |";
        assert!(page.contains(differing), "{page}");
    }
}
