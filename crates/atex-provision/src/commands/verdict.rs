//! Whether a lease has lost its owner.

use std::path::Path;
use std::time::Duration;

use atex_model::Time;

use crate::ledger::{Holder, Known, Life, Owner, State};

/// Why a lease is to be freed; `None`: it is not.
pub(super) fn why_free(known: &Known, now: Time, at_once: bool) -> Option<&'static str> {
    let facts = Facts {
        holder: known.entry.holder.as_ref().map(Holder::life),
        run_over: is_over(&known.entry.owner),
        quiet: known.quiet,
    };
    judge(known, &facts, now, at_once)
}

/// What the world says of a lease.
struct Facts {
    holder: Option<Life>,
    run_over: bool,
    quiet: Duration,
}

fn judge(known: &Known, facts: &Facts, now: Time, at_once: bool) -> Option<&'static str> {
    let entry = &known.entry;
    let waited = facts.quiet > Duration::from_secs(entry.orphan_seconds);
    let dead = match facts.holder {
        // It may live on another machine, or have died with the last boot: its silence tells.
        Some(Life::Elsewhere) => waited,
        Some(Life::Dead) => true,
        Some(Life::Lives) => return None,
        // A host that is held by nobody was reserved. What is under way with nobody at it has been given up.
        None => entry.state != State::Held,
    };
    let over = entry.until.is_some_and(|until| until <= now);
    match entry.state {
        State::Releasing if dead => Some("giving it back was broken off"),
        State::Creating if dead => Some("creating it was broken off"),
        State::Held if over => Some("its time is over"),
        State::Held if facts.run_over && facts.holder != Some(Life::Elsewhere) => Some("its run is over"),
        State::Held if dead && at_once => Some("its holder is dead"),
        State::Held if dead && waited => Some("its holder has been dead for too long"),
        _ => None,
    }
}

/// Whether a run cannot need its hosts any more.
fn is_over(owner: &Owner) -> bool {
    /// Longer than the last record of a run ever is.
    const LAST: usize = 64 << 10;
    let Owner::Run { dir, .. } = owner else { return false };
    let dir = Path::new(dir);
    match dir.try_exists() {
        Ok(true) => {}
        Ok(false) => return true,
        // Who knows.
        Err(_) => return false,
    }
    let tail = tail_of(&dir.join("journal.jsonl"), LAST).unwrap_or_default();
    let text = String::from_utf8_lossy(&tail);
    let last = text.ends_with('\n').then(|| text.lines().last()).flatten();
    let end = last.and_then(|line| atex_model::parse::<atex_model::report::JobEnd>(line).ok());
    end.is_some_and(|end| end.unsettled == 0)
}

/// The last bytes of a file.
fn tail_of(path: &Path, bytes: usize) -> std::io::Result<Vec<u8>> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes as u64)))?;
    let mut tail = Vec::new();
    file.take(bytes as u64).read_to_end(&mut tail)?;
    Ok(tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Entry;

    const HOUR: Duration = Duration::from_secs(3600);

    fn known(state: State, until: Option<i64>) -> Known {
        let entry = Entry {
            token: "atex-0-0".into(),
            backend: "x".into(),
            at: serde_json::Value::Null,
            state,
            owner: Owner::Name("me".into()),
            holder: None,
            since: Time(0),
            changed: Time(0),
            until: until.map(Time),
            orphan_seconds: 3600,
            id: None,
            resource: None,
            host: None,
        };
        Known { entry, quiet: Duration::ZERO }
    }

    #[test]
    fn only_what_lost_its_owner_is_freed() {
        use Life::{Dead, Elsewhere, Lives};
        use State::{Creating, Held, Releasing};
        let (short, long) = (HOUR / 2, HOUR * 2);
        let over = Some(-1);
        for (state, until, holder, run_over, quiet, at_once, freed) in [
            // Somebody looks after it, whatever else is said of it.
            (Held, over, Some(Lives), true, long, true, false),
            (Creating, None, Some(Lives), false, long, true, false),
            (Releasing, None, Some(Lives), true, long, true, false),
            // Nobody can go on with these.
            (Creating, None, Some(Dead), false, short, false, true),
            (Releasing, None, Some(Dead), false, short, false, true),
            (Creating, None, Some(Elsewhere), false, short, false, false),
            (Creating, None, Some(Elsewhere), false, long, false, true),
            (Creating, None, None, false, short, false, true),
            (Releasing, None, None, false, short, false, true),
            // A resumed run could go on with these.
            (Held, None, Some(Dead), false, short, false, false),
            (Held, None, Some(Dead), false, short, true, true),
            (Held, None, Some(Dead), false, long, false, true),
            (Held, None, Some(Dead), true, short, false, true),
            (Held, None, Some(Elsewhere), true, short, true, false),
            (Held, None, Some(Elsewhere), true, long, false, true),
            // Reserved ones end by time alone.
            (Held, None, None, false, long, true, false),
            (Held, Some(1), None, false, long, true, false),
            (Held, over, None, false, short, false, true),
            (Held, None, None, true, short, false, true),
        ] {
            let facts = Facts { holder, run_over, quiet };
            let verdict = judge(&known(state, until), &facts, Time(0), at_once);
            assert_eq!(
                verdict.is_some(),
                freed,
                "{state:?} {until:?} {holder:?} {run_over} {quiet:?} {at_once}"
            );
        }
    }

    #[test]
    fn a_run_is_over_when_it_says_so_or_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let owner = Owner::Run { id: "x".into(), dir: dir.path().to_str().unwrap().to_owned() };
        assert!(!is_over(&owner));
        let line = |unsettled: u32| {
            format!(
                "{{\"type\":\"job-end\",\"time\":\"2026-11-21T20:00:00.000Z\",\"run\":\"x\",\"dir\":\"/x\",\
                 \"seconds\":1,\"counts\":{{}},\"unsettled\":{unsettled}}}\n"
            )
        };
        for (journal, over) in [
            ("{\"type\":\"test-end\"}\n".to_owned(), false),
            (line(2), false),
            (line(0), true),
            (line(0).trim_end().to_owned(), false),
        ] {
            std::fs::write(dir.path().join("journal.jsonl"), &journal).unwrap();
            assert_eq!(is_over(&owner), over, "{journal}");
        }
        drop(dir);
        assert!(is_over(&owner));
        assert!(!is_over(&Owner::Name("me".into())));
    }
}
