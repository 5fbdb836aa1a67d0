-- What the site was like in the last 24 hours: a point every five minutes, as JSON. `at` is in seconds since 1970.
CREATE TABLE trend (
    at BIGINT NOT NULL PRIMARY KEY,
    point TEXT COLLATE "C" NOT NULL
);
