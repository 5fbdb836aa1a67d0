//! Trial write to the database, before an irreversible action that depends on it.

use super::{Database, query};

/// A time that no point of the trend has.
const NEVER: i64 = i64::MIN;
/// Size that requires new pages, as a real change may. The bytes are random, so that PostgreSQL cannot compress them.
const BYTES: usize = 8 << 10;

impl Database {
    /// Writes a row and removes it again, both durably: a full disk refuses only data that reaches it, and a
    /// rolled-back transaction writes nothing. Also fails if the database is locked.
    pub async fn try_to_write(&self) -> Result<(), sqlx::Error> {
        let text = hex::encode(rand::random_iter::<u8>().take(BYTES).collect::<Vec<_>>());
        let mut write = self.write().await?;
        query("INSERT INTO trend (at, point) VALUES ($1, $2)").bind(NEVER).bind(text).execute(&mut *write).await?;
        query("DELETE FROM trend WHERE at = $1").bind(NEVER).execute(&mut *write).await?;
        write.commit().await
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use landfall_media::durable;
    use landfall_media::mounted::on_tmpfs;

    use crate::database::fixture::Lease;
    use crate::database::query_scalar;
    use crate::testing::{PASSWORD, Reply, Site, Visitor, fill};

    /// Claims the host's token for a new administrator.
    async fn claim(door: &Visitor) -> Reply {
        let fields = [("token", "K7QF2M-9XRT4B"), ("name", "alice"), ("password", PASSWORD), ("again", PASSWORD)];
        door.post("/first", &fields).await
    }

    async fn assert_kept(site: &Site, door: &Visitor) {
        let refused = claim(door).await;
        assert_eq!(refused.refusal(), (503, "LF5054"));
        assert_eq!(site.host.tokens.lock().unwrap().len(), 1, "the token was spent");
    }

    async fn assert_used(site: &Site, door: &Visitor) {
        let made = claim(door).await;
        assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.body);
        assert_eq!(site.host.tokens.lock().unwrap().len(), 0);
        let left: i64 = query_scalar("SELECT count(*) FROM trend WHERE at < 0")
            .fetch_one(site.context.database.read())
            .await
            .unwrap();
        assert_eq!(left, 0, "rows of the trial remain");
    }

    #[tokio::test]
    async fn full_disk_keeps_token() {
        let Some(disk) = on_tmpfs("database::trial::tests::full_disk_keeps_token", "size=4m") else { return };
        let site = Site::with(tempfile::tempdir_in(&disk).unwrap()).await;
        let door = site.at_the_door("/first").await;
        let rest = fill(&disk);
        assert_kept(&site, &door).await;
        durable::remove_file(&rest).unwrap();
        assert_used(&site, &door).await;
    }

    /// Trigger that makes PostgreSQL answer each insert as on a full disk.
    const FULL: &str = "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ \
        BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$; \
        DO $$ DECLARE name text; BEGIN \
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
        EXECUTE format('CREATE TRIGGER no_space BEFORE INSERT ON %I FOR EACH ROW EXECUTE FUNCTION no_space()', name); \
        END LOOP; END $$";

    #[tokio::test]
    async fn full_server_keeps_token() {
        let lease = Lease::new().await;
        let mut superuser = lease.superuser().await;
        let site = Site::of_server(lease).await;
        let door = site.at_the_door("/first").await;
        sqlx::raw_sql(FULL).execute(&mut superuser).await.unwrap();
        assert_kept(&site, &door).await;
        sqlx::raw_sql("DROP FUNCTION no_space CASCADE").execute(&mut superuser).await.unwrap();
        assert_used(&site, &door).await;
    }
}
