//! Results as a table: comma-separated values as RFC 4180 has them, or separated by tabs with the escapes of `jq`'s
//! `@tsv`.

use std::borrow::Cow;
use std::io::Write as _;

use atex_cli::Failure;
use atex_model::Time;
use atex_model::report::ResultKind;

use super::{Common, Export};
use crate::event::Event;
use crate::out::Out;
use crate::recall::Past;
use crate::row::Row;
use crate::stop::Stop;

/// The options of `csv`.
#[derive(Debug, clap::Args)]
pub struct CsvArgs {
    /// Also the results of attempts that were tried again; the column `type` tells them apart
    #[arg(long)]
    old: bool,

    /// Write texts as they are, also those that a spreadsheet takes for formulas
    ///
    /// Otherwise a text that begins with one of `=`, `+`, `-`, `@`, a tab or a carriage return gets a `'` in front: a test
    /// must not decide what is run where its results are opened.
    #[arg(long)]
    raw: bool,
}

/// The options of `tsv`.
#[derive(Debug, clap::Args)]
pub struct TsvArgs {
    /// Also the results of attempts that were tried again; the column `type` tells them apart
    #[arg(long)]
    old: bool,
}

pub(super) fn csv(args: &CsvArgs, _: &Common) -> Result<Box<dyn Export>, Failure> {
    let form = if args.raw { Form::RawCsv } else { Form::Csv };
    Ok(Box::new(Table::new(args.old, form)))
}

pub(super) fn tsv(args: &TsvArgs, _: &Common) -> Result<Box<dyn Export>, Failure> {
    Ok(Box::new(Table::new(args.old, Form::Tsv)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Csv,
    RawCsv,
    Tsv,
}

const COLUMNS: [&str; 13] = [
    "type", "time", "run", "platform", "test", "subtest", "status", "note", "files", "attempt", "n", "host",
    "waived",
];

struct Table {
    old: bool,
    form: Form,
    begun: bool,
    /// The last time and its text: the results of an attempt have the same.
    time: (Option<Time>, String),
}

impl Table {
    fn new(old: bool, form: Form) -> Table {
        Table { old, form, begun: false, time: (None, String::new()) }
    }

    fn begin(&mut self, to: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            for (i, column) in COLUMNS.into_iter().enumerate() {
                self.cell(i, column, to);
            }
            self.end_line(to);
        }
    }

    fn line(&mut self, row: &Row<'_>, to: &mut Vec<u8>) {
        if self.time.0 != Some(row.time) {
            self.time = (Some(row.time), row.time.to_string());
        }
        let kind = match row.kind {
            ResultKind::Result => "result",
            ResultKind::OldResult => "old-result",
            ResultKind::LiveResult => "live-result",
        };
        let texts = [
            kind,
            &self.time.1,
            row.run,
            row.platform,
            row.test,
            row.subtest.unwrap_or_default(),
            row.status.unwrap_or_default(),
            row.note.unwrap_or_default(),
        ];
        for (i, text) in texts.into_iter().enumerate() {
            self.cell(i, text, to);
        }
        match row.files.len() {
            0 => self.cell(texts.len(), "", to),
            1 => row.files.iter().for_each(|name| self.cell(texts.len(), name, to)),
            _ => self.cell(texts.len(), &row.files.iter().collect::<Vec<_>>().join(";"), to),
        }
        let separator = char::from(self.separator());
        write!(to, "{separator}{}{separator}{}", row.attempt, row.n).expect("a Vec takes every byte");
        self.cell(1, row.host.unwrap_or_default(), to);
        self.cell(1, row.waived.unwrap_or_default(), to);
        self.end_line(to);
    }

    fn separator(&self) -> u8 {
        match self.form {
            Form::Csv | Form::RawCsv => b',',
            Form::Tsv => b'\t',
        }
    }

    fn end_line(&self, to: &mut Vec<u8>) {
        match self.form {
            Form::Csv | Form::RawCsv => to.extend_from_slice(b"\r\n"),
            Form::Tsv => to.push(b'\n'),
        }
    }

    fn cell(&self, index: usize, text: &str, to: &mut Vec<u8>) {
        if index > 0 {
            to.push(self.separator());
        }
        let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && self.form == Form::Csv;
        let guarded = if is_formula { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) };
        let text = &*guarded;
        let is_plain = |byte: u8| match self.form {
            Form::Csv | Form::RawCsv => !matches!(byte, b',' | b'"' | b'\n' | b'\r'),
            Form::Tsv => !matches!(byte, b'\t' | b'\n' | b'\r' | b'\\'),
        };
        if text.bytes().all(is_plain) {
            return to.extend_from_slice(text.as_bytes());
        }
        match self.form {
            Form::Csv | Form::RawCsv => quote(text, to),
            Form::Tsv => escape(text, to),
        }
    }
}

fn quote(text: &str, to: &mut Vec<u8>) {
    to.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            to.push(b'"');
        }
        to.push(byte);
    }
    to.push(b'"');
}

fn escape(text: &str, to: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'\t' => to.extend_from_slice(b"\\t"),
            b'\n' => to.extend_from_slice(b"\\n"),
            b'\r' => to.extend_from_slice(b"\\r"),
            b'\\' => to.extend_from_slice(b"\\\\"),
            byte => to.push(byte),
        }
    }
}

impl Export for Table {
    fn event(&mut self, event: &Event<'_>, _: Past, out: &mut Out<'_>) -> Result<(), Stop> {
        self.begin(&mut out.buffer);
        if let Some(row) = event.row()
            && (row.kind == ResultKind::Result || (self.old && row.kind == ResultKind::OldResult))
        {
            self.line(row, &mut out.buffer);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        self.begin(&mut out.buffer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        let cell = |form, text| {
            let mut to = Vec::new();
            Table::new(false, form).cell(0, text, &mut to);
            String::from_utf8(to).unwrap()
        };
        for (text, guarded, raw) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
            ("@SUM(1)", "'@SUM(1)", "@SUM(1)"),
            ("+1+1", "'+1+1", "+1+1"),
            ("-1", "'-1", "-1"),
            ("=H(\"a\",1)", "\"'=H(\"\"a\"\",1)\"", "\"=H(\"\"a\"\",1)\""),
            ("\tx", "'\tx", "\tx"),
            ("\rx", "\"'\rx\"", "\"\rx\""),
            ("1=1", "1=1", "1=1"),
            ("", "", ""),
        ] {
            assert_eq!(
                (cell(Form::Csv, text), cell(Form::RawCsv, text)),
                (guarded.into(), raw.into()),
                "{text}"
            );
        }
    }
}
