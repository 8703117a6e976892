//! The key sequence that leaves a session running and takes the client away (`--detach-keys`).

/// podman's default.
pub const DEFAULT: &str = "ctrl-p,ctrl-q";

/// A sequence of key bytes; empty when detaching by keys is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachKeys(Vec<u8>);

/// A `--detach-keys` value that names no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid detach keys {text:?}: unknown key {key:?} (a character, or ctrl- and one of a-z @ [ ] \\ ^ _)")]
pub struct BadKeys {
    text: String,
    key: String,
}

impl Default for DetachKeys {
    fn default() -> Self {
        Self(vec![0x10, 0x11])
    }
}

impl DetachKeys {
    /// No sequence detaches.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// The keys of a comma-separated list such as `ctrl-p,ctrl-q` or `a,ctrl-]`; an empty text switches detaching off.
    pub fn parse(text: &str) -> Result<Self, BadKeys> {
        if text.is_empty() {
            return Ok(Self::none());
        }
        let keys = text.split(',').map(|key| key_byte(key).ok_or_else(|| BadKeys { text: text.to_owned(), key: key.to_owned() }));
        keys.collect::<Result<_, _>>().map(Self)
    }
}

/// The byte a terminal sends for one key.
fn key_byte(key: &str) -> Option<u8> {
    if let &[byte] = key.as_bytes() {
        return byte.is_ascii().then_some(byte);
    }
    let (prefix, last) = key.split_at_checked(5)?;
    if !prefix.eq_ignore_ascii_case("ctrl-") {
        return None;
    }
    match last.as_bytes() {
        [letter @ (b'a'..=b'z' | b'A'..=b'Z')] => Some(letter.to_ascii_lowercase() - b'a' + 1),
        [other @ (b'@' | b'['..=b'_')] => Some(other - b'@'),
        _ => None,
    }
}

/// Looks for the sequence in a stream of typed bytes, holding back a beginning of it until it is known to be none.
#[derive(Clone, Debug)]
pub struct Detector {
    keys: DetachKeys,
    matched: usize,
}

impl Detector {
    pub fn new(keys: DetachKeys) -> Self {
        Self { keys, matched: 0 }
    }

    /// Takes `input`, appends to `output` what goes on to the session, and tells whether the sequence is complete.
    /// What follows a complete sequence in `input` is dropped with it.
    pub fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) -> bool {
        let keys = &self.keys.0;
        if keys.is_empty() {
            output.extend_from_slice(input);
            return false;
        }
        for &byte in input {
            // On a mismatch the longest end of what was typed that begins the sequence again is kept (as for "aab" in "aaab").
            while self.matched > 0 && keys[self.matched] != byte {
                let held = self.matched;
                self.matched = (0..held).rev().find(|&length| keys[..length] == keys[held - length..held]).unwrap_or(0);
                output.extend_from_slice(&keys[..held - self.matched]);
            }
            if keys[self.matched] != byte {
                output.push(byte);
                continue;
            }
            self.matched += 1;
            if self.matched == keys.len() {
                self.matched = 0;
                return true;
            }
        }
        false
    }

    /// The bytes held back, to be sent on when the input has ended.
    pub fn finish(&mut self, output: &mut Vec<u8>) {
        output.extend_from_slice(&self.keys.0[..self.matched]);
        self.matched = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_characters_and_control_keys() {
        assert_eq!(DetachKeys::parse("ctrl-p,ctrl-q").unwrap(), DetachKeys::default());
        assert_eq!(DetachKeys::parse("a,ctrl-],CTRL-@,ctrl-\\,ctrl-^,ctrl-_,ctrl-[").unwrap().0, [b'a', 29, 0, 28, 30, 31, 27]);
        assert!(DetachKeys::parse("").unwrap().0.is_empty());
        for text in ["ctrl-", "ctrl-1", "ab", ",", "ctrl-pp", "é", "alt-x"] {
            assert!(DetachKeys::parse(text).is_err(), "{text}");
        }
    }

    fn feed_all(keys: &str, chunks: &[&str]) -> (String, bool) {
        let mut detector = Detector::new(DetachKeys::parse(keys).unwrap());
        let mut output = Vec::new();
        let found = chunks.iter().any(|chunk| detector.feed(chunk.as_bytes(), &mut output));
        if !found {
            detector.finish(&mut output);
        }
        (String::from_utf8(output).unwrap(), found)
    }

    #[test]
    fn a_sequence_is_found_across_reads_and_never_reaches_the_session() {
        assert_eq!(feed_all("ctrl-p,ctrl-q", &["ls\n\x10", "\x11rest"]), ("ls\n".to_owned(), true));
        assert_eq!(feed_all("a,a,b", &["aaab"]), ("a".to_owned(), true));
        assert_eq!(feed_all("a,b,a,c", &["abab", "ac"]), ("ab".to_owned(), true));
    }

    #[test]
    fn a_beginning_that_leads_nowhere_is_passed_on() {
        assert_eq!(feed_all("ctrl-p,ctrl-q", &["\x10x\x10"]), ("\x10x\x10".to_owned(), false));
        assert_eq!(feed_all("", &["\x10\x11"]), ("\x10\x11".to_owned(), false));
    }

    proptest! {
        #[test]
        fn what_is_passed_on_is_the_input_before_the_first_sequence(input in "[ab]{0,40}", keys in "[ab]{1,4}", cut in 0usize..40) {
            let list = keys.chars().map(String::from).collect::<Vec<_>>().join(",");
            let cut = cut.min(input.len());
            let (output, found) = feed_all(&list, &[&input[..cut], &input[cut..]]);
            let expected = input.find(&keys).map_or(input.as_str(), |at| &input[..at]);
            prop_assert_eq!(output, expected);
            prop_assert_eq!(found, input.contains(&keys));
        }
    }
}
