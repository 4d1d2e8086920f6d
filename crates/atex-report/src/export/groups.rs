//! Tests one by one, for formats that write what a test comes to in front of its results, or all of them together.
//!
//! Results are written down in the format as they come, in a body of each test ([`crate::spill`]); when the test is
//! settled, the format gets what it came to and the body. So memory depends on the tests that are open, and of those
//! only [`OPEN`] are: in a stream without ends of tests the ones that were quiet for longest are written early.
//!
//! A test is written when its end is read. Results that come later, as in a stream that was shuffled, are written as a test
//! of their own; what else comes later of it says nothing new.

use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasherDefault;
use std::mem;

use atex_model::Time;
use atex_model::report::{Cause, Outcome, ResultKind, Waived};

use super::Export;
use crate::event::{Event, What};
use crate::identity::{AsItIs, Identity, IdentityMap};
use crate::out::Out;
use crate::recall::Past;
use crate::record::Record;
use crate::reduce::clip;
use crate::row::{Row, TestEnd, TestStart};
use crate::spill::{Body, Spill};
use crate::stop::Stop;

/// How many tests may be open. More than this many run at one time nowhere; a stream without ends of tests, where all stay open, is
/// cut here.
const OPEN: usize = 10_000;

/// No attempt takes longer: what is said to is no length of time.
const LONGEST: f64 = 1e10;

/// How many failures of earlier attempts are remembered of a test.
const EARLIER: usize = 200;

/// How a format writes a test.
pub(super) trait Form {
    /// Appends a final result to the body of its test: whole lines.
    fn row(&mut self, row: &Row<'_>, test: &mut Test, to: &mut Vec<u8>);

    /// Writes a test that is settled, or of which no more comes.
    ///
    /// # Errors
    /// It cannot be written.
    fn test(&mut self, test: &mut Test, body: Body, spill: &mut Spill, out: &mut Out<'_>)
    -> Result<(), Stop>;

    /// Another record, such as the start of a run.
    fn record(&mut self, _: &Record) {}

    /// Whether the report may need several files.
    fn needs_parts(&self) -> bool {
        false
    }

    /// Writes what stands behind the last test.
    ///
    /// # Errors
    /// It cannot be written.
    fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Stop>;
}

/// A test and what it comes to.
#[derive(Debug, Default)]
pub(super) struct Test {
    pub run: String,
    pub platform: String,
    pub name: String,
    /// When its last attempt began.
    pub start: Option<Time>,
    /// How it was settled, if it was.
    pub end: Option<End>,
    /// How the attempts before ended.
    pub earlier_ends: Vec<End>,
    /// What failed in attempts before.
    pub earlier: Vec<Earlier>,
    /// How many results of which outcome were read.
    pub counts: [u64; Outcome::ALL.len()],
    /// How many of the failed ones are waived.
    pub waived: u64,
    /// The worst result for the test itself.
    pub main: Option<Main>,
    /// The last result's time.
    pub time: Option<Time>,
    pub host: Option<String>,
    /// The results are those of this attempt.
    pub attempt: u32,
    /// An attempt is known to have begun: without an end it was cut off.
    pub has_begun: bool,
    /// How often results of it were written before it was settled.
    pub part: u32,
    /// What the format counts in its body.
    pub tally: [u64; 4],
    /// The last result for the test itself, if the format waits with it for the end.
    pub pending: Option<Pending>,
    /// Which names the format has used in its body, as hashes.
    pub names: HashSet<u64, BuildHasherDefault<AsItIs>>,
    order: u64,
    touched: u64,
}

/// How an attempt ended: what formats write of its `test-end`.
#[derive(Debug)]
pub(super) struct End {
    pub attempt: u32,
    pub time: Time,
    pub host: Option<String>,
    pub outcome: Outcome,
    pub cause: Cause,
    pub exit: Option<i64>,
    pub note: Option<String>,
    pub seconds: f64,
    pub artifacts: Option<String>,
    pub waived: Option<Waived>,
}

/// A result for a test itself.
#[derive(Debug, Clone)]
pub(super) struct Main {
    pub outcome: Outcome,
    pub note: Option<String>,
    pub waived: bool,
}

/// A result for a test itself that is not written yet.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub name: String,
    pub outcome: Outcome,
    /// The word, if it is another than the outcome's.
    pub status: Option<String>,
    pub note: Option<String>,
    pub waived: bool,
    pub attachments: Vec<String>,
}

/// Something that failed in an attempt that was tried again.
#[derive(Debug, Clone)]
pub(super) struct Earlier {
    pub attempt: u32,
    pub subtest: Option<String>,
    pub outcome: Outcome,
    pub note: Option<String>,
}

impl End {
    fn of(end: &TestEnd<'_>) -> End {
        let TestEnd { attempt, time, outcome, cause, exit, seconds, .. } = *end;
        let [host, note, artifacts] = [end.host, end.note, end.artifacts].map(|text| text.map(str::to_owned));
        let waived = end.waived.and_then(|text| serde_json::from_str(text).ok());
        End { attempt, time, host, outcome, cause, exit, note, seconds, artifacts, waived }
    }
}

impl Test {
    /// What became of it.
    pub fn outcome(&self) -> Outcome {
        let worst = Outcome::ALL.into_iter().find(|outcome| self.counts[*outcome as usize] > 0);
        match (&self.end, &self.main) {
            (Some(end), _) => end.outcome,
            // It was cut off.
            (None, _) if self.has_begun => Outcome::Infra,
            (None, Some(main)) => main.outcome,
            (None, None) => worst.unwrap_or(Outcome::Info),
        }
    }

