//! Runs as values, beyond the examples of the documentation.

use std::path::Path;
use std::time::{Duration, Instant};

use atex_exec::{Cause, Connect, Exit, Host, Job, Outcome, Record, Test};

fn start(dir: &Path) -> Job {
    Job::builder().local(1).options(["--grace", "1s"]).run_dir(dir.join("run")).start().unwrap()
}

#[test]
fn what_cannot_be_run_is_refused_and_the_job_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = start(dir.path());
    job.add(Test::shell("/a", "true")).unwrap();
    for (test, message) in [
        (Test::shell("/a", "true"), "test /a: there is one of this name already"),
        (Test::shell("/a", "true").on("default"), "test /a: there is one of this name already"),
        (Test::shell("", "true"), "test : expected a name"),
        (Test::new("/b", Default::default()), "test /b: data.test is missing"),
        (Test::shell("/b", "true").with("duration", "soon"), "test /b: data.duration: "),
    ] {
        let error = job.add(test).unwrap_err();
        assert!(error.message.starts_with(message), "{error}");
    }
    job.close();
    assert!(job.add(Test::shell("/c", "true")).is_err());
    let finished = job.finish().unwrap();
    assert_eq!((finished.exit, finished.job_end.counts["pass"]), (Exit::Done, 1));
}

#[test]
fn options_that_mean_nothing_are_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("run");
    for words in [vec!["--grace", "soon"], vec!["--no-such-option"], vec!["--resume", "x"], vec!["prepare"]] {
        let error = Job::builder().run_dir(&at).options(words).start().map(drop).unwrap_err();
        assert_eq!(error.kind, atex_cli::Kind::Usage, "{error}");
    }
    assert!(!at.exists());
}

#[test]
fn what_happens_while_one_test_is_waited_for_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = Job::builder().local(2).run_dir(dir.path().join("run")).start().unwrap();
    job.add(Test::shell("/other", "exit 1")).unwrap();
    let settled = job.run(Test::shell("/one", "echo; sleep 0.3")).unwrap();
    assert_eq!(
        (settled.outcome(), settled.end.cause, settled.results.len()),
        (Outcome::Pass, Cause::Test, 1)
    );
    job.close();
    let seen: Vec<String> = job
        .by_ref()
        .filter_map(|record| match record {
            Record::TestEnd(end) => Some(format!("end of {}", end.test)),
            record if record.is_final_result() => record.test().map(|(_, name)| format!("result of {name}")),
            Record::JobStart(_) => Some("start".into()),
            Record::JobEnd(_) => Some("end".into()),
            _ => None,
        })
        .collect();
    assert_eq!(seen, ["start", "result of /other", "end of /other", "end"]);
    let finished = job.finish().unwrap();
    assert_eq!((finished.exit, finished.tests().unwrap().len()), (Exit::Failed, 2));
}

#[test]
fn a_job_that_is_stopped_or_dropped_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = start(dir.path());
    job.add(Test::shell("/long", "exec sleep 300")).unwrap();
    while !matches!(job.next(), Some(Record::TestStart(_))) {}
    job.stop();
    let finished = job.finish().unwrap();
    assert_eq!((finished.exit, finished.job_end.unsettled), (Exit::Stopped, 1));
    assert_eq!(finished.tests().unwrap(), []);

    let dir = tempfile::tempdir().unwrap();
    let mut job = start(dir.path());
    job.add(Test::shell("/long", "exec sleep 300")).unwrap();
    while !matches!(job.next(), Some(Record::TestStart(_))) {}
    drop(job);
    let mut told = Vec::new();
    atex_exec::tell(&dir.path().join("run"), &mut told).unwrap();
    let told = String::from_utf8(told).unwrap();
    assert!(told.lines().last().unwrap().contains("\"unsettled\":1"), "{told}");
}

#[test]
fn a_test_that_the_run_does_not_come_to_is_not_waited_for_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = start(dir.path());
    job.add_host(Host::new("one", Connect::Local)).unwrap();
    // The run takes this as an error of its input, and stops.
    job.add_host(Host::new("one", Connect::Local)).unwrap();
    let error = job.run(Test::shell("/a", "true")).unwrap_err();
    assert!(error.message.starts_with("test /a: the run ended before it"), "{error}");
    assert_eq!(job.finish().unwrap().exit, Exit::Usage);
}

#[test]
fn a_test_that_no_host_can_run_is_settled_when_that_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = start(dir.path());
    job.add(Test::shell("/a", "true").on("cs9")).unwrap();
    let finished = job.finish().unwrap();
    let tests = finished.tests().unwrap();
    assert_eq!((finished.exit, tests[0].outcome, tests[0].attempt), (Exit::Trouble, Outcome::Infra, 0));
}

/// Threads of this process that look after hosts.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names
        .filter(|name| ["hosts-", "job", "stdout", "uploads"].iter().any(|one| name.starts_with(one)))
        .count()
}

#[test]
fn many_jobs_in_one_process_leave_no_threads() {
    for n in 0..15 {
        let dir = tempfile::tempdir().unwrap();
        let mut job = start(dir.path());
        assert_eq!(job.run(Test::shell(format!("/{n}"), "true")).unwrap().outcome(), Outcome::Pass);
        job.finish().unwrap();
    }
    // Others of this process may be at work.
    let deadline = Instant::now() + Duration::from_secs(30);
    while threads() > 24 {
        assert!(Instant::now() < deadline, "{} threads", threads());
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
