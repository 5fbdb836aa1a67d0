-- An entry is the exact text that was hashed. It names people and objects by name, so it outlives them.
CREATE TABLE audit (
    number BIGINT NOT NULL PRIMARY KEY,
    entry TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL
);
