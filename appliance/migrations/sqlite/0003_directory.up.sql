-- Where a user comes from. One from a directory has no password here, and a subject: who it is there, for ever. `disabled` says who keeps
-- the user out; `confirmed` is when the directory last vouched.
ALTER TABLE users ADD COLUMN source TEXT NOT NULL DEFAULT 'local'
    CHECK (source IN ('local', 'oidc', 'ldap') AND (source = 'local' OR password = ''));
ALTER TABLE users ADD COLUMN subject TEXT;
ALTER TABLE users ADD COLUMN disabled TEXT CHECK (disabled IN ('here', 'directory'));
ALTER TABLE users ADD COLUMN confirmed BIGINT;
CREATE UNIQUE INDEX users_by_subject ON users (source, subject);
