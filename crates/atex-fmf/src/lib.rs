//! Metadata trees in the fmf format: read, inherit, adjust, select, and find the tests of a plan.
//!
//! Start with [`Tree::load`], which reads a directory tree and adjusts it for a [`Context`], and [`discover`], which
//! picks a plan's tests from it:
//!
//! ```no_run
//! use atex_fmf::{Context, Request, Tree, discover};
//!
//! let mut context = Context::new();
//! context.set("distro", ["centos-stream-9"]);
//! let tree = Tree::load(".", &context)?;
//! let found = discover(&tree, &Request { plan: Some("/plans/daily".into()), libraries: true, ..Request::default() })?;
//! for test in &found.tests {
//!     println!("{} in {}", test.name, test.source_dir());
//! }
//! # Ok::<(), atex_fmf::Error>(())
//! ```
//!
//! The layers, from below: [`yaml`] (text to [`Value`]), `walk` and `build` (directories to nodes with own data),
//! `inherit` and `merge` (complete data, suffixes such as `tag+`), `adjust` and `context` (rules), `filter` and `select` (which nodes),
//! `discover` and `library` (which tests, and what they require), [`plan`] (the same by the rules of tmt), `remote` (trees of other repositories, for sections
//! and libraries that name one by its URL). [`Rule`] and [`Context`] are of use on their own:
//! any facts can be asked with them. Behaviour follows the reference implementation wherever it can be seen; the corpus
//! under `tests/corpus` of the repository says what that is.
//!
//! What this crate deliberately does not know: records and other output, exit statuses, hosts, and networks: it starts
//! no program and fetches nothing, unless [`discover_with`] is given a [`Fetch`] for other repositories, such as [`Git`].

mod adjust;
mod ahead;
mod build;
pub mod condition;
mod context;
mod datetime;
mod definitions;
mod discover;
mod error;
mod filter;
mod inherit;
pub mod json;
mod library;
mod mapping;
mod merge;
pub mod meta;
mod number;
pub mod plan;
mod pyre;
mod pytext;
mod remote;
mod select;
mod share;
mod tree;
mod value;
mod walk;
mod write;
pub mod yaml;

pub use context::{Context, Rule, Verdict};
pub use definitions::{Definition, without_suffix};
pub use discover::{
    Discovery, NamePatterns, Part, Request, Section, Test, discover, discover_with, tree_of_section,
};
pub use error::{Error, ErrorClass, Pos, Position};
pub use filter::Filter;
pub use mapping::{Key, Mapping};
pub use pyre::Pattern;
pub use remote::{Fetch, Git, Repositories};
pub use select::{Condition, Criteria};
pub use tree::{NodeRef, Tree};
pub use value::{BigInt, Date, DateTime, Int, Shared, Text, Value};
pub use write::DataWriter;
