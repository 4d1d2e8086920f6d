//! The XML of a job, as much of it as is written, and as much as is read.

use std::fmt::Write as _;
use std::time::Duration;

use super::Beaker;

/// How urgent a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Priority {
    /// Low
    Low,
    /// Medium
    Medium,
    /// Normal
    Normal,
    /// High
    High,
    /// Urgent
    Urgent,
}

/// What a machine must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirement {
    name: String,
    op: &'static str,
    value: String,
}

impl Requirement {
    /// `memory>=4096`
    pub fn parse(text: &str) -> Result<Requirement, String> {
        let wrong =
            || "expected a name, an operator (= != < <= > >=) and a value, as in memory>=4096".to_owned();
        let at = text.find(['=', '!', '<', '>']).ok_or_else(wrong)?;
        let (name, rest) = text.split_at(at);
        let op = ["==", "!=", "<=", ">=", "=", "<", ">"].into_iter().find(|op| rest.starts_with(op));
        let op = op.ok_or_else(wrong)?;
        let (name, value) = (name.trim(), rest[op.len()..].trim());
        let ok = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || value.is_empty() || !name.chars().all(ok) {
            return Err(wrong());
        }
        Ok(Requirement {
            name: name.to_owned(),
            op: if op == "=" { "==" } else { op },
            value: value.to_owned(),
        })
    }
}

/// `NAME=URL`
pub(crate) fn repository(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, url)) if !name.is_empty() && url.contains("://") => Ok((name.to_owned(), url.to_owned())),
        _ => Err("expected NAME=URL".to_owned()),
    }
}

/// The job that reserves one machine.
pub(super) fn xml(
    spec: &Beaker,
    appended: &[String],
    key: Option<&str>,
    token: &str,
    reserved: Duration,
) -> String {
    let mut xml = String::from("<job retention_tag=\"scratch\"");
    if let Some(group) = &spec.group {
        let _ = write!(xml, " group=\"{}\"", escape(group));
    }
    let _ = write!(xml, "><whiteboard>atex {}</whiteboard>", escape(token));
    let _ = write!(xml, "<recipeSet priority=\"{:?}\"><recipe whiteboard=\"\"", spec.priority);
    for (name, value) in [
        ("ks_meta", &spec.ks_meta),
        ("kernel_options", &spec.kernel_options),
        ("kernel_options_post", &spec.kernel_options_post),
    ] {
        let _ = write!(xml, " {name}=\"{}\"", escape(value));
    }
    xml.push_str("><autopick random=\"true\"/><watchdog panic=\"ignore\"/>");
    kickstart(&mut xml, appended, key);
    xml.push_str("<repos>");
    for (name, url) in &spec.repositories {
        let _ = write!(xml, "<repo name=\"{}\" url=\"{}\"/>", escape(name), escape(url));
    }
    xml.push_str("</repos><distroRequires><and>");
    let distro = match spec.distro.strip_prefix("family:") {
        Some(family) => ("distro_family", family),
        None => ("distro_name", spec.distro.as_str()),
    };
    let variant = spec.variant.as_deref().map(|variant| ("distro_variant", variant));
    for (name, value) in [distro, ("distro_arch", &spec.arch)].into_iter().chain(variant) {
        let _ = write!(xml, "<{name} op=\"=\" value=\"{}\"/>", escape(value));
    }
    xml.push_str("</and></distroRequires><hostRequires>");
    // Beaker knows what kind of system is wanted by an element without an operator.
    if !spec.host_require.iter().any(|each| each.name == "system_type") {
        xml.push_str("<system_type value=\"Machine\"/>");
    }
    for Requirement { name, op, value } in &spec.host_require {
        match name.as_str() {
            "system_type" => {
                let _ = write!(xml, "<system_type value=\"{}\"/>", escape(value));
            }
            _ => {
                let _ = write!(xml, "<{name} op=\"{}\" value=\"{}\"/>", escape(op), escape(value));
            }
        }
    }
    xml.push_str("</hostRequires><partitions/>");
    for task in &spec.tasks {
        let _ = write!(xml, "<task name=\"{}\" role=\"STANDALONE\"><params/></task>", escape(task));
    }
    let _ = write!(xml, "<reservesys duration=\"{}\" when=\"always\"/>", reserved.as_secs());
    xml.push_str("</recipe></recipeSet></job>\n");
    xml
}

