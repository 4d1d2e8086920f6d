//! A manual page: the text written by hand, with the generated parts put in.

use clap::Command;
use clap_mangen::roff::{Roff, bold, roman};

use crate::fields::Fields;
use crate::{options, tools::Tool};

/// The date that the pages bear: that of the last release, or of a change worth telling. A manual without one
/// is refused by checkers, and the day of the build would make every build differ.
const DATE: &str = "2026-11-22";

/// The parts that are generated. Each stands once in the text, alone on a line.
const PARTS: [(&str, Part); 4] =
    [("@HEAD@", head), ("@SYNOPSIS@", synopsis), ("@OPTIONS@", options), ("@EXIT_STATUS@", exit_status)];

type Part = fn(&Tool, &Command) -> Result<String, String>;

/// The page of a tool.
///
/// # Errors
/// The text does not name each generated part once, or the code has something that cannot be put into a page.
pub(crate) fn page(tool: &Tool) -> Result<String, String> {
    let mut command = tool.command.clone();
    // Puts the names of commands into their usage, and `--help` to the options.
    command.build();
    let mut page = tool.text.to_owned();
    for (name, part) in PARTS {
        let line = format!("{name}\n");
        if page.matches(&line).count() != 1 {
            return Err(format!("expected one line {name}"));
        }
        page = page.replace(&line, &part(tool, &command)?);
    }
    match page.lines().find(|line| line.starts_with('@')) {
        Some(line) => Err(format!("{line}: there is no generated part of this name")),
        None => Ok(page.chars().map(ascii).collect()),
    }
}

/// A page that is about no program, and written by hand but for its title and what it takes from elsewhere.
pub(crate) struct Page {
    name: &'static str,
    section: &'static str,
    about: &'static str,
    text: &'static str,
}

/// All of them.
pub(crate) const PAGES: [Page; 8] = [
    Page {
        name: "atex",
        section: "7",
        about: "running tests on many hosts, with four programs and records between them",
        text: include_str!("../text/atex.7"),
    },
    Page {
        name: "atex-control",
        section: "7",
        about: "what a test finds, and what it can say while it runs",
        text: include_str!("../text/atex-control.7"),
    },
    Page {
        name: "atex-ctl",
        section: "7",
        about: "asking and telling a run that goes on",
        text: include_str!("../text/atex-ctl.7"),
    },
    Page {
        name: "atex-policy",
        section: "7",
        about: "programs that decide which test runs next",
        text: include_str!("../text/atex-policy.7"),
    },
    Page {
        name: "atex-provisioner",
        section: "7",
        about: "programs that lend hosts to tests",
        text: include_str!("../text/atex-provisioner.7"),
    },
    Page {
        name: "atex-records",
        section: "5",
        about: "the lines that the tools exchange",
        text: include_str!("../text/atex-records.5"),
    },
    Page {
        name: "atex-run-dir",
        section: "5",
        about: "what is kept of a run",
        text: include_str!("../text/atex-run-dir.5"),
    },
    Page {
        name: "atex-waivers",
        section: "5",
        about: "known failures",
        text: include_str!("../text/atex-waivers.5"),
    },
];

/// The provisioner that its page shows.
const EXAMPLE: &str = include_str!("../../../scripts/examples/provisioner");

impl Page {
    pub fn file(&self) -> String {
        format!("{}.{}", self.name, self.section)
    }

    /// # Errors
    /// The text has no place for the title, or asks for a part that there is not.
    pub fn text(&self) -> Result<String, String> {
        let rest = self.text.strip_prefix("@HEAD@\n").ok_or("expected @HEAD@ as the first line")?;
        let mut page = title(self.name, self.section, env!("CARGO_PKG_VERSION"), self.about);
        let mut fields = Fields::of_all_records();
        for line in rest.lines() {
            match line.strip_prefix('@').and_then(|line| line.strip_suffix('@')) {
                Some("EXAMPLE") => page.push_str(&verbatim(EXAMPLE)),
                Some("EXIT_STATUS") => page.push_str(&exit_status_of(atex_cli::EXIT_STATUS)?),
                Some(part) if part.starts_with("FIELDS ") => page.push_str(&fields.list(&part[7..])?),
                Some(part) => return Err(format!("@{part}@: there is no generated part of this name")),
                None => page.extend([line, "\n"]),
            }
        }
        fields.check_complete()?;
        Ok(page.chars().map(ascii).collect())
    }
}

/// Text as it stands, in an example.
pub(crate) fn verbatim(text: &str) -> String {
    let escape = |c: char| match c {
        '\\' => "\\e".to_owned(),
        '-' => "\\-".to_owned(),
        '\'' => "\\(aq".to_owned(),
        '"' => "\\(dq".to_owned(),
        '`' => "\\(ga".to_owned(),
        '^' => "\\(ha".to_owned(),
        '~' => "\\(ti".to_owned(),
        other => other.to_string(),
    };
    let line = |line: &str| {
        let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
        format!("{guard}{}\n", line.chars().map(escape).collect::<String>())
    };
    text.lines().map(line).collect()
}

/// A character as every formatter reads it, whatever encoding it takes files to be in.
pub(crate) fn ascii(c: char) -> String {
    if c.is_ascii() { c.into() } else { format!("\\[u{:04X}]", u32::from(c)) }
}

/// The title and the section NAME.
fn head(tool: &Tool, command: &Command) -> Result<String, String> {
    head_of(tool.name, command)
}

