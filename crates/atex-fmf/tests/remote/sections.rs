//! Discover sections with `url`.

use std::fs;

use atex_fmf::{ErrorClass, Git};

use crate::repository::Repository;
use crate::{failure, lines, tree, with_discovery};

const ADJUSTED: &str = "test: ./a.sh\nadjust:\n  - when: arch == x86_64\n    require: adjusted\n";

#[test]
fn a_section_takes_the_tests_of_its_repository() {
    let repository = Repository::new(&[
        ("a/main.fmf", ADJUSTED),
        ("a/a.sh", "first"),
        ("deep/root/.fmf/version", "1\n"),
        ("deep/root/b.fmf", "test: ./b.sh"),
        ("deep/root/sub/readme", ""),
    ]);
    repository.git(&["tag", "v1"]);
    let first = repository.git(&["rev-parse", "HEAD"]);
    repository.commit(&[("a/a.sh", "second")]);
    repository.git(&["checkout", "--quiet", "-b", "feature/x"]);
    repository.commit(&[("a/a.sh", "third"), ("c.fmf", "test: ./c.sh")]);
    repository.git(&["checkout", "--quiet", "main"]);
    let url = repository.url();
    let path = repository.path().display();
    let plan = format!(
        "discover:
  - {{name: tag, url: '{url}', ref: v1}}
  - {{name: commit, url: '{path}', ref: {first}, filter: 'require: adjusted'}}
  - {{name: head, url: '{url}', ref: null, path: /}}
  - {{name: branch, url: '{url}', ref: feature/x, exclude: ^/c}}
  - {{name: path, url: '{url}', path: deep/root/sub, how: fmf}}
  - {{name: own, path: /not/looked/at, ref: nor-this}}
"
    );
    let dir = tree(&[("plan.fmf", &plan), ("t.fmf", "test: t")]);
    let cache = tempfile::tempdir().unwrap();
    let git = Git::with_cache(cache.path());
    with_discovery(dir.path(), &git, |found| {
        let expected = [
            r#"/tag/a tag/a ["adjusted"]"#,
            r#"/commit/a commit/a ["adjusted"]"#,
            r#"/head/a head/a ["adjusted"]"#,
            r#"/branch/a branch/a ["adjusted"]"#,
            r#"/path/b path []"#,
            r#"/own/t own []"#,
        ];
        assert_eq!(lines(found), expected);
        let script = |at: usize| fs::read_to_string(found.sections[at].root.join("a/a.sh")).unwrap();
        assert_eq!([0, 1, 2, 3].map(script), ["first", "first", "second", "third"]);
        assert!(found.sections[4].root.ends_with("deep/root"));
        assert_eq!(found.sections[5].root, dir.path().canonicalize().unwrap());
        assert!(found.sections.iter().all(|section| section.libraries.is_empty()));
        let position = found.tests[3].node().unwrap().position("test").unwrap();
        assert_eq!(position.path, found.sections[3].root.join("a/main.fmf"));
    })
    .unwrap();
}

#[test]
fn what_cannot_be_fetched_is_an_error_at_its_place() {
    let repository = Repository::new(&[("bad/main.fmf", "a: b\ntest+: 1\n"), ("bad/x.fmf", "a+: 1")]);
    let bare = tempfile::tempdir().unwrap();
    let (url, none) = (repository.url(), bare.path().join("none"));
    let none = none.display();
    for (section, class, message) in [
        (
            "url: --upload-pack=id",
            ErrorClass::Reference,
            "URL '--upload-pack=id' refused: it would be an option of git",
        ),
        (
            "url: 'ext::sh -c id'",
            ErrorClass::Reference,
            "URL 'ext::sh -c id' refused: 'ext::' would run a helper program",
        ),
        ("url: [x]", ErrorClass::Type, "'url' must be text, found list"),
        (
            &format!("url: 'file://{none}'"),
            ErrorClass::Fetch,
            &format!("Command 'git clone file://{none}' returned non-zero exit status 128."),
        ),
        (
            &format!("url: '{url}', ref: v9"),
            ErrorClass::Fetch,
            &format!("no branch, tag or commit 'v9' in {url}"),
        ),
        (
            &format!("url: '{url}', ref: --force"),
            ErrorClass::Reference,
            "ref \"--force\" refused: it cannot be a branch, tag or commit",
        ),
        (
            &format!("url: '{url}', path: ../.."),
            ErrorClass::Reference,
            "Path \"../..\" leads out of the repository.",
        ),
    ] {
        let dir =
            tree(&[("plan.fmf", &format!("discover:\n  how: fmf\n  {}\n", section.replace(", ", "\n  ")))]);
        let cache = tempfile::tempdir().unwrap();
        let error = failure(dir.path(), &Git::with_cache(cache.path()));
        assert_eq!((error.class(), error.message()), (class, message));
        let position = error.position().unwrap();
        assert!(position.path.ends_with("plan.fmf"), "{error}");
        assert_eq!((position.line, position.column), (3, 3), "{error}");
    }
}

#[test]
fn the_error_has_what_git_says() {
    let dir = tree(&[("plan.fmf", "discover: {url: /no/such/repository}\n")]);
    let cache = tempfile::tempdir().unwrap();
    let error = failure(dir.path(), &Git::with_cache(cache.path()));
    assert_eq!(error.details(), Some("fatal: repository '/no/such/repository' does not exist"));
}

#[test]
fn an_error_in_the_other_tree_has_its_own_place() {
    let repository = Repository::new(&[("main.fmf", "a: b\n"), ("x.fmf", "test: x\na+: 1\n")]);
    let dir = tree(&[("plan.fmf", &format!("discover: {{url: '{}'}}\n", repository.url()))]);
    let cache = tempfile::tempdir().unwrap();
    let error = failure(dir.path(), &Git::with_cache(cache.path()));
    assert_eq!(error.class(), ErrorClass::Merge);
    let position = error.position().unwrap();
    assert!(position.path.starts_with(cache.path()) && position.path.ends_with("x.fmf"), "{error}");
}

#[test]
fn a_tree_above_the_cache_is_not_taken_for_the_repository() {
    let repository = Repository::new(&[]);
    repository.git(&["rm", "-r", "--quiet", ".fmf"]);
    repository.commit(&[("readme", "no metadata\n")]);
    repository.git(&["clean", "-fdq"]);
    let dir =
        tree(&[("plan.fmf", &format!("discover: {{url: '{}'}}\n", repository.url())), ("t.fmf", "test: t")]);
    let error = failure(dir.path(), &Git::with_cache(dir.path().join(".cache")));
    assert_eq!(error.class(), ErrorClass::Root);
    assert!(error.message().starts_with("Unable to find tree root for '"), "{error}");
}

#[test]
fn a_link_does_not_lead_out_of_the_repository() {
    let outside = tree(&[("t.fmf", "test: t")]);
    let repository = Repository::new(&[]);
    std::os::unix::fs::symlink(outside.path(), repository.path().join("link")).unwrap();
    repository.commit(&[]);
    let dir = tree(&[("plan.fmf", &format!("discover: {{url: '{}', path: link}}\n", repository.url()))]);
    let cache = tempfile::tempdir().unwrap();
    let error = failure(dir.path(), &Git::with_cache(cache.path()));
    assert_eq!(error.message(), "Path \"link\" leads out of the repository.");
}
