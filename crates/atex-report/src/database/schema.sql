-- The database of results, version 1. Times are milliseconds since 1970 in UTC, durations are seconds.
-- Tables may get columns and views; what is here keeps its meaning within a version (PRAGMA user_version).

-- A run of atex-exec.
CREATE TABLE run (
    id        INTEGER PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE,     -- `run` in records
    build     TEXT,                     -- what was tested, as given with --build
    dir       TEXT,                     -- its directory
    version   TEXT,                     -- of atex-exec
    started   INTEGER,
    ended     INTEGER,
    seconds   REAL,
    outcome   TEXT,                     -- the worst one of its tests
    unsettled INTEGER                   -- tests that were taken in and not settled
) STRICT;
CREATE INDEX run_started ON run (started);

-- A test on a platform.
CREATE TABLE test (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    platform TEXT NOT NULL,
    UNIQUE (name, platform)
) STRICT;

-- A host, by its name in all runs.
CREATE TABLE host (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- An attempt at a test. Number 0: the test was settled without one.
CREATE TABLE attempt (
    id        INTEGER PRIMARY KEY,
    run       INTEGER NOT NULL REFERENCES run (id),
    test      INTEGER NOT NULL REFERENCES test (id),
    number    INTEGER NOT NULL,
    host      INTEGER REFERENCES host (id),
    final     INTEGER NOT NULL,         -- 1: it settled the test; 0: it is tried again
    ended     INTEGER,
    seconds   REAL,
    outcome   TEXT,                     -- infra, error, fail, warn, pass, info, skip
    cause     TEXT,                     -- test, host, own, cancelled, skipped; unknown without a `test-end`
    exit      INTEGER,
    note      TEXT,
    artifacts TEXT,                     -- the directory of its files
    waived    TEXT,                     -- JSON: why it does not count although it failed
    UNIQUE (run, test, number)
) STRICT;
CREATE INDEX attempt_test ON attempt (test, ended);
CREATE INDEX attempt_host ON attempt (host, ended);

-- A result that a test reported.
CREATE TABLE result (
    attempt INTEGER NOT NULL REFERENCES attempt (id),
    n       INTEGER NOT NULL,           -- its position among the results of the attempt
    subtest TEXT,
    status  TEXT,
    note    TEXT,
    files   TEXT,                       -- JSON: an array of names
    extra   TEXT,                       -- JSON: keys of the test's own
    waived  TEXT,                       -- JSON: why it does not count although it failed
    PRIMARY KEY (attempt, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX result_bad ON result (status, attempt) WHERE status IN ('infra', 'error', 'fail', 'warn');

-- A host joined the pool (`what` is 'start') or left it (`what` is the reason).
CREATE TABLE stay (
    run      INTEGER NOT NULL REFERENCES run (id),
    host     INTEGER NOT NULL REFERENCES host (id),
    time     INTEGER NOT NULL,
    what     TEXT NOT NULL,
    platform TEXT NOT NULL,
    note     TEXT,
    PRIMARY KEY (run, host, time, what)
) STRICT, WITHOUT ROWID;
CREATE INDEX stay_host ON stay (host, time);

-- Attempts with the names that belong to them.
CREATE VIEW attempts AS
    SELECT run.name AS run, run.build, run.started, test.platform, test.name AS test, attempt.number AS attempt,
           host.name AS host, attempt.final, attempt.ended, attempt.seconds, attempt.outcome, attempt.cause, attempt.exit,
           attempt.note, attempt.artifacts, attempt.waived, attempt.id AS attempt_id, run.id AS run_id, test.id AS test_id
    FROM attempt JOIN run ON run.id = attempt.run JOIN test ON test.id = attempt.test
         LEFT JOIN host ON host.id = attempt.host;

-- Results with the names that belong to them.
CREATE VIEW results AS
    SELECT attempts.run, attempts.build, attempts.platform, attempts.test, attempts.attempt, attempts.host, attempts.final,
           attempts.ended, result.n, result.subtest, result.status, result.note, result.files, result.extra, result.waived
    FROM result JOIN attempts ON attempts.attempt_id = result.attempt;

-- What failed for good, the last first.
CREATE VIEW failures AS
    SELECT * FROM attempts WHERE final = 1 AND outcome IN ('infra', 'error', 'fail') ORDER BY ended DESC;

-- Tests that passed only when they were tried again, by run.
CREATE VIEW retried AS
    SELECT * FROM attempts AS last
    WHERE final = 1 AND outcome IN ('pass', 'warn', 'info')
          AND EXISTS (SELECT 1 FROM attempt AS earlier WHERE earlier.run = last.run_id AND earlier.test = last.test_id
                      AND earlier.final = 0 AND earlier.outcome IN ('infra', 'error', 'fail'));

-- Runs with how many of their tests ended how.
CREATE VIEW runs AS
    SELECT run.name AS run, run.build, run.started, run.ended, run.seconds, count(attempt.id) AS tests,
           count(*) FILTER (WHERE attempt.outcome IN ('pass', 'warn', 'info')) AS passed,
           count(*) FILTER (WHERE attempt.outcome IN ('fail', 'error')) AS failed,
           count(*) FILTER (WHERE attempt.outcome = 'infra') AS infra,
           count(*) FILTER (WHERE attempt.outcome = 'skip') AS skipped
    FROM run LEFT JOIN attempt ON attempt.run = run.id AND attempt.final = 1
    GROUP BY run.id;
