//! Examples of the commands, as `--help` and the manual show them; those of back ends stand with them. All are tried by the
//! project's tests.

use atex_cli::Examples;

pub(crate) const ALL: [Examples; 8] = [
    (
        "release",
        "  atex-provision release <hosts.jsonl
      give back the hosts of a file
  atex-provision release vm-7
      one of them, by its name",
    ),
    (
        "leases",
        "  atex-provision leases
      a table for people
  atex-provision leases --json | jq -r 'select(.type == \"lease\") | .id'
      the names of all hosts that are held",
    ),
    (
        "reap",
        "  atex-provision reap --dry-run
      what would be freed
  atex-provision reap --older-than 12h
      as from cron: what was forgotten, but nothing that is young",
    ),
    (
        "facts",
        "  atex-provision static lab.txt | atex-provision facts >hosts.jsonl
      the hosts of a list, with what they are like
  atex-provision facts --fact 'selinux=getenforce' <hosts.jsonl | jq -c '[.id, .facts]'
      one fact more",
    ),
    (
        "check",
        "  { atex-provision static lab.txt | atex-provision check --allow-gone; atex-discover .; } |
    atex-exec | atex-report
      run tests on those hosts of a list that are alive
  atex-provision check --timeout 10s <hosts.jsonl | jq -r 'select(.type == \"host-gone\") | .id'
      the names of the others",
    ),
    (
        "prepare",
        "  atex-provision static lab.txt |
    atex-provision prepare --package jq --script @setup.sh >ready.jsonl
      install a package, then run a program of this machine there
  atex-provision prepare --repo name=next,baseurl=http://repo.lab/next --package kernel <hosts.jsonl
      a package of a repository of one's own
  atex-provision prepare --file keys:/etc/keys/ --playbook site.yml --logs logs <hosts.jsonl
      copy files, then play a playbook",
    ),
    (
        "inventory",
        "  atex-provision static vms.txt | atex-provision inventory >inventory.yml
      for `ansible-playbook -i inventory.yml`
  atex-provision static vms.txt | atex-provision inventory --format ssh-config >lab.conf
      for `ssh -F lab.conf vm-7.lab`",
    ),
    (
        "ssh",
        "  atex-provision ssh vm-7
      a shell on a leased host
  atex-provision ssh vm-7 uptime
      a command there
  atex-provision ssh --hosts hosts.jsonl vm-7
      a host of a file, leased or not",
    ),
];
