//! Amounts of memory as Docker's `units.RAMInBytes` reads them: `64m`, `1.5g`, `1024`, `2KiB`.

use super::error::{Error, invalid};

/// Bytes; units are powers of 1024 whatever their spelling.
pub fn parse(text: &str) -> Result<u64, Error> {
    let refuse = || invalid(format!("invalid size: '{text}'"));
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start().to_ascii_lowercase();
    let Ok(number) = number.parse::<f64>() else { return refuse() };
    let factor = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => 1u64,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        "p" => 1 << 50,
        _ => return refuse(),
    };
    let bytes = number * factor as f64;
    if bytes.is_finite() && bytes < u64::MAX as f64 { Ok(bytes as u64) } else { refuse() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_binary_in_any_spelling() {
        for (text, bytes) in [("0", 0), ("64m", 64 << 20), ("1.5g", 3 << 29), ("2KiB", 2048), ("1024b", 1024), ("10MB", 10 << 20)] {
            assert_eq!(parse(text).ok(), Some(bytes), "{text}");
        }
        for text in ["", "foo", "-1", "1x", "1..2"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
