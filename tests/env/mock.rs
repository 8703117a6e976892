//! A registry that misbehaves as a test wants it to: a few lines of HTTP on loopback, which write down what they were asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::image::{Blob, Image};

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    /// How many requests for the same path came before.
    pub earlier: usize,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn is_blob(&self) -> bool {
        self.path.contains("/blobs/")
    }

    pub fn is_manifest(&self) -> bool {
        self.path.contains("/manifests/")
    }
}

/// What the registry does with a request.
pub enum Action {
    /// What it should.
    Serve,
    /// As it should, but heedless of `Range`.
    ServeWhole,
    /// Breaks the connection after so many bytes of the body.
    CutAfter(usize),
    /// Another answer: status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
}

impl Action {
    /// An error in the registry's format.
    pub fn error(status: u16, code: &str) -> Self {
        let body = format!("{{\"errors\":[{{\"code\":\"{code}\",\"message\":\"the mock says {code}\"}}]}}");
        Self::Answer(status, vec![("Content-Type", "application/json".to_owned())], body.into_bytes())
    }
}

type Behaviour = dyn Fn(&Request) -> Action + Send + Sync;

/// The registry; it ends when dropped.
pub struct Mock {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
}

impl Mock {
    /// Serves the image under every repository and tag, as `behaviour` says.
    pub fn serve(image: &Image, behaviour: impl Fn(&Request) -> Action + Send + Sync + 'static) -> Self {
        let blobs = image.blobs();
        let manifest = blobs.manifest.clone();
        Self::serve_blobs(blobs.all().cloned().collect(), manifest, behaviour)
    }

    /// Serves these blobs, and `manifest` under every tag.
    pub fn serve_blobs(blobs: Vec<Blob>, manifest: Blob, behaviour: impl Fn(&Request) -> Action + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mock = Self { port: listener.local_addr().unwrap().port(), requests: Arc::default(), stopped: Arc::default() };
        let requests = Arc::clone(&mock.requests);
        let stopped = Arc::clone(&mock.stopped);
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let content = Arc::new((blobs, manifest));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let (requests, behaviour, content) = (Arc::clone(&requests), Arc::clone(&behaviour), Arc::clone(&content));
                // A client that goes away in the middle is no business of the server's.
                std::thread::spawn(move || converse(&stream, &requests, &*behaviour, &content));
            }
        });
        mock
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.address())
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The requests for blobs, in their order.
    pub fn blob_requests(&self) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.is_blob() && request.method == "GET").collect()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Answers the requests of one connection.
fn converse(stream: &TcpStream, requests: &Mutex<Vec<Request>>, behaviour: &Behaviour, content: &(Vec<Blob>, Blob)) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut request = read(&mut reader)?;
        {
            let mut requests = requests.lock().unwrap();
            request.earlier = requests.iter().filter(|other| other.path == request.path && other.method == request.method).count();
            requests.push(request.clone());
        }
        let mut writer = stream;
        match behaviour(&request) {
            Action::Answer(status, headers, body) => answer(&mut writer, &request, status, &headers, &body, body.len())?,
            Action::CutAfter(bytes) => {
                let (status, headers, body) = proper(&request, content, true);
                answer(&mut writer, &request, status, &headers, &body, bytes.min(body.len()))?;
                return stream.shutdown(std::net::Shutdown::Both).ok();
            }
            Action::Serve => {
                let (status, headers, body) = proper(&request, content, true);
                answer(&mut writer, &request, status, &headers, &body, body.len())?;
            }
            Action::ServeWhole => {
                let (status, headers, body) = proper(&request, content, false);
                answer(&mut writer, &request, status, &headers, &body, body.len())?;
            }
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    Some(Request { method, path, headers, earlier: 0 })
}

type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// What an honest registry answers.
fn proper(request: &Request, (blobs, manifest): &(Vec<Blob>, Blob), ranges: bool) -> Answer {
    let last = request.path.rsplit('/').next().unwrap_or_default().split('?').next().unwrap_or_default();
    let known = blobs.iter().find(|blob| blob.digest.as_str() == last);
    let blob = match () {
        () if request.path == "/v2/" => return (200, Vec::new(), b"{}".to_vec()),
        () if request.is_manifest() && !last.contains(':') => Some(manifest),
        () => known,
    };
    let Some(blob) = blob else { return (404, Vec::new(), b"{\"errors\":[{\"code\":\"NAME_UNKNOWN\"}]}".to_vec()) };
    let kind = if request.is_manifest() { blob.media_type.clone() } else { "application/octet-stream".to_owned() };
    let mut headers = vec![("Content-Type", kind), ("Docker-Content-Digest", blob.digest.to_string())];
    let start = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.split('-').next()?.parse::<usize>().ok());
    match start.filter(|start| ranges && *start < blob.bytes.len()) {
        Some(start) => {
            let total = blob.bytes.len();
            headers.push(("Content-Range", format!("bytes {start}-{}/{total}", total - 1)));
            (206, headers, blob.bytes[start..].to_vec())
        }
        None => (200, headers, blob.bytes.clone()),
    }
}

/// Writes the answer's head and the first `send` bytes of its body.
fn answer(writer: &mut impl Write, request: &Request, status: u16, headers: &[(&str, String)], body: &[u8], send: usize) -> Option<()> {
    let mut head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    head += "\r\n";
    writer.write_all(head.as_bytes()).ok()?;
    if request.method != "HEAD" {
        writer.write_all(&body[..send]).ok()?;
    }
    writer.flush().ok()
}
