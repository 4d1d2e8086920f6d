//! Examples of the commands, as `--help` and the manual show them. All are run by the project's tests.

use atex_cli::Examples;

pub(crate) const ALL: [Examples; 27] = [
    (
        "summary",
        "  atex-report summary nightly
      how the run in a directory went; the same as `atex-report nightly`
  atex-discover . | atex-exec --local 4 | tee all.jsonl | atex-report summary --slowest 3
      keep the stream for later, and read its summary",
    ),
    (
        "check",
        "  atex-report check --require-end atex-exec all.jsonl || echo 'do not merge'
      whether all is well, and all is there
  atex-report check --new-only yesterday nightly
      whether anything fails that did not fail yesterday
  atex-report check --min-pass 95% nightly
      whether enough has passed",
    ),
    (
        "list",
        "  atex-report list --status fail,error nightly
      what failed, with subtests and notes
  atex-report list --tests nightly
      all tests, and what each came to",
    ),
    (
        "show",
        "  atex-report show /smoke/net nightly
      its attempts, results and output
  atex-report show /smoke/net --no-pager nightly yesterday | grep -i denied
      of two runs",
    ),
    (
        "logs",
        "  atex-report logs --cat /smoke/net nightly
      what the test has printed
  less $(atex-report logs /smoke/net nightly)
      all of its files, in a pager",
    ),
    (
        "import",
        "  atex-report import results.json | atex-report html -o report.html
      a page of results of the Python ATEX
  atex-report import --platform rhel-9 junit/*.xml >old.jsonl
      records of what others have written as JUnit XML",
    ),
    (
        "diff",
        "  atex-report diff yesterday nightly
      what fails that did not fail before comes first
  atex-report diff --baseline lastweek yesterday nightly --json
      as JSON; what failed last week and passed yesterday is flaky, and not new",
    ),
    (
        "sort",
        "  atex-report sort nightly >sorted.jsonl
      the stream of a run, in order
  atex-report sort shard-*.jsonl -o all.jsonl
      those of several, as one",
    ),
    (
        "archive",
        "  atex-report archive nightly
      everything of a run, in nightly.tar.zst
  atex-report archive nightly -o /srv/results/42.tar.zst
      at another place",
    ),
    (
        "unarchive",
        "  atex-report unarchive nightly.tar.zst again
      the run directory, as it was, in again/",
    ),
    (
        "waive",
        "  atex-report waive --file waivers.yaml all.jsonl | atex-report check
      failures that are known do not count
  atex-report waive --file waivers.yaml --strict nightly >waived.jsonl
      a waiver that fits nothing any more is trouble",
    ),
    (
        "jsonl",
        "  atex-report jsonl -o results.json nightly
      what programs for the Python ATEX read
  atex-report jsonl --files files nightly | gzip >results.json.gz
      with the files of the tests, in a directory",
    ),
    (
        "csv",
        "  atex-report csv -o results.csv nightly
      for a spreadsheet
  atex-report csv yesterday nightly >both.csv
      two runs in one table",
    ),
    (
        "tsv",
        "  atex-report tsv nightly | cut -f 1-4
      the first columns
  atex-report tsv nightly | awk -F '\\t' '$7 == \"fail\"'
      results that failed",
    ),
    (
        "junit",
        "  atex-report junit -o junit.xml nightly
      for Jenkins or GitLab
  atex-report junit --max-bytes 30000000 -o junit.xml nightly
      in several files, as GitLab takes no larger ones",
    ),
    (
        "html",
        "  atex-report html -o report.html nightly
      a page with all results, which links to the files of the tests
  atex-exec attach nightly | atex-report html --title 'RHEL 9, nightly' -o report.html
      made of a stream, with a title of one's own",
    ),
    (
        "tap",
        "  atex-report tap nightly
      for whatever reads TAP
  atex-report tap --tap-version 13 nightly >nightly.tap; prove -e cat nightly.tap
      for programs that know the older version only",
    ),
    (
        "markdown",
        "  atex-report markdown nightly >>\"$GITHUB_STEP_SUMMARY\"
      on the page of a job on GitHub
  atex-report markdown --failures 10 -o comment.md nightly
      for a comment on a merge request",
    ),
    (
        "tmt",
        "  atex-report tmt -o results.yaml nightly
      what programs for tmt read",
    ),
    (
        "yaml",
        "  atex-report yaml nightly
      a document for each test",
    ),
    (
        "sqlite",
        "  atex-report sqlite results.db nightly
      add a run
  atex-report sqlite results.db --build \"$(git rev-parse HEAD)\" yesterday nightly
      two, of a commit: only then can be told what is flaky and what was broken
  atex-discover . | atex-exec --local 4 --history results.db | atex-report
      the longest tests first, as they were",
    ),
    (
        "history",
        "  atex-report history results.db /smoke/net
      its last attempts, the newest first
  atex-report history results.db /smoke/net --json | jq -r .outcome | sort | uniq -c
      how often it passed",
    ),
    (
        "flaky",
        "  atex-report flaky results.db
      those that flip most, first
  atex-report flaky results.db --days 7 --json | jq -r .test
      the names of those that did so this week",
    ),
    (
        "slow",
        "  atex-report slow results.db
      tests that take longer than they did
  atex-report slow results.db --recent 5 --ratio 2
      those that take twice as long, by their last five attempts",
    ),
    (
        "trend",
        "  atex-report trend results.db
      the last twenty runs, a line each
  atex-report trend results.db --runs 365 --json >trend.jsonl
      a year of them, for a plot",
    ),
    (
        "hosts",
        "  atex-report hosts results.db
      the worst first
  atex-report hosts results.db --days 1
      since yesterday",
    ),
    (
        "durations",
        "  atex-report durations results.db >history.jsonl
      for `atex-exec --history history.jsonl`, where there is no database
  atex-report durations results.db --attempts 20 | gzip >history.jsonl.gz
      more attempts of each, packed",
    ),
];
