-- Times are milliseconds since 1970 in UTC. Secrets are stored as SHA-256 in hexadecimal, passwords as Argon2id.
CREATE TABLE users (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    role TEXT COLLATE "C" NOT NULL CHECK (role IN ('viewer', 'operator', 'administrator')),
    password TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    password_changed BIGINT NOT NULL
);

CREATE TABLE sessions (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    secret_hash TEXT COLLATE "C" NOT NULL UNIQUE,
    user_name TEXT COLLATE "C" NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    created BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    browser TEXT COLLATE "C" NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_name);

CREATE TABLE api_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    secret_hash TEXT COLLATE "C" NOT NULL UNIQUE,
    label TEXT COLLATE "C" NOT NULL,
    user_name TEXT COLLATE "C" NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    scopes TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    used BIGINT
);
CREATE INDEX api_keys_by_user ON api_keys (user_name);
