//! Examples of the commands, as `--help` and the manual show them. All are run by the project's tests.

use atex_cli::Examples;

pub(crate) const ALL: [Examples; 7] = [
    (
        "exec",
        "  atex-discover exec checks | atex-exec --local 4 | atex-report
      every executable below checks/ is a test
  atex-discover exec checks --arg --quick --exclude '\\.py$'
      each is called with --quick; Python programs are left out",
    ),
    (
        "ltp",
        "  atex-discover ltp runtest/syscalls | atex-exec --hosts lab.jsonl | atex-report
      LTP's tests of system calls, on the hosts of a file
  atex-discover ltp runtest/syscalls --name '/fork' --ltproot /srv/ltp
      some of them, of an LTP that is not in /opt/ltp",
    ),
    (
        "list",
        "  printf 'disk\\tdf /\\nhosts\\tcat /etc/hosts\\n' | atex-discover list - | atex-exec --local 1
      two tests, /disk and /hosts, out of nothing
  atex-discover list smoke.tsv --tree tests | atex-exec --hosts lab.jsonl | atex-report
      those of a file, which use what is in tests/",
    ),
    (
        "ls",
        "  atex-discover ls --filter 'tag: tier1'
      the names of the tests of tier 1
  atex-discover ls --plan /plans/daily -c distro=rhel-9.6
      those of a plan
  atex-discover ls --all
      also what is disabled or manual, with the reason",
    ),
    (
        "show",
        "  atex-discover show /smoke/net
      the metadata of a test, and where each key was written
  atex-discover show /plans/daily -c distro=rhel-9.6
      that of a plan, adjusted to a context",
    ),
    (
        "why",
        "  atex-discover why /smoke/net --plan /plans/daily
      why a plan has a test, or has it not
  atex-discover why /smoke/net --filter 'tag: tier1' -c arch=s390x
      the same of a filter, in a context",
    ),
    (
        "lint",
        "  atex-discover lint
      all mistakes in the tree of the working directory
  atex-discover lint --tree tests --plan-layer tmt
      also what ATEX ignores of plans that were written for tmt",
    ),
];
