//! Retention of the log. The oldest entries are dropped up to one that the host has signed: its checkpoint stays, and
//! the rest of the chain follows it. An entry records each drop, so that no other deletion looks like one.

use jiff::{SignedDuration, Timestamp};
use landfall_audit::{Checkpoint, DROP, Head};

use crate::database::{Connection, Database, Row, query, query_scalar};
use crate::entries::{Author, Event, contains, record};
use crate::error::Result;

/// Limits of retention.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum age in days; longer than the lifetime of any API key.
    pub days: i64,
    /// Number of entries kept whatever their age, so that a clock that jumps ahead drops no log.
    pub least: i64,
    /// Maximum number of entries: about 100 MB.
    pub most: i64,
}

/// Limits of the console's own log.
pub const KEPT: Limits = Limits { days: 400, least: 10_000, most: 200_000 };

/// Maximum number of checkpoints examined for one drop, to keep transactions short.
const AT_ONCE: i64 = 2000;

/// Drops some of the entries that are too old or too many. Returns the last dropped entry; `None` if there is nothing
/// to drop.
pub async fn retain(database: &Database, limits: Limits, now: Timestamp) -> Result<Option<Head>> {
    let Some(found) = cut(&mut database.read().acquire().await?, limits, now).await? else { return Ok(None) };
    let Cut { first, checkpoint } = found;
    let last = checkpoint.head;
    let mut write = database.write().await?;
    let detail = format!("entries {first} to {}, the last of them signed at {:.0}", last.number, checkpoint.at);
    record(&mut write, &Author::console(), Event::done(DROP, &last.to_string()).with(&detail)).await?;
    query("DELETE FROM audit WHERE number <= $1").bind(last.number).execute(&mut *write).await?;
    query("DELETE FROM audit_checkpoints WHERE number < $1").bind(last.number).execute(&mut *write).await?;
    write.commit().await?;
    tracing::info!(last = last.number, "the audit log has dropped its oldest entries");
    Ok(Some(last))
}

/// The dropped entries: from this one up to that of the checkpoint.
struct Cut {
    first: i64,
    checkpoint: Checkpoint,
}

async fn cut(connection: &mut Connection, limits: Limits, now: Timestamp) -> Result<Option<Cut>> {
    let ends = query("SELECT min(number), max(number) FROM audit").fetch_one(&mut *connection).await?;
    let (Some(first), Some(end)) = (ends.try_get::<Option<i64>, _>(0)?, ends.try_get::<Option<i64>, _>(1)?) else {
        return Ok(None);
    };
    let forwarded: Option<i64> =
        query_scalar("SELECT number FROM audit_forwarded").fetch_optional(&mut *connection).await?;
    let oldest = now - SignedDuration::from_hours(24 * limits.days);
    let is_over = |checkpoint: &Checkpoint| {
        let number = checkpoint.head.number;
        let is_old = checkpoint.at < oldest && number <= end - limits.least;
        let is_sent = forwarded.is_none_or(|sent| number <= sent);
        (is_old && is_sent) || number <= end - limits.most
    };
    let rows = query("SELECT checkpoint FROM audit_checkpoints WHERE number >= $1 ORDER BY number, sequence LIMIT $2");
    let rows = rows.bind(first).bind(AT_ONCE).fetch_all(&mut *connection).await?;
    let read = |row: &Row| serde_json::from_str::<Checkpoint>(row.try_get(0).ok()?).ok();
    let over: Vec<_> = rows.iter().filter_map(read).take_while(is_over).collect();
    for checkpoint in over.into_iter().rev() {
        if contains(connection, checkpoint.head).await? {
            return Ok(Some(Cut { first, checkpoint }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use landfall_audit::{LogKnowledge, Report, verify};

    use super::*;
    use crate::audit::{Chain, Export, Form};
    use crate::testing::{Site, note};

    /// Limits under which twenty entries are a long log.
    const FEW: Limits = Limits { least: 5, ..KEPT };

    /// Returns a site whose log has signed entries, and some more.
    async fn site_with_log() -> Site {
        let site = Site::begin().await;
        for number in 0..20 {
            note(&site.context.database, &number.to_string()).await;
            if number % 4 == 0 {
                site.context.signing.sign(&site.context.database, &site.context.site).await.unwrap();
            }
        }
        site
    }

    async fn chain(site: &Site) -> Chain {
        Chain::read(&mut site.context.database.read().acquire().await.unwrap()).await.unwrap()
    }

    /// Verifies the log with the host's key.
    async fn verify_log(site: &Site) -> Report {
        let pool = site.context.database.read();
        let export = Export::begin(pool).await.unwrap();
        let (mut text, mut after) = (String::new(), Some(0));
        while let Some(number) = after {
            let (part, next) = export.page(pool, number, Form::JsonLines).await.unwrap();
            text.push_str(&part);
            after = next;
        }
        let keys = vec![site.host.audit.lock().unwrap().key.public().clone()];
        verify(text.as_bytes(), &LogKnowledge { keys, ..LogKnowledge::default() })
            .unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[tokio::test]
    async fn short_log_is_kept() {
        let site = site_with_log().await;
        let late = Timestamp::now() + SignedDuration::from_hours(24 * 365 * 100);
        assert_eq!(retain(&site.context.database, KEPT, late).await.unwrap(), None);
    }

    #[tokio::test]
    async fn old_entries_drop_to_checkpoint() {
        let site = site_with_log().await;
        let database = &site.context.database;
        let start = retain(database, FEW, Timestamp::now()).await.unwrap().unwrap();
        assert!(start.number > 5, "{start}");
        assert_eq!(retain(database, FEW, Timestamp::now()).await.unwrap(), None, "the first run left due entries");
        assert!(matches!(chain(&site).await, Chain::Whole(_)), "{:?}", chain(&site).await);
        note(database, "later").await;
        site.context.signing.sign(database, &site.context.site).await.unwrap();
        assert_eq!(site.context.signing.last().unwrap().restarts, 0, "the log was restarted");
        let report = verify_log(&site).await;
        assert_eq!(report.start, start);
        assert_eq!(report.covered.unwrap().head, report.head);
        let dropped = site.audit_lines("audit.drop").await;
        assert!(dropped[0].contains(&format!("entries 1 to {}", start.number)), "{dropped:?}");
        let next = retain(database, Limits { most: 4, ..FEW }, Timestamp::UNIX_EPOCH).await.unwrap().unwrap();
        assert!(next.number > start.number, "excess entries were kept");
        assert_eq!(verify_log(&site).await.start, next);
    }

    #[tokio::test]
    async fn removed_entries_break_chain() {
        let site = site_with_log().await;
        let signed = site.context.signing.last().unwrap();
        let mut write = site.context.database.write().await.unwrap();
        query("DELETE FROM audit WHERE number <= $1").bind(signed.head.number).execute(&mut *write).await.unwrap();
        write.commit().await.unwrap();
        let found = chain(&site).await;
        assert!(matches!(&found, Chain::Broken(error) if error.to_string().contains("no entry records")), "{found:?}");
    }

    #[tokio::test]
    async fn entries_awaiting_syslog_are_kept() {
        let site = site_with_log().await;
        let mut write = site.context.database.write().await.unwrap();
        let insert = query("INSERT INTO audit_forwarded (one, number) VALUES (1, 2)");
        insert.execute(&mut *write).await.unwrap();
        write.commit().await.unwrap();
        assert_eq!(retain(&site.context.database, FEW, Timestamp::now()).await.unwrap(), None);
    }
}
