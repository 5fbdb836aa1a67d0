//! The part "site-figures": performance of backup, restore, undo and upgrade at a site with a gigabyte of data, in the
//! release profile.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::bench::{self, row};
use super::invocation::{turn_on_this_host, xtask};
use crate::bench::site::{self, BY_HAND, GOALS, RATE, RIVALS, WITH_RATES};

/// Measures while no other machines run, and fails unless every goal is met.
pub(super) fn run() -> Result<()> {
    let _turn = turn_on_this_host()?;
    let rows = bench::rows_of(&site::table(), || xtask(&["bench", "--site"]))?;
    judge(&rows)?;
    judge_rates(&rows)
}

/// Fails unless each figure with a goal was measured, and meets it.
fn judge(rows: &[Value]) -> Result<()> {
    let mut exceeded = Vec::new();
    for goal in GOALS {
        let value =
            bench::figure(row(rows, goal.row)?, goal.figure).with_context(|| format!("the row of {}", goal.row))?;
        ensure!(value > 0.0, "{} of {} was not measured: {value}", goal.figure, goal.row);
        if value > goal.at_most {
            exceeded.push(format!("{} of {}: {value}, at most {}", goal.figure, goal.row, goal.at_most));
        }
    }
    ensure!(exceeded.is_empty(), "a site takes too much: {}", exceeded.join("; "));
    Ok(())
}

/// Fails unless backup and restore were compared with commands that a user would type.
fn judge_rates(rows: &[Value]) -> Result<()> {
    for rival in RIVALS {
        ensure!(bench::figure(row(rows, BY_HAND)?, rival)? > 0.0, "{rival} has no rate");
    }
    for name in WITH_RATES {
        let row = row(rows, name)?;
        ensure!(bench::figure(row, RATE)? > 0.0, "{name} has no rate");
        for rival in RIVALS {
            let mut ratios = row["ratios"].as_array().into_iter().flatten();
            let ratio = ratios.find(|ratio| ratio["rival"] == rival);
            let median = ratio.and_then(|ratio| ratio["median"].as_f64());
            ensure!(median.is_some_and(|median| median > 0.0), "{name} was not compared with {rival}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    /// Returns rows in which each figure is its goal times a factor.
    fn rows(factor: f64) -> Vec<Value> {
        let mut figures: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for goal in GOALS {
            figures.entry(goal.row).or_default().push(json!({ "name": goal.figure, "value": goal.at_most * factor }));
        }
        for name in WITH_RATES {
            figures.entry(name).or_default().push(json!({ "name": RATE, "value": 1e8 }));
        }
        for rival in RIVALS {
            figures.entry(BY_HAND).or_default().push(json!({ "name": rival, "value": 1e8 }));
        }
        let ratios: Vec<Value> = RIVALS.iter().map(|rival| json!({ "rival": rival, "median": 2.5 })).collect();
        let row = |(name, figures): (&str, Vec<Value>)| json!({ "name": name, "figures": figures, "ratios": ratios });
        figures.into_iter().map(row).collect()
    }

    fn error_text(rows: &[Value]) -> String {
        format!("{:#}", judge(rows).and_then(|()| judge_rates(rows)).unwrap_err())
    }

    #[test]
    fn site_must_meet_goals() {
        judge(&rows(1.0)).and_then(|()| judge_rates(&rows(1.0))).unwrap();
        let said = error_text(&rows(1.01));
        for goal in GOALS {
            assert!(said.contains(&format!("{} of {}: ", goal.figure, goal.row)), "{said}");
        }
    }

    #[test]
    fn unmeasured_figure_fails() {
        assert!(error_text(&rows(0.0)).contains("was not measured"));
        assert!(error_text(&[]).contains("was not measured"));
        for index in 0..rows(1.0).len() {
            let mut without = rows(1.0);
            without.remove(index);
            assert!(error_text(&without).contains("was not measured"), "{without:?}");
            let count = rows(1.0)[index]["figures"].as_array().unwrap().len();
            for figure in 0..count {
                let mut renamed = rows(1.0);
                renamed[index]["figures"][figure]["name"] = "another".into();
                assert!(error_text(&renamed).contains("there is no figure"), "{renamed:?}");
            }
        }
    }

    #[test]
    fn unmeasured_rival_fails() {
        for name in WITH_RATES {
            for (index, rival) in RIVALS.into_iter().enumerate() {
                let mut rows = rows(1.0);
                let row = rows.iter_mut().find(|row| row["name"] == name).unwrap();
                row["ratios"][index]["rival"] = "another".into();
                assert_eq!(error_text(&rows), format!("{name} was not compared with {rival}"));
            }
        }
    }
}
