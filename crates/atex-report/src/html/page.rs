//! The parts of the page that are the same in all of them, and its plain HTML.

use std::collections::BTreeMap;
use std::io::{self, Write};

use atex_cli::text::units::number;
use atex_model::report::Outcome;
use serde_json::Value;

use super::escape::{escaped, json};
use super::failures::Failures;

const STYLE: &str = include_str!("page/page.css");

/// In the order in which they need each other.
const SCRIPTS: [&str; 11] = [
    include_str!("page/text.js"),
    include_str!("page/chunks.js"),
    include_str!("page/store.js"),
    include_str!("page/search.js"),
    include_str!("page/lines.js"),
    include_str!("page/list.js"),
    include_str!("page/rows.js"),
    include_str!("page/details.js"),
    include_str!("page/timeline.js"),
    include_str!("page/controls.js"),
    include_str!("page/main.js"),
];

/// Nothing is asked for, whatever the page contains: the browser itself refuses.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// What a page begins with.
pub(super) struct Head<'a> {
    pub(super) title: String,
    pub(super) counts: &'a BTreeMap<String, [u64; Outcome::ALL.len() + 1]>,
    pub(super) failures: &'a Failures,
    pub(super) meta: Value,
}

impl Head<'_> {
    /// Writes everything before the chunks.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let title = escaped(&self.title);
        write!(
            to,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<div id=\"app\"></div>\n\
             <main id=\"plain\">\n<h1>{title}</h1>\n"
        )?;
        self.write_counts(to)?;
        writeln!(to, "<h2>What failed</h2>")?;
        to.write_all(self.failures.html().as_bytes())?;
        writeln!(to, "<noscript><p>With JavaScript this page shows all results.</p></noscript>\n</main>")?;
        writeln!(to, "<script type=\"application/json\" id=\"meta\">{}</script>", json(&self.meta))?;
        writeln!(to, "<script>\n(() => {{\n\"use strict\";\n")?;
        for script in SCRIPTS {
            to.write_all(script.as_bytes())?;
        }
        writeln!(to, "}})();\n</script>")
    }

    /// A table of platforms by statuses, without the statuses that nothing has.
    fn write_counts(&self, to: &mut impl Write) -> io::Result<()> {
        let names: Vec<&str> = Outcome::ALL.iter().map(|of| of.as_str()).chain(["other"]).collect();
        let used: Vec<usize> =
            (0..names.len()).filter(|at| self.counts.values().any(|counts| counts[*at] > 0)).collect();
        if used.is_empty() {
            return writeln!(to, "<p class=\"none\">There are no results.</p>");
        }
        write!(to, "<table class=\"counts\">\n<thead><tr><th>Results")?;
        used.iter().try_for_each(|at| write!(to, "<th class=\"s-{0}\">{0}", names[*at]))?;
        writeln!(to, "</tr></thead>\n<tbody>")?;
        for (platform, counts) in self.counts {
            write!(to, "<tr><th scope=\"row\">{}", escaped(platform))?;
            used.iter().try_for_each(|at| write!(to, "<td>{}", number(counts[*at])))?;
            writeln!(to, "</tr>")?;
        }
        writeln!(to, "</tbody>\n</table>")
    }
}

/// Writes what stands behind the chunks.
pub(super) fn write_foot(to: &mut impl Write) -> io::Result<()> {
    writeln!(to, "</body>\n</html>")
}
