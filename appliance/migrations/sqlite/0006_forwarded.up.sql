-- The last audit entry that the syslog server has received: one row once entries are forwarded.
CREATE TABLE audit_forwarded (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    number BIGINT NOT NULL
);
