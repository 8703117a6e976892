//! The worker's side of unpacking: a process in the user namespace of the layers, with the store as its root directory, and a child of it
//! per layer.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use serde::{Deserialize, Serialize};

use super::extract::{ExtractError, extract};
use super::record::Recorder;
use super::stream::Stream;
use super::{LayerRecord, UNSYNCED, is_present};
use crate::oci::Digest;
use crate::storage::remove::remove;
use crate::storage::sweep::{self, Temporary};
use crate::sys::lock::{Lock, Mode};
use crate::sys::{fork, packet, path as at};
use crate::userns::IdMap;

/// argv[0] of the worker.
pub const ROLE: &str = "dulse-unpack";

/// What the worker is told when it starts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Settings {
    pub data: PathBuf,
    pub map: IdMap,
    pub boot_id: String,
}

/// A request for one layer; with it come the job's control socket and the pipe of its blob.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub diff_id: Digest,
}

/// What a job tells its client.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Event {
    Present(LayerRecord),
    Begin,
    Unpacked(LayerRecord),
    Committed,
    Failed(Failure),
}

/// Why a job failed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Failure {
    pub reason: String,
    pub full: bool,
    /// The highest container ID that the map would need.
    pub missing_id: Option<u64>,
}

/// What a client answers to [`Event::Unpacked`].
pub(super) const COMMIT: &[u8] = b"commit";

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self { reason, ..Self::default() }
    }
}

impl Failure {
    fn at(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self { full: is_full(&error), ..format!("cannot {action} {}: {error}", path.display()).into() }
    }
}

impl From<ExtractError> for Failure {
    fn from(error: ExtractError) -> Self {
        let reason = error.to_string();
        match error {
            ExtractError::Id { id, .. } => Self { missing_id: Some(id), ..reason.into() },
            ExtractError::Io { source, .. } => Self { full: is_full(&source), ..reason.into() },
            _ => reason.into(),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// The worker's program. Descriptor 3 is the socket that requests come from; its end ends the worker, not the jobs.
pub fn main() -> ExitCode {
    let settings = std::env::args().nth(1).and_then(|text| serde_json::from_str::<Settings>(&text).ok());
    let Some(settings) = settings else { return ExitCode::from(125) };
    let Ok(socket) = packet::inherited(3) else { return ExitCode::from(125) };
    serve(&settings, &socket);
    ExitCode::SUCCESS
}

/// Serves requests until the client closes the socket.
fn serve(settings: &Settings, socket: &OwnedFd) {
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    let confined = File::open(&settings.data).and_then(|data| at::enter_root(&data.into()));
    if confined.is_ok() {
        let _ = fork::child(|| {
            sweep::sweep(Path::new("/"));
            0
        });
    }
    while let Ok((bytes, descriptors)) = packet::receive(socket) {
        fork::reap();
        if bytes.is_empty() {
            break;
        }
        let Ok([control, pipe]) = <[OwnedFd; 2]>::try_from(descriptors) else { return };
        let Ok(request) = serde_json::from_slice::<Request>(&bytes) else { return };
        let failure = match &confined {
            Ok(()) => match fork::child(|| job(settings, &request, &control, pipe.into())) {
                Ok(_) => continue,
                Err(error) => format!("cannot start a process: {error}"),
            },
            Err(error) => format!("cannot enter {}: {error}", settings.data.display()),
        };
        send(&control, &Event::Failed(failure.into()));
    }
    settle();
}

/// Lets the jobs that the client has given up clean after themselves, so that it leaves nothing when it ends. One that waits for
/// another process's lock has nothing to clean and is not waited for.
fn settle() {
    let limit = Instant::now() + Duration::from_secs(5);
    while Instant::now() < limit {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(_) => return,
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(2)),
            Ok(_) => {}
        }
    }
}

/// One layer, in a process of its own.
fn job(settings: &Settings, request: &Request, control: &OwnedFd, pipe: File) -> i32 {
    // What is left is cleaned before the news is told: whoever hears of a failure may look.
    let event = unpack(settings, request, control, pipe).unwrap_or_else(Event::Failed);
    send(control, &event);
    0
}

/// The lock on a layer; its file goes with it.
struct LayerLock {
    lock: Option<Lock>,
    path: PathBuf,
}

impl Drop for LayerLock {
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take() {
            lock.remove(&self.path);
        }
    }
}

