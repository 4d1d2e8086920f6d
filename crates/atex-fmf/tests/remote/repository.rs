//! A repository of git to fetch from.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::{tree, write};

pub struct Repository(TempDir);

impl Repository {
    /// One commit on the branch `main`, with these files and a tree's mark.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let repository = Self(tree(files));
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.commit(&[]);
        repository
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The URL that git reads as if it came from another machine.
    pub fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Commits these files beside all that is there.
    pub fn commit(&self, files: &[(&str, &str)]) {
        write(self.path(), files);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "a change"]);
    }

    /// Runs git there, with an environment that hides the settings of the user.
    pub fn git(&self, words: &[&str]) -> String {
        let mut command = Command::new("git");
        for (role, what) in
            [("AUTHOR", "NAME"), ("AUTHOR", "EMAIL"), ("COMMITTER", "NAME"), ("COMMITTER", "EMAIL")]
        {
            command.env(format!("GIT_{role}_{what}"), "tester");
        }
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").args(words).current_dir(self.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
