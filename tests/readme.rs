//! The examples of the README, as somebody would paste them.

use atex_testkit::sandbox::Dir;
use atex_testkit::sshd::{Farm, Host};

use crate::documents::{examples, shell, stand_in};

/// A directory with what the examples speak of.
fn surroundings() -> Dir {
    let dir = Dir::new();
    let top = env!("CARGO_MANIFEST_DIR");
    dir.command("cp").args(["-r", &format!("{top}/scripts"), "scripts"]).run().success();
    dir.write("tree/.fmf/version", "1\n");
    dir.write(
        "tree/main.fmf",
        "/smoke/disk:\n    test: 'true'\n    tag: [tier1]\n\
         /smoke/net:\n    test: test \"$NET\" != down\n    tag: [tier1, slow]\n\
         /plans/daily:\n    discover: {how: fmf}\n",
    );
    dir.write("waivers.yaml", "- test: /smoke/net\n  issue: https://example.org/7\n");
    stand_in(&dir);
    let runs =
        "git init -q tree; git -C tree add .; git -C tree -c user.name=a -c user.email=a@b commit -qm a
        atex-discover tree | atex-exec --local 2 --run-dir yesterday >/dev/null
        atex-discover tree | atex-exec --local 2 --run-dir nightly --env NET=down >/dev/null || test $? = 1";
    shell(&dir, runs).run().success();
    dir
}

#[test]
fn every_example_of_the_readme_works() {
    let examples = examples(include_str!("../README.md"));
    assert!(examples.len() >= 12, "{} examples were found", examples.len());
    let farm = Farm::start_or_skip(1);
    for example in examples {
        let dir = surroundings();
        if example.note("needs") == Some("hosts") {
            let Some(farm) = &farm else { continue };
            dir.write("lab.txt", list(farm));
        }
        let output = shell(&dir, &example.text).run();
        assert_eq!(
            output.status.code(),
            Some(example.exit()),
            "README.md:{}\n{}",
            example.line,
            output.report()
        );
    }
}

/// The hosts of a farm as a list for `atex-provision static`.
fn list(farm: &Farm) -> String {
    let line = |host: &Host| {
        let mut line =
            format!("{}@{}:{} identity={}", host.user, host.address, host.port, host.identity.display());
        for (keyword, value) in host.options() {
            line.push_str(&format!(" option.{keyword}={value}"));
        }
        line + "\n"
    };
    farm.hosts().iter().map(line).collect()
}
