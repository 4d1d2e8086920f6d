//! Sections of `discover`, and steps of `prepare` and `finish`: their names, their order, and when they count.

use std::sync::Arc;

use super::{Plan, Result, any_holds, order, refused, texts};
use crate::error::{Error, ErrorClass};
use crate::mapping::{Key, Mapping};
use crate::value::Value;

/// What kind of tests a section has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Those of a tree of metadata.
    Fmf,
    /// Those that are written in the section.
    Shell,
}

/// A section of `discover`.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Its name, made up where it has none.
    pub name: String,
    /// The first part of its tests' names: its name, if it is one of several, else nothing.
    pub prefix: String,
    /// Its kind.
    pub how: How,
    /// What it says.
    pub section: Arc<Mapping>,
    /// Whether its `when` holds.
    pub applies: bool,
}

/// Keys that ask for what is not done here, and what that is.
const REFUSED: [(&str, &str); 4] = [
    ("fmf-id", "identifiers are not printed"),
    ("keep-git-metadata", "hosts get no `.git`"),
    ("modified-only", "tests are not compared with another branch"),
    ("url-content-type", "nothing but repositories of git is fetched"),
];

/// Keys that begin so ask for sources of distribution packages.
const DIST_GIT: &str = "dist-git-";

impl Phase {
    /// The first key that asks for what is not done here, and why that is so.
    #[must_use]
    pub fn refused(&self) -> Option<(&str, String)> {
        for (key, value) in self.section.iter() {
            let Some(key) = key.as_str() else { continue };
            if key.starts_with(DIST_GIT) {
                return Some((key, "sources of distribution packages are not fetched".to_owned()));
            }
            let harmless = !value.is_truthy() || value.as_str() == Some("git");
            if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == key && !harmless) {
                return Some((key, (*why).to_owned()));
            }
        }
        let has_ref = ["ref", "revision"].into_iter().find(|key| self.text(key).is_some());
        let key = has_ref.filter(|_| self.url().is_none())?;
        Some((
            key,
            "the tree of the plan is taken as it is; only with `url` is there another revision".to_owned(),
        ))
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.section.get(key).and_then(Value::as_str)
    }

    /// The URL of the repository that has its files, if there is one. It has an older name, too.
    pub(super) fn url(&self) -> Option<&str> {
        self.text("repository").filter(|url| !url.is_empty()).or_else(|| self.text("url"))
    }

    /// The key that the URL stands under.
    pub(super) fn url_key(&self) -> &'static str {
        if self.section.contains("repository") { "repository" } else { "url" }
    }

    pub(super) fn reference(&self) -> Option<&str> {
        self.text("revision").filter(|reference| !reference.is_empty()).or_else(|| self.text("ref"))
    }
}

/// The sections of a plan, in the order in which they are taken.
pub(super) fn of_plan(plan: &Plan<'_>) -> Result<Vec<Phase>> {
    let mut sections = mappings(plan, "discover")?;
    if sections.is_empty() {
        sections.push(Arc::default());
    }
    let names = names(plan, &sections)?;
    let several = sections.len() > 1;
    let mut phases = Vec::with_capacity(sections.len());
    for (section, name) in sections.into_iter().zip(names) {
        let how = match section.get("how").map(Value::to_text).as_deref() {
            Some("fmf") => How::Fmf,
            None | Some("None" | "shell") => How::Shell,
            Some(other) => {
                let error =
                    refused(format!("discover section '{name}': `how: {other}` is neither fmf nor shell"));
                return Err(plan.place(&section, "how", error));
            }
        };
        let applies = applies(plan, &section)?;
        let order = order(&section).map_err(|error| plan.place(&section, "order", error))?;
        let prefix = if several { name.clone() } else { String::new() };
        phases.push((order, Phase { name, prefix, how, section, applies }));
    }
    phases.sort_by_key(|(order, _)| *order);
    Ok(phases.into_iter().map(|(_, phase)| phase).collect())
}

fn applies(plan: &Plan<'_>, section: &Mapping) -> Result<bool> {
    let holds = texts(section, "when").and_then(|rules| any_holds(&rules, &plan.context));
    holds.map_err(|error| plan.place(section, "when", error))
}

/// A name for each section. Those without one are called `default-0` and so on.
fn names(plan: &Plan<'_>, sections: &[Arc<Mapping>]) -> Result<Vec<String>> {
    let mut known: Vec<String> = Vec::new();
    for section in sections {
        let name = match section.get("name") {
            None | Some(Value::Null) => continue,
            Some(name) => name.to_text().to_string(),
        };
        if name.is_empty() || name.contains('/') || matches!(&*name, "." | "..") {
            let error = refused(format!("invalid discover section 'name': {name}"));
            return Err(plan.place(section, "name", error));
        }
        if known.contains(&name) {
            let error = refused(format!("Duplicate phase name '{name}' in step 'discover'."));
            return Err(plan.place(section, "name", error));
        }
        known.push(name);
    }
    let mut free = (0..).map(|number| format!("default-{number}")).filter(|name| !known.contains(name));
    let name = |section: &Arc<Mapping>| match section.get("name") {
        None | Some(Value::Null) => free.next().unwrap_or_default(),
        Some(name) => name.to_text().to_string(),
    };
    Ok(sections.iter().map(name).collect())
}

/// The mappings under a key: one, or a list of them.
fn mappings(plan: &Plan<'_>, key: &str) -> Result<Vec<Arc<Mapping>>> {
    let items = plan.data.get(key).map(Value::to_list).unwrap_or_default();
    let mapping = |item: &Value| {
        item.as_map().ok_or_else(|| {
            let message = format!("`{key}` must be a mapping or a list of them, found {}", item.type_name());
            plan.place(&plan.data, key, Error::new(ErrorClass::Type, message))
        })
    };
    items.iter().map(mapping).collect()
}

/// See [`Plan::steps`].
pub(super) fn steps(plan: &Plan<'_>, key: &str) -> Result<Vec<Value>> {
    let mut steps = Vec::new();
    for step in mappings(plan, key)? {
        if !applies(plan, &step)? {
            continue;
        }
        let order = order(&step).map_err(|error| plan.place(&step, "order", error))?;
        let mut step = (*step).clone();
        step.remove(&Key::text("when"));
        steps.push((order, Value::map(step)));
    }
    steps.sort_by_key(|(order, _)| *order);
    Ok(steps.into_iter().map(|(_, step)| step).collect())
}
