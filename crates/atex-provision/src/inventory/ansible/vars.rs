//! The variables that say how a host is reached.

use std::fmt;

use atex_model::{Connect, Ssh};
use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::inventory::Source;
use crate::inventory::address::{checked, parse_port};

/// Variables by one name each; of two names for one thing, that which is written last counts.
#[derive(Debug, Default, Clone)]
pub(super) struct Vars(IndexMap<&'static str, String>);

/// The names that are read, and what they are called here.
const NAMES: [(&str, &str); 13] = [
    ("ansible_connection", "connection"),
    ("ansible_host", "host"),
    ("ansible_ssh_host", "host"),
    ("ansible_port", "port"),
    ("ansible_ssh_port", "port"),
    ("ansible_user", "user"),
    ("ansible_ssh_user", "user"),
    ("ansible_private_key_file", "identity"),
    ("ansible_ssh_private_key_file", "identity"),
    ("ansible_ssh_common_args", "common_args"),
    ("ansible_ssh_extra_args", "extra_args"),
    ("ansible_group_priority", "priority"),
    ("ansible_ssh_executable", "executable"),
];

impl Vars {
    /// What `other` says goes over what is here.
    pub(super) fn overlay(&mut self, other: &Vars) {
        self.0.extend(other.0.iter().map(|(name, value)| (*name, value.clone())));
    }

    /// Of groups of one depth, that with the greater number wins. Anything but a number is 1, as without it.
    pub(super) fn priority(&self) -> i64 {
        self.get("priority").and_then(|text| text.parse().ok()).unwrap_or(1)
    }

    /// The way to the host `name`, whose `port` stands at its name.
    pub(super) fn connect(&self, name: &str, port: Option<u16>, source: &Source) -> Result<Connect, String> {
        match self.get("connection") {
            None | Some("ssh" | "smart" | "paramiko" | "paramiko_ssh" | "ansible.builtin.ssh") => {}
            Some("local" | "ansible.builtin.local") => return Ok(Connect::Local),
            Some(other) => return Err(format!("expected ansible_connection ssh or local, found `{other}`")),
        }
        if self.get("executable").is_some() {
            return Err("ansible_ssh_executable is not known here; leave it out to use ssh".into());
        }
        let port = self.get("port").map(parse_port).transpose()?.or(port);
        let mut options = IndexMap::new();
        for arguments in ["common_args", "extra_args"].iter().filter_map(|name| self.get(name)) {
            add_options(&mut options, arguments)?;
        }
        Ok(Connect::Ssh(Ssh {
            host: checked(self.get("host").unwrap_or(name), "a host")?,
            user: self.get("user").map(|user| checked(user, "a user")).transpose()?,
            port,
            identity: self.get("identity").map(|path| source.absolute(path)).transpose()?,
            options,
        }))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }
}

/// Arguments of ssh as keywords of ssh_config. Of several values for one keyword the first counts, as in ssh.
fn add_options(options: &mut IndexMap<String, String>, arguments: &str) -> Result<(), String> {
    let known =
        || format!("expected arguments of ssh such as -o KEYWORD=VALUE or -J HOST, found `{arguments}`");
    let words = shlex::split(arguments).ok_or_else(known)?;
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let (flag, value) = match word {
            "-o" | "-J" => (word, words.next().ok_or_else(known)?),
            _ => word.split_at_checked(2).ok_or_else(known)?,
        };
        let (keyword, value) = match flag {
            "-o" => value.split_once(['=', ' ']).ok_or_else(known)?,
            "-J" => ("ProxyJump", value),
            _ => return Err(known()),
        };
        if value.is_empty() || keyword.is_empty() || !keyword.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(known());
        }
        options.entry(keyword.to_owned()).or_insert_with(|| value.trim().to_owned());
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Vars {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Vars, D::Error> {
        from.deserialize_map(VarsVisitor)
    }
}

struct VarsVisitor;

impl<'de> Visitor<'de> for VarsVisitor {
    type Value = Vars;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of variables")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vars, A::Error> {
        let (mut vars, mut merged) = (Vars::default(), Vars::default());
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Known(name) => {
                    if let Some(Text(value)) = map.next_value()? {
                        vars.0.insert(name, value);
                    }
                }
                Key::Merge => merged = map.next_value()?,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        merged.overlay(&vars);
        Ok(merged)
    }
}

/// The name of a variable.
enum Key {
    Known(&'static str),
    /// `<<`, whose value is more variables.
    Merge,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Key, D::Error> {
        let key = String::deserialize(from)?;
        let known = NAMES.iter().find(|(name, _)| *name == key);
        Ok(match known {
            Some((_, here)) => Key::Known(here),
            None if key == "<<" => Key::Merge,
            None => Key::Other,
        })
    }
}

/// A value that is text or a number, and no template.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
        from.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a number")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text, E> {
        if text.contains("{{") || text.contains("{%") {
            return Err(E::custom(format_args!("expected a value, found the template `{text}`")));
        }
        Ok(Text(text.to_owned()))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }
}
