//! The failures as plain HTML: what is seen first, and all that is seen without JavaScript.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use atex_model::report::{Outcome, ResultKind};

use super::escape::escaped;
use super::links;
use super::tables::clip;
use crate::identity::{Identity, IdentityMap, IdentitySet};
use crate::reduce::is_bad;
use crate::row::{Row, TestEnd};

/// The worst results, of which so many are kept that a page can show them at once.
pub(super) struct Failures {
    limit: usize,
    /// The worst first; of equals, those that were read first.
    kept: BTreeMap<(Outcome, u64), Failure>,
    /// Where the files of the attempts are that failures were kept of, once that is read.
    places: IdentityMap<Option<String>>,
    identities: IdentitySet,
    read: u64,
    /// How many failures were read, kept or not.
    pub(super) total: u64,
}

/// A result that is worse than passed, or the end of an attempt that is.
#[derive(Debug)]
struct Failure {
    /// Of which attempt.
    key: Identity,
    /// Which of its results; the end of the attempt has no number.
    number: Option<u64>,
    platform: String,
    test: String,
    subtest: Option<String>,
    note: Option<String>,
    host: Option<String>,
    files: Vec<String>,
    /// That it is known, and does not count.
    waived: bool,
}

/// How many files of a failure have links here.
const FILES: usize = 8;

impl Failure {
    fn identity(&self) -> Identity {
        self.number.map_or(self.key, |number| self.key.number(number))
    }
}

impl Failures {
    pub(super) fn new(limit: usize) -> Failures {
        Failures {
            limit,
            kept: BTreeMap::new(),
            places: IdentityMap::default(),
            identities: IdentitySet::default(),
            read: 0,
            total: 0,
        }
    }

    pub(super) fn add(&mut self, row: &Row<'_>, test: Identity) {
        let outcome = row.outcome();
        if row.kind != ResultKind::Result || !is_bad(outcome) {
            return;
        }
        self.total += 1;
        if !self.has_room(outcome) {
            return;
        }
        self.keep(
            outcome,
            Failure {
                key: test.number(u64::from(row.attempt)),
                number: Some(row.n),
                platform: row.platform.to_owned(),
                test: row.test.to_owned(),
                subtest: row.subtest.map(str::to_owned),
                note: row.note.map(|note| clip(note).into_owned()),
                host: row.host.map(str::to_owned),
                files: row.files.iter().take(FILES).map(str::to_owned).collect(),
                waived: row.waived.is_some(),
            },
        );
    }

    /// An attempt that ended, with the directory of its files.
    pub(super) fn add_end(&mut self, end: &TestEnd<'_>, test: Identity, place: Option<&str>) {
        let is_shown = end.is_final && is_bad(end.outcome) && self.has_room(end.outcome);
        if !is_shown && self.places.is_empty() {
            return;
        }
        let key = test.number(u64::from(end.attempt));
        if is_shown {
            self.keep(
                end.outcome,
                Failure {
                    key,
                    number: None,
                    platform: end.platform.to_owned(),
                    test: end.test.to_owned(),
                    subtest: None,
                    note: end.note.map(|note| clip(note).into_owned()),
                    host: end.host.map(str::to_owned),
                    files: Vec::new(),
                    waived: end.waived.is_some(),
                },
            );
        }
        if let Some(known) = self.places.get_mut(&key) {
            *known = place.map(str::to_owned);
        }
    }

    fn has_room(&self, outcome: Outcome) -> bool {
        self.kept.len() < self.limit
            || self.kept.last_key_value().is_some_and(|((worst, _), _)| outcome < *worst)
    }

    fn keep(&mut self, outcome: Outcome, failure: Failure) {
        if !self.identities.insert(failure.identity()) {
            return;
        }
        self.read += 1;
        self.places.entry(failure.key).or_default();
        self.kept.insert((outcome, self.read), failure);
        if self.kept.len() > self.limit
            && let Some((_, gone)) = self.kept.pop_last()
        {
            self.identities.remove(&gone.identity());
        }
        if self.places.len() > 4 * self.limit.max(64) {
            let keys: IdentitySet = self.kept.values().map(|failure| failure.key).collect();
            self.places.retain(|key, _| keys.contains(key));
        }
    }

    /// The table, or that there is nothing in it.
    pub(super) fn html(&self) -> String {
        let own: HashSet<(Identity, Outcome)> = self
            .kept
            .iter()
            .filter(|(_, failure)| failure.number.is_some() && failure.subtest.is_none())
            .map(|((outcome, _), failure)| (failure.key, *outcome))
            .collect();
        // The end of an attempt says again what its result said.
        let is_news =
            |outcome, failure: &Failure| failure.number.is_some() || !own.contains(&(failure.key, outcome));
        let rows: Vec<_> =
            self.kept.iter().filter(|((outcome, _), failure)| is_news(*outcome, failure)).collect();
        if rows.is_empty() {
            return "<p class=\"none\">Nothing failed.</p>\n".to_owned();
        }
        let mut html = String::from(
            "<table>\n<thead><tr><th>Status<th>Platform<th>Test<th>Note<th>Host<th>Files</tr></thead>\n<tbody>\n",
        );
        rows.iter().for_each(|((outcome, _), failure)| self.put_row(&mut html, *outcome, failure));
        html.push_str("</tbody>\n</table>\n");
        let shown = rows.iter().filter(|(_, failure)| failure.number.is_some()).count() as u64;
        let left = self.total.saturating_sub(shown);
        if left > 0 {
            let _ =
                writeln!(html, "<p>{left} more of them are in the full list, which needs JavaScript.</p>");
        }
        html
    }

    fn put_row(&self, html: &mut String, outcome: Outcome, failure: &Failure) {
        let test = match &failure.subtest {
            Some(subtest) => format!("{} <i>{}</i>", escaped(&failure.test), escaped(subtest)),
            None => escaped(&failure.test),
        };
        let text = |text: &Option<String>| escaped(text.as_deref().unwrap_or_default());
        let waived = if failure.waived { " (waived)" } else { "" };
        let _ = writeln!(
            html,
            "<tr class=\"s-{outcome}\"><td class=\"status\">{outcome}{waived}<td>{}<td dir=\"auto\">{test}<td dir=\"auto\">{}<td>{}<td>{}",
            escaped(&failure.platform),
            text(&failure.note),
            text(&failure.host),
            self.file_links(failure),
        );
    }

    fn file_links(&self, failure: &Failure) -> String {
        let Some(place) = self.places.get(&failure.key).and_then(Option::as_deref) else {
            let names: Vec<String> = failure.files.iter().map(|file| escaped(file)).collect();
            return names.join(" ");
        };
        let mut html = String::new();
        for file in &failure.files {
            let address = links::address(place, failure.subtest.as_deref(), file);
            let _ = write!(html, "<a href=\"{address}\">{}</a> ", escaped(file));
        }
        let _ = write!(html, "<a href=\"{}\">all</a>", links::directory_address(place));
        html
    }
}
