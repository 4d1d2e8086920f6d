//! What atex-exec says to a provisioner.

use atex_cli::{Failure, input::Lines};
use atex_model::protocol::{
    Adopt, AdoptTag, Extend, ExtendTag, Release, ReleaseTag, ShutdownTag, Want, WantTag,
};
use atex_model::{Host, Time};
use crossbeam_channel::{Receiver, unbounded};

/// What is to be done.
#[derive(Debug)]
pub(super) enum Message {
    Want(u64),
    Release(String),
    Extend(String, Time),
    Adopt(Box<Host>),
    Shutdown,
}

/// The messages that come by standard input. The channel is closed at its end; nothing comes after a failure.
pub(super) fn read() -> Receiver<Result<Message, Failure>> {
    let (to, messages) = unbounded();
    std::thread::spawn(move || {
        let mut lines = Lines::stdin();
        loop {
            match next(&mut lines) {
                Ok(Some(Some(message))) => {
                    if to.send(Ok(message)).is_err() {
                        return;
                    }
                }
                // Something that only later versions know.
                Ok(Some(None)) => {}
                Ok(None) => return,
                Err(failure) => {
                    let _ = to.send(Err(failure));
                    return;
                }
            }
        }
    });
    messages
}

fn next(lines: &mut Lines) -> Result<Option<Option<Message>>, Failure> {
    let Some(line) = lines.next_line()? else { return Ok(None) };
    parse(line.text).map(Some).map_err(|e| line.fault(&e))
}

fn parse(line: &str) -> Result<Option<Message>, atex_model::LineError> {
    Ok(Some(match &*atex_model::kind(line)? {
        WantTag::TEXT => Message::Want(atex_model::parse::<Want>(line)?.hosts),
        ReleaseTag::TEXT => Message::Release(atex_model::parse::<Release>(line)?.id),
        ExtendTag::TEXT => {
            let extend: Extend = atex_model::parse(line)?;
            Message::Extend(extend.id, extend.until)
        }
        AdoptTag::TEXT => Message::Adopt(Box::new(atex_model::parse::<Adopt>(line)?.host)),
        ShutdownTag::TEXT => Message::Shutdown,
        _ => return Ok(None),
    }))
}
