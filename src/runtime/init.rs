//! The container's first process between clone3 and exec: it executes the plan inside the new namespaces.

use std::io::Write;
use std::os::fd::AsFd;

use nix::sys::stat::{Mode, umask};

use crate::sys;
use crate::sys::mount::{Attributes, Clone, open_tree, set_attributes};
use crate::sys::resolve::open_in_root_nofollow;

use super::Launch;
use super::channel::{Channel, Context, Failure};
use super::mounts::{self, Made, Sources};
use super::plan::Plan;
use super::process::{Settings, keyring};
use super::rootfs::Opened;
use super::terminal::Terminal;

/// Everything between the clone and the exec. Returns the exit code of a process that did not get so far.
pub fn run(launch: &Launch<'_>, plan: &Plan, channel: &Channel, caller_is_root: bool, guarded: bool) -> i32 {
    // Out of the way of the descriptors that the program is to get.
    let Ok(channel) = channel.above(launch.preserve.len()) else { return 125 };
    match set_up(launch, plan, &channel, caller_is_root, guarded) {
        Ok(()) => 0,
        Err(failure) => {
            channel.failed(&failure);
            125
        }
    }
}

fn set_up(launch: &Launch<'_>, plan: &Plan, channel: &Channel, caller_is_root: bool, guarded: bool) -> Result<(), Failure> {
    umask(Mode::empty());
    if launch.connects && !plan.joins.is_empty() {
        lend_namespaces(channel)?;
    }
    let terminal = build_root(launch, plan, channel, caller_is_root)?;
    keyring();
    names(plan)?;
    if plan.namespaces & libc::CLONE_NEWNET != 0 {
        sys::loopback::bring_up().step(|| "bring the loopback interface up".into())?;
    }
    channel.created(terminal.as_ref().map(Terminal::master)).step(|| "report to the caller".into())?;
    if !channel.expect(b's').step(|| "wait for the caller".into())? {
        return Ok(());
    }
    let settings = Settings {
        plan: &plan.process,
        stdio: launch.stdio,
        preserve: launch.preserve,
        keep_groups: launch.keep_groups,
        seccomp: launch.seccomp,
        die_with_parent: launch.die_with_parent,
        channel,
        guarded,
    };
    Err(settings.execute(terminal))
}

/// Mounts everything and makes it the root of this process, in a session of its own; the terminal, where there is one, is of the new /dev.
fn build_root(launch: &Launch<'_>, plan: &Plan, channel: &Channel, caller_is_root: bool) -> Result<Option<Terminal>, Failure> {
    sys::mount::mount(None, c"/", None, plan.propagation | libc::MS_REC, None).step(|| "set the propagation of the root".into())?;
    // With the caller's own rights: the container's root may be somebody else, who cannot reach these.
    let rootfs = Opened::new(&launch.rootfs)?;
    let sources = Sources::new(plan)?;
    oom_score(plan)?;
    let mut made = Made::default();
    if caller_is_root {
        // No other ID than the caller's is needed for most, so newuidmap and newgidmap run beside them. Not so the overlay: its work
        // directory has mode 0, and CAP_DAC_OVERRIDE is for files of mapped owners only.
        made.make(plan, |mount| !mount.names_ids())?;
    }
    become_root(launch, plan, channel)?;
    made.make(plan, |_| true)?;
    let root = rootfs.mount()?;
    let root = root.as_fd();
    mounts::attach(plan, &sources, &made, root)?;
    mounts::devices(plan, &sources, root)?;
    nix::unistd::setsid().step(|| "start a session".into())?;
    let terminal = plan.process.terminal.map(|size| Terminal::new(root, size, plan.process.uid)).transpose()?;
    terminal.iter().try_for_each(|terminal| terminal.bind_console(root))?;
    sysctls(plan)?;
    mounts::mask(plan, &sources, root)?;
    mounts::write_protect(plan, root)?;
    if plan.readonly_dev {
        mounts::write_protect_dev(root)?;
    }
    if plan.readonly_root {
        let attributes = Attributes { set: libc::MOUNT_ATTR_RDONLY, ..Attributes::default() };
        set_attributes(root, false, attributes).step(|| "make the root file system read-only".into())?;
    }
    sys::mount::pivot_root(root).step(|| "pivot_root".into())?;
    Ok(terminal)
}

/// Sends the namespaces that a network helper joins. Having joined a user namespace, this process is closed to the caller, who could open
/// them in /proc otherwise.
fn lend_namespaces(channel: &Channel) -> Result<(), Failure> {
    for path in ["/proc/self/ns/user", "/proc/self/ns/net"] {
        let namespace = std::fs::File::open(path).step(|| format!("open {path}"))?;
        channel.lend(namespace.as_fd()).step(|| format!("lend {path} to the caller"))?;
    }
    Ok(())
}

/// Waits for the ID maps and becomes user and group 0 of the namespace.
fn become_root(launch: &Launch<'_>, plan: &Plan, channel: &Channel) -> Result<(), Failure> {
    if plan.id_map.is_some() && !channel.expect(b'm').step(|| "wait for the ID maps".into())? {
        return Err(Failure::setup("the caller has gone".into(), &std::io::Error::from_raw_os_error(libc::EPIPE)));
    }
    if !launch.keep_groups {
        // Denied in a single-ID map; the groups are set, or an error is told, when the user is set.
        let _ = sys::cred::set_groups(&[]);
    }
    sys::cred::set_group(0).step(|| "become group 0 of the user namespace".into())?;
    sys::cred::set_user(0).step(|| "become user 0 of the user namespace".into())?;
    // Until the exec this is our program: nobody in the container may look into it or open its file through /proc (CVE-2019-5736).
    // Not earlier: newuidmap wants the process's files in /proc to belong to the caller.
    sys::process::set_dumpable(false).step(|| "make the process undumpable".into())
}

/// Through the host's /proc: the container's may be mounted read-only or not at all. Before the IDs change, from when on the process's files
/// in /proc are not its own.
fn oom_score(plan: &Plan) -> Result<(), Failure> {
    let Some(score) = plan.process.oom_score_adj else { return Ok(()) };
    let step = || format!("set oom_score_adj to {score}");
    let mut file = std::fs::OpenOptions::new().write(true).open("/proc/self/oom_score_adj").step(step)?;
    file.write_all(score.to_string().as_bytes()).step(step)
}

/// Through the host's /proc, which shows each process the settings of its own namespaces.
fn sysctls(plan: &Plan) -> Result<(), Failure> {
    if plan.sysctls.is_empty() {
        return Ok(());
    }
    let settings = open_tree(None, c"/proc/sys", Clone::No).step(|| "open /proc/sys".into())?;
    for (path, value) in &plan.sysctls {
        let step = || format!("set sysctl {} to {value}", path.to_string_lossy());
        let file = open_in_root_nofollow(settings.as_fd(), path, libc::O_WRONLY, 0).step(step)?;
        std::fs::File::from(file).write_all(value.as_bytes()).step(step)?;
    }
    Ok(())
}

fn names(plan: &Plan) -> Result<(), Failure> {
    // Somebody else's names stay.
    if plan.namespaces & libc::CLONE_NEWUTS == 0 {
        return Ok(());
    }
    if let Some(name) = &plan.hostname {
        nix::unistd::sethostname(name).step(|| format!("set the host name to {name}"))?;
    }
    if let Some(name) = &plan.domainname {
        sys::process::set_domain_name(name).step(|| format!("set the domain name to {name}"))?;
    }
    Ok(())
}
