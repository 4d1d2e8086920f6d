//! Packages on a host: a script that tells which are there and has the host's own package manager bring the others, and
//! what its answers mean.

use std::fmt::Write as _;

use crate::quote;

/// What works on the host. Its answers go to descriptor 3.
pub const SCRIPT: &str = include_str!("packages.sh");

/// What is asked of a host.
#[derive(Debug, Clone, Default)]
pub struct Asked<'a> {
    /// Whether what is missing may be installed.
    pub install: bool,
    /// The host's package manager, if it is known.
    pub manager: Option<&'a str>,
    /// Whether that has fetched its lists anew already.
    pub is_fresh: bool,
    /// Packages that are wanted.
    pub want: &'a [String],
    /// Packages that are to be left out.
    pub exclude: &'a [String],
}

impl Asked<'_> {
    /// The script for a host, which sh reads from its standard input.
    pub fn script(&self) -> String {
        let mut script = String::from(SCRIPT);
        let mut set = |name: &str, value: &str| {
            let _ = writeln!(script, "{name}={}", quote(value));
        };
        set("mode", if self.install { "install" } else { "check" });
        set("manager", self.manager.unwrap_or_default());
        set("refreshed", if self.is_fresh { "yes" } else { "" });
        for (word, names) in [("want", self.want), ("exclude", self.exclude)] {
            for name in names {
                let _ = writeln!(script, "{word} {}", quote(name));
            }
        }
        script.push_str("go\n");
        script
    }
}

/// A line of what a host answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<'a> {
    /// Its package manager.
    Manager(&'a str),
    /// That has fetched its lists anew.
    Refreshed,
    /// It has this package.
    Has(&'a str),
    /// It does not have this one, and why.
    Lacks(&'a str, String),
    /// Something that was asked for cannot be done there.
    Note(&'a str),
}

/// What a host has answered. Lines that are no answers are passed over.
pub fn answers(said: &str) -> impl Iterator<Item = Answer<'_>> {
    said.lines().filter_map(|line| {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Some(match word {
            "manager" => Answer::Manager(rest),
            "refreshed" => Answer::Refreshed,
            "has" => Answer::Has(rest),
            "lacks" => {
                let (name, why) = rest.split_once('\t').unwrap_or((rest, "no reason was given"));
                Answer::Lacks(name, why.replace(|c: char| c.is_control(), " "))
            }
            "note" => Answer::Note(rest),
            _ => return None,
        })
    })
}

/// Why a name is none that a package manager could be asked for: it would take it for something else.
pub fn fault_in_name(name: &str) -> Option<&'static str> {
    match name.chars().next() {
        None => Some("the name is empty"),
        // To zypper, `!` means to remove a package.
        Some('-' | '+' | '!' | '~') => Some("no name of a package begins so"),
        _ if name.contains(|c: char| c.is_ascii_control()) => {
            Some("no name of a package holds control characters")
        }
        // To apt-get, it means to remove a package.
        _ if name.ends_with('-') => Some("no name of a package ends so"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_whatever_they_hold() {
        let want = ["a b".to_owned(), "$(x)".to_owned()];
        let asked = Asked { install: true, manager: Some("dnf"), want: &want, ..Asked::default() };
        let script = asked.script();
        let (_, own) = script.split_at(SCRIPT.len());
        assert_eq!(own, "mode=install\nmanager=dnf\nrefreshed=''\nwant 'a b'\nwant '$(x)'\ngo\n");
    }

    #[test]
    fn answers_are_told_from_other_lines() {
        let said = "manager dnf\nhello\nrefreshed\nhas a b\nlacks c\tE:\u{1b} no\nlacks d\nnote x y\n";
        let expected = [
            Answer::Manager("dnf"),
            Answer::Refreshed,
            Answer::Has("a b"),
            Answer::Lacks("c", "E:  no".into()),
            Answer::Lacks("d", "no reason was given".into()),
            Answer::Note("x y"),
        ];
        assert_eq!(answers(said).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn names_that_would_be_taken_for_something_else() {
        for (name, is_one) in [
            ("gcc-c++", true),
            ("perl(Foo::Bar) >= 1", true),
            ("@development-tools", true),
            ("/usr/bin/x", true),
            ("", false),
            ("--installroot=/", false),
            ("!bash", false),
            ("bash-", false),
            ("a\nb", false),
        ] {
            assert_eq!(fault_in_name(name).is_none(), is_one, "{name}");
        }
    }
}