    /// What is to be said of it, by the executor or by the test.
    pub fn note(&self) -> Option<&str> {
        let of_end = self.end.as_ref().and_then(|end| end.note.as_deref());
        let cut = (self.end.is_none() && self.has_begun)
            .then_some("it has begun, and its end is not in the stream");
        of_end.or(cut).or(self.main.as_ref().and_then(|main| main.note.as_deref()))
    }

    /// Whether all of it that failed is known to fail.
    pub fn is_waived(&self) -> bool {
        match &self.end {
            Some(end) => end.waived.is_some(),
            None => self.main.as_ref().is_some_and(|main| main.waived),
        }
    }

    /// How long its last attempt ran.
    pub fn seconds(&self) -> Option<f64> {
        self.end.as_ref().map(|end| end.seconds.clamp(0.0, LONGEST))
    }

    /// What failed before of the same subtest, or of the test itself.
    pub fn earlier_of<'t>(&'t self, subtest: Option<&str>) -> impl Iterator<Item = &'t Earlier> {
        self.earlier.iter().filter(move |earlier| earlier.subtest.as_deref() == subtest)
    }

    /// Another test takes its place, and the room of its texts.
    fn renew(&mut self, names: [&str; 3]) {
        // Field by field: to move all of it costs more than all the rest.
        let Test {
            run,
            platform,
            name,
            start,
            end,
            earlier_ends,
            earlier,
            counts,
            waived,
            main,
            time,
            host,
            attempt,
            has_begun,
            part,
            tally,
            pending,
            names: used,
            order,
            touched,
        } = self;
        for (to, text) in [run, platform, name].into_iter().zip(names) {
            to.clear();
            to.shrink_to(4 << 10);
            to.push_str(text);
        }
        (*start, *end, *main, *time, *host, *pending) = (None, None, None, None, None, None);
        earlier_ends.clear();
        earlier.clear();
        (*counts, *waived, *tally) = ([0; Outcome::ALL.len()], 0, [0; 4]);
        (*attempt, *has_begun, *part, *order, *touched) = (0, false, 0, 0, 0);
        // Few tests have many.
        match used.capacity() < 64 {
            true => used.clear(),
            false => *used = HashSet::default(),
        }
    }

    fn row(&mut self, row: &Row<'_>) {
        self.attempt = row.attempt;
        self.time = Some(row.time);
        if self.host.as_deref() != row.host {
            self.host = row.host.map(str::to_owned);
        }
        let outcome = row.outcome();
        self.counts[outcome as usize] += 1;
        self.waived += u64::from(row.waived.is_some());
        if row.subtest.is_none() && self.main.as_ref().is_none_or(|main| outcome < main.outcome) {
            let note = row.note.filter(|note| !note.is_empty()).map(clip);
            self.main = Some(Main { outcome, note, waived: row.waived.is_some() });
        }
    }

    fn old_row(&mut self, row: &Row<'_>) {
        self.has_begun = true;
        let outcome = row.outcome();
        if outcome <= Outcome::Fail && self.earlier.len() < EARLIER {
            let (subtest, note) = (row.subtest.map(str::to_owned), row.note.map(clip));
            self.earlier.push(Earlier { attempt: row.attempt, subtest, outcome, note });
        }
    }

    fn start(&mut self, start: &TestStart<'_>) {
        self.has_begun = true;
        self.start = self.start.max(Some(start.time));
        self.host = Some(start.host.to_owned());
    }
}

/// The tests that are open, written in the form `F`.
pub(super) struct Groups<F> {
    form: F,
    open: IdentityMap<Box<Group>>,
    /// The test of the last row, which is most often that of the next.
    last: Option<(Identity, Box<Group>)>,
    /// What is no longer needed: with the room that its texts have, the next test costs few allocations.
    spare: Option<Box<Group>>,
    spill: Spill,
    /// Tests of which results were written before their end, with how often.
    parts: IdentityMap<u32>,
    /// How many tests were opened, and how many rows were taken.
    order: u64,
    clock: u64,
}

#[derive(Debug, Default)]
struct Group {
    test: Test,
    body: Body,
}

impl<F: Form> Groups<F> {
    pub fn new(form: F) -> Groups<F> {
        Groups {
            form,
            open: IdentityMap::default(),
            last: None,
            spare: None,
            spill: Spill::default(),
            parts: IdentityMap::default(),
            order: 0,
            clock: 0,
        }
    }

