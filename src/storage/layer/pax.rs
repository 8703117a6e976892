//! Extended headers of pax(1), as POSIX.1-2001 defines them, and the words GNU tar, star and libarchive have added.

use crate::sys::path::Moment;

/// What the extended headers before an entry say about it.
#[derive(Debug, Default)]
pub struct Pax {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    pub time: Option<Moment>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub sparse: Sparse,
}

/// `GNU.sparse.*`: formats 0.0, 0.1 and 1.0 of a file with holes.
#[derive(Debug, Default)]
pub struct Sparse {
    pub major: Option<u64>,
    pub real_size: Option<u64>,
    pub name: Option<Vec<u8>>,
    /// Offset and length of each piece, formats 0.0 and 0.1.
    pub map: Vec<(u64, u64)>,
    pub has_map: bool,
}

impl Pax {
    /// Reads the records of one extended header: `LENGTH KEY=VALUE\n`, where values may hold any bytes.
    pub fn read(&mut self, mut data: &[u8]) -> Result<(), String> {
        while !data.is_empty() {
            let malformed = || "malformed extended header".to_owned();
            let space = data.iter().position(|byte| *byte == b' ').ok_or_else(malformed)?;
            let length = usize::try_from(number(&data[..space]).ok_or_else(malformed)?).map_err(|_| malformed())?;
            if length <= space + 1 || length > data.len() || data[length - 1] != b'\n' {
                return Err(malformed());
            }
            let record = &data[space + 1..length - 1];
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
            self.set(&record[..equals], &record[equals + 1..])?;
            data = &data[length..];
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let malformed = || format!("malformed value of {} in an extended header", String::from_utf8_lossy(key));
        let bytes = || -> Option<Vec<u8>> { (!value.is_empty()).then(|| value.to_vec()) };
        let count =
            || -> Result<Option<u64>, String> { if value.is_empty() { Ok(None) } else { number(value).map(Some).ok_or_else(malformed) } };
        match key {
            b"path" => self.path = bytes(),
            b"linkpath" => self.link = bytes(),
            b"size" => self.size = count()?,
            b"uid" => self.uid = count()?,
            b"gid" => self.gid = count()?,
            b"mtime" => self.time = if value.is_empty() { None } else { Some(moment(value).ok_or_else(malformed)?) },
            b"GNU.sparse.major" => self.sparse.major = count()?,
            b"GNU.sparse.name" => self.sparse.name = bytes(),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.sparse.real_size = count()?,
            b"GNU.sparse.numblocks" => self.sparse.has_map = true,
            b"GNU.sparse.offset" => {
                self.sparse.has_map = true;
                self.sparse.map.push((number(value).ok_or_else(malformed)?, 0));
            }
            b"GNU.sparse.numbytes" => {
                let length = number(value).ok_or_else(malformed)?;
                self.sparse.map.last_mut().ok_or_else(malformed)?.1 = length;
            }
            b"GNU.sparse.map" => {
                self.sparse.has_map = true;
                self.sparse.map = pairs(value).ok_or_else(malformed)?;
            }
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.add_xattr(name.to_vec(), value.to_vec());
                } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
                    let value = base64(value).ok_or_else(malformed)?;
                    self.add_xattr(percent_decoded(name), value);
                }
            }
        }
        Ok(())
    }

    /// The same attribute may come in both spellings, and the last one counts.
    fn add_xattr(&mut self, name: Vec<u8>, value: Vec<u8>) {
        self.xattrs.retain(|(other, _)| *other != name);
        self.xattrs.push((name, value));
    }
}

/// A decimal number without sign.
pub fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| match byte {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// Seconds since 1970 with an optional fraction, perhaps negative. Digits below the nanosecond are cut off.
fn moment(text: &[u8]) -> Option<Moment> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |byte| *byte == b'.');
    let seconds = i64::try_from(number(parts.next()?)?).ok()?;
    let mut nanoseconds = 0_u32;
    let fraction = parts.next().unwrap_or_default();
    for index in 0..9 {
        let digit = fraction.get(index).copied().unwrap_or(b'0');
        if !digit.is_ascii_digit() {
            return None;
        }
        nanoseconds = nanoseconds * 10 + u32::from(digit - b'0');
    }
    Some(match (negative, nanoseconds) {
        (false, _) => Moment { seconds, nanoseconds },
        (true, 0) => Moment { seconds: -seconds, nanoseconds },
        // Time counts forward from the second before.
        (true, _) => Moment { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}

/// `OFFSET,LENGTH,OFFSET,LENGTH…`
fn pairs(text: &[u8]) -> Option<Vec<(u64, u64)>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let numbers: Option<Vec<u64>> = text.split(|byte| *byte == b',').map(number).collect();
    let numbers = numbers?;
    (numbers.len() % 2 == 0).then(|| numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

/// libarchive leaves the padding of base64 away.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&base64::alphabet::STANDARD, lenient).decode(text).ok()
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut index = 0;
    while index < text.len() {
        match (text[index], digit(text.get(index + 1)), digit(text.get(index + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                index += 3;
            }
            (byte, _, _) => {
                decoded.push(byte);
                index += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let body = [key.as_bytes(), b"=", value, b"\n"].concat();
        let mut length = body.len() + 2;
        while length.to_string().len() + 1 + body.len() != length {
            length = length.to_string().len() + 1 + body.len();
        }
        [length.to_string().as_bytes(), b" ", &body].concat()
    }

    #[test]
    fn records_are_cut_by_length_so_that_values_may_hold_newlines() {
        let data = [record("SCHILY.xattr.user.a", b"x\ny=1\0"), record("path", b"p"), record("size", b"12")].concat();
        let mut pax = Pax::default();
        pax.read(&data).unwrap();
        assert_eq!(pax.xattrs, [(b"user.a".to_vec(), b"x\ny=1\0".to_vec())]);
        assert_eq!((pax.path.as_deref(), pax.size), (Some(&b"p"[..]), Some(12)));
        assert!(Pax::default().read(&data[..data.len() - 1]).is_err());
        assert!(Pax::default().read(b"99999999999999999999 a=b\n").is_err());
    }

    #[test]
    fn moments_have_nanoseconds_and_may_lie_before_1970() {
        let at = |seconds, nanoseconds| Some(Moment { seconds, nanoseconds });
        assert_eq!(moment(b"1700000000.123456789123"), at(1_700_000_000, 123_456_789));
        assert_eq!(moment(b"5.5"), at(5, 500_000_000));
        assert_eq!(moment(b"-1.25"), at(-2, 750_000_000));
        assert_eq!(moment(b"-3"), at(-3, 0));
        assert_eq!(moment(b"x"), None);
    }

    #[test]
    fn libarchive_attributes_are_decoded() {
        let mut pax = Pax::default();
        pax.read(&record("LIBARCHIVE.xattr.user.a%3Db", b"AQI")).unwrap();
        assert_eq!(pax.xattrs, [(b"user.a=b".to_vec(), vec![1, 2])]);
    }
}
