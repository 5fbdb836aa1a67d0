-- Whether two people approve a change of the release: one row while they do.
CREATE TABLE two_people (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    since BIGINT NOT NULL,
    by_name TEXT COLLATE "C" NOT NULL
);

-- Local users who count as a person each while two people approve.
CREATE TABLE counted_users (
    user_name TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES users (name) ON DELETE CASCADE,
    since BIGINT NOT NULL
);

-- First approvals that wait for a second one. The subject is the digest of a plan, or the name of a user; `asked_as` is what the audit
-- log calls who asked.
CREATE TABLE approvals (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('change', 'off', 'count')),
    subject TEXT COLLATE "C" NOT NULL,
    change TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    user_name TEXT COLLATE "C" NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    asked_as TEXT COLLATE "C" NOT NULL,
    asked BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    UNIQUE (kind, subject)
);
CREATE INDEX approvals_by_user ON approvals (user_name);
