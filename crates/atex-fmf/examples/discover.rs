//! Prints the tests of a tree as JSON: `discover DIR [PLAN [DIMENSION=VALUE]...]`.

use std::error::Error;
use std::io::{BufWriter, Write, stdout};

use atex_fmf::{Context, Git, Repositories, Request, Tree, discover_with};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let directory = args.next().ok_or("usage: discover DIR [PLAN [DIMENSION=VALUE]...]")?;
    let plan = args.next();
    let mut context = Context::new();
    for argument in args {
        let (dimension, value) = argument.split_once('=').ok_or("a dimension is given as NAME=VALUE")?;
        context.set(dimension, [value]);
    }
    let tree = Tree::load(directory, &context)?;
    let git = Git::from_environment();
    let repositories = Repositories::new(&git, context);
    let request = Request { plan, libraries: true, ..Request::default() };
    let found = discover_with(&tree, &repositories, &request)?;
    let mut out = BufWriter::new(stdout().lock());
    for test in &found.tests {
        test.write_data(&mut out)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}
