-- What the host signed of the audit log, as the exact text. `number` is the entry that it covers last.
CREATE TABLE audit_checkpoints (
    key_id TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    number BIGINT NOT NULL,
    checkpoint TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (key_id, sequence)
);
CREATE INDEX audit_checkpoints_by_number ON audit_checkpoints (number);
