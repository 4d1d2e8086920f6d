//! Policies as real programs.

use super::*;
use atex_model::report::Outcome;
use std::io::Write;

struct Fixture {
    dir: tempfile::TempDir,
    policy: Policy,
    replies: Receiver<Reply>,
    journal: File,
    tests: File,
}

impl Fixture {
    fn new(command: &str, timeout: Duration) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            File::options().create(true).append(true).read(true).open(dir.path().join(name)).unwrap()
        };
        let (journal, tests) = (file("journal.jsonl"), file("tests.jsonl"));
        let seen = Seen {
            dir: dir.path().to_owned(),
            journal: journal.try_clone().unwrap(),
            tests: tests.try_clone().unwrap(),
        };
        let (tell, replies) = unbounded();
        let command = Command { command: command.replace("DIR", &dir.path().display().to_string()), timeout };
        let policy =
            Policy::start(&command, &Variables::new(), dir.path().join("policy.log"), seen, tell).unwrap();
        Fixture { dir, policy, replies, journal, tests }
    }

    fn happens(&mut self, test: Option<&str>, record: Option<&str>) {
        for (file, line) in [(&mut self.tests, test), (&mut self.journal, record)] {
            if let Some(line) = line {
                writeln!(file, "{line}").unwrap();
            }
        }
        let length = |file: &File| file.metadata().unwrap().len();
        self.policy.grown(length(&self.journal), length(&self.tests));
    }

    fn ask(&self, id: u32, tests: &[&str]) {
        let candidates = tests
            .iter()
            .map(|test| Candidate::Test { platform: "default".into(), test: (*test).to_owned() })
            .collect();
        self.policy.ask(Question::next_test(id, "h", candidates));
    }

    fn reply(&self) -> Reply {
        self.replies.recv_timeout(Duration::from_secs(20)).expect("a reply")
    }
}

const LONG: Duration = Duration::from_secs(60);

fn answer(id: u32, candidate: Option<usize>) -> Reply {
    Reply::Answer { id, candidate }
}

/// Answers with the last candidate, and keeps what it was told.
const LAST: &str = "jq --unbuffered -c 'if .type == \"question\" then {type: \"answer\", id, candidate: (.candidates | length - 1)} \
                    else empty end' | tee DIR/answers; cat";

#[test]
fn it_is_told_everything_and_its_answers_come() {
    let mut fixture = Fixture::new(&format!("tee DIR/told | {LAST}"), LONG);
    fixture.happens(Some(r#"{"type":"test","name":"/a","data":{}}"#), Some(r#"{"type":"job-start"}"#));
    fixture.ask(1, &["/a", "/b", "/c"]);
    assert_eq!(fixture.reply(), answer(1, Some(2)));
    fixture.happens(Some(r#"{"type":"test","name":"/b","data":{}}"#), None);
    let after = After {
        platform: "default".into(),
        test: "/a".into(),
        attempt: 1,
        outcome: Outcome::Fail,
        exit: None,
        seconds: 0.5,
    };
    fixture.policy.ask(Question::whether(Ask::Destructive, 2, "h", after, true));
    assert_eq!(fixture.reply(), answer(2, Some(1)));
    fixture.happens(None, Some(r#"{"type":"passed-on","line":{"type":"mine"}}"#));
    let told = fixture.dir.path().join("told");
    drop(fixture.policy);
    let told = std::fs::read_to_string(told).unwrap();
    let kinds: Vec<String> = told.lines().map(|line| atex_model::kind(line).unwrap().into_owned()).collect();
    assert_eq!(kinds, ["test", "job-start", "question", "test", "question", "mine"]);
}

#[test]
fn who_is_late_is_not_asked_again_until_the_answer_has_come() {
    let command = "read -r a; cat DIR/go; echo '{\"type\":\"answer\",\"id\":1,\"candidate\":0}'; \
                   jq --unbuffered -c '{type: \"answer\", id, candidate: 1}'";
    let fixture = Fixture::new(&format!("mkfifo DIR/go; {command}"), Duration::from_millis(300));
    fixture.ask(1, &["/a", "/b"]);
    assert_eq!(fixture.reply(), answer(1, None));
    fixture.ask(2, &["/a", "/b"]);
    assert_eq!(fixture.reply(), answer(2, None), "at once");
    std::fs::write(fixture.dir.path().join("go"), "").unwrap();
    // Its late answer is on its way. Until it has come, nothing is asked.
    let mut id = 3;
    let reply = loop {
        fixture.ask(id, &["/a", "/b"]);
        match fixture.reply() {
            Reply::Answer { candidate: None, .. } => id += 1,
            reply => break reply,
        }
    };
    assert_eq!(reply, answer(id, Some(1)));
}

#[test]
fn nonsense_means_the_built_in_rule() {
    for (said, is_gone) in [
        ("echo ready; cat >/dev/null", false),
        ("read -r q; echo '{\"type\":\"answer\",\"id\":1,\"candidate\":2}'; cat >/dev/null", false),
        ("read -r q; echo '{\"type\":\"answer\",\"id\":1}'; cat >/dev/null", false),
        ("read -r q; exit 3", true),
        ("exec >&-; cat >/dev/null", true),
        ("kill -9 $$", true),
    ] {
        let fixture = Fixture::new(said, Duration::from_secs(3));
        fixture.ask(1, &["/a", "/b"]);
        let mut replies = vec![fixture.reply()];
        if is_gone {
            replies.push(fixture.reply());
        }
        assert!(replies.contains(&answer(1, None)), "{said}: {replies:?}");
        assert_eq!(replies.contains(&Reply::Gone), is_gone, "{said}: {replies:?}");
        if is_gone {
            fixture.ask(2, &["/a", "/b"]);
            assert_eq!(fixture.reply(), answer(2, None), "{said}");
        }
    }
}

#[test]
fn one_that_does_not_read_is_given_up_and_ended_with_the_run() {
    let mut fixture = Fixture::new("trap '' TERM; sleep 600", Duration::from_millis(300));
    let line = format!(r#"{{"type":"test","name":"/a","data":{{"x":"{}"}}}}"#, "x".repeat(1 << 20));
    fixture.happens(Some(&line), None);
    assert_eq!(fixture.reply(), Reply::Gone);
    let begun = Instant::now();
    drop(fixture.policy);
    assert!(begun.elapsed() < 3 * KILL_AFTER);
}
