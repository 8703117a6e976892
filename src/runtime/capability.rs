//! The specification's capabilities as the kernel's bit sets.

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities};

use crate::sys::cred::{CapabilitySet, capability_number};

/// The five sets of a process, capabilities(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapabilitySets {
    pub bounding: CapabilitySet,
    pub effective: CapabilitySet,
    pub permitted: CapabilitySet,
    pub inheritable: CapabilitySet,
    pub ambient: CapabilitySet,
}

impl CapabilitySets {
    /// The sets of a specification; a set that is missing is empty.
    pub fn of(capabilities: Option<&LinuxCapabilities>) -> Self {
        let set = |set: &Option<Capabilities>| set.iter().flatten().fold(0, |bits, capability| bits | 1 << number(*capability));
        capabilities.map_or_else(Self::default, |capabilities| Self {
            bounding: set(capabilities.bounding()),
            effective: set(capabilities.effective()),
            permitted: set(capabilities.permitted()),
            inheritable: set(capabilities.inheritable()),
            ambient: set(capabilities.ambient()),
        })
    }
}

/// The kernel's number. The specification's crate writes names without `CAP_`.
fn number(capability: Capability) -> u32 {
    capability_number(&capability.to_string()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_of_the_specification_has_the_kernels_number() {
        for (name, expected) in [("CAP_CHOWN", 0), ("CAP_SYS_ADMIN", 21), ("CAP_MKNOD", 27), ("CAP_CHECKPOINT_RESTORE", 40)] {
            let capability: Capability = serde_json::from_value(name.into()).unwrap();
            assert_eq!(number(capability), expected, "{name}");
        }
    }
}
