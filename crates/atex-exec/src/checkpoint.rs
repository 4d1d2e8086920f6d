//! What an attempt is restored from after a crash: `checkpoint.json` beside its results.
//!
//! It is replaced as a whole, and only after everything that it counts on is on disk.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use atex_control::{State, TimeLimit};
use atex_model::Time;
use serde::{Deserialize, Serialize};

use crate::artifacts::{Lengths, Trouble};
use crate::attempt::{SpoolStart, Stopped};
use crate::tap::Tap;

const NAME: &str = "checkpoint.json";
const NEW: &str = "checkpoint.json.new";

/// All that has to be known of an attempt, beside its artifacts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Checkpoint<'a> {
    pub attempt: Saved,
    /// It may be large, with open results and the names of files.
    pub parser: Cow<'a, State>,
}

/// What is not the parser's.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub time: Time,
    pub started: Time,
    pub elapsed: Duration,
    pub boot: Option<String>,
    pub reboots: u32,
    pub word: String,
    pub start: SpoolStart,
    /// The next bytes to be fed, as positions in the spools.
    pub control: u64,
    pub output: u64,
    pub stopped: Option<Stopped>,
    pub limit: TimeLimit,
    pub tap: Option<Tap>,
    pub lengths: Lengths,
}

impl Saved {
    /// How long the attempt has been going on by now: time that nobody watched counts, too. A clock that was
    /// set back in between counts as no time.
    pub fn elapsed_by(&self, now: Time) -> Duration {
        let since = Duration::try_from_secs_f64(now.seconds_since(self.time)).unwrap_or_default();
        self.elapsed.saturating_add(since)
    }
}

impl Checkpoint<'_> {
    /// The one in this directory, if there is one.
    pub fn load(dir: &Path) -> Result<Option<Checkpoint<'static>>, Trouble> {
        let trouble = |e| Trouble::new(dir.join(NAME), e);
        match fs::read(dir.join(NAME)) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|e| trouble(e.into())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(trouble(e)),
        }
    }

    /// Takes the place of the one before.
    pub fn store(&self, dir: &Path) -> Result<(), Trouble> {
        self.try_store(dir).map_err(|e| Trouble::new(dir.join(NAME), e))
    }

    fn try_store(&self, dir: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(dir.join(NEW))?);
        serde_json::to_writer(&mut file, self)?;
        file.write_all(b"\n")?;
        file.into_inner()?.sync_data()?;
        fs::rename(dir.join(NEW), dir.join(NAME))?;
        File::open(dir)?.sync_all()
    }
}

/// Whether there is one in this directory.
pub(crate) fn is_there(dir: &Path) -> bool {
    dir.join(NAME).exists()
}

