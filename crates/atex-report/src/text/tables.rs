//! The sections that count: by status, by test, by host, by time.

use atex_model::report::Outcome;

use super::Writer;
use super::style::Style;
use super::table::{self, Cell, Side};
use super::units::{self, count, cut_end, cut_middle, duration, moment, number, width};
use super::visible::visible;
use crate::reduce::{STATUSES, Tested, is_trouble};
use crate::summary::{Counts, Listed, Lost, Ran, Summary, Used};

/// The room that a name gets in a table on a terminal.
const NAME: usize = 24;

/// The columns of the table of counts: the outcomes, other words, unfinished tests.
const COLUMNS: usize = STATUSES + 1;

type Numbers = [u64; COLUMNS];

impl Writer<'_> {
    pub(super) fn counts(&mut self, summary: &Summary<'_>) {
        let tests = self.group("tests", summary, tests_of);
        let results = self.group("results", summary, results_of);
        let used: Vec<usize> = (0..COLUMNS)
            .filter(|column| tests.iter().chain(&results).any(|(_, numbers)| numbers[*column] > 0))
            .collect();
        if used.is_empty() {
            return;
        }
        let mut rows = vec![heading(&used)];
        for group in [tests, results] {
            rows.extend(group.iter().map(|(name, numbers)| count_row(name, numbers, &used)));
        }
        self.gap();
        let sides: Vec<Side> = std::iter::once(Side::Left).chain([Side::Right; COLUMNS + 1]).collect();
        self.table(&rows, &sides[..used.len() + 2]);
    }

    /// A row for each platform, and one for all: the only one, if there is only one platform.
    fn group(
        &self,
        title: &str,
        summary: &Summary<'_>,
        of: fn(&Counts) -> Numbers,
    ) -> Vec<(String, Numbers)> {
        let all = of(&summary.counts());
        if all.iter().sum::<u64>() == 0 {
            return Vec::new();
        }
        let mut rows = vec![(title.to_owned(), all)];
        if summary.platforms.len() > 1 {
            for (platform, counts) in &summary.platforms {
                let name = cut_middle(&visible(platform), self.page.width.map(|_| NAME)).into_owned();
                rows.push((format!("  {name}"), of(counts)));
            }
        }
        rows
    }

    pub(super) fn slowest(&mut self, slowest: &[(f64, &Tested)]) {
        if slowest.is_empty() {
            return;
        }
        self.title("Slowest tests");
        let times: Vec<String> = slowest.iter().map(|(seconds, _)| duration(*seconds)).collect();
        let column = times.iter().map(|time| width(time)).max().unwrap_or_default();
        let room = self.room(2 + column + 2);
        let rows: Vec<Vec<Cell>> = times
            .into_iter()
            .zip(slowest)
            .map(|(time, (_, tested))| {
                let name = cut_middle(&self.name(tested), room).into_owned();
                vec![Cell::plain(""), Cell::plain(time), Cell::plain(name)]
            })
            .collect();
        self.table(&rows, &[Side::Left, Side::Right, Side::Left]);
    }

    pub(super) fn hosts(&mut self, hosts: &Listed<Used<'_>>) {
        if hosts.is_empty() {
            return;
        }
        self.title(&format!("Hosts ({})", number(hosts.len() as u64)));
        let rows: Vec<Vec<Cell>> = hosts.shown.iter().map(|used| self.host_row(used)).collect();
        let sides = [Side::Left, Side::Left, Side::Left, Side::Right, Side::Right, Side::Left];
        self.table(&rows, &sides);
        self.left(hosts.left, "--hosts");
    }

    fn host_row(&self, used: &Used<'_>) -> Vec<Cell> {
        let name = |text: &str| {
            let shown = visible(text);
            Cell::plain(cut_middle(&shown, self.page.width.map(|_| NAME)))
        };
        let trouble = used.troubles > 0 || used.faults > 0;
        vec![
            Cell::plain(""),
            name(used.id),
            name(used.platform),
            Cell::plain(count(used.attempts, "test")),
            Cell::plain(duration(used.busy)),
            Cell::new(host_end(used), if trouble { Style::Broken } else { Style::Dim }),
        ]
    }

    pub(super) fn time(&mut self, summary: &Summary<'_>) {
        if summary.runs.is_empty() {
            return;
        }
        self.title("Time");
        let row = |seconds, text| vec![Cell::plain(""), Cell::plain(seconds), Cell::plain(text)];
        let mut rows = Vec::new();
        for run in &summary.runs {
            rows.push(row(duration(run.seconds), run_text(run)));
        }
        rows.extend(
            lost(&summary.lost).into_iter().map(|(seconds, text)| row(duration(seconds), text.to_owned())),
        );
        self.table(&rows, &[Side::Left, Side::Right, Side::Left]);
        for dir in summary.runs.iter().filter_map(|run| run.dir) {
            let dir = visible(&units::path(dir, self.page.cwd.as_deref())).into_owned();
            self.line(&format!("  everything is in {dir}"));
        }
    }

    fn table(&mut self, rows: &[Vec<Cell>], sides: &[Side]) {
        // Only the last column is of any length, and it stands at the end: it is cut there.
        let plain = table::lines(rows, sides, false);
        let last = sides.len() - 1;
        let rows: Vec<Vec<Cell>> = rows
            .iter()
            .zip(&plain)
            .map(|(row, line)| {
                let mut row = row.clone();
                if let Some(cell) = row.get_mut(last).filter(|_| sides[last] == Side::Left) {
                    let before = width(line) - width(&cell.text);
                    cell.text = cut_end(&cell.text, self.room(before)).into_owned();
                }
                row
            })
            .collect();
        for line in table::lines(&rows, sides, self.page.color) {
            self.line(&line);
        }
    }
}

