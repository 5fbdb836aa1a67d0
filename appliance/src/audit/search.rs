//! Search in the audit log, newest entries first.

use super::export::page;
use super::{Entry, Outcome};
use crate::database::Pool;
use crate::error::Result;

/// Number of entries read at once.
const PART: i64 = 500;
/// Number of entries that one search reads. The result tells where the next one continues.
const SEARCHED: usize = 5000;

/// Terms of a search. An empty text matches every entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Part of the actor's name.
    pub person: String,
    /// Part of the action or of its object.
    pub action: String,
    /// Outcome of the action.
    pub outcome: Option<Outcome>,
}

impl Filter {
    /// Returns true if every entry matches.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn fits(&self, entry: &Entry) -> bool {
        let has = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        has(&entry.actor, &self.person)
            && (has(&entry.action, &self.action) || has(&entry.object, &self.action))
            && self.outcome.is_none_or(|outcome| outcome == entry.outcome)
    }
}

/// Result of a search.
#[derive(Debug)]
pub struct SearchResult {
    /// Entries with their numbers; `None` for an unreadable one, which every search shows.
    pub entries: Vec<(i64, Option<Entry>)>,
    /// Number before which the search continues; `None` at the beginning of the log.
    pub before: Option<i64>,
}

/// Searches for at most `count` entries before a number.
pub async fn search(pool: &Pool, before: Option<i64>, count: usize, filter: &Filter) -> Result<SearchResult> {
    let (mut entries, mut before, mut searched) = (Vec::new(), before, 0);
    loop {
        let part = page(pool, before, PART).await?;
        let is_last = i64::try_from(part.len()).is_ok_and(|found| found < PART);
        for (number, entry) in part {
            before = Some(number);
            searched += 1;
            if entry.as_ref().is_none_or(|entry| filter.fits(entry)) {
                entries.push((number, entry));
            }
            if entries.len() == count {
                return Ok(SearchResult { entries, before: before.filter(|number| *number > 1) });
            }
        }
        if is_last {
            return Ok(SearchResult { entries, before: None });
        }
        if searched >= SEARCHED {
            return Ok(SearchResult { entries, before });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Site, note};

    #[tokio::test]
    async fn search_page_filters_and_continues() {
        let site = Site::begin().await;
        for number in 0..60 {
            note(&site.context.database, &format!("thing-{number}")).await;
        }
        let root = site.sign_in("root").await;
        let things = |page: &str| -> Vec<u32> {
            let parts = page.split("<bdi>thing-").skip(1);
            parts.map(|part| part.split('<').next().unwrap().parse().unwrap()).collect()
        };
        let page = root.get("/audit?person=TEST&action=thing-1&outcome=done").await.body;
        assert_eq!(things(&page), (10..20).rev().chain([1]).collect::<Vec<_>>());
        assert!(!page.contains(">Older<"), "the page links to older entries: {page}");
        let none = root.get("/audit?person=nobody").await.body;
        assert!(none.contains("No entry is like this."), "{none}");
        assert!(things(&root.get("/audit?outcome=refused&action=thing").await.body).is_empty());
        let many = root.get("/audit?action=thing").await.body;
        let older = many.split("href=\"/audit?").find(|part| part.contains(">Older<")).unwrap();
        let older = older.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
        let rest = root.get(&format!("/audit?{older}")).await.body;
        let all = [things(&many), things(&rest)].concat();
        assert_eq!(all, (0..60).rev().collect::<Vec<_>>(), "{older}");
    }

    #[tokio::test]
    async fn search_reads_bounded_parts() {
        let site = Site::begin().await;
        let mut write = site.context.database.write().await.unwrap();
        for number in 0..SEARCHED + 100 {
            let event = crate::audit::Event::done("test", "thing");
            let author = crate::audit::Author { name: format!("user-{number}"), ..crate::testing::author() };
            crate::audit::record(&mut write, &author, event).await.unwrap();
        }
        write.commit().await.unwrap();
        let filter = Filter { person: "user-3".to_owned(), ..Filter::default() };
        let pool = site.context.database.read();
        let first = search(pool, None, 10_000, &filter).await.unwrap();
        let second = search(pool, first.before, 10_000, &filter).await.unwrap();
        let found = first.entries.len() + second.entries.len();
        let all = (0..SEARCHED + 100).filter(|number| format!("user-{number}").contains("user-3")).count();
        assert_eq!((found, second.before), (all, None));
    }
}
