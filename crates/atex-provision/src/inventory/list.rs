//! The plain list: a host a line, groups in brackets.

use atex_cli::Failure;
use atex_model::{Connect, Facts, Host, Ssh};
use indexmap::IndexMap;

use super::address::{Address, checked, is_ipv6, parse_port};
use super::ranges::{Style, expand};
use super::{Ids, Inventory, Item, Listed, MOST_HOSTS, Source};

const KEYS: &str = "user, port, identity, platform, marks, id, fact.NAME or option.KEYWORD";

/// Reads a list.
pub(super) fn read(text: &str, source: &Source) -> Result<Inventory, Failure> {
    let mut inventory = Inventory::default();
    let mut ids = Ids::default();
    let mut group = None;
    for (number, text) in (1..).zip(text.lines()) {
        let fault = |message: String| source.fault(number, message);
        let words = shlex::split(text).ok_or_else(|| fault("expected a closing quote".into()))?;
        let Some((first, keys)) = words.split_first() else { continue };
        if let Some(name) = header(first) {
            let name = group_name(name, keys).map_err(fault)?;
            if !inventory.groups.contains(&name) {
                inventory.groups.push(name.clone());
            }
            group = Some(name);
            continue;
        }
        for host in hosts(first, keys, source).map_err(fault)? {
            ids.take(&host.id, number)
                .map_err(|message| fault(message).hint("`id=NAME` gives a host another id"))?;
            let listed = Listed { host, text: None, groups: group.iter().cloned().collect() };
            inventory.items.push(Item::Host(Box::new(listed)));
        }
        if inventory.items.len() > MOST_HOSTS {
            return Err(fault(format!("expected at most {MOST_HOSTS} hosts in a list, found more")));
        }
    }
    Ok(inventory)
}

/// What stands in the brackets, if this is the head of a group.
fn header(word: &str) -> Option<&str> {
    let inside = word.strip_prefix('[')?.strip_suffix(']')?;
    (!inside.contains(['[', ']']) && !is_ipv6(inside)).then_some(inside)
}

fn group_name(name: &str, behind: &[String]) -> Result<String, String> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == ':';
    if name.is_empty() || name.contains(bad) {
        return Err(format!("expected a group such as [big], found `[{}]`", name.escape_debug()));
    }
    match behind.first() {
        Some(word) => Err(format!("expected nothing behind [{name}], found `{}`", word.escape_debug())),
        None => Ok(name.to_owned()),
    }
}

/// The hosts of a line.
fn hosts(address: &str, keys: &[String], source: &Source) -> Result<Vec<Host>, String> {
    let addresses = expand(address, Style::List)?;
    let keys = Keys::parse(keys, source)?;
    if keys.id.is_some() && addresses.len() > 1 {
        return Err("expected `id` only where there is one host, found a range".into());
    }
    addresses.iter().map(|address| keys.host(Address::parse(address)?)).collect()
}

/// What is said of the hosts of a line behind their address.
#[derive(Debug, Default)]
struct Keys {
    id: Option<String>,
    user: Option<String>,
    port: Option<u16>,
    identity: Option<String>,
    platform: Option<String>,
    marks: Option<Vec<String>>,
    facts: Facts,
    options: IndexMap<String, String>,
}

impl Keys {
    fn parse(words: &[String], source: &Source) -> Result<Keys, String> {
        let mut keys = Keys::default();
        for word in words {
            let (key, value) = word
                .split_once('=')
                .ok_or_else(|| format!("expected key=value, found `{}`", word.escape_debug()))?;
            if value.is_empty() {
                return Err(format!("expected a value behind `{key}=`"));
            }
            if !keys.set(key, value, source)? {
                return Err(format!("expected `{key}` once, found it twice"));
            }
        }
        Ok(keys)
    }

    /// Takes a value in; `false` if there was one.
    fn set(&mut self, key: &str, value: &str, source: &Source) -> Result<bool, String> {
        let text = value.to_owned();
        Ok(match (key, key.split_once('.')) {
            ("id", _) => self.id.replace(text).is_none(),
            ("user", _) => self.user.replace(checked(value, "a user")?).is_none(),
            ("port", _) => self.port.replace(parse_port(value)?).is_none(),
            ("identity", _) => self.identity.replace(source.absolute(value)?).is_none(),
            ("platform", _) => self.platform.replace(text).is_none(),
            ("marks", _) => self.marks.replace(marks(value)?).is_none(),
            (_, Some(("fact", name))) if !name.is_empty() => {
                self.facts.insert(name.to_owned(), text.into()).is_none()
            }
            (_, Some(("option", keyword))) if is_keyword(keyword) => {
                self.options.insert(keyword.to_owned(), text).is_none()
            }
            _ => return Err(format!("expected one of {KEYS}, found `{}`", key.escape_debug())),
        })
    }

    fn host(&self, address: Address) -> Result<Host, String> {
        let id = self.id.clone();
        let user = either(address.user.clone(), self.user.clone(), "user")?;
        let port = either(address.port, self.port, "port")?;
        let address = Address { user, port, ..address };
        let id = id.unwrap_or_else(|| address.name());
        let connect = Connect::Ssh(Ssh {
            host: address.host,
            user: address.user,
            port: address.port,
            identity: self.identity.clone(),
            options: self.options.clone(),
        });
        let mut host = Host::new(id, connect);
        host.platform.clone_from(&self.platform);
        host.facts.clone_from(&self.facts);
        host.marks = self.marks.clone().unwrap_or_default();
        Ok(host)
    }
}

fn either<T>(in_address: Option<T>, in_key: Option<T>, what: &str) -> Result<Option<T>, String> {
    match (in_address, in_key) {
        (Some(_), Some(_)) => Err(format!("expected one {what}, found one in the address and one in a key")),
        (in_address, in_key) => Ok(in_address.or(in_key)),
    }
}

fn marks(value: &str) -> Result<Vec<String>, String> {
    let marks: Vec<String> = value.split(',').map(str::to_owned).collect();
    if marks.iter().any(String::is_empty) {
        return Err(format!("expected marks such as ssd,big, found `{}`", value.escape_debug()));
    }
    Ok(marks)
}

fn is_keyword(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
