//! The cache: its names and locks, when it is fetched again, and what harm it survives.

use std::fs::{self, File, FileTimes};
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use atex_fmf::{ErrorClass, Fetch, Git};
use tempfile::TempDir;

use crate::repository::Repository;

const MINUTE: Duration = Duration::from_secs(60);

fn cache() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn clone(cache: &TempDir, url: &str) -> PathBuf {
    cache.path().join(url.replace('/', "_"))
}

/// What the file `version` says in a repository as it is fetched now.
fn version(cache: &TempDir, url: &str, reference: Option<&str>) -> String {
    let files = Git::with_cache(cache.path()).fetch(url, reference).unwrap();
    assert!(!files.join(".git").exists());
    fs::read_to_string(files.join("version")).unwrap()
}

fn last_fetch_was(clone: &Path, ago: Duration) {
    let mark = File::options().write(true).open(clone.join(".git/FETCH_HEAD")).unwrap();
    mark.set_times(FileTimes::new().set_modified(SystemTime::now() - ago)).unwrap();
}

#[test]
fn clones_and_locks_are_where_the_reference_has_them() {
    let repository = Repository::new(&[("version", "1")]);
    repository.commit(&[("version", "2")]);
    let url = repository.url();
    for (reference, shallow) in [(None, true), (Some("main"), false)] {
        let cache = cache();
        assert_eq!(version(&cache, &url, reference), "2");
        let clone = clone(&cache, &url);
        assert_eq!(clone.join(".git/shallow").exists(), shallow);
        for suffix in [".read.lock", ".fetch.lock"] {
            assert!(Path::new(&format!("{}{suffix}", clone.display())).is_file());
        }
    }
}

#[test]
fn a_clone_is_fetched_again_when_it_is_old() {
    let repository = Repository::new(&[("version", "1")]);
    let (cache, url) = (cache(), repository.url());
    let git = Git::with_cache(cache.path());
    let first = git.fetch(&url, None).unwrap();
    repository.commit(&[("version", "2")]);
    assert_eq!(version(&cache, &url, None), "1");
    last_fetch_was(&clone(&cache, &url), 19 * MINUTE);
    assert_eq!(version(&cache, &url, None), "1");
    last_fetch_was(&clone(&cache, &url), 21 * MINUTE);
    assert_eq!(version(&cache, &url, None), "2");
    // Whoever has asked before keeps what it was given.
    assert_eq!(git.fetch(&url, None).unwrap(), first);
    assert_eq!(fs::read_to_string(first.join("version")).unwrap(), "1");
}

#[test]
fn a_branch_is_what_it_is_at_the_origin() {
    let repository = Repository::new(&[("version", "1")]);
    let (cache, url) = (cache(), repository.url());
    assert_eq!(version(&cache, &url, Some("main")), "1");
    // As the reference leaves it, with a branch and files of its own.
    let checkout = Command::new("git")
        .args(["checkout", "--quiet", "-f", "main"])
        .current_dir(clone(&cache, &url))
        .status();
    assert!(checkout.unwrap().success());
    // A commit that the old one is no ancestor of.
    fs::write(repository.path().join("version"), "2").unwrap();
    repository.git(&["commit", "--quiet", "--all", "--amend", "--message", "another"]);
    last_fetch_was(&clone(&cache, &url), 21 * MINUTE);
    assert_eq!(version(&cache, &url, Some("main")), "2");
}

#[test]
fn a_shallow_clone_gets_what_a_ref_needs() {
    let repository = Repository::new(&[("version", "1")]);
    repository.git(&["tag", "one"]);
    let commit = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["checkout", "--quiet", "-b", "side"]);
    repository.commit(&[("version", "side")]);
    repository.git(&["checkout", "--quiet", "main"]);
    repository.commit(&[("version", "2")]);
    // From a directory git clones one branch, too, but never shallowly.
    for url in [repository.url(), repository.path().display().to_string()] {
        for (reference, expected) in [("one", "1"), (&commit, "1"), (&commit[..12], "1"), ("side", "side")] {
            let cache = cache();
            assert_eq!(version(&cache, &url, None), "2");
            assert_eq!(version(&cache, &url, Some(reference)), expected, "{reference} of {url}");
        }
    }
}

#[test]
fn a_ref_that_is_not_there_is_asked_for_once() {
    let repository = Repository::new(&[("version", "1")]);
    let (cache, url) = (cache(), repository.path().display().to_string());
    assert_eq!(version(&cache, &url, None), "1");
    let refuse = || Git::with_cache(cache.path()).fetch(&url, Some("nothing")).unwrap_err();
    assert!(refuse().message().starts_with("no branch, tag or commit 'nothing' in "));
    // What was left out has been fetched, so that this would not be found.
    repository.git(&["branch", "nothing"]);
    assert!(refuse().message().starts_with("no branch, tag or commit 'nothing' in "));
}

#[test]
fn a_clone_that_came_to_harm_is_replaced() {
    let repository = Repository::new(&[("version", "1")]);
    let url = repository.url();
    let harm: [fn(&Path); 4] = [
        // A process that was killed while it cloned.
        |clone| fs::remove_dir_all(clone.join(".git/objects")).unwrap(),
        |clone| fs::remove_file(clone.join(".git/HEAD")).unwrap(),
        |clone| fs::remove_dir_all(clone.join(".git")).unwrap(),
        // One that was killed while it fetched.
        |clone| {
            last_fetch_was(clone, 21 * MINUTE);
            fs::write(clone.join(".git/shallow.lock"), "").unwrap();
        },
    ];
    for (number, harm) in harm.into_iter().enumerate() {
        let cache = cache();
        assert_eq!(version(&cache, &url, None), "1");
        harm(&clone(&cache, &url));
        repository.commit(&[("version", "2"), ("number", &number.to_string())]);
        assert_eq!(version(&cache, &url, None), "2", "{number}");
        repository.commit(&[("version", "1")]);
    }
}

