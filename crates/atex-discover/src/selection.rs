//! What a section of a plan, and the command line, ask of a test: taken apart, for the questions of people. The selection of
//! the tests themselves is the business of atex-fmf.

use std::sync::Arc;

use atex_cli::Failure;
use atex_fmf::{Mapping, NodeRef, Tree, Value};

use crate::config::{Metadata, Names};
use crate::names::Pattern;
use crate::place::Places;
use crate::plan;

/// What is asked of a test, with the place where each thing is asked.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// The section's name, if it has one.
    pub section: Option<String>,
    /// Of these, one must match the name.
    pub names: Vec<Pattern>,
    /// So must one of these, if there is a list.
    pub only: Option<Vec<Pattern>>,
    /// None of these may match the name.
    pub excludes: Vec<Pattern>,
    /// All of these must pass.
    pub filters: Vec<Pattern>,
}

impl Selection {
    /// What the sections of a plan ask, or, without a plan, only the command line.
    pub(crate) fn all(
        tree: &Tree,
        metadata: &Metadata,
        names: &Names,
        places: &Places,
    ) -> Result<Vec<Selection>, Failure> {
        let mut selections = match metadata.plan.as_deref() {
            None => vec![Selection::default()],
            Some(name) => {
                let plan = tree.find(name).ok_or_else(|| plan::not_found(tree, name))?;
                of_plan(tree, plan, places)
            }
        };
        let filters = metadata.filters.iter();
        let filters: Vec<_> =
            filters.map(|text| Pattern { text: text.clone(), origin: "--filter".to_owned() }).collect();
        for selection in &mut selections {
            selection.names.extend_from_slice(&names.names);
            selection.only.clone_from(&names.only);
            selection.excludes.extend_from_slice(&names.excludes);
            selection.filters.extend_from_slice(&filters);
        }
        Ok(selections)
    }
}

/// What each section of a plan asks by itself. Sections of other trees and of other kinds are passed over.
pub(crate) fn of_plan(tree: &Tree, plan: NodeRef<'_>, places: &Places) -> Vec<Selection> {
    let sections = plan.data().get("discover").map(Value::to_list).unwrap_or_default();
    let sections = sections.iter().filter_map(Value::as_map).filter(|section| {
        let how = section.get("how");
        how.is_none_or(|how| how.as_str() == Some("fmf")) && !section.contains("url")
    });
    sections.map(|section| of_section(tree, &section, places)).collect()
}

fn of_section(tree: &Tree, section: &Arc<Mapping>, places: &Places) -> Selection {
    let patterns = |key: &str| {
        let origin = places.of(tree, section.position(key)).unwrap_or_else(|| "plan".to_owned());
        let texts = section.get(key).map(Value::to_list).unwrap_or_default();
        let texts: Vec<_> = texts.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        texts.into_iter().map(|text| Pattern { text, origin: origin.clone() }).collect::<Vec<_>>()
    };
    Selection {
        section: section.get("name").and_then(Value::as_str).map(str::to_owned),
        names: patterns("test"),
        only: None,
        excludes: patterns("exclude"),
        filters: patterns("filter"),
    }
}

/// Why a node is no test, or not one that is run: nothing for a test.
pub(crate) fn reason_left_out(node: NodeRef<'_>) -> Option<LeftOut> {
    let data = node.data();
    let truthy = |key: &str| data.get(key).is_some_and(Value::is_truthy);
    if truthy("story") {
        Some(LeftOut::Story)
    } else if !data.contains("test") {
        Some(LeftOut::NoTest)
    } else if truthy("manual") {
        Some(LeftOut::Manual)
    } else if !data.get("enabled").is_none_or(Value::is_truthy) {
        Some(LeftOut::Disabled)
    } else {
        None
    }
}

/// Why a node is no test, or not one that is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftOut {
    Story,
    NoTest,
    Manual,
    Disabled,
}

impl LeftOut {
    /// In words, with the place where it says so.
    pub(crate) fn describe(self, node: NodeRef<'_>, places: &Places) -> String {
        match self {
            LeftOut::Story => format!("story{}", places.behind(node, "story")),
            LeftOut::NoTest => "no key `test`".to_owned(),
            LeftOut::Manual => format!("manual{}", places.behind(node, "manual")),
            LeftOut::Disabled => format!("disabled{}", places.behind(node, "enabled")),
        }
    }
}
