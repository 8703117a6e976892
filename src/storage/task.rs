//! Short pieces of work on files of mapped owners, done by this program in the user namespace of the user's whole map.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use super::volumes::{Fill, fill, give_tree};
use super::{Error, layer, mapped, remove, sweep, usage};
use crate::sys::packet;
use crate::userns::{IdMap, SubIds, default_map, spawn_mapped};

/// argv[0] of the process.
pub const ROLE: &str = "dulse-store";

/// What is to be done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    /// Remove a tree.
    Remove { path: PathBuf },
    /// Remove what killed processes have left in the store at `data`.
    Sweep { data: PathBuf },
    /// Write the archive of the layer at `object` to the descriptor that comes with the task.
    Tar { object: PathBuf },
    /// Make an image's layers for another ID map.
    Map(mapped::Order),
    /// Give files, by path, to the ID 0 of another map.
    Own { paths: Vec<PathBuf>, uid: u32, gid: u32 },
    /// Write the sizes of trees to the descriptor that comes with the task, a line each.
    Measure { trees: Vec<PathBuf> },
    /// Give a tree to one owner.
    Give { path: PathBuf, uid: u32, gid: u32 },
    /// Fill an empty volume from an image and give it to its user.
    Fill(Fill),
}

/// The map of all the user's IDs, which owns whatever any container or image of the user's has made.
pub(super) fn user_map() -> Result<IdMap, Error> {
    Ok(default_map(&SubIds::of_user()?))
}

/// Does a task in the user's whole map.
pub(super) fn run(task: &Task, descriptors: &[BorrowedFd<'_>]) -> Result<(), Error> {
    run_in(&user_map()?, task, descriptors)
}

/// Does a task in another map, and waits for its end. `descriptors` become 4, 5, … there.
pub(super) fn run_in(map: &IdMap, task: &Task, descriptors: &[BorrowedFd<'_>]) -> Result<(), Error> {
    let lost = |error: io::Error| Error::Worker(format!(": {error}"));
    let text = serde_json::to_string(task).map_err(|error| Error::Worker(format!(": {error}")))?;
    let (mut complaints, writer) = io::pipe().map_err(lost)?;
    let all: Vec<BorrowedFd<'_>> = std::iter::once(writer.as_fd()).chain(descriptors.iter().copied()).collect();
    let child = spawn_mapped(map, ROLE, &[&text], &all)?;
    drop(writer);
    let mut complaint = String::new();
    let read = complaints.read_to_string(&mut complaint);
    let status = child.wait().map_err(lost)?;
    read.map_err(lost)?;
    match status {
        0 => Ok(()),
        _ if complaint.is_empty() => Err(Error::Worker(format!(" with status {status}"))),
        _ => Err(Error::Task(complaint)),
    }
}

/// The program of a task: what went wrong is written to descriptor 3.
pub fn main() -> ExitCode {
    let Ok(complaints) = packet::inherited(3) else { return ExitCode::from(125) };
    let task = std::env::args().nth(1).and_then(|text| serde_json::from_str::<Task>(&text).ok());
    let Some(task) = task else { return ExitCode::from(125) };
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    match perform(task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            let _ = File::from(complaints).write_all(complaint.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<(), String> {
    match task {
        Task::Remove { path } => remove::remove(&path).map_err(|error| format!("cannot remove {}: {error}", path.display())),
        Task::Sweep { data } => {
            sweep::sweep(&data);
            Ok(())
        }
        Task::Map(order) => mapped::make(&order),
        Task::Own { paths, uid, gid } => paths.iter().try_for_each(|path| {
            std::os::unix::fs::lchown(path, Some(uid), Some(gid))
                .map_err(|error| format!("cannot change the owner of {}: {error}", path.display()))
        }),
        Task::Measure { trees } => {
            let to = packet::inherited(4).map_err(|error| error.to_string())?;
            usage::answer(&trees, &mut File::from(to)).map_err(|error| format!("cannot measure: {error}"))
        }
        Task::Give { path, uid, gid } => give_tree(&path, uid, gid),
        Task::Fill(task) => fill(&task),
        Task::Tar { object } => {
            let to = packet::inherited(4).map_err(|error| error.to_string())?;
            layer::write_archive(&object, &mut File::from(to)).map_err(|error| format!("cannot read {}: {error}", object.display()))
        }
    }
}
