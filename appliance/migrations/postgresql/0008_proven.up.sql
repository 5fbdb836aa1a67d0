-- When the user of a session last proved to be the user, with the password or at the directory.
ALTER TABLE sessions ADD COLUMN proven BIGINT NOT NULL DEFAULT 0;
UPDATE sessions SET proven = created;
