//! Columns that stand below each other.

use super::style::{Style, paint};
use super::units::width;

/// One field of a table.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub text: String,
    pub style: Style,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>, style: Style) -> Cell {
        Cell { text: text.into(), style }
    }

    pub(crate) fn plain(text: impl Into<String>) -> Cell {
        Cell::new(text, Style::Plain)
    }
}

/// To which side the texts of a column are pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// The rows as lines. Columns are two blanks apart; the last takes what room it needs. Rows may be shorter than
/// `sides`.
pub(crate) fn lines(rows: &[Vec<Cell>], sides: &[Side], color: bool) -> Vec<String> {
    let widths: Vec<usize> = (0..sides.len())
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|c| width(&c.text)).max().unwrap_or(0)
        })
        .collect();
    rows.iter().map(|row| line(row, sides, &widths, color)).collect()
}

fn line(row: &[Cell], sides: &[Side], widths: &[usize], color: bool) -> String {
    let mut line = String::new();
    // Blanks are written only before something, so that none stand at the end.
    let mut blanks = 0;
    for ((cell, side), room) in row.iter().zip(sides).zip(widths) {
        let pad = room - width(&cell.text);
        let (before, after) = if *side == Side::Right { (pad, 0) } else { (0, pad) };
        if !cell.text.is_empty() {
            line.extend(std::iter::repeat_n(' ', blanks + before));
            line.push_str(&paint(&cell.text, cell.style, color));
            blanks = after + 2;
        } else {
            blanks += room + 2;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_in_line_and_nothing_trails() {
        let row = |texts: &[&str]| texts.iter().map(|t| Cell::plain(*t)).collect::<Vec<_>>();
        let rows = [row(&["", "pass", "all"]), row(&["漢", "1,234", ""]), row(&["abc", "5", "x"])];
        let sides = [Side::Left, Side::Right, Side::Left];
        assert_eq!(lines(&rows, &sides, false), ["      pass  all", "漢   1,234", "abc      5  x"]);
    }
}
