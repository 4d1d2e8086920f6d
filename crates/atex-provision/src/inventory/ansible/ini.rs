//! An inventory of Ansible as an INI file, rewritten as what the same inventory is in YAML.

use serde_yaml::{Mapping, Value};

/// What is wrong, and in which line.
pub(super) type Fault = (usize, String);

/// What the lines of a section are.
enum Section {
    Hosts(String),
    Children(String),
    Vars(String),
}

/// The groups of the file, as YAML has them.
pub(super) fn parse(text: &str) -> Result<Value, Fault> {
    let mut groups = Mapping::new();
    let mut section = Section::Hosts("ungrouped".to_owned());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let fault = |message: String| (number, message);
        if let Some(head) = line.strip_prefix('[') {
            let Some((head, rest)) = head.split_once(']') else {
                return Err(fault(format!("expected `]` in `{line}`")));
            };
            if rest.trim().is_empty() || rest.trim_start().starts_with(['#', ';']) {
                section = header(head).map_err(fault)?;
                let (Section::Hosts(name) | Section::Children(name) | Section::Vars(name)) = &section;
                part(&mut groups, name, None);
                continue;
            }
        }
        match &section {
            Section::Hosts(name) => host(part(&mut groups, name, Some("hosts")), line).map_err(fault)?,
            Section::Children(name) => {
                let child = line.split(['#', ';']).next().unwrap_or_default().trim();
                part(&mut groups, name, Some("children")).insert(child.into(), Value::Null);
            }
            Section::Vars(name) => {
                let (key, value) = line
                    .split_once('=')
                    .ok_or_else(|| fault(format!("expected name=value, found `{line}`")))?;
                let value = value.trim();
                let value = value.split(" #").next().unwrap_or_default().trim_end();
                part(&mut groups, name, Some("vars")).insert(key.trim().into(), unquoted(value).into());
            }
        }
    }
    Ok(Value::Mapping(groups))
}

fn header(text: &str) -> Result<Section, String> {
    let (name, kind) = text.split_once(':').unwrap_or((text, ""));
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(format!("expected a group such as [web], found `[{text}]`"));
    }
    let name = name.to_owned();
    match kind {
        "" => Ok(Section::Hosts(name)),
        "children" => Ok(Section::Children(name)),
        "vars" => Ok(Section::Vars(name)),
        _ => Err(format!("expected [GROUP], [GROUP:children] or [GROUP:vars], found `[{text}]`")),
    }
}

/// A host, or a range of them, and its variables.
fn host(hosts: &mut Mapping, line: &str) -> Result<(), String> {
    let words = shlex::split(line).ok_or("expected a closing quote")?;
    let Some((name, words)) = words.split_first() else { return Ok(()) };
    let mut vars = Mapping::new();
    for word in words {
        let (key, value) =
            word.split_once('=').ok_or_else(|| format!("expected name=value, found `{word}`"))?;
        vars.insert(key.into(), value.into());
    }
    match hosts.get_mut(name.as_str()) {
        Some(Value::Mapping(known)) => known.extend(vars),
        _ => {
            hosts.insert(name.as_str().into(), Value::Mapping(vars));
        }
    }
    Ok(())
}

/// A group, or a part of it, which is made if it is not there.
fn part<'a>(groups: &'a mut Mapping, name: &str, part: Option<&str>) -> &'a mut Mapping {
    let mut at = groups;
    for key in [Some(name), part].into_iter().flatten() {
        let entry = at.entry(key.into()).or_insert_with(|| Value::Mapping(Mapping::new()));
        at = entry.as_mapping_mut().expect("only mappings are put in here");
    }
    at
}

/// What a value in quotes says.
fn unquoted(value: &str) -> &str {
    let quoted = |quote| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value)
}
