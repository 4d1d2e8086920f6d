//! What a section of a plan, and the command line, ask of a test: taken apart, for the questions of people. The selection of
//! the tests themselves is the business of atex-fmf.

use std::rc::Rc;
use std::sync::Arc;

use atex_cli::Failure;
use atex_fmf::plan::{self as tmt, How, Phase, Plan};
use atex_fmf::{
    Context, Error, ErrorClass, Filter, Mapping, NamePatterns, NodeRef, Repositories, Tree, Value,
};

use crate::args::PlanLayer;
use crate::config::{Metadata, Names};
use crate::find;
use crate::names::Pattern;
use crate::place::Places;

/// A pattern of names, ready to be tried.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The key or option that it stands under.
    pub key: &'static str,
    pub pattern: Pattern,
    compiled: NamePatterns,
}

impl Wanted {
    fn new(key: &'static str, pattern: &Pattern) -> Wanted {
        Wanted { key, pattern: pattern.clone(), compiled: NamePatterns::new([&pattern.text]) }
    }

    pub(crate) fn is_found_in(&self, name: &str) -> Result<bool, Failure> {
        let found = self.compiled.any_found_in(name);
        found.map_err(|error| failed(&self.pattern, &error))
    }
}

/// What is asked of a test, with the place where each thing is asked.
#[derive(Debug)]
pub(crate) struct Selection<'t> {
    /// The section's name, if it has one.
    pub section: Option<String>,
    /// What stands before the names of its tests.
    pub prefix: String,
    /// The tree that its tests are in; none if they stand in the plan.
    pub tree: Option<&'t Tree>,
    /// What that is adjusted to.
    pub context: Context,
    /// The `when` that leaves out the section.
    pub off: Option<Pattern>,
    /// Of each list one must match the name.
    pub lists: Vec<Vec<Wanted>>,
    /// None of these may match the name.
    pub excludes: Vec<Wanted>,
    /// One of these must be among the links, if there are any.
    pub links: Vec<Pattern>,
    /// All of these must pass.
    pub filters: Vec<(Pattern, Filter)>,
    /// Where tmt's rules hold, the section.
    by_tmt: Option<(Rc<Plan<'t>>, Phase)>,
}

/// What could be a test of a section.
#[derive(Debug)]
pub(crate) struct Subject<'t> {
    pub name: String,
    /// As the section has it.
    pub data: Data<'t>,
    /// Where it comes from; nothing for a test that stands in the plan.
    pub node: Option<NodeRef<'t>>,
}

/// The data of a node, or what became of it.
#[derive(Debug, Clone)]
pub(crate) enum Data<'t> {
    Node(&'t Mapping),
    Own(Arc<Mapping>),
}

impl std::ops::Deref for Data<'_> {
    type Target = Mapping;

    fn deref(&self) -> &Mapping {
        match self {
            Data::Node(data) => data,
            Data::Own(data) => data,
        }
    }
}

/// What the sections of a plan, or of those that it imports, ask beside the command line; without a plan, only that.
pub(crate) fn all<'t>(
    tree: &'t Tree,
    repositories: &'t Repositories<'t>,
    metadata: &Metadata,
    names: &Names,
    places: &Places,
) -> Result<Vec<Selection<'t>>, Failure> {
    let mut selections = Vec::new();
    for plan in metadata.asked_plans() {
        let of_plan = of_asked_plan(tree, repositories, metadata, plan, places);
        selections.extend(of_plan.map_err(|error| find::refused(tree, metadata, &error))?);
    }
    for selection in &mut selections {
        selection.add(metadata, names);
    }
    Ok(selections)
}

fn of_asked_plan<'t>(
    tree: &'t Tree,
    repositories: &'t Repositories<'t>,
    metadata: &Metadata,
    plan: Option<&str>,
    places: &Places,
) -> Result<Vec<Selection<'t>>, Error> {
    let is_named = metadata.has_several_plans();
    match (metadata.layer, plan) {
        (PlanLayer::Atex, None) => Ok(vec![Selection::of_everything(tree, repositories)]),
        (PlanLayer::Atex, Some(name)) => {
            let plan = tree.find(name).ok_or_else(|| tmt::not_found(tree, name))?;
            let mut selections = of_plan(tree, repositories, plan.data(), places)?;
            if is_named {
                selections.iter_mut().for_each(|selection| selection.put_below(name));
            }
            Ok(selections)
        }
        (PlanLayer::Tmt, name) => {
            let plans = tmt::plans(tree, repositories, name)?;
            let is_named = is_named || plans.len() > 1;
            let mut selections = Vec::new();
            for plan in plans {
                selections.extend(of_tmt_plan(plan, is_named, repositories, places)?);
            }
            Ok(selections)
        }
    }
}

