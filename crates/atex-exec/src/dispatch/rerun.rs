//! A test that is settled runs again, because somebody has asked for it. What was said of it stays: another test is taken
//! in, which says whose rerun it is.

use atex_model::Test;
use atex_schedule::{TestId, Tried};

use super::Dispatcher;
use crate::run_dir::trouble;

impl Dispatcher {
    /// Takes in a test for each of these, and returns their names.
    pub(super) fn rerun(&mut self, tests: &[TestId]) -> Result<Vec<String>, String> {
        if !self.pace.takes_tests() {
            return Err("the run is being drained".into());
        }
        let mut again = Vec::new();
        for id in tests {
            let test = self.tests.get(*id).map_err(|e| trouble(&self.dir.tests(), &e).to_string())?;
            if self.scheduler.is_running(*id).is_some() {
                return Err(format!("{}: it has not ended yet", test.name));
            }
            // What provisioners give is looked at when the test has come.
            if !self.has_host_for(&test) && !self.has_provisioners() {
                return Err(format!("{}: there is no host any more that could run it", test.name));
            }
            again.push(test);
        }
        again.into_iter().map(|test| self.take_in_again(test)).collect()
    }

    fn has_host_for(&self, test: &Test) -> bool {
        let label = test.platform.as_deref();
        let mut there = self.hosts.values().filter(|entry| !entry.gone);
        there.any(|entry| {
            label.is_none_or(|label| entry.record.label() == label) && self.wishes.suits(test, &entry.record)
        })
    }

    fn take_in_again(&mut self, mut test: Test) -> Result<String, String> {
        let first = match &test.rerun_of {
            Some(_) => without_number(&test.name),
            None => &test.name,
        };
        let name = self.identities.another(test.platform.as_deref(), first);
        test.rerun_of = Some(std::mem::replace(&mut test.name, name));
        let wish = self.wishes.of(&test, &self.config.history)?;
        let line = serde_json::to_string(&test).expect("a record has only text keys");
        let id = self.tests.push(&line).map_err(|e| {
            let failure = trouble(&self.dir.tests(), &e);
            self.cannot_store(&failure);
            failure.to_string()
        })?;
        self.progress.taken_in(&test);
        let name = test.name.clone();
        self.arrive(id, &test, wish, Tried::default());
        Ok(name)
    }
}

/// The name of the first of several runs of a test.
fn without_number(name: &str) -> &str {
    let number = name.strip_suffix(')').and_then(|rest| rest.rsplit_once(" ("));
    match number {
        Some((first, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => first,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_behind_a_name() {
        for (name, first) in [
            ("/a (2)", "/a"),
            ("/a (2) (13)", "/a (2)"),
            ("/a", "/a"),
            ("/a ()", "/a ()"),
            ("/a (x)", "/a (x)"),
            ("/a(2)", "/a(2)"),
        ] {
            assert_eq!(without_number(name), first);
        }
    }
}
