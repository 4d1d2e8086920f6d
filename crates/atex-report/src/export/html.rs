//! One page of HTML; what it is made of is in [`crate::html`].

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use atex_cli::Failure;
use atex_cli::input::reason;

use super::{Common, Export};
use crate::event::Event;
use crate::html::{Builder, Options, directory_of_stdout};
use crate::out::Out;
use crate::recall::Past;
use crate::stop::Stop;

/// The options of `html`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The title of the page, instead of the ids of the runs
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,

    /// The directory in which the page will be: links to files are relative to it
    ///
    /// Without it: that of `--output`, or of the file that stdout is written to, otherwise the current one.
    #[arg(long, value_name = "DIR")]
    links_from: Option<PathBuf>,

    /// How many failures stand in the page as plain HTML, for which no JavaScript is needed
    #[arg(long, value_name = "N", default_value_t = 1000)]
    plain: usize,
}

pub(super) fn export(args: &Args, common: &Common) -> Result<Box<dyn Export>, Failure> {
    let directory = directory(args, common)
        .map_err(|e| Failure::usage(format!("the directory that links start from: {}", reason(&e))))?;
    let options = Options { title: args.title.clone(), directory, failures: args.plain };
    let page = Builder::new(options).map_err(spooling)?;
    Ok(Box::new(Html { page: Some(page) }))
}

fn directory(args: &Args, common: &Common) -> io::Result<PathBuf> {
    let output = common.output.as_deref().and_then(Path::parent);
    match args.links_from.as_deref().or(output) {
        Some(path) if path.as_os_str().is_empty() => std::env::current_dir(),
        // It need not be there yet.
        Some(path) => std::path::absolute(path),
        None => directory_of_stdout(),
    }
}

fn spooling(error: io::Error) -> Failure {
    Failure::trouble(format!("{}: {}", std::env::temp_dir().display(), reason(&error)))
}

struct Html {
    page: Option<Builder>,
}

impl Export for Html {
    fn event(&mut self, event: &Event<'_>, _: Past, _: &mut Out<'_>) -> Result<(), Stop> {
        let taken = self.page.as_mut().map_or(Ok(()), |page| page.take(event));
        taken.map_err(|e| spooling(e).into())
    }

    fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        let Some(page) = self.page.take() else { return Ok(()) };
        let mut sink = Sink { out, stop: None };
        match page.finish(&mut sink) {
            Ok(()) => Ok(()),
            Err(e) => Err(sink.stop.unwrap_or_else(|| spooling(e).into())),
        }
    }
}

/// The report as a writer, which remembers why it could not be written.
struct Sink<'o, 'w> {
    out: &'o mut Out<'w>,
    stop: Option<Stop>,
}

impl Write for Sink<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.buffer.extend_from_slice(bytes);
        match self.out.settle() {
            Ok(()) => Ok(bytes.len()),
            Err(stop) => {
                self.stop = Some(stop);
                Err(io::ErrorKind::WriteZero.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