/// What each section of a plan asks by itself, by the rules of ATEX. Sections of other kinds are passed over.
pub(crate) fn of_plan<'t>(
    tree: &'t Tree,
    repositories: &'t Repositories<'t>,
    plan: &Mapping,
    places: &Places,
) -> Result<Vec<Selection<'t>>, Error> {
    let mut selections = Vec::new();
    let sections = plan.get("discover").map(Value::to_list).unwrap_or_default();
    for section in sections.iter().filter_map(Value::as_map) {
        if section.get("how").is_none_or(|how| how.as_str() == Some("fmf")) {
            let found = atex_fmf::tree_of_section(tree, repositories, &section)?;
            let name = section.get("name").and_then(Value::as_str);
            let prefix = name.filter(|name| !name.is_empty()).map(|name| format!("/{name}"));
            selections.push(Selection {
                section: name.map(str::to_owned),
                prefix: prefix.unwrap_or_default(),
                tree: Some(found),
                ..Selection::of_section(tree, &section, repositories.context(), places)
            });
        }
    }
    Ok(selections)
}

/// What each section of a plan asks, by the rules of tmt.
pub(crate) fn of_tmt_plan<'t>(
    plan: Plan<'t>,
    named: bool,
    repositories: &'t Repositories<'t>,
    places: &Places,
) -> Result<Vec<Selection<'t>>, Error> {
    let plan = Rc::new(plan);
    let mut selections = Vec::new();
    let phases = plan.phases()?;
    let label = |phase: &Phase| match named {
        true => format!("{} of {}", phase.name, plan.name),
        false => phase.name.clone(),
    };
    for phase in &phases {
        // A section that is left out is not fetched.
        let is_here = !["url", "repository", "path"].iter().any(|key| phase.section.contains(key));
        let tree = match phase.how {
            How::Fmf if phase.applies || is_here => Some(plan.tree_of(phase, repositories)?),
            _ => None,
        };
        let mut selection = Selection {
            section: (named || phases.len() > 1 || phase.section.contains("name")).then(|| label(phase)),
            prefix: match (named, &*phase.prefix) {
                (false, "") => String::new(),
                (false, prefix) => format!("/{prefix}"),
                (true, "") => plan.name.clone(),
                (true, prefix) => format!("{}/{prefix}", plan.name),
            },
            tree,
            ..Selection::of_section(plan.tree, &phase.section, &plan.context, places)
        };
        if phase.how == How::Shell {
            selection.lists.clear();
            selection.excludes.clear();
            selection.links.clear();
            selection.filters.clear();
        }
        if !phase.applies {
            let when = phase.section.get("when").map(Value::to_text).unwrap_or_default();
            let origin = places.of(plan.tree, phase.section.position("when"));
            let origin = origin.unwrap_or_else(|| "plan".to_owned());
            selection.off = Some(Pattern { text: when.to_string(), origin });
        } else if !plan.is_enabled() {
            let origin = places.of(plan.tree, plan.data.position("enabled"));
            let origin = origin.unwrap_or_else(|| "plan".to_owned());
            selection.off = Some(Pattern { text: format!("enabled: false of {}", plan.name), origin });
        }
        selection.by_tmt = Some((plan.clone(), phase.clone()));
        selections.push(selection);
    }
    Ok(selections)
}

