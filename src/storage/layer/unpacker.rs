//! The client's side of unpacking: one worker process per pull, one job per layer.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::LayerRecord;
use crate::oci::Digest;
use crate::storage::{Error, Store};
use crate::userns::IdMap;

/// A worker process in a user namespace with `map`, which unpacks layers side by side. It ends when this value is dropped, and with it
/// what has not been committed.
#[derive(Debug)]
pub struct Unpacker {
    socket: OwnedFd,
}

/// One layer on its way into the store. The descriptor of [`Job::as_fd`] becomes readable whenever [`Job::begin`], [`Job::finish`] or
/// [`Job::commit`] would not have to wait.
#[derive(Debug)]
pub struct Job {
    control: OwnedFd,
}

/// How a job begins.
#[derive(Debug)]
pub enum Begin {
    /// The layer is in the store: perhaps another process that was at it has just finished. There is nothing to do.
    Present(LayerRecord),
    /// Write the blob (tar, gzip or zstd, told by its first bytes) into this pipe and close it. A write that fails with `EPIPE` means
    /// that the worker has given up; [`Job::finish`] then says why.
    Stream(File),
}

impl Unpacker {
    /// Starts the worker. Leftovers of workers that died are swept on the way.
    pub fn start(store: &Store, map: &IdMap) -> Result<Self, Error> {
        let _ = (store, map);
        Err(Error::Worker(": not built yet".into()))
    }

    /// Asks for a layer. Jobs run side by side; one whose layer another process is unpacking waits for that.
    pub fn layer(&self, diff_id: &Digest) -> Result<Job, Error> {
        let _ = (diff_id, &self.socket);
        Err(Error::Worker(": not built yet".into()))
    }
}

impl Job {
    /// Waits until it is this process's turn, or the layer is there.
    pub fn begin(&mut self) -> Result<Begin, Error> {
        Err(Error::Worker(": not built yet".into()))
    }

    /// Waits for the end of the unpacking, after the pipe was closed: the layer has the diff ID that was asked for, but is not in the store.
    pub fn finish(&mut self) -> Result<LayerRecord, Error> {
        Err(Error::Worker(": not built yet".into()))
    }

    /// Puts the finished layer into the store: to be called once the blob's own digest and size are known to be right.
    pub fn commit(self) -> Result<LayerRecord, Error> {
        Err(Error::Worker(": not built yet".into()))
    }
}

impl AsFd for Job {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}