fn unpack(settings: &Settings, request: &Request, control: &OwnedFd, pipe: File) -> Result<Event, Failure> {
    let data = Path::new("/");
    let hex = request.diff_id.hex();
    let object = data.join("layers").join(hex);
    let lock_path = data.join("locks").join(format!("layer-{hex}"));
    let lock = Lock::file(&lock_path, Mode::Exclusive).map_err(Failure::at("lock", &lock_path))?;
    let _lock = LayerLock { lock: Some(lock), path: lock_path };
    // One whose owners were lost for want of IDs is unpacked anew when there are some.
    let whole = |record: &LayerRecord| record.squashed == 0 || settings.map.is_single();
    if let Some(record) = is_present(&object, &settings.boot_id).filter(whole) {
        return Ok(Event::Present(record));
    }
    // Declared after the lock, so that it is removed while that is still held.
    let place = Temporary::new(data, "layer").map_err(Failure::at("create a directory in", &data.join("tmp")))?;
    send(control, &Event::Begin);
    let record = fill(&settings.map, &request.diff_id, pipe, &place.path)?;
    fs::write(place.path.join(UNSYNCED), &settings.boot_id).map_err(Failure::at("write in", &place.path))?;
    send(control, &Event::Unpacked(record));
    if !matches!(packet::receive(control), Ok((answer, _)) if answer == COMMIT) {
        return Err("not wanted any more".to_owned().into());
    }
    // What is in the way is not whole: another boot's, never synced.
    let old = place.path.with_extension("old");
    let _ = fs::rename(&object, &old);
    fs::rename(&place.path, &object).map_err(Failure::at("create", &object))?;
    let _ = remove(&old);
    Ok(Event::Committed)
}

/// Unpacks a blob into the directory `place` and checks it against its diff ID.
pub(super) fn fill(map: &IdMap, diff_id: &Digest, blob: impl Read, place: &Path) -> Result<LayerRecord, Failure> {
    let diff = place.join("diff");
    DirBuilder::new().mode(0o755).create(&diff).map_err(Failure::at("create", &diff))?;
    let directory = File::open(&diff).map_err(Failure::at("open", &diff))?;
    let record_path = place.join("tar.zst");
    let record_failure = || Failure::at("write", &record_path);
    let mut recorder = File::create(&record_path).and_then(Recorder::new).map_err(record_failure())?;
    let unreadable = |error| ExtractError::Archive(super::archive::ArchiveError::from(error));
    let mut stream = Stream::new(blob, diff_id).map_err(unreadable)?;
    let bodies = place.join("bodies");
    let aside = || match DirBuilder::new().mode(0o700).create(&bodies) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => File::open(&bodies),
    };
    let summary = extract(&mut stream, &mut recorder, &directory, map, &aside)?;
    recorder.finish().map_err(record_failure())?;
    let (found, tar_size) = stream.finish();
    if found != *diff_id {
        return Err(format!("its uncompressed digest is {found}, but {diff_id} was expected").into());
    }
    let record = LayerRecord {
        diff_id: diff_id.to_string(),
        tar_size,
        size: summary.size,
        entries: summary.entries,
        root_mode: summary.root_mode,
        squashed: summary.squashed,
    };
    let write = |name: &str, json: serde_json::Result<Vec<u8>>| {
        let path = place.join(name);
        json.map_err(io::Error::from).and_then(|bytes| fs::write(&path, bytes)).map_err(Failure::at("write", &path))
    };
    if !summary.replaced.is_empty() {
        write("bodies.json", serde_json::to_vec(&summary.replaced))?;
    }
    write("layer.json", serde_json::to_vec(&record))?;
    Ok(record)
}

/// Sends an event; a client that is gone will be noticed by its answer not coming.
fn send(control: &OwnedFd, event: &Event) {
    if let Ok(bytes) = serde_json::to_vec(event) {
        let _ = packet::send(control, &bytes, &[]);
    }
}