impl<'t> Selection<'t> {
    fn of_everything(tree: &'t Tree, repositories: &Repositories<'_>) -> Selection<'t> {
        let nothing = Mapping::new();
        let places = Places::here();
        Selection {
            tree: Some(tree),
            ..Selection::of_section(tree, &nothing, repositories.context(), &places)
        }
    }

    /// Its tests have the name of their plan in front.
    fn put_below(&mut self, plan: &str) {
        self.prefix.insert_str(0, plan);
        self.section = Some(match &self.section {
            Some(section) => format!("{section} of {plan}"),
            None => format!("of {plan}"),
        });
    }

    /// What a section asks that stands in a plan of the tree `home`.
    fn of_section(home: &Tree, section: &Mapping, context: &Context, places: &Places) -> Selection<'t> {
        let patterns = |key: &str| {
            let origin = places.of(home, section.position(key)).unwrap_or_else(|| "plan".to_owned());
            let texts = section.get(key).map(Value::to_list).unwrap_or_default();
            let text = |value: &Value| match value.as_map() {
                Some(entry) => entry.get("name").map(Value::to_text),
                None => value.as_str().map(Into::into),
            };
            let texts: Vec<_> = texts.iter().filter_map(text).collect();
            texts
                .into_iter()
                .map(|text| Pattern { text: text.to_string(), origin: origin.clone() })
                .collect::<Vec<_>>()
        };
        let wanted = |key: &'static str| {
            patterns(key).iter().map(|pattern| Wanted::new(key, pattern)).collect::<Vec<_>>()
        };
        // Without names the command line's are still added to them.
        let lists = vec![wanted("test"), wanted("include")];
        Selection {
            section: None,
            prefix: String::new(),
            tree: None,
            context: context.clone(),
            off: None,
            lists,
            excludes: wanted("exclude"),
            links: patterns("link"),
            filters: patterns("filter").into_iter().map(with_filter).collect(),
            by_tmt: None,
        }
    }

    /// Adds what the command line asks.
    fn add(&mut self, metadata: &Metadata, names: &Names) {
        let wanted = |patterns: &[Pattern]| {
            patterns.iter().map(|pattern| Wanted::new("name", pattern)).collect::<Vec<_>>()
        };
        match metadata.layer {
            PlanLayer::Atex => {
                // What only tmt knows was not looked at.
                self.lists.truncate(1);
                self.links.clear();
                self.lists[0].extend(wanted(&names.names));
            }
            PlanLayer::Tmt => self.lists.push(wanted(&names.names)),
        }
        self.lists.retain(|list| !list.is_empty());
        self.lists.extend(names.only.as_deref().map(wanted));
        self.excludes.extend(wanted(&names.excludes));
        let filters = metadata.filters.iter();
        self.filters.extend(
            filters.map(|text| with_filter(Pattern { text: text.clone(), origin: "--filter".to_owned() })),
        );
    }

    pub(crate) fn layer(&self) -> PlanLayer {
        if self.by_tmt.is_some() { PlanLayer::Tmt } else { PlanLayer::Atex }
    }

    /// What could be a test of the section, in order.
    pub(crate) fn subjects(&self) -> Result<Vec<Subject<'t>>, Failure> {
        let mut subjects = self.written()?;
        for node in self.tree.iter().flat_map(|tree| tree.nodes()).filter(|node| node.is_selected()) {
            subjects.push(self.subject(node)?);
        }
        Ok(subjects)
    }

    /// What has this name, with what stands before the names of the section's tests or without it.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Subject<'t>>, Failure> {
        let without = name.strip_prefix(&*self.prefix).filter(|rest| rest.starts_with('/'));
        for name in without.into_iter().chain([name]) {
            if let Some(node) = self.tree.and_then(|tree| tree.find(name)) {
                return self.subject(node).map(Some);
            }
            if let Some(written) = self.written()?.into_iter().find(|subject| subject.name == name) {
                return Ok(Some(written));
            }
        }
        Ok(None)
    }

    fn written(&self) -> Result<Vec<Subject<'t>>, Failure> {
        let Some((plan, phase)) = &self.by_tmt else { return Ok(Vec::new()) };
        if phase.how == How::Fmf {
            return Ok(Vec::new());
        }
        let written = plan.written(phase).map_err(|error| Failure::usage(&error))?;
        let subject = |(name, data)| Subject { name, data: Data::Own(data), node: None };
        Ok(written.into_iter().map(subject).collect())
    }

    fn subject(&self, node: NodeRef<'t>) -> Result<Subject<'t>, Failure> {
        let data = match &self.by_tmt {
            Some((plan, phase)) => {
                Data::Own(plan.data_of(phase, node).map_err(|error| Failure::usage(&error))?)
            }
            None => Data::Node(node.data()),
        };
        Ok(Subject { name: node.name().to_owned(), data, node: Some(node) })
    }

    /// Whether a test passes a filter of the section.
    pub(crate) fn passes(&self, filter: &Filter, subject: &Subject<'_>) -> bool {
        match self.layer() {
            PlanLayer::Atex => filter.matches(&subject.name, &subject.data),
            PlanLayer::Tmt => {
                let data = tmt::with_defaults(&subject.name, &subject.data);
                filter.matches(&subject.name, &tmt::as_filtered(&data))
            }
        }
        .unwrap_or_default()
    }

    /// What filters and conditions see of a test.
    pub(crate) fn asked_data(&self, subject: &Subject<'t>) -> Data<'t> {
        match self.layer() {
            PlanLayer::Atex => subject.data.clone(),
            PlanLayer::Tmt => Data::Own(Arc::new(tmt::with_defaults(&subject.name, &subject.data))),
        }
    }
}

fn with_filter(pattern: Pattern) -> (Pattern, Filter) {
    let filter = Filter::parse(&pattern.text);
    (pattern, filter)
}

/// That a pattern, filter or link is none.
pub(crate) fn failed(pattern: &Pattern, error: &Error) -> Failure {
    Failure::usage(format!("{} `{}`: {error}", pattern.origin, pattern.text))
}

/// Something that was asked of a test: whether it holds, and what it is.
pub(crate) struct Check {
    pub holds: bool,
    pub text: String,
}

/// What a section and the command line ask of a test.
pub(crate) fn checks<'t>(selection: &Selection<'t>, subject: &Subject<'t>) -> Result<Vec<Check>, Failure> {
    let mut checks = Vec::new();
    if let Some(off) = &selection.off {
        checks.push(Check { holds: false, text: format!("the section is left out by {}", quoted(off)) });
    }
    for list in &selection.lists {
        checks.push(match first_found(list, &subject.name)? {
            Some(wanted) => Check { holds: true, text: format!("name: {} matches", quoted(&wanted.pattern)) },
            None => Check { holds: false, text: format!("name: matches none of {}", all_quoted(list)) },
        });
    }
    if let Some(wanted) = first_found(&selection.excludes, &subject.name)? {
        checks.push(Check { holds: false, text: format!("excluded by {}", quoted(&wanted.pattern)) });
    }
    if !selection.links.is_empty() {
        checks.push(link_check(selection, subject)?);
    }
    if selection.filters.is_empty() {
        return Ok(checks);
    }
    let mut data = selection.asked_data(subject);
    if selection.layer() == PlanLayer::Tmt {
        data = Data::Own(Arc::new(tmt::as_filtered(&data)));
    }
    for (pattern, filter) in &selection.filters {
        checks.push(filter_check(pattern, filter, &subject.name, &data)?);
    }
    Ok(checks)
}