pub(crate) fn head_of(name: &str, command: &Command) -> Result<String, String> {
    let about = options::about(command)?.replace('`', "");
    let about = about.trim_end_matches('.');
    // In the middle of a line, as a manual has it, unless it begins with a name.
    let (first, rest) = about.split_at(about.chars().next().map_or(0, char::len_utf8));
    let is_name = rest.starts_with(char::is_uppercase);
    let first = if is_name { first.to_owned() } else { first.to_lowercase() };
    Ok(title(name, "1", env!("CARGO_PKG_VERSION"), &format!("{first}{rest}")))
}

/// The title and the section NAME, with a warning to whoever opens the file in an editor.
fn title(name: &str, section: &str, version: &str, about: &str) -> String {
    let mut roff = Roff::new();
    roff.control("TH", [&*name.to_uppercase(), section, DATE, &format!("atex {version}"), "ATEX manual"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{name} - {about}"))]);
    let warning =
        ".\\\" Generated by `cargo run -p xtask -- generate` from crates/xtask/text. Do not edit.\n";
    format!("{warning}{}", roff.to_roff())
}

/// How the tool is called; each of its commands has a page of its own.
fn synopsis(_: &Tool, command: &Command) -> Result<String, String> {
    Ok(synopsis_of(command))
}

pub(crate) fn synopsis_of(command: &Command) -> String {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    for (n, form) in usage(command).iter().enumerate() {
        if n > 0 {
            roff.control("br", []);
        }
        // The words before the first option or argument are typed as they are.
        let (name, rest) = form.split_at(form.find(['[', '<']).unwrap_or(form.len()));
        let name = bold(name.trim_end());
        roff.text(if rest.is_empty() { vec![name] } else { vec![name, roman(format!(" {rest}"))] });
    }
    roff.to_roff()
}

fn usage(command: &Command) -> Vec<String> {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:");
    usage.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

fn options(_: &Tool, command: &Command) -> Result<String, String> {
    options::section(command)
}

/// The table of exit statuses, which is one for all tools.
fn exit_status(_: &Tool, _: &Command) -> Result<String, String> {
    exit_status_of(atex_cli::EXIT_STATUS)
}

fn exit_status_of(table: &str) -> Result<String, String> {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for line in table.lines().skip(1) {
        match line.strip_prefix("  ").map(|row| row.split_once("   ")) {
            Some(Some((numbers, meaning))) => {
                roff.control("TP", []);
                roff.text([bold(numbers)]);
                roff.text([roman(meaning.trim())]);
            }
            Some(None) => return Err(format!("the table of exit statuses: no meaning in `{line}`")),
            None => {
                roff.control("PP", []);
                roff.text([roman(line)]);
            }
        }
    }
    Ok(roff.to_roff())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    const TEXT: &str = "@HEAD@\n@SYNOPSIS@\n.SH DESCRIPTION\nIt is.\n@OPTIONS@\n@EXIT_STATUS@\n";

    fn tool(text: &'static str) -> Tool {
        let file = Arg::new("file").value_name("FILE").help("What is read").required(true);
        let command = Command::new("some-tool").version("1.2").about("Give a thing…").arg(file);
        Tool { name: "some-tool", command, schemas: Vec::new(), text }
    }

    #[test]
    fn generated_parts_stand_where_the_text_names_them() {
        let page = page(&tool(TEXT)).unwrap();
        let position = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part}: not in\n{page}"));
        let places = [
            ".TH SOME-TOOL 1 2026-11-22 \"atex 0.1.0\" \"ATEX manual\"\n",
            "some\\-tool \\- give a thing\\[u2026]\n",
            ".SH SYNOPSIS\n\\fBsome\\-tool\\fR <FILE>\n",
            ".SH DESCRIPTION\nIt is.\n",
            ".SH OPTIONS\n",
            ".SH \"EXIT STATUS\"\n.TP\n\\fB0\\fR\ndone, and no test failed\n",
            ".PP\nOf several, the first",
        ]
        .map(position);
        assert!(places.is_sorted(), "{page}");
    }

    #[test]
    fn forms_that_were_written_by_hand_stand_as_they_are() {
        let mut command = Command::new("tool").override_usage("tool [one] FILE\n       tool COMMAND");
        command.build();
        let text = synopsis(&tool(TEXT), &command).unwrap();
        assert_eq!(text, ".SH SYNOPSIS\n\\fBtool\\fR [one] FILE\n.br\n\\fBtool COMMAND\\fR\n");
    }

    #[test]
    fn a_text_without_a_part_or_with_an_unknown_one_is_refused() {
        for (text, message) in [
            ("@HEAD@\n@SYNOPSIS@\n@OPTIONS@\n", "expected one line @EXIT_STATUS@"),
            ("@HEAD@\n@HEAD@\n@SYNOPSIS@\n@OPTIONS@\n@EXIT_STATUS@\n", "expected one line @HEAD@"),
            (
                "@HEAD@\n@SYNOPSIS@\n@OPTIONS@\n@EXIT_STATUS@\n@FILES@\n",
                "@FILES@: there is no generated part of this name",
            ),
        ] {
            assert_eq!(page(&tool(text)).unwrap_err(), message);
        }
    }

    #[test]
    fn a_table_of_another_form_is_refused() {
        assert!(exit_status_of("Exit status:\n  0 done\n").is_err());
    }
}
