//! A blob as a stream that survives a cut connection.

use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Response, StatusCode};

use super::client::Repository;
use super::error::{Error, pause};
use crate::oci::Digest;

/// The bytes of a blob, in order. Where the connection breaks, the rest is asked for by a range request; a registry that knows no ranges
/// starts again and what is there already is passed over. The caller checks the digest.
pub struct Blob<'a> {
    repository: &'a Repository,
    path: String,
    what: String,
    size: u64,
    received: u64,
    /// Bytes to pass over, after a start from the beginning.
    skip: u64,
    response: Option<Response>,
    failures: u32,
    /// How much was there at the last failure.
    failed_at: u64,
}

/// Bytes after which a connection is taken to work again: one that breaks every kilobyte is given up.
const WORTH_IT: u64 = 1 << 20;

impl<'a> Blob<'a> {
    pub(super) fn new(repository: &'a Repository, digest: &Digest, size: u64) -> Self {
        let what = format!("blob {digest}");
        Self { repository, path: format!("blobs/{digest}"), what, size, received: 0, skip: 0, response: None, failures: 0, failed_at: 0 }
    }

    /// The next bytes; `None` after the last one. Never more than the size that was announced.
    pub async fn chunk(&mut self) -> Result<Option<bytes::Bytes>, Error> {
        loop {
            if self.received == self.size && self.response.is_none() && self.size > 0 {
                return Ok(None);
            }
            let mut response = match self.response.take() {
                Some(response) => response,
                None => self.open().await?,
            };
            match response.chunk().await {
                Ok(Some(mut bytes)) => {
                    self.response = Some(response);
                    let passed_over = self.skip.min(bytes.len() as u64);
                    self.skip -= passed_over;
                    let bytes = bytes.split_off(usize::try_from(passed_over).unwrap_or(bytes.len()));
                    if bytes.is_empty() {
                        continue;
                    }
                    self.received += bytes.len() as u64;
                    if self.received > self.size {
                        return Err(Error::Long { what: self.what.clone(), expected: self.size });
                    }
                    if self.received >= self.failed_at + WORTH_IT {
                        self.failures = 0;
                    }
                    return Ok(Some(bytes));
                }
                Ok(None) if self.received == self.size => return Ok(None),
                Ok(None) => {
                    let error = Error::Short { what: self.what.clone(), received: self.received, expected: self.size };
                    self.recover(error).await?;
                }
                Err(source) => {
                    let registry = self.repository.registry().to_owned();
                    self.recover(Error::Transfer { what: self.what.clone(), registry, source: source.without_url() }).await?;
                }
            }
        }
    }

    /// Waits before the next attempt, or gives `error` back when there were enough. The first attempt is made at once.
    async fn recover(&mut self, error: Error) -> Result<(), Error> {
        let settings = self.repository.settings();
        if self.failures >= settings.retry {
            return Err(error);
        }
        if self.failures > 0 {
            tokio::time::sleep(pause(self.failures - 1, None, settings.retry_delay)).await;
        } else {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.failures += 1;
        self.failed_at = self.received;
        Ok(())
    }

    async fn open(&mut self) -> Result<Response, Error> {
        if self.received == 0 {
            return self.repository.get(&self.path, &self.what, &[]).await;
        }
        let range = format!("bytes={}-", self.received);
        let response = match self.repository.get(&self.path, &self.what, &[(RANGE, &range)]).await {
            Err(Error::Refused { status: StatusCode::RANGE_NOT_SATISFIABLE, .. }) => {
                self.repository.get(&self.path, &self.what, &[]).await?
            }
            other => other?,
        };
        self.skip = 0;
        if response.status() == StatusCode::PARTIAL_CONTENT {
            let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let start = range.strip_prefix("bytes ").and_then(|rest| rest.split('-').next()?.parse::<u64>().ok());
            if start != Some(self.received) {
                return Err(Error::Range { what: self.what.clone(), range: range.to_owned() });
            }
        } else {
            self.skip = self.received;
        }
        Ok(response)
    }
}