/// There is nothing to go on with any more.
pub(crate) fn remove(dir: &Path) -> Result<(), Trouble> {
    match fs::remove_file(dir.join(NAME)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Trouble::new(dir.join(NAME), e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::artifacts::{Artifacts, settle};
    use crate::attempt::{Attempt, Done, Job, Quotas};
    use atex_model::report::Cause;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    pub(crate) const WORD: &str = "0123456789abcdef";
    pub(crate) const START: SpoolStart = SpoolStart { generation: 3, control: 1000, output: 50 };

    /// Where waiting for the disk takes no time, if there is such a place.
    pub(crate) fn fast_dir() -> tempfile::TempDir {
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
    }

    pub(crate) fn job(dir: &Path) -> Job {
        let test = serde_json::from_str(r#"{"type":"test","name":"/t","data":{"test":"true"}}"#).unwrap();
        Job { test, attempt: 1, run: "r".into(), artifacts: dir.join("results/default/t/attempt-1") }
    }

    /// So small that output is left out.
    fn quotas() -> Quotas {
        Quotas { output: 16, ..Quotas::default() }
    }

    fn fresh(job: &Job) -> Attempt {
        Attempt::new(job, WORD, START, Artifacts::create(&job.artifacts).unwrap(), quotas())
    }

    fn restored(job: &Job) -> Option<(Attempt, Duration)> {
        Attempt::restore(job, quotas()).unwrap()
    }

    /// What lies in the spools from the test's first byte on, the last line with it.
    pub(crate) struct Spools {
        pub control: Vec<u8>,
        pub output: Vec<u8>,
    }

    impl Spools {
        pub fn new(mut control: Vec<u8>, output: Vec<u8>) -> Spools {
            let (sent, printed) = (START.control + control.len() as u64, START.output + output.len() as u64);
            control.extend_from_slice(format!("{WORD} 1 {sent} {printed}\n").as_bytes());
            Spools { control, output }
        }

        /// Feeds so many bytes more, from where the attempt stands.
        pub fn feed(&self, attempt: &mut Attempt, (control, output): (usize, usize)) {
            let part = |bytes: &[u8], from: u64, count: usize| {
                let from = usize::try_from(from).unwrap().min(bytes.len());
                bytes[from..bytes.len().min(from.saturating_add(count))].to_vec()
            };
            let at = attempt.positions();
            attempt.control(&part(&self.control, at.0 - START.control, control), Duration::ZERO);
            attempt.output(&part(&self.output, at.1 - START.output, output));
        }

        pub fn feed_rest(&self, attempt: &mut Attempt) {
            self.feed(attempt, (usize::MAX, usize::MAX));
            assert!(attempt.is_complete());
        }
    }

    /// All files below a directory.
    pub(crate) fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = BTreeMap::new();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                all.extend(
                    contents(&path)
                        .into_iter()
                        .map(|(name, text)| (Path::new(path.file_name().unwrap()).join(name), text)),
                );
            } else {
                all.insert(path.file_name().unwrap().into(), fs::read(&path).unwrap());
            }
        }
        all
    }

    fn undisturbed(spools: &Spools) -> (Done, BTreeMap<PathBuf, Vec<u8>>) {
        let dir = fast_dir();
        let job = job(dir.path());
        let mut attempt = fresh(&job);
        spools.feed_rest(&mut attempt);
        (attempt.finish(Duration::ZERO), contents(&job.artifacts))
    }

    #[derive(Debug, Clone)]
    enum Then {
        GoOn,
        Save,
        Crash,
    }

    fn disturbed(spools: &Spools, steps: &[(usize, usize, Then)]) -> (Done, BTreeMap<PathBuf, Vec<u8>>) {
        let dir = fast_dir();
        let job = job(dir.path());
        let mut attempt = fresh(&job);
        let mut is_saved = false;
        for (control, output, then) in steps {
            spools.feed(&mut attempt, (*control, *output));
            match then {
                Then::GoOn => {}
                Then::Save => {
                    attempt.save(Duration::ZERO).unwrap();
                    is_saved = true;
                }
                Then::Crash => {
                    drop(attempt);
                    attempt = match restored(&job) {
                        Some((attempt, _)) => attempt,
                        None => {
                            assert!(!is_saved);
                            fs::remove_dir_all(&job.artifacts).unwrap();
                            fresh(&job)
                        }
                    };
                    assert_eq!(attempt.positions(), attempt.saved_positions());
                }
            }
        }
        spools.feed_rest(&mut attempt);
        let mut done = attempt.finish(Duration::ZERO);
        if is_saved {
            // As if we had died before its end was on record.
            let (mut attempt, _) = restored(&job).unwrap();
            spools.feed_rest(&mut attempt);
            done = attempt.finish(Duration::ZERO);
        }
        settle(&job.artifacts).unwrap();
        (done, contents(&job.artifacts))
    }

    pub(crate) fn result(json: &str) -> String {
        format!("result {}\n{json}", json.len())
    }

    fn example() -> Vec<u8> {
        [
            result(
                r#"{"name":"a","partial":true,"files":[{"name":"f","length":5},{"name":"g/h","length":0}]}"#,
            ),
            "12\n45".into(),
            "duration 10m\nnote hello\n".into(),
            result(r#"{"status":"warn"}"#),
            result(r#"{"name":"a","status":"pass","testout":"out","files":[{"name":"f","length":3}]}"#),
            "678".into(),
            result(r#"{"name":"b","partial":true,"x":[1]}"#),
            "noo".into(),
        ]
        .concat()
        .into_bytes()
    }

    #[test]
    fn a_crash_at_any_byte_changes_nothing() {
        let spools = Spools::new(example(), b"printed\n".to_vec());
        let whole = undisturbed(&spools);
        let names: Vec<_> = whole.1.keys().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(names, ["files/a/f", "files/a/g/h", "files/a/out", "results.jsonl"]);
        for at in 0..spools.control.len() {
            let steps = [(at, at % 9, Then::Save), (17, 3, Then::Crash)];
            assert_eq!(disturbed(&spools, &steps), whole, "{at}");
        }
    }

    #[test]
    fn what_is_saved_is_found_again() {
        let dir = fast_dir();
        let job = job(dir.path());
        let spools = Spools::new(b"duration 9m\ndisconnect\nrest".to_vec(), Vec::new());
        let mut attempt = fresh(&job);
        assert!(restored(&job).is_none());
        attempt.set_boot("boot".into());
        spools.feed(&mut attempt, (20, 0));
        assert!(!attempt.disconnecting());
        spools.feed(&mut attempt, (7, 0));
        assert!(attempt.disconnecting());
        assert_eq!((attempt.unsaved(), attempt.saved_positions()), (27, (1000, 50)));
        attempt.save(Duration::from_secs(5)).unwrap();
        assert_eq!((attempt.unsaved(), attempt.saved_positions()), (0, (1027, 50)));
        let started = attempt.started();
        drop(attempt);

        let (mut attempt, elapsed) = restored(&job).unwrap();
        assert!(attempt.disconnecting());
        assert!(elapsed >= Duration::from_secs(5) && elapsed < Duration::from_secs(60), "{elapsed:?}");
        let left = attempt.left(Duration::from_secs(60));
        assert_eq!(left, Duration::from_secs(480));
        assert_eq!((attempt.boot(), attempt.word(), attempt.start()), (Some("boot"), WORD, START));
        assert_eq!((attempt.started(), attempt.reboots()), (started, 0));
        spools.feed_rest(&mut attempt);

        let start = SpoolStart { generation: 4, control: 7, output: 9 };
        attempt.restart("other", start);
        assert!(!attempt.disconnecting() && !attempt.is_complete());
        assert_eq!((attempt.positions(), attempt.reboots()), ((7, 9), 1));
        attempt.stop(Cause::Host, "gone".into());
        attempt.save(elapsed).unwrap();
        drop(attempt);
        let (mut attempt, elapsed) = restored(&job).unwrap();
        assert_eq!((attempt.start(), attempt.word(), attempt.reboots()), (start, "other", 1));
        attempt.control(b"other 0 7 9\n", elapsed);
        let done = attempt.finish(elapsed);
        assert_eq!((done.cause, done.note.as_deref()), (Cause::Host, Some("gone")));
        assert!(job.artifacts.join(NAME).exists(), "its end is not on record");
        settle(&job.artifacts).unwrap();
        assert!(!job.artifacts.join(NAME).exists());
    }

    #[test]
    fn many_files_are_saved_and_what_came_later_is_taken_away() {
        let dir = fast_dir();
        let job = job(dir.path());
        let file =
            |n: usize| result(&format!(r#"{{"name":"s{n}","files":[{{"name":"f","length":1}}]}}"#)) + "x";
        let mut attempt = fresh(&job);
        attempt.control((0..100).map(file).collect::<String>().as_bytes(), Duration::ZERO);
        attempt.save(Duration::ZERO).unwrap();
        let saved = contents(&job.artifacts.join("files"));
        attempt.control((50..200).map(file).collect::<String>().as_bytes(), Duration::ZERO);
        assert_eq!(contents(&job.artifacts.join("files")).len(), 200);
        drop(attempt);
        drop(restored(&job).unwrap());
        assert_eq!(contents(&job.artifacts.join("files")), saved);
        let directories = fs::read_dir(job.artifacts.join("files")).unwrap().count();
        assert_eq!(directories, 100, "nor are there empty ones");
    }

    #[test]
    fn what_cannot_be_gone_on_from_is_said() {
        let dir = fast_dir();
        let job = job(dir.path());
        let mut attempt = fresh(&job);
        attempt.output(b"12345");
        attempt.save(Duration::ZERO).unwrap();
        drop(attempt);
        let trouble = || Attempt::restore(&job, Quotas::default()).err().unwrap().to_string();
        fs::write(job.artifacts.join("output"), "123").unwrap();
        assert!(
            trouble().ends_with("output: 3 bytes are left of 5 that the checkpoint counts on"),
            "{}",
            trouble()
        );
        fs::write(job.artifacts.join(NAME), "{").unwrap();
        assert!(trouble().contains("checkpoint.json: "), "{}", trouble());
    }

    fn message() -> impl Strategy<Value = Vec<u8>> {
        let name = prop::sample::select(vec!["a", "b", "a/b", "output.txt", "../a"]);
        let file = (name.clone(), prop::collection::vec(any::<u8>(), 0..9));
        let result =
            (prop::option::of(name.clone()), any::<bool>(), prop::collection::vec(file, 0..3), any::<u8>());
        let result = result.prop_map(|(name, partial, files, key)| {
            let list: Vec<_> =
                files.iter().map(|(n, b)| serde_json::json!({"name": n, "length": b.len()})).collect();
            let mut json =
                serde_json::json!({"name": name, "partial": partial, "files": list, "status": "pass"});
            json[format!("k{}", key % 3)] = key.into();
            if key % 8 == 0 {
                json["testout"] = format!("out{key}").into();
            }
            let bytes = files.into_iter().flat_map(|(_, bytes)| bytes);
            super::tests::result(&json.to_string()).into_bytes().into_iter().chain(bytes).collect()
        });
        let words = vec!["noop\n", "duration +5\n", "disconnect\n", "note x\n", "\n"];
        prop_oneof![
            12 => result,
            1 => prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        ]
    }

    fn steps() -> impl Strategy<Value = Vec<(usize, usize, Then)>> {
        let then = prop_oneof![Just(Then::GoOn), Just(Then::Save), Just(Then::Crash)];
        prop::collection::vec((0usize..200, 0usize..9, then), 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn crashes_change_nothing(
            messages in prop::collection::vec(message(), 0..8),
            output in prop::collection::vec(any::<u8>(), 0..40),
            steps in steps(),
        ) {
            let spools = Spools::new(messages.concat(), output);
            prop_assert_eq!(disturbed(&spools, &steps), undisturbed(&spools));
        }
    }
}
