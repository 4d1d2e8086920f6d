//! Flags: `(?i)` at the start of a pattern, `(?i-s:…)` around a part of it.

use super::translate::{Result, Translator};

/// Those that are on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    pub ignore_case: bool,
    pub multi_line: bool,
    pub dot_all: bool,
    pub verbose: bool,
    pub ascii: bool,
}

impl Flags {
    fn set(&mut self, flag: char, value: bool) -> Result<()> {
        match flag {
            'i' => self.ignore_case = value,
            'm' => self.multi_line = value,
            's' => self.dot_all = value,
            'x' => self.verbose = value,
            'a' => self.ascii = value,
            'u' => self.ascii = !value,
            // Of old Pythons, and without effect.
            't' => {}
            'L' => return Err("the flag 'L' is for bytes, not for text".into()),
            _ => return Err(format!("unknown flag '{flag}'")),
        }
        Ok(())
    }
}

/// `a` and `u` are two answers to one question.
fn check_kinds(on: &str) -> Result<()> {
    match on.contains('a') && on.contains('u') {
        true => Err("the flags 'a' and 'u' exclude each other".into()),
        false => Ok(()),
    }
}

impl Translator<'_> {
    /// Flags for the whole pattern. Before them there can be nothing but comments and other such groups.
    pub(super) fn global_flags(&mut self) -> Result<()> {
        let mut all = String::new();
        loop {
            if self.skip_ignored()? {
                continue;
            }
            let Some(rest) = self.rest.strip_prefix("(?") else { return Ok(()) };
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (flags, rest) = rest.split_at(end);
            let Some(rest) = rest.strip_prefix(')').filter(|_| !flags.is_empty()) else { return Ok(()) };
            for flag in flags.chars() {
                self.flags.set(flag, true)?;
            }
            all.push_str(flags);
            check_kinds(&all)?;
            self.rest = rest;
        }
    }

    /// The flags inside a group that begins with some, which are taken together with the colon.
    pub(super) fn scope(&mut self) -> Result<Flags> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphabetic() && c != '-');
        let (letters, rest) = self.rest.split_at(end.ok_or("this group is cut short")?);
        let Some(rest) = rest.strip_prefix(':') else {
            return Err(match rest.starts_with(')') && !letters.is_empty() {
                true => "global flags not at the start of the expression".into(),
                false => format!("unknown extension (?{letters}{}", rest.chars().next().unwrap_or(' ')),
            });
        };
        let (on, off) = match letters.split_once('-') {
            Some((_, "")) => return Err("a flag is missing after '-'".into()),
            Some((on, off)) => (on, off),
            None => (letters, ""),
        };
        check_kinds(on)?;
        if let Some(flag) = letters.chars().find(|flag| *flag == 't') {
            return Err(format!("the flag '{flag}' is for whole patterns only"));
        }
        if let Some(flag) = off.chars().find(|flag| matches!(flag, 'a' | 'u')) {
            return Err(format!("the flag '{flag}' cannot be turned off"));
        }
        if let Some(flag) = off.chars().find(|flag| on.contains(*flag)) {
            return Err(format!("the flag '{flag}' is turned on and off"));
        }
        let mut flags = self.flags;
        on.chars().try_for_each(|flag| flags.set(flag, true))?;
        off.chars().try_for_each(|flag| flags.set(flag, false))?;
        self.rest = rest;
        Ok(flags)
    }
}
