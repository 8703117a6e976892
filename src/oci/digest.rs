//! Content digests, as the OCI image specification's descriptor page defines them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A digest `algorithm:encoded` whose algorithm is known and whose encoded part has that algorithm's length.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    #[error("digest {0:?} is not of the form algorithm:hex")]
    Malformed(String),
    #[error("digest algorithm {0:?} is not supported (sha256, sha384 and sha512 are)")]
    Algorithm(String),
}

impl Digest {
    /// The sha256 digest of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::sha256();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The algorithm's name, for example `sha256`.
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// The part after the colon, lower-case hexadecimal: safe as a file name.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// The whole digest, `algorithm:hex`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let malformed = || DigestError::Malformed(text.chars().take(160).collect());
        let (algorithm, hex) = text.split_once(':').ok_or_else(malformed)?;
        let length = match algorithm {
            "sha256" => 64,
            "sha384" => 96,
            "sha512" => 128,
            _ => return Err(DigestError::Algorithm(algorithm.chars().take(40).collect())),
        };
        let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() != length || !hex.bytes().all(lower_hex) {
            return Err(malformed());
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Hashes a stream into a [`Digest`].
pub struct Hasher {
    algorithm: &'static str,
    context: aws_lc_rs::digest::Context,
}

impl Hasher {
    /// A sha256 hasher.
    pub fn sha256() -> Self {
        Self { algorithm: "sha256", context: aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256) }
    }

    /// A hasher of the algorithm that `expected` is written in, so that the result can be compared with it.
    pub fn like(expected: &Digest) -> Self {
        let (algorithm, implementation) = match expected.algorithm() {
            "sha512" => ("sha512", &aws_lc_rs::digest::SHA512),
            "sha384" => ("sha384", &aws_lc_rs::digest::SHA384),
            _ => ("sha256", &aws_lc_rs::digest::SHA256),
        };
        Self { algorithm, context: aws_lc_rs::digest::Context::new(implementation) }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    pub fn finish(self) -> Digest {
        let mut text = String::with_capacity(136);
        text.push_str(self.algorithm);
        text.push(':');
        for byte in self.context.finish().as_ref() {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
        }
        Digest(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_nothing_is_the_published_one() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::sha256(b"").as_str(), empty);
    }

    #[test]
    fn digests_that_could_be_a_path_or_a_lie_are_refused() {
        for text in ["", "sha256", "sha256:", "sha256:../../x", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:E3B0"] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