    /// The test that is asked for becomes the last one.
    fn turn_to(
        &mut self,
        identity: Identity,
        (run, platform, name): (&str, &str, &str),
        past: Past,
    ) -> &mut Group {
        if self.last.as_ref().is_none_or(|(last, _)| *last != identity) {
            if let Some((identity, group)) = self.last.take() {
                self.open.insert(identity, group);
            }
            let group = self.open.remove(&identity).unwrap_or_else(|| {
                self.order += 1;
                // Where its end was written before, these are results that came late.
                let part = self.parts.get(&identity).copied().unwrap_or(u32::from(past.is_settled));
                let mut group = self.spare.take().unwrap_or_default();
                group.test.renew([run, platform, name]);
                (group.test.part, group.test.order) = (part, self.order);
                group
            });
            self.last = Some((identity, group));
        }
        self.clock += 1;
        let (_, group) = self.last.as_mut().expect("it has just been put there if it was not");
        group.test.touched = self.clock;
        group
    }

    fn row(&mut self, row: &Row<'_>, test: Identity, past: Past, out: &mut Out<'_>) -> Result<(), Stop> {
        if row.kind != ResultKind::Result && past.is_settled {
            return Ok(());
        }
        self.turn_to(test, row.test_key(), past);
        let Groups { form, last: Some((_, group)), spill, .. } = self else { return Ok(()) };
        match row.kind {
            ResultKind::LiveResult => group.test.has_begun = true,
            ResultKind::OldResult => group.test.old_row(row),
            ResultKind::Result => {
                group.test.row(row);
                let Group { test, body, .. } = &mut **group;
                if spill.append(body, |to| form.row(row, test, to)) {
                    self.put_all()?;
                }
            }
        }
        if self.open.len() >= OPEN { self.close_quiet(out) } else { Ok(()) }
    }

    fn put_all(&mut self) -> Result<(), Stop> {
        let last = self.last.iter_mut().map(|(_, group)| group);
        for group in self.open.values_mut().chain(last) {
            self.spill.put(&mut group.body)?;
        }
        Ok(())
    }

    fn end(&mut self, end: &TestEnd<'_>, test: Identity, past: Past, out: &mut Out<'_>) -> Result<(), Stop> {
        if !end.is_final && past.is_settled {
            return Ok(());
        }
        let group = self.turn_to(test, end.test_key(), past);
        if !end.is_final {
            group.test.has_begun = true;
            if group.test.earlier_ends.len() < EARLIER {
                group.test.earlier_ends.push(End::of(end));
            }
            return Ok(());
        }
        group.test.end = Some(End::of(end));
        if end.host.is_some() && end.host != group.test.host.as_deref() {
            group.test.host = end.host.map(str::to_owned);
        }
        let Some((identity, mut group)) = self.last.take() else { return Ok(()) };
        self.parts.remove(&identity);
        let body = mem::take(&mut group.body);
        self.form.test(&mut group.test, body, &mut self.spill, out)?;
        self.spare = Some(group);
        Ok(())
    }

    /// Writes the half of the open tests of which nothing was read for longest.
    fn close_quiet(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        let mut ages: Vec<u64> = self.open.values().map(|group| group.test.touched).collect();
        ages.sort_unstable();
        let limit = ages[ages.len() / 2];
        let quiet: Vec<Identity> =
            self.open.iter().filter(|(_, group)| group.test.touched < limit).map(|(id, _)| *id).collect();
        let mut groups = BTreeMap::new();
        for identity in quiet {
            if self.parts.len() >= 10 * OPEN {
                self.parts.clear();
            }
            *self.parts.entry(identity).or_default() += 1;
            if let Some(group) = self.open.remove(&identity) {
                groups.insert(group.test.order, group);
            }
        }
        self.close(groups, out)
    }

    fn close(&mut self, groups: BTreeMap<u64, Box<Group>>, out: &mut Out<'_>) -> Result<(), Stop> {
        for group in groups.into_values() {
            let Group { mut test, body, .. } = *group;
            // One that has only begun to be written says nothing when nothing was added.
            if test.part == 0 || !body.is_empty() || test.pending.is_some() {
                self.form.test(&mut test, body, &mut self.spill, out)?;
            }
            out.settle()?;
        }
        Ok(())
    }
}

impl<F: Form> Export for Groups<F> {
    fn event(&mut self, event: &Event<'_>, past: Past, out: &mut Out<'_>) -> Result<(), Stop> {
        match event.what {
            What::Row(row) => self.row(&row, event.test, past, out),
            What::TestStart(start) => {
                if !past.is_settled {
                    self.turn_to(event.test, start.test_key(), past).test.start(&start);
                }
                Ok(())
            }
            What::TestEnd(end) => self.end(&end, event.test, past, out),
            What::Record(record) => {
                self.form.record(record);
                Ok(())
            }
            What::Other => Ok(()),
        }
    }

    fn needs_parts(&self) -> bool {
        self.form.needs_parts()
    }

    fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        if let Some((identity, group)) = self.last.take() {
            self.open.insert(identity, group);
        }
        let groups = self.open.drain().map(|(_, group)| (group.test.order, group)).collect();
        self.close(groups, out)?;
        self.form.finish(out)
    }
}
