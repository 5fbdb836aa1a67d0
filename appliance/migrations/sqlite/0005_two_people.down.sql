-- The schema before knows one approval alone: what waits for a second one is asked for again.
DROP TABLE approvals;
DROP TABLE counted_users;
DROP TABLE two_people;