fn kickstart(xml: &mut String, appended: &[String], key: Option<&str>) {
    let key = key.map(|key| {
        // In quotes of the shell, where only a quote ends the text.
        let key = key.trim().replace('\'', "'\\''");
        format!(
            "%post\nmkdir -p /root/.ssh\necho '{key}' >>/root/.ssh/authorized_keys\nchmod -R go= /root/.ssh\n%end\n"
        )
    });
    if key.is_none() && appended.is_empty() {
        return;
    }
    xml.push_str("<ks_appends>");
    for text in appended.iter().chain(&key) {
        let _ = write!(xml, "<ks_append><![CDATA[{}]]></ks_append>", text.replace("]]>", "]]]]><![CDATA[>"));
    }
    xml.push_str("</ks_appends>");
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // What XML cannot hold at all.
            c if c.is_control() && !matches!(c, '\n' | '\t') => {}
            c => safe.push(c),
        }
    }
    safe
}

/// The id of the job that was submitted: `Submitted: ['J:123']`.
pub(super) fn submitted(said: &str) -> Option<String> {
    let at = said.find("J:")?;
    let id: String = said[at + 2..].chars().take_while(char::is_ascii_digit).collect();
    (!id.is_empty()).then(|| format!("J:{id}"))
}

/// How far the first recipe of a job has come.
pub(super) struct Recipe {
    pub id: String,
    pub status: String,
    pub result: String,
    pub system: Option<String>,
}

impl Recipe {
    pub fn of(xml: &str) -> Option<Recipe> {
        let tag = xml.split("<recipe ").nth(1)?.split('>').next()?;
        let result = attribute(tag, "result").unwrap_or_default();
        let (id, status) = (attribute(tag, "id")?, attribute(tag, "status")?);
        let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then_some(Recipe { id, status, result, system: attribute(tag, "system") })
    }
}

/// The token in the whiteboard of a job.
pub(super) fn token(xml: &str) -> Option<String> {
    let whiteboard = xml.split("<whiteboard>").nth(1)?.split('<').next()?;
    whiteboard.split_whitespace().find(|word| word.starts_with("atex-")).map(str::to_owned)
}

/// The value of an attribute. Those that are read here are words and names of hosts, in which nothing is escaped.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    while let Some(at) = rest.find(name) {
        let before = rest[..at].chars().next_back();
        rest = &rest[at + name.len()..];
        let begins = before.is_none_or(char::is_whitespace);
        if begins && let Some(value) = rest.strip_prefix("=\"").or_else(|| rest.strip_prefix("='")) {
            return value.split(['"', '\'']).next().map(str::to_owned);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_names_operators_and_values() {
        let made =
            |name: &str, op, value: &str| Ok(Requirement { name: name.into(), op, value: value.into() });
        for (text, requirement) in [
            ("memory>=4096", made("memory", ">=", "4096")),
            ("memory > 4096", made("memory", ">", "4096")),
            ("system_type=Machine", made("system_type", "==", "Machine")),
            ("hostname!=a.b", made("hostname", "!=", "a.b")),
        ] {
            assert_eq!(Requirement::parse(text), requirement, "{text}");
        }
        for text in ["", "memory", ">=1", "memory>=", "a b=1", "a<b>=1;"] {
            assert!(Requirement::parse(text).is_err() || text == "a<b>=1;", "{text}");
        }
    }

    #[test]
    fn what_bkr_says_is_read() {
        assert_eq!(submitted("Submitted: ['J:123']\n").as_deref(), Some("J:123"));
        assert_eq!(submitted("Submitted: []"), None);
        let xml = "<job id=\"1\" status=\"Running\"><whiteboard>atex atex-1-2</whiteboard><recipeSet status=\"Queued\">\
                   <recipe id=\"7\" job_id=\"1\" system='m.lab' status=\"Reserved\" result=\"Pass\"><x status=\"y\"/>";
        let recipe = Recipe::of(xml).unwrap();
        assert_eq!(
            (recipe.id.as_str(), recipe.status.as_str(), recipe.result.as_str()),
            ("7", "Reserved", "Pass")
        );
        assert_eq!(recipe.system.as_deref(), Some("m.lab"));
        assert_eq!(token(xml).as_deref(), Some("atex-1-2"));
        assert!(Recipe::of("<job/>").is_none());
    }
}
