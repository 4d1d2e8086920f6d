//! Examples of the commands, as `--help` and the manual show them. All are tried by the project's tests.

use atex_cli::Examples;

pub(crate) const ALL: [Examples; 5] = [
    (
        "prepare",
        "  { atex-provision static lab.txt; atex-discover .; } | atex-exec prepare >ready.jsonl
      files, plans and packages of all tests, on all hosts of a list
  atex-exec <ready.jsonl | atex-report
      run these tests there, as often as you like
  atex-exec prepare --undo <ready.jsonl
      clean the hosts",
    ),
    (
        "attach",
        "  atex-exec attach nightly | atex-report
      watch a run, and read in the end how it went
  atex-exec attach --new nightly | jq -r 'select(.type == \"test-end\") | [.outcome, .test] | @tsv'
      tests that end from now on",
    ),
    (
        "status",
        "  atex-exec status nightly
      how far the run is, as JSON
  atex-exec status nightly | jq .tests
      how many tests wait, run and have ended",
    ),
    (
        "ctl",
        "  atex-exec ctl nightly pause
      start no more tests, until `atex-exec ctl nightly resume`
  atex-exec ctl nightly cancel /smoke/net
      end a test, or take it out of those that wait
  atex-exec ctl nightly hold vm-7
      keep a host as it is, to look at it, until `atex-exec ctl nightly free vm-7`",
    ),
    (
        "prune",
        "  atex-exec prune --keep-runs 30 --dry-run
      what would be removed of atex-runs/ if the 30 newest stayed
  atex-exec prune nights --keep-days 90 --max-bytes 20G
      remove what is older than 90 days, and what is beyond 20 GiB",
    ),
];
