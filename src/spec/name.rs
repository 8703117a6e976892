//! Names of containers and volumes, and the random ones.

use super::error::{Error, invalid};

fn well_formed(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// Checks a container's name.
pub fn container(name: &str) -> Result<(), Error> {
    if well_formed(name) && name.len() <= 255 {
        return Ok(());
    }
    invalid("running container create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument".into())
}

/// Checks a volume's name.
pub fn volume(name: &str) -> Result<(), Error> {
    if well_formed(name) && name.len() <= 255 {
        return Ok(());
    }
    invalid("running volume create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument".into())
}

/// An `adjective_surname` chosen by `entropy`; the words are plain sea and science ones, enough that a name is rarely taken.
pub fn random(entropy: u64) -> String {
    let adjective = ADJECTIVES[(entropy % ADJECTIVES.len() as u64) as usize];
    let surname = SURNAMES[(entropy / ADJECTIVES.len() as u64 % SURNAMES.len() as u64) as usize];
    format!("{adjective}_{surname}")
}

const ADJECTIVES: &[&str] = &[
    "able", "airy", "alert", "amber", "ample", "ancient", "apt", "arctic", "ardent", "azure", "balmy", "bold", "brave", "breezy", "bright",
    "brisk", "calm", "candid", "careful", "cheerful", "civil", "clear", "clever", "coastal", "cool", "coral", "cosy", "crisp", "curious",
    "dapper", "daring", "deft", "diligent", "distant", "dreamy", "drifting", "eager", "early", "earnest", "easy", "elegant", "epic",
    "exact", "fair", "faithful", "famous", "fearless", "festive", "fine", "firm", "fleet", "floating", "fluent", "fond", "frank", "free",
    "fresh", "friendly", "frosty", "gallant", "gentle", "giving", "glad", "gleaming", "golden", "good", "graceful", "grand", "grateful",
    "green", "happy", "hardy", "hearty", "helpful", "hidden", "honest", "hopeful", "humble", "ideal", "jolly", "jovial", "keen", "kind",
    "lasting", "lively", "loyal", "lucid", "lucky", "lunar", "mellow", "merry", "mighty", "misty", "modest", "musing", "mystic", "neat",
    "nimble", "noble", "northern", "open", "patient", "peaceful", "plucky", "polite", "prompt", "proud", "quick", "quiet", "radiant",
    "ready", "rested", "robust", "salty", "serene", "sharp", "shining", "silent", "silver", "sincere", "smooth", "snug", "solid", "spry",
    "stable", "steady", "still", "stoic", "sunny", "swift", "tender", "thrifty", "tidal", "tidy", "tranquil", "trusty", "upbeat", "vast",
    "vivid", "warm", "wavy", "willing", "windy", "wise", "witty", "young", "zealous",
];

const SURNAMES: &[&str] = &[
    "agardh",
    "agnesi",
    "ampere",
    "anning",
    "archimedes",
    "avogadro",
    "babbage",
    "banach",
    "bardeen",
    "bell",
    "bernoulli",
    "bohr",
    "boltzmann",
    "boole",
    "born",
    "bose",
    "bragg",
    "brahe",
    "cannon",
    "cantor",
    "carson",
    "cauchy",
    "cavendish",
    "celsius",
    "chandrasekhar",
    "church",
    "cori",
    "coulomb",
    "cousteau",
    "crick",
    "curie",
    "dalton",
    "darwin",
    "davy",
    "descartes",
    "dijkstra",
    "dirac",
    "drew",
    "earle",
    "edison",
    "einstein",
    "elion",
    "euclid",
    "euler",
    "faraday",
    "fermat",
    "fermi",
    "feynman",
    "fleming",
    "foucault",
    "fourier",
    "franklin",
    "galileo",
    "galois",
    "gauss",
    "germain",
    "goedel",
    "goodall",
    "haber",
    "hamilton",
    "harvey",
    "hawking",
    "heisenberg",
    "hermite",
    "hertz",
    "hilbert",
    "hodgkin",
    "hooke",
    "hopper",
    "hubble",
    "humboldt",
    "huygens",
    "hypatia",
    "jacobi",
    "jenner",
    "johnson",
    "joliot",
    "joule",
    "kelvin",
    "kepler",
    "khorana",
    "kowalevski",
    "lagrange",
    "lamarr",
    "landau",
    "laplace",
    "lavoisier",
    "leavitt",
    "leibniz",
    "linnaeus",
    "lovelace",
    "lyell",
    "maxwell",
    "mayer",
    "mcclintock",
    "meitner",
    "mendel",
    "mendeleev",
    "merian",
    "mirzakhani",
    "mitchell",
    "napier",
    "nash",
    "newton",
    "nobel",
    "noether",
    "oersted",
    "ohm",
    "pascal",
    "pasteur",
    "pauli",
    "payne",
    "perlman",
    "planck",
    "poincare",
    "poisson",
    "ptolemy",
    "ramanujan",
    "rayleigh",
    "riemann",
    "ritchie",
    "roentgen",
    "rubin",
    "rutherford",
    "sagan",
    "schroedinger",
    "seaborg",
    "shannon",
    "shockley",
    "somerville",
    "swirles",
    "tesla",
    "tharp",
    "thompson",
    "torvalds",
    "turing",
    "vaughan",
    "villani",
    "volta",
    "wegener",
    "wiles",
    "wilson",
    "wright",
    "wu",
    "yalow",
    "yonath",
    "yukawa",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_names_are_names() {
        for entropy in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            assert!(container(&random(entropy)).is_ok(), "{}", random(entropy));
        }
    }

    #[test]
    fn names_cannot_be_paths_or_options() {
        for name in ["", "a b", "../x", "-x", "a/b", ".hidden", "ä"] {
            assert!(container(name).is_err(), "{name}");
        }
    }
}
