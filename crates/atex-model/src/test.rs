//! The `test` record: from atex-discover, or from `echo`, to atex-exec.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{DEFAULT_PLATFORM, Object, tag::tag};

tag!(TestTag, "test");

/// One test to run. Its identity in a run is (`platform`, `name`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Test {
    /// `test`
    #[serde(rename = "type")]
    pub kind: TestTag,
    /// The test's name; `/` separates levels.
    pub name: String,
    /// A label: a test that has one runs only on hosts with the same label, a test without one runs
    /// on any host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The files that the test needs. Without it nothing is uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Tree>,
    /// The test's directory, relative to the root of the tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
    /// The test's metadata, fully inherited and adjusted; `data.test` is the command.
    pub data: Object,
    /// What execution needs of the plan that the test belongs to. Equal plans are one plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// The name of the test that this one is another run of, on request, while both are in one run.
    #[serde(default, rename = "rerun-of", skip_serializing_if = "Option::is_none")]
    pub rerun_of: Option<String>,
}

/// The files of a test: one directory, or several that are put together into one root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "`tree`: expected a directory's absolute path, or a list of {\"from\": directory, \"to\": name}"
)]
pub enum Tree {
    /// An absolute path.
    Directory(String),
    /// Several directories, each under a name of its own.
    Parts(Vec<TreePart>),
}

/// One directory of a tree that is put together from several.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct TreePart {
    /// The directory: an absolute path.
    pub from: String,
    /// Where its contents stand in the tree, relative to the root; `.` is the root itself.
    pub to: String,
}

/// What execution needs of a plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The plan's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Environment variables for the plan's scripts and tests: an object or a list of objects.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub environment: Value,
    /// The plan's `prepare` items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepare: Vec<Value>,
    /// The plan's `finish` items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finish: Vec<Value>,
}

impl Test {
    /// A test with nothing but a name and its metadata.
    pub fn new(name: impl Into<String>, data: Object) -> Test {
        Test {
            kind: TestTag,
            name: name.into(),
            platform: None,
            tree: None,
            dir: None,
            data,
            plan: None,
            rerun_of: None,
        }
    }

    /// A test that runs a command line of the shell.
    pub fn shell(name: impl Into<String>, command: impl Into<String>) -> Test {
        Test::new(name, Object::new()).with("test", command.into())
    }

    /// The same test with a key of its metadata set.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Test {
        self.data.insert(key.into(), value.into());
        self
    }

    /// The same test for hosts of this label.
    #[must_use]
    pub fn on(mut self, platform: impl Into<String>) -> Test {
        self.platform = Some(platform.into());
        self
    }

    /// The same test in a directory of files that it needs; `dir` is relative to `tree`, an absolute path.
    #[must_use]
    pub fn of_tree(mut self, tree: impl AsRef<std::path::Path>, dir: impl Into<String>) -> Test {
        let tree = tree.as_ref().to_string_lossy().into_owned();
        (self.tree, self.dir) = (Some(Tree::Directory(tree)), Some(dir.into()));
        self
    }

    /// The label under which results of this test are reported.
    pub fn label(&self) -> &str {
        self.platform.as_deref().unwrap_or(DEFAULT_PLATFORM)
    }
}