fn link_check(selection: &Selection<'_>, subject: &Subject<'_>) -> Result<Check, Failure> {
    for pattern in &selection.links {
        if tmt::has_link(&subject.data, &pattern.text).map_err(|error| failed(pattern, &error))? {
            return Ok(Check { holds: true, text: format!("link: {} matches", quoted(pattern)) });
        }
    }
    let links: Vec<_> = selection.links.iter().map(quoted).collect();
    Ok(Check { holds: false, text: format!("link: none is one of {}", links.join(", ")) })
}

fn filter_check(pattern: &Pattern, filter: &Filter, name: &str, data: &Mapping) -> Result<Check, Failure> {
    let text = format!("filter: {}", quoted(pattern));
    match filter.matches(name, data) {
        Ok(holds) => Ok(Check { holds, text }),
        // It is said as `Invalid filter 'key'`.
        Err(error) if error.class() == ErrorClass::Filter => {
            let key = error.message().trim_start_matches("Invalid filter ").to_owned();
            Ok(Check { holds: false, text: format!("{text} asks for the key {key}, which is not there") })
        }
        Err(error) => Err(failed(pattern, &error)),
    }
}

/// The first of the patterns that is found in a name.
fn first_found<'w>(list: &'w [Wanted], name: &str) -> Result<Option<&'w Wanted>, Failure> {
    for wanted in list {
        if wanted.is_found_in(name)? {
            return Ok(Some(wanted));
        }
    }
    Ok(None)
}

fn quoted(pattern: &Pattern) -> String {
    format!("`{}` ({})", pattern.text, pattern.origin)
}

fn all_quoted(list: &[Wanted]) -> String {
    match list {
        [] => "an empty list".to_owned(),
        _ => list.iter().map(|wanted| quoted(&wanted.pattern)).collect::<Vec<_>>().join(", "),
    }
}

/// Why data is no test, or not one that is run: nothing for a test. In tmt's eyes only `true` and `false` are what they say.
pub(crate) fn reason_left_out(data: &Mapping, layer: PlanLayer) -> Option<LeftOut> {
    let truthy = |key: &str| data.get(key).is_some_and(Value::is_truthy);
    let strict = layer == PlanLayer::Tmt;
    let is = |key: &str, flag: bool| data.get(key).is_none_or(|value| value.as_bool() == Some(flag));
    if truthy("story") {
        Some(LeftOut::Story)
    } else if !data.contains("test") {
        Some(LeftOut::NoTest)
    } else if if strict { !is("manual", false) } else { truthy("manual") } {
        Some(LeftOut::Manual)
    } else if !if strict { is("enabled", true) } else { data.get("enabled").is_none_or(Value::is_truthy) } {
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
    pub(crate) fn describe(self, node: Option<NodeRef<'_>>, places: &Places) -> String {
        let behind = |key| node.map(|node| places.behind(node, key)).unwrap_or_default();
        match self {
            LeftOut::Story => format!("story{}", behind("story")),
            LeftOut::NoTest => "no key `test`".to_owned(),
            LeftOut::Manual => format!("manual{}", behind("manual")),
            LeftOut::Disabled => format!("disabled{}", behind("enabled")),
        }
    }
}
