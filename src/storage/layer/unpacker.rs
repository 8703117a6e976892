//! The client's side of unpacking: one worker process per pull, one job per layer.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::worker::{COMMIT, Event, Failure, ROLE, Request, Settings};
use super::{LayerRecord, boot_id};
use crate::oci::Digest;
use crate::storage::{Error, Store};
use crate::sys::lock::{Lock, Mode};
use crate::sys::{packet, path};
use crate::userns::{Child, IdMap, spawn_mapped};

/// A pipe of a mebibyte lets the downloading and the unpacking process work at the same time.
const PIPE: i32 = 1 << 20;

/// A worker process in a user namespace with `map`, which unpacks layers side by side. It ends when this value is dropped, and with it
/// what has not been committed. Layers that nothing refers to yet are not collected while this value lives.
#[derive(Debug)]
pub struct Unpacker {
    socket: Option<OwnedFd>,
    child: Option<Child>,
    _layers: Lock,
}

/// One layer on its way into the store. The descriptor of [`Job::as_fd`] becomes readable whenever [`Job::begin`], [`Job::finish`] or
/// [`Job::commit`] would not have to wait.
#[derive(Debug)]
pub struct Job {
    diff_id: Digest,
    control: OwnedFd,
    blob: Option<File>,
    record: Option<LayerRecord>,
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
        let layers = store.hold_layers()?;
        let settings = Settings { data: store.data().to_owned(), map: map.clone(), boot_id: boot_id() };
        let settings = serde_json::to_string(&settings).map_err(|error| Error::Worker(format!(": {error}")))?;
        let (socket, theirs) = packet::pair().map_err(lost)?;
        let child = spawn_mapped(map, ROLE, &[&settings], &[theirs.as_fd()])?;
        Ok(Self { socket: Some(socket), child: Some(child), _layers: layers })
    }

    /// Asks for a layer. Jobs run side by side; one whose layer another process is unpacking waits for that.
    pub fn layer(&self, diff_id: &Digest) -> Result<Job, Error> {
        let (control, theirs) = packet::pair().map_err(lost)?;
        let (reader, writer) = std::io::pipe().map_err(lost)?;
        path::widen_pipe(&writer, PIPE);
        let request = serde_json::to_vec(&Request { diff_id: diff_id.clone() }).map_err(|error| Error::Worker(format!(": {error}")))?;
        let socket = self.socket.as_ref().ok_or_else(|| Error::Worker(String::new()))?;
        packet::send(socket, &request, &[theirs.as_fd(), reader.as_fd()]).map_err(lost)?;
        Ok(Job { diff_id: diff_id.clone(), control, blob: Some(OwnedFd::from(writer).into()), record: None })
    }
}

impl Drop for Unpacker {
    fn drop(&mut self) {
        // The worker ends when its socket does.
        self.socket = None;
        if let Some(child) = self.child.take() {
            let _ = child.wait();
        }
    }
}

impl Job {
    /// Waits until it is this process's turn, or the layer is there.
    pub fn begin(&mut self) -> Result<Begin, Error> {
        match (self.receive()?, self.blob.take()) {
            (Event::Present(record), _) => Ok(Begin::Present(record)),
            (Event::Begin, Some(blob)) => Ok(Begin::Stream(blob)),
            _ => Err(self.out_of_turn()),
        }
    }

    /// Waits for the end of the unpacking, after the pipe was closed: the layer has the diff ID that was asked for, but is not in the store.
    pub fn finish(&mut self) -> Result<LayerRecord, Error> {
        match self.receive()? {
            Event::Unpacked(record) => Ok(self.record.insert(record).clone()),
            _ => Err(self.out_of_turn()),
        }
    }

    /// Puts the finished layer into the store: to be called once the blob's own digest and size are known to be right.
    pub fn commit(mut self) -> Result<LayerRecord, Error> {
        packet::send(&self.control, COMMIT, &[]).map_err(lost)?;
        match (self.receive()?, self.record.take()) {
            (Event::Committed, Some(record)) => Ok(record),
            _ => Err(self.out_of_turn()),
        }
    }

    fn receive(&self) -> Result<Event, Error> {
        let (bytes, _) = packet::receive(&self.control).map_err(lost)?;
        match serde_json::from_slice(&bytes) {
            Ok(Event::Failed(failure)) => Err(self.failed(failure)),
            Ok(event) => Ok(event),
            Err(_) => Err(Error::Worker(format!(" on layer {}", self.diff_id))),
        }
    }

    fn failed(&self, failure: Failure) -> Error {
        let layer = self.diff_id.to_string();
        match failure.missing_id {
            _ if failure.full => Error::LayerFull { layer, reason: failure.reason },
            Some(id) => Error::LayerId { layer, reason: failure.reason, hint: super::range_hint::hint(id) },
            None => Error::Layer { layer, reason: failure.reason },
        }
    }

    fn out_of_turn(&self) -> Error {
        Error::Worker(format!(" on layer {}: out of turn", self.diff_id))
    }
}

impl AsFd for Job {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}

fn lost(error: std::io::Error) -> Error {
    Error::Worker(format!(": {error}"))
}

impl Store {
    /// Keeps layers from being collected while held.
    fn hold_layers(&self) -> Result<Lock, Error> {
        let path = self.data().join("locks/layers");
        Lock::file(&path, Mode::Shared).map_err(Error::io("lock", &path))
    }
}
