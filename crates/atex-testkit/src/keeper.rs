//! Background processes that cannot outlive the test process.
//!
//! A test process that is killed drops nothing, so the kernel must end what it started:
//! PR_SET_PDEATHSIG. That signal is sent when the *thread* that forked ends, and the test
//! harness runs each test in a thread of its own; so one thread, which never ends, forks all.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::thread;

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

type Order = (Command, Sender<io::Result<Child>>);

static ORDERS: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
    let (orders, received) = channel();
    thread::Builder::new()
        .name("keeper".to_owned())
        .spawn(move || serve(&received))
        .expect("a thread can be started");
    Mutex::new(orders)
});

fn serve(orders: &Receiver<Order>) {
    for (mut command, answer) in orders {
        // Whoever asked has panicked if there is nobody to take the answer.
        let _ = answer.send(command.spawn());
    }
}

/// Starts a command that is killed when this process ends, in whatever way.
pub(crate) fn spawn(mut command: Command) -> io::Result<Child> {
    // SAFETY: one system call, which neither allocates nor locks.
    unsafe {
        command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGKILL)?));
    }
    let (answer, answered) = channel();
    ORDERS
        .lock()
        .expect("nothing panics while it holds this lock")
        .send((command, answer))
        .expect("the keeper never ends");
    answered.recv().expect("the keeper answers every order")
}

/// The processes in the namespace that `unshare` was started for, by id as seen from here,
/// its first process first.
pub(crate) fn namespace_processes(unshare: &Child) -> Vec<i32> {
    let Some(first) = first_process(unshare) else { return Vec::new() };
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let wanted = namespace(first);
    let others = all_processes().filter(|pid| *pid != first && wanted.is_some() && namespace(*pid) == wanted);
    std::iter::once(first).chain(others).collect()
}

/// The first process of the namespace that `unshare --fork` was started for.
pub(crate) fn first_process(unshare: &Child) -> Option<i32> {
    let id = unshare.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn all_processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted");
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Kills a whole process namespace and returns when nothing of it is left.
///
/// Its first process is killed, not `unshare`: that one is reaped only after all others are
/// gone, and only then does `unshare` end.
pub(crate) fn kill_namespace(unshare: &mut Child) {
    match first_process(unshare) {
        Some(first) => {
            // An error means that it has ended by itself.
            let _ = kill(Pid::from_raw(first), Signal::SIGKILL);
        }
        // It has not forked yet, or is gone.
        None => {
            let _ = unshare.kill();
        }
    }
    let _ = unshare.wait();
}
