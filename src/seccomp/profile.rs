//! The containers' profile format: a runtime specification's filter with conditions on architecture, capabilities and kernel.

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompBuilder, LinuxSeccompFilterFlag,
    LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};
use serde::Deserialize;

use crate::sys::cred::{CapabilitySet, capability_number};

use super::Error;

/// containers/common's and Docker's seccomp.json.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    default_action: LinuxSeccompAction,
    #[serde(default)]
    default_errno_ret: Option<u32>,
    #[serde(default)]
    default_errno: String,
    /// The specification's own form, without sub-architectures.
    #[serde(default)]
    architectures: Vec<Arch>,
    #[serde(default)]
    arch_map: Vec<ArchMap>,
    #[serde(default)]
    flags: Vec<LinuxSeccompFilterFlag>,
    #[serde(default)]
    syscalls: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: Arch,
    #[serde(default)]
    sub_architectures: Option<Vec<Arch>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    /// The old form of `names`.
    #[serde(default)]
    name: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    action: LinuxSeccompAction,
    #[serde(default)]
    errno_ret: Option<u32>,
    #[serde(default)]
    errno: String,
    #[serde(default)]
    args: Option<Vec<Argument>>,
    #[serde(default)]
    includes: Condition,
    #[serde(default)]
    excludes: Condition,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: usize,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: LinuxSeccompOperator,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    arches: Option<Vec<String>>,
    caps: Option<Vec<String>>,
    min_kernel: Option<String>,
}

impl Profile {
    /// The profile's meaning for a container with these capabilities on this machine.
    pub fn specify(self, capabilities: CapabilitySet) -> Result<LinuxSeccomp, Error> {
        let here = Here { capabilities, arch: go_arch(), kernel: kernel() };
        if !self.architectures.is_empty() && !self.arch_map.is_empty() {
            return Err(Error::Profile("both architectures and archMap are given".into()));
        }
        let native = native();
        let mut architectures = self.architectures;
        for map in self.arch_map.into_iter().filter(|map| Some(map.architecture) == native) {
            architectures.push(map.architecture);
            architectures.extend(map.sub_architectures.into_iter().flatten());
        }
        let mut syscalls = Vec::with_capacity(self.syscalls.len());
        for rule in self.syscalls {
            if rule.applies(&here)? {
                syscalls.push(rule.specify()?);
            }
        }
        let mut seccomp = LinuxSeccompBuilder::default()
            .default_action(self.default_action)
            .syscalls(syscalls)
            .build()
            .map_err(|error| Error::Profile(error.to_string()))?;
        seccomp.set_default_errno_ret(errno(&self.default_errno, self.default_errno_ret)?);
        seccomp.set_architectures(Some(architectures).filter(|architectures| !architectures.is_empty()));
        seccomp.set_flags(Some(self.flags).filter(|flags| !flags.is_empty()));
        Ok(seccomp)
    }
}

/// What conditions are compared with.
struct Here {
    capabilities: CapabilitySet,
    arch: &'static str,
    kernel: (u32, u32),
}

impl Here {
    fn has(&self, capability: &str) -> bool {
        capability_number(capability).is_some_and(|number| self.capabilities >> number & 1 == 1)
    }
}

impl Rule {
    /// All that `includes` names and nothing that `excludes` names is here.
    fn applies(&self, here: &Here) -> Result<bool, Error> {
        let arches = |condition: &Condition| condition.arches.as_ref().filter(|arches| !arches.is_empty()).cloned();
        let caps = |condition: &Condition| condition.caps.clone().unwrap_or_default();
        let newer = |condition: &Condition| {
            let minimum = condition.min_kernel.as_deref().filter(|text| !text.is_empty()).map(version).transpose();
            minimum.map(|minimum| minimum.map(|minimum| here.kernel >= minimum))
        };
        let excluded = arches(&self.excludes).is_some_and(|arches| arches.iter().any(|arch| arch == here.arch))
            || caps(&self.excludes).iter().any(|capability| here.has(capability))
            || newer(&self.excludes)? == Some(true);
        let included = arches(&self.includes).is_none_or(|arches| arches.iter().any(|arch| arch == here.arch))
            && caps(&self.includes).iter().all(|capability| here.has(capability))
            && newer(&self.includes)? != Some(false);
        Ok(included && !excluded)
    }

    fn specify(self) -> Result<LinuxSyscall, Error> {
        let names = match (self.names.unwrap_or_default(), self.name.is_empty()) {
            (names, true) => names,
            (names, false) if names.is_empty() => vec![self.name],
            _ => return Err(Error::Profile(format!("both name ({}) and names are given", self.name))),
        };
        let failed = |error: oci_spec::OciSpecError| Error::Profile(error.to_string());
        let mut syscall = LinuxSyscallBuilder::default().names(names).action(self.action).build().map_err(failed)?;
        syscall.set_errno_ret(errno(&self.errno, self.errno_ret)?);
        let args = self.args.unwrap_or_default().into_iter().map(argument).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        syscall.set_args(Some(args).filter(|args| !args.is_empty()));
        Ok(syscall)
    }
}

