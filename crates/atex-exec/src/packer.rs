//! Makes uploads, one at a time, on a thread of its own.

use std::path::PathBuf;
use std::sync::Arc;

use atex_model::Tree;
use atex_schedule::{HostId, SetupId};
use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::plan::Steps;
use crate::pool::{Prepared, Shared};
use crate::upload::{Upload, pack};

/// A set-up is ready to be given to hosts, or cannot be made.
pub(crate) type Packed = (SetupId, Result<Arc<Prepared>, String>);

/// How far a set-up is.
#[derive(Debug)]
enum Stage {
    /// Nobody has asked for it yet.
    Known(Tree, Arc<Steps>),
    /// It is being made; these hosts wait for it (and whether they are to be cleaned first).
    Making(Vec<(HostId, bool)>),
    Ready(Arc<Prepared>),
    Impossible(String),
}

/// The set-ups of a run and the thread that makes them.
pub(crate) struct Packer {
    stages: Vec<Stage>,
    uploads: PathBuf,
    shared: Arc<Shared>,
    orders: Option<Sender<(SetupId, Tree, Arc<Steps>)>>,
    done: (Sender<Packed>, Receiver<Packed>),
}

/// What became of asking for a set-up.
pub(crate) enum Asked {
    Ready(Arc<Prepared>),
    /// The host will be named when it is there.
    Later,
    Impossible,
}

impl Packer {
    pub fn new(uploads: PathBuf, shared: Arc<Shared>) -> Packer {
        Packer { stages: Vec::new(), uploads, shared, orders: None, done: unbounded() }
    }

    /// Set-ups as they become ready, to be handed to [`Packer::finished`].
    pub fn done(&self) -> &Receiver<Packed> {
        &self.done.1
    }

    /// A new set-up, with the next number.
    pub fn add(&mut self, tree: Option<&Tree>, steps: Steps) -> std::io::Result<()> {
        let id = SetupId(u32::try_from(self.stages.len()).map_err(std::io::Error::other)?);
        let Some(tree) = tree else {
            self.stages.push(Stage::Ready(prepared(id, None, Arc::new(steps), &self.shared)));
            return Ok(());
        };
        self.stages.push(Stage::Making(Vec::new()));
        if self.orders.is_none() {
            self.orders = Some(self.start()?);
        }
        if let Some(orders) = &self.orders {
            // The thread ends only when we do.
            let _ = orders.send((id, tree.clone(), Arc::new(steps)));
        }
        Ok(())
    }

    /// The same, but it is made only when a host needs it.
    pub fn add_later(&mut self, tree: Option<&Tree>, steps: Steps) -> std::io::Result<()> {
        let Some(tree) = tree else { return self.add(None, steps) };
        if self.orders.is_none() {
            self.orders = Some(self.start()?);
        }
        self.stages.push(Stage::Known(tree.clone(), Arc::new(steps)));
        Ok(())
    }

    fn start(&self) -> std::io::Result<Sender<(SetupId, Tree, Arc<Steps>)>> {
        let (orders, arriving) = unbounded::<(SetupId, Tree, Arc<Steps>)>();
        let (uploads, done) = (self.uploads.clone(), self.done.0.clone());
        let shared = Arc::clone(&self.shared);
        std::thread::Builder::new().name("uploads".into()).spawn(move || {
            for (id, tree, steps) in arriving {
                let made = pack(&tree, &uploads);
                let made = made.map(|upload| prepared(id, Some(upload), steps, &shared));
                if done.send((id, made)).is_err() {
                    break;
                }
            }
        })?;
        Ok(orders)
    }

    /// A host needs this set-up.
    pub fn ask(&mut self, setup: SetupId, host: HostId, clean: bool) -> Asked {
        let stage = &mut self.stages[setup.0 as usize];
        match stage {
            Stage::Known(tree, steps) => {
                if let Some(orders) = &self.orders {
                    // The thread ends only when we do.
                    let _ = orders.send((setup, tree.clone(), Arc::clone(steps)));
                }
                *stage = Stage::Making(vec![(host, clean)]);
                Asked::Later
            }
            Stage::Making(waiting) => {
                waiting.push((host, clean));
                Asked::Later
            }
            Stage::Ready(prepared) => Asked::Ready(Arc::clone(prepared)),
            Stage::Impossible(_) => Asked::Impossible,
        }
    }

    /// Takes note of a set-up that has become ready, and returns the hosts that wait for it.
    pub fn finished(&mut self, (setup, made): Packed) -> Vec<(HostId, bool)> {
        let stage = match made {
            Ok(prepared) => Stage::Ready(prepared),
            Err(problem) => Stage::Impossible(problem),
        };
        match std::mem::replace(&mut self.stages[setup.0 as usize], stage) {
            Stage::Making(waiting) => waiting,
            _ => Vec::new(),
        }
    }

    /// What is left of a set-up that cannot be made.
    pub fn without_files(&self, id: SetupId) -> Arc<Prepared> {
        prepared(id, None, Arc::default(), &self.shared)
    }

    /// Why a set-up cannot be made.
    pub fn problem(&self, setup: SetupId) -> Option<&str> {
        match &self.stages[setup.0 as usize] {
            Stage::Impossible(problem) => Some(problem),
            _ => None,
        }
    }
}

fn prepared(id: SetupId, upload: Option<Upload>, steps: Arc<Steps>, shared: &Arc<Shared>) -> Arc<Prepared> {
    let mut hasher = blake3::Hasher::new();
    // The name of an upload is the hash of its content.
    let files = upload.as_ref().and_then(|upload| upload.path.file_name());
    hasher.update(files.unwrap_or_default().as_encoded_bytes()).update(b"\0").update(steps.text.as_bytes());
    let key = format!("k{}", &hasher.finalize().to_hex()[..16]);
    Arc::new(Prepared { id, upload, steps, key, shared: Arc::clone(shared) })
}
