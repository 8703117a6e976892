//! What a container's network is to be, as data.

use std::path::PathBuf;

use super::port::PortMapping;

/// The program that connects the container's network namespace to the host's network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    #[default]
    Pasta,
    Slirp4netns,
}

impl Backend {
    /// The program's name, looked up in PATH.
    pub fn program(self) -> &'static str {
        match self {
            Self::Pasta => "pasta",
            Self::Slirp4netns => "slirp4netns",
        }
    }
}

/// What containers.conf says about the helpers.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `network.pasta_options`
    pub pasta_options: Vec<String>,
    /// `engine.network_cmd_options`, of slirp4netns.
    pub slirp_options: Vec<String>,
    /// `engine.helper_binaries_dir`, searched before PATH.
    pub helper_directories: Vec<PathBuf>,
}

/// A network that needs a helper. For `host`, `none`, `container:` and `ns:` there is none, and no plan.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub backend: Backend,
    /// The backend was named by the user: no other one is tried in its place.
    pub explicit: bool,
    /// Options after `pasta:` or `slirp4netns:`.
    pub options: Vec<String>,
    /// With all host ports chosen: see [`super::port::assign`].
    pub ports: Vec<PortMapping>,
    /// A directory of the container's own for the helper's PID file or socket. Paths in it must fit in a socket address.
    pub directory: PathBuf,
    /// Where it may be remembered what this host's pasta lacks.
    pub cache: PathBuf,
    pub settings: Settings,
}
