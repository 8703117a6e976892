//! A runtime specification's filter compiled by libseccomp.

use std::fs::File;
use std::io::{Read, Seek};

use libseccomp::{ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use nix::sys::memfd::{MFdFlags, memfd_create};
use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSeccompOperator};

use super::{Error, Filter};

/// Compiles a filter. Names that are no system calls anywhere are left out, as the specification's other implementations do: profiles
/// name calls of future kernels.
pub fn compile(seccomp: &LinuxSeccomp) -> Result<Filter, Error> {
    let default = action(seccomp.default_action(), seccomp.default_errno_ret())?;
    let mut filter = ScmpFilterContext::new(default)?;
    // A binary tree of the system calls: each call of the container passes a dozen instructions instead of hundreds.
    let _ = filter.set_ctl_optimize(2);
    for arch in seccomp.architectures().iter().flatten() {
        filter.add_arch(architecture(*arch)?)?;
    }
    for rule in seccomp.syscalls().iter().flatten() {
        let action = action(rule.action(), rule.errno_ret())?;
        if action == default {
            continue;
        }
        let arguments = rule.args().as_deref().unwrap_or_default();
        for name in rule.names() {
            if let Ok(syscall) = ScmpSyscall::from_name(name) {
                add(&mut filter, action, syscall, arguments)?;
            }
        }
    }
    let flags = seccomp.flags().iter().flatten().fold(0, |flags, one| flags | flag(*one));
    Ok(Filter::new(&export(&filter)?, flags))
}

fn add(filter: &mut ScmpFilterContext, action: ScmpAction, syscall: ScmpSyscall, arguments: &[LinuxSeccompArg]) -> Result<(), Error> {
    let comparisons = arguments.iter().map(comparison).collect::<Result<Vec<_>, _>>()?;
    // libseccomp compares each argument once in a rule: several conditions on one argument are alternatives.
    let repeated = arguments.iter().enumerate().any(|(n, one)| arguments.iter().take(n).any(|other| other.index() == one.index()));
    if comparisons.is_empty() {
        filter.add_rule(action, syscall)?;
    } else if repeated {
        for comparison in comparisons {
            filter.add_rule_conditional(action, syscall, &[comparison])?;
        }
    } else {
        filter.add_rule_conditional(action, syscall, &comparisons)?;
    }
    Ok(())
}

fn comparison(argument: &LinuxSeccompArg) -> Result<ScmpArgCompare, Error> {
    let index = u32::try_from(argument.index()).ok().filter(|index| *index < 6);
    let index = index.ok_or_else(|| Error::Profile(format!("there is no system call argument {}", argument.index())))?;
    let (operator, value) = match argument.op() {
        LinuxSeccompOperator::ScmpCmpNe => (ScmpCompareOp::NotEqual, argument.value()),
        LinuxSeccompOperator::ScmpCmpLt => (ScmpCompareOp::Less, argument.value()),
        LinuxSeccompOperator::ScmpCmpLe => (ScmpCompareOp::LessOrEqual, argument.value()),
        LinuxSeccompOperator::ScmpCmpEq => (ScmpCompareOp::Equal, argument.value()),
        LinuxSeccompOperator::ScmpCmpGe => (ScmpCompareOp::GreaterEqual, argument.value()),
        LinuxSeccompOperator::ScmpCmpGt => (ScmpCompareOp::Greater, argument.value()),
        // The specification's value is the mask, its second value what the masked argument is compared with.
        LinuxSeccompOperator::ScmpCmpMaskedEq => (ScmpCompareOp::MaskedEqual(argument.value()), argument.value_two().unwrap_or(0)),
    };
    Ok(ScmpArgCompare::new(index, operator, value))
}

fn action(action: LinuxSeccompAction, errno: Option<u32>) -> Result<ScmpAction, Error> {
    let errno = errno.unwrap_or(libc::EPERM as u32);
    let too_large = || Error::Profile(format!("errno {errno} is too large"));
    Ok(match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => ScmpAction::KillThread,
        LinuxSeccompAction::ScmpActKillProcess => ScmpAction::KillProcess,
        LinuxSeccompAction::ScmpActTrap => ScmpAction::Trap,
        LinuxSeccompAction::ScmpActErrno => ScmpAction::Errno(u16::try_from(errno).map_err(|_| too_large())?.into()),
        LinuxSeccompAction::ScmpActTrace => ScmpAction::Trace(u16::try_from(errno).map_err(|_| too_large())?),
        LinuxSeccompAction::ScmpActLog => ScmpAction::Log,
        LinuxSeccompAction::ScmpActAllow => ScmpAction::Allow,
        LinuxSeccompAction::ScmpActNotify => return Err(Error::Profile("SCMP_ACT_NOTIFY is not supported here".into())),
    })
}

fn architecture(arch: Arch) -> Result<ScmpArch, Error> {
    Ok(match arch {
        Arch::ScmpArchNative => ScmpArch::Native,
        Arch::ScmpArchX86 => ScmpArch::X86,
        Arch::ScmpArchX86_64 => ScmpArch::X8664,
        Arch::ScmpArchX32 => ScmpArch::X32,
        Arch::ScmpArchArm => ScmpArch::Arm,
        Arch::ScmpArchAarch64 => ScmpArch::Aarch64,
        Arch::ScmpArchPpc64le => ScmpArch::Ppc64Le,
        Arch::ScmpArchS390 => ScmpArch::S390,
        Arch::ScmpArchS390x => ScmpArch::S390X,
        Arch::ScmpArchRiscv64 => ScmpArch::Riscv64,
        other => return Err(Error::Profile(format!("architecture {other} is not supported"))),
    })
}

/// include/uapi/linux/seccomp.h
fn flag(flag: LinuxSeccompFilterFlag) -> u32 {
    match flag {
        LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 1,
        LinuxSeccompFilterFlag::SeccompFilterFlagLog => 1 << 1,
        LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => 1 << 2,
        LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => 1 << 5,
    }
}

fn export(filter: &ScmpFilterContext) -> Result<Vec<u8>, Error> {
    let memory = memfd_create(c"seccomp", MFdFlags::MFD_CLOEXEC).map_err(|errno| Error::Export(errno.into()))?;
    filter.export_bpf(&memory)?;
    let mut file = File::from(memory);
    let mut program = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut program)).map_err(Error::Export)?;
    Ok(program)
}