#[test]
fn a_fetch_that_failed_does_not_count() {
    let repository = Repository::new(&[("version", "1")]);
    let (cache, url) = (cache(), repository.url());
    assert_eq!(version(&cache, &url, None), "1");
    last_fetch_was(&clone(&cache, &url), 21 * MINUTE);
    let away = repository.path().join(".git-away");
    fs::rename(repository.path().join(".git"), &away).unwrap();
    let error = Git::with_cache(cache.path()).fetch(&url, None).unwrap_err();
    assert_eq!(error.message(), "Command 'git fetch' returned non-zero exit status 128.");
    fs::rename(&away, repository.path().join(".git")).unwrap();
    repository.commit(&[("version", "2")]);
    assert_eq!(version(&cache, &url, None), "2");
}

#[test]
fn a_repository_exists_or_does_not() {
    let repository = Repository::new(&[]);
    let (cache, url) = (cache(), repository.url());
    let git = Git::with_cache(cache.path());
    assert!(git.exists(&url));
    for other in [&format!("{url}-not"), "ext::true", "--version"] {
        assert!(!git.exists(other), "{other}");
    }
}

/// A server that takes connections and says nothing.
fn silent_server() -> (TcpListener, String) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("git://{}/x", server.local_addr().unwrap());
    (server, url)
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let (_server, url) = silent_server();
    let cache = cache();
    let start = Instant::now();
    for _ in 0..2 {
        let git = Git::with_cache(cache.path()).with_limit(Duration::from_secs(1));
        let error = git.fetch(&url, None).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Fetch);
        assert_eq!(
            error.message(),
            format!("Command 'git clone --depth=1 {url}' timed out after 1 seconds.")
        );
        assert!(!git.exists(&url));
    }
    assert!(start.elapsed() < MINUTE);
    assert!(!clone(&cache, &url).exists());
}

// The same test program again, as another process.

const CACHE: &str = "ATEX_TEST_CACHE";
const URL: &str = "ATEX_TEST_URL";

fn fetching_process(cache: &TempDir, url: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "cache::what_another_process_does", "--ignored", "--nocapture"]);
    command.env(CACHE, cache.path()).env(URL, url).stdout(Stdio::null());
    command
}

#[test]
#[ignore = "it is run by other tests, as a process of its own"]
fn what_another_process_does() {
    let cache = std::env::var_os(CACHE).expect("it is run by other tests");
    let files = Git::with_cache(cache).fetch(&std::env::var(URL).unwrap(), None).unwrap();
    assert_eq!(fs::read_to_string(files.join("version")).unwrap(), "2");
}

#[test]
fn several_processes_use_one_cache_at_once() {
    let many: Vec<(String, String)> =
        (0..200).map(|number| (format!("dir/{number}"), number.to_string())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, text)| (&**name, &**text)).collect();
    let repository = Repository::new(&many);
    repository.commit(&[("version", "2")]);
    let (cache, url) = (cache(), repository.url());
    let children: Vec<Child> = (0..6).map(|_| fetching_process(&cache, &url).spawn().unwrap()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let left: Vec<_> =
        fs::read_dir(cache.path().join(".atex")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    // The files of one commit, and a lock.
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn an_outer_git_is_left_alone() {
    let outer = Repository::new(&[]);
    let repository = Repository::new(&[("version", "2")]);
    let before = outer.git(&["status", "--porcelain=v2", "--branch"]);
    let cache = cache();
    // As a hook has them.
    let status = fetching_process(&cache, &repository.url())
        .env("GIT_DIR", outer.path().join(".git"))
        .env("GIT_WORK_TREE", outer.path())
        .env("GIT_INDEX_FILE", outer.path().join(".git/index"))
        .env("GIT_PREFIX", "x/")
        .status();
    assert!(status.unwrap().success());
    assert_eq!(outer.git(&["status", "--porcelain=v2", "--branch"]), before);
}

#[test]
fn secrets_of_urls_are_not_in_errors() {
    // A port that was free a moment ago: nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cache = cache();
    let url = format!("http://user:secret@127.0.0.1:{port}/x");
    let error = Git::with_cache(cache.path()).fetch(&url, None).unwrap_err();
    let message =
        format!("Command 'git clone http://***@127.0.0.1:{port}/x' returned non-zero exit status 128.");
    assert_eq!(error.message(), message);
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn a_process_that_is_killed_leaves_nothing_in_the_way() {
    let (server, url) = silent_server();
    let cache = cache();
    let mut child = fetching_process(&cache, &url).spawn().unwrap();
    let (mut connection, _) = server.accept().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // Its git ends, too, and with it the connection.
    connection.set_read_timeout(Some(MINUTE)).unwrap();
    let mut request = Vec::new();
    connection.read_to_end(&mut request).unwrap();
    assert!(!clone(&cache, &url).exists());
    let error =
        Git::with_cache(cache.path()).with_limit(Duration::from_secs(1)).fetch(&url, None).unwrap_err();
    assert!(error.message().contains(" timed out "), "{error}");
}