fn argument(argument: Argument) -> Result<LinuxSeccompArg, oci_spec::OciSpecError> {
    let built = LinuxSeccompArgBuilder::default().index(argument.index).value(argument.value).op(argument.op);
    if argument.op == LinuxSeccompOperator::ScmpCmpMaskedEq { built.value_two(argument.value_two).build() } else { built.build() }
}

/// An error by name (`EPERM`) goes before one by number.
fn errno(name: &str, number: Option<u32>) -> Result<Option<u32>, Error> {
    if name.is_empty() {
        return Ok(number);
    }
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    /// The highest errno of Linux is EHWPOISON, 133.
    const LAST: i32 = 133;
    (1..=LAST)
        .find(|number| format!("{:?}", nix::Error::from_raw(*number)) == name)
        .map(|number| Some(number as u32))
        .ok_or_else(|| Error::Profile(format!("unknown errno {name:?}")))
}

/// Go's name of the architecture, which conditions use.
fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

fn native() -> Option<Arch> {
    Some(match std::env::consts::ARCH {
        "x86_64" => Arch::ScmpArchX86_64,
        "aarch64" => Arch::ScmpArchAarch64,
        "x86" => Arch::ScmpArchX86,
        "arm" => Arch::ScmpArchArm,
        "powerpc64" => Arch::ScmpArchPpc64le,
        "s390x" => Arch::ScmpArchS390x,
        "riscv64" => Arch::ScmpArchRiscv64,
        "loongarch64" => Arch::ScmpArchLoongarch64,
        _ => return None,
    })
}

fn kernel() -> (u32, u32) {
    let release = nix::sys::utsname::uname().ok().map(|name| name.release().to_string_lossy().into_owned());
    release.and_then(|release| version(&release).ok()).unwrap_or((0, 0))
}

/// `4.8`, `6.18.44-generic`: the first two numbers.
fn version(text: &str) -> Result<(u32, u32), Error> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => Err(Error::Profile(format!("{text:?} is not a kernel version"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specify(text: &str, capabilities: CapabilitySet) -> LinuxSeccomp {
        serde_json::from_str::<Profile>(text).unwrap().specify(capabilities).unwrap()
    }

    fn names(seccomp: &LinuxSeccomp) -> Vec<&str> {
        seccomp.syscalls().iter().flatten().flat_map(|rule| rule.names()).map(String::as_str).collect()
    }

    #[test]
    fn rules_apply_by_capability_architecture_and_kernel() {
        let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENOSYS", "syscalls": [
            {"names": ["always"], "action": "SCMP_ACT_ALLOW", "includes": {}, "excludes": {}},
            {"names": ["with_admin"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["with_both"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN", "CAP_BPF"]}},
            {"names": ["without_admin"], "action": "SCMP_ACT_ERRNO", "errno": "EPERM", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["elsewhere"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["vax"]}},
            {"names": ["old"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "2.6"}},
            {"names": ["future"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.0"}},
            {"name": "single", "action": "SCMP_ACT_ALLOW"}]}"#;
        let without = specify(text, 0);
        assert_eq!(names(&without), ["always", "without_admin", "old", "single"]);
        assert_eq!(without.default_errno_ret(), Some(38));
        assert_eq!(without.syscalls().as_ref().unwrap()[1].errno_ret(), Some(1));
        assert_eq!(names(&specify(text, 1 << 21)), ["always", "with_admin", "old", "single"]);
    }

    #[test]
    fn the_default_profile_means_this_architecture_and_its_older_forms() {
        let seccomp = specify(super::super::DEFAULT, 0);
        let expected = match std::env::consts::ARCH {
            "x86_64" => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32],
            "aarch64" => vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm],
            _ => return,
        };
        assert_eq!(seccomp.architectures().as_deref(), Some(expected.as_slice()));
        assert_eq!(seccomp.default_errno_ret(), Some(38));
        assert!(names(&seccomp).contains(&"openat2"));
    }

    #[test]
    fn contradictions_are_refused() {
        for text in [
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "a", "names": ["b"], "action": "SCMP_ACT_ALLOW"}]}"#,
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrno": "ENONSENSE"}"#,
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "archMap": [{"architecture": "SCMP_ARCH_X86"}]}"#,
        ] {
            assert!(serde_json::from_str::<Profile>(text).unwrap().specify(0).is_err(), "{text}");
        }
    }
}
