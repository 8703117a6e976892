//! What a pull shows: bars on a terminal, podman's plain lines elsewhere; both on standard error.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::error::printable;
use crate::image::{Event, Progress};

/// The display of this process.
pub static DISPLAY: Display = Display { bars: Mutex::new(None) };

/// Shows events on standard error.
#[derive(Debug)]
pub struct Display {
    bars: Mutex<Option<Bars>>,
}

#[derive(Debug, Default)]
struct Bars {
    all: MultiProgress,
    blobs: HashMap<String, ProgressBar>,
}

impl Progress for Display {
    fn event(&self, event: Event<'_>) {
        let line = match event {
            Event::Resolved { reason, .. } => reason.to_owned(),
            Event::Trying(name) => format!("Trying to pull {name}..."),
            Event::Signatures => "Getting image source signatures".into(),
            Event::Config { digest } => format!("Copying config {}", digest.hex()),
            Event::Manifest => {
                *self.lock() = None;
                "Writing manifest to image destination".into()
            }
            Event::Warning(text) => format!("Warning: {text}"),
            Event::Present { digest } => format!("Copying blob {digest} skipped: already exists"),
            Event::Blob { digest, size } => {
                if io::stderr().is_terminal() {
                    return self.start(digest.hex(), size);
                }
                format!("Copying blob {digest}")
            }
            Event::Advanced { digest, bytes } => return self.advance(digest.hex(), bytes),
            Event::Done { digest } => return self.finish(digest.hex()),
        };
        self.line(&line);
    }

    fn choose(&self, question: &str, choices: &[String]) -> Option<usize> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        let mut text = format!("? {question}:\n");
        for (index, choice) in choices.iter().enumerate() {
            text.push_str(&format!("  {}) {choice}\n", index + 1));
        }
        let mut answer = String::new();
        write!(io::stderr(), "{}Number: ", printable(&text)).ok()?;
        io::stdin().read_line(&mut answer).ok()?;
        answer.trim().parse::<usize>().ok()?.checked_sub(1).filter(|index| *index < choices.len())
    }
}

impl Display {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Bars>> {
        self.bars.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A line of text, above the bars if there are any.
    fn line(&self, text: &str) {
        let text = printable(text);
        let shown = match &*self.lock() {
            Some(bars) => bars.all.println(&text),
            None => writeln!(io::stderr(), "{text}"),
        };
        // Nobody may be reading: the pull matters more.
        drop(shown);
    }

    fn start(&self, digest: &str, size: u64) {
        const LOOK: &str = "Copying blob {prefix} [{bar:30}] {bytes} / {total_bytes} | {bytes_per_sec}";
        let style = ProgressStyle::with_template(LOOK).map(|style| style.progress_chars("=>-"));
        let bar = ProgressBar::new(size).with_prefix(digest.get(..12).unwrap_or(digest).to_owned());
        let mut bars = self.lock();
        let bars = bars.get_or_insert_default();
        let bar = bars.all.add(bar);
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bars.blobs.insert(digest.to_owned(), bar);
    }

    fn advance(&self, digest: &str, bytes: u64) {
        if let Some(bar) = self.lock().as_ref().and_then(|bars| bars.blobs.get(digest)) {
            bar.inc(bytes);
        }
    }

    fn finish(&self, digest: &str) {
        if let Some(bar) = self.lock().as_mut().and_then(|bars| bars.blobs.remove(digest)) {
            bar.finish();
        }
    }
}
