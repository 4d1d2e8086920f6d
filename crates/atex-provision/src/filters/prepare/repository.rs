//! Repositories of packages, and modules: what is typed, and the scripts that make them known to a host.

use std::fmt::Write as _;
use std::str::FromStr;

use indexmap::IndexMap;

/// What works on the host, behind what finds its package manager.
const SCRIPT: &str = include_str!("repositories.sh");

/// A repository, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repository {
    pub name: String,
    /// Keys of its file, and their values.
    keys: IndexMap<String, String>,
}

/// Where the packages are: one of these has to be said.
const PLACES: [&str; 3] = ["baseurl", "metalink", "mirrorlist"];

impl FromStr for Repository {
    type Err = String;

    /// Reads `name=NAME,KEY=VALUE,…`. What has no `=` belongs to the value before it, whose comma it had.
    fn from_str(text: &str) -> Result<Repository, String> {
        let mut keys: IndexMap<String, String> = IndexMap::new();
        for part in text.split(',') {
            let split = part.split_once('=').filter(|(key, _)| is_key(key.trim()));
            match (split, keys.last_mut()) {
                (Some((key, value)), _) => {
                    if keys.insert(key.trim().to_owned(), value.trim().to_owned()).is_some() {
                        return Err(format!("expected `{}` once, found it twice", key.trim()));
                    }
                }
                (None, Some((_, value))) => {
                    value.push(',');
                    value.push_str(part);
                }
                (None, None) => {
                    return Err(format!("expected name=NAME,baseurl=URL, found `{}`", part.escape_debug()));
                }
            }
        }
        if let Some((key, _)) =
            keys.iter().find(|(_, value)| value.is_empty() || value.contains(char::is_control))
        {
            return Err(format!("expected a value of one line behind `{key}=`"));
        }
        let name = keys.shift_remove("name").ok_or("expected a `name`")?;
        let ok = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if !name.chars().all(ok) || name.starts_with(['.', '-']) {
            return Err(format!("expected a name of letters, digits, `-`, `_`, `.` and `:`, found `{name}`"));
        }
        if !PLACES.iter().any(|place| keys.contains_key(*place)) {
            return Err(format!("{name}: expected a `{}`", PLACES.join("`, `")));
        }
        Ok(Repository { name, keys })
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

impl Repository {
    /// Its file. Packages are taken as they are, unless it is said by which key they are signed.
    fn file(&self) -> String {
        let mut text = format!("[{0}]\nname={0}\n", self.name);
        let usual =
            [("enabled", "1"), ("gpgcheck", if self.keys.contains_key("gpgkey") { "1" } else { "0" })];
        let unsaid = usual.into_iter().filter(|(key, _)| !self.keys.contains_key(*key));
        for (key, value) in self.keys.iter().map(|(key, value)| (&**key, &**value)).chain(unsaid) {
            let _ = writeln!(text, "{key}={value}");
        }
        text
    }
}

/// A stream of a module, such as `virt:rhel`, and perhaps a profile that is to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module(pub String);

impl FromStr for Module {
    type Err = String;

    fn from_str(text: &str) -> Result<Module, String> {
        let ok = |part: &str| {
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
            !part.is_empty() && !part.starts_with('-') && part.bytes().all(good)
        };
        let (stream, profile) =
            text.split_once('/').map_or((text, None), |(stream, profile)| (stream, Some(profile)));
        match stream.split_once(':') {
            Some((name, stream)) if ok(name) && ok(stream) && profile.is_none_or(ok) => {
                Ok(Module(text.to_owned()))
            }
            _ => Err(format!("expected NAME:STREAM or NAME:STREAM/PROFILE, found `{}`", text.escape_debug())),
        }
    }
}

/// The script that makes repositories known.
pub(super) fn repositories(repositories: &[Repository]) -> String {
    let calls = repositories.iter().map(|each| call("repository", &[&each.name, &each.file()]));
    format!("{}{}", base(), calls.collect::<String>())
}

/// The script that chooses a stream of a module.
pub(super) fn module(Module(text): &Module) -> String {
    let (stream, profile) = text.split_once('/').unwrap_or((text, ""));
    let (name, _) = stream.split_once(':').unwrap_or((stream, ""));
    base() + &call("module", &[name, stream, if profile.is_empty() { "" } else { text }])
}

fn base() -> String {
    // Nobody listens to its answers here.
    format!("exec 3>/dev/null\n{}{SCRIPT}", atex_host::packages::SCRIPT)
}

fn call(function: &str, words: &[&str]) -> String {
    let words = shlex::try_join(words.iter().copied());
    // It refuses NUL only, which no argument of a program holds.
    format!("{function} {}\n", words.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_a_file() {
        for (text, file) in [
            (
                "name=lab,baseurl=http://h/a,b/,priority=10,module_hotfixes=1",
                "[lab]\nname=lab\nbaseurl=http://h/a,b/\npriority=10\nmodule_hotfixes=1\nenabled=1\ngpgcheck=0\n",
            ),
            (
                "baseurl=http://h/?x=1&y=2, name=a.b:c ,gpgkey=file:///k,exclude=x*,y*",
                "[a.b:c]\nname=a.b:c\nbaseurl=http://h/?x=1&y=2\ngpgkey=file:///k\nexclude=x*,y*\nenabled=1\ngpgcheck=1\n",
            ),
            ("name=m,metalink=x,enabled=0,gpgcheck=1", "[m]\nname=m\nmetalink=x\nenabled=0\ngpgcheck=1\n"),
        ] {
            assert_eq!(text.parse::<Repository>().unwrap().file(), file, "{text}");
        }
    }

    #[test]
    fn what_is_no_repository_is_refused() {
        for (text, message) in [
            ("", "expected name=NAME,baseurl=URL, found ``"),
            ("http://h/a", "expected name=NAME,baseurl=URL, found `http://h/a`"),
            ("baseurl=x", "expected a `name`"),
            ("name=a", "a: expected a `baseurl`, `metalink`, `mirrorlist`"),
            ("name=a,baseurl=", "expected a value of one line behind `baseurl=`"),
            ("name=a,baseurl=x\ny", "expected a value of one line behind `baseurl=`"),
            ("name=a,name=b,baseurl=x", "expected `name` once, found it twice"),
            ("name=a/b,baseurl=x", "expected a name of letters, digits, `-`, `_`, `.` and `:`, found `a/b`"),
            (
                "name=../x,baseurl=x",
                "expected a name of letters, digits, `-`, `_`, `.` and `:`, found `../x`",
            ),
        ] {
            assert_eq!(text.parse::<Repository>().unwrap_err(), message, "{text}");
        }
    }

    #[test]
    fn a_module_has_a_stream() {
        for (text, last) in
            [("virt:rhel", "module virt virt:rhel ''\n"), ("a:8.0/common", "module a a:8.0 a:8.0/common\n")]
        {
            assert!(module(&text.parse().unwrap()).ends_with(last), "{text}");
        }
        for text in ["", "virt", "virt:", ":rhel", "a:b/", "a:b c", "-a:b", "a:b/c/d"] {
            assert!(text.parse::<Module>().is_err(), "{text}");
        }
    }
}