fn tests_of(counts: &Counts) -> Numbers {
    let mut numbers = [0; COLUMNS];
    numbers[..counts.tests.len()].copy_from_slice(&counts.tests);
    numbers[COLUMNS - 1] = counts.unfinished;
    numbers
}

fn results_of(counts: &Counts) -> Numbers {
    let mut numbers = [0; COLUMNS];
    numbers[..STATUSES].copy_from_slice(&counts.results);
    numbers
}

fn column(index: usize) -> (&'static str, Style) {
    match Outcome::ALL.get(index) {
        Some(outcome) => (outcome.as_str(), Style::of(*outcome)),
        None if index < STATUSES => ("other", Style::Plain),
        None => ("unfinished", Style::Doubtful),
    }
}

fn heading(used: &[usize]) -> Vec<Cell> {
    let titles = used.iter().map(|index| Cell::new(column(*index).0, Style::Dim));
    std::iter::once(Cell::plain("")).chain(titles).chain([Cell::new("all", Style::Dim)]).collect()
}

fn count_row(name: &str, numbers: &Numbers, used: &[usize]) -> Vec<Cell> {
    let style = if name.starts_with(' ') { Style::Plain } else { Style::Bold };
    let cell = |index: &usize| match numbers[*index] {
        0 => Cell::new(".", Style::Dim),
        n => Cell::new(number(n), column(*index).1),
    };
    let all = Cell::plain(number(numbers.iter().sum()));
    std::iter::once(Cell::new(name, style)).chain(used.iter().map(cell)).chain([all]).collect()
}

/// How a host ended, and what trouble there was with it.
fn host_end(used: &Used<'_>) -> String {
    let mut text = match used.ending {
        Some(ending) => ending.reason.word().to_owned(),
        None => String::new(),
    };
    if used.troubles > 1 && used.ending.is_some_and(|ending| is_trouble(ending.reason)) {
        text = format!("{text}, {} times in trouble", number(used.troubles as u64));
    }
    if used.faults > 0 {
        let faults = format!("spoiled {}", count(used.faults, "test"));
        text = if text.is_empty() { faults } else { format!("{text}, {faults}") };
    }
    match used.ending.and_then(|ending| ending.note.as_deref()) {
        Some(note) => format!("{text}: {}", visible(note)),
        None => text,
    }
}

/// `run 20261121-ab, from 2026-11-21 20:00:00 UTC, hosts 93% busy`
fn run_text(run: &Ran<'_>) -> String {
    let mut text = format!("run {}", visible(run.id));
    if let Some(from) = run.from {
        text = format!("{text}, from {}", moment(from));
    }
    if let Some(busy) = run.busy.filter(|_| !run.open) {
        text = format!("{text}, hosts {:.0}% busy", busy.clamp(0.0, 1.0) * 100.0);
    }
    if run.open { format!("{text}, its end is missing") } else { text }
}

/// What was in vain, and how much of it.
fn lost(lost: &Lost) -> Vec<(f64, &'static str)> {
    let all = [
        (lost.infra, "lost to hosts and infrastructure"),
        (lost.reruns, "spent on attempts that were tried again"),
        (lost.cancelled, "lost to what was cancelled"),
    ];
    all.into_iter().filter(|(seconds, _)| *seconds > 0.0).collect()
}
