-- The schema before knows neither: who is disabled stays out, and who comes from a directory has to come again.
DROP INDEX users_by_subject;
DELETE FROM users WHERE source <> 'local';
DELETE FROM sessions WHERE user_name IN (SELECT name FROM users WHERE disabled IS NOT NULL);
DELETE FROM api_keys WHERE user_name IN (SELECT name FROM users WHERE disabled IS NOT NULL);
UPDATE users SET password = '' WHERE disabled IS NOT NULL;
ALTER TABLE users DROP COLUMN confirmed;
ALTER TABLE users DROP COLUMN disabled;
ALTER TABLE users DROP COLUMN subject;
ALTER TABLE users DROP COLUMN source;
