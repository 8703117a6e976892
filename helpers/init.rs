//! The init of `run --init`: process 1 of a container whose own command was not written to be one.
//!
//! `init -- COMMAND [ARGUMENT…]` starts COMMAND as its child (found through PATH as execvp(3) does), passes every signal on to
//! the child's process group, reaps whatever is re-parented to it, and ends with the child's status: its code, or 128 plus
//! the signal that killed it; 127 where the command is not found, 126 where it cannot be run.

#![no_std]
#![no_main]
#![no_builtins]

mod bare;

use bare::{Start, bytes_of, number, syscall, write};

const SIG_BLOCK: usize = 0;
const SIG_SETMASK: usize = 2;
const SIGCHLD: usize = 17;
const SIGTTIN: usize = 21;
const SIGTTOU: usize = 22;
const WNOHANG: usize = 1;
const ENOENT: isize = -2;
const EACCES: isize = -13;
const ENOTDIR: isize = -20;
const TIOCSPGRP: usize = 0x5410;

fn program(start: &Start) -> i32 {
    let mut command = 1;
    // SAFETY: argv has `count` entries and a NULL behind them.
    unsafe {
        if start.count > 1 && bytes_of(*start.arguments.add(1)) == b"--" {
            command = 2;
        }
    }
    if command >= start.count {
        write(2, b"init: no command given\n");
        return 125;
    }
    let everything: u64 = !0;
    let mut before: u64 = 0;
    // SAFETY: both masks are eight bytes, the size given.
    unsafe { syscall(number::RT_SIGPROCMASK, [SIG_BLOCK, (&raw const everything) as usize, (&raw mut before) as usize, 8, 0]) };
    // SAFETY: a clone without CLONE_VM is a fork: the child has its own copy of everything.
    let child = unsafe { syscall(number::CLONE, [SIGCHLD, 0, 0, 0, 0]) };
    match child {
        0 => run(start, command, before),
        1.. => supervise(child as usize),
        _ => {
            write(2, b"init: cannot fork\n");
            125
        }
    }
}

/// The child: a process group of its own, in the foreground of the terminal if there is one, then the command.
fn run(start: &Start, command: usize, mask: u64) -> i32 {
    // SAFETY: numbers and pointers to live locals; argv and envp are the kernel's arrays.
    unsafe {
        syscall(number::SETPGID, [0, 0, 0, 0, 0]);
        foreground();
        syscall(number::RT_SIGPROCMASK, [SIG_SETMASK, (&raw const mask) as usize, 0, 8, 0]);
        let arguments = start.arguments.add(command);
        let failure = execute(bytes_of(*arguments), arguments, start.environment);
        write(2, b"init: cannot run ");
        write(2, bytes_of(*arguments));
        write(2, if failure == ENOENT { b": not found\n" } else { b": not executable\n" });
        if failure == ENOENT { 127 } else { 126 }
    }
}

/// Makes the caller's new process group the terminal's foreground group; SIGTTOU is still blocked here.
fn foreground() {
    // SAFETY: a group leader's group is its PID; TIOCSPGRP reads one int.
    unsafe {
        let pid = syscall(number::GETPID, [0; 5]) as i32;
        syscall(number::IOCTL, [0, TIOCSPGRP, (&raw const pid) as usize, 0, 0]);
    }
}

/// execvp(3): the command as it is where it holds a slash, else from each directory of PATH. Returns the errno.
///
/// # Safety
/// `arguments` and `environment` must be NULL-terminated arrays of C strings.
unsafe fn execute(command: &[u8], arguments: *const *const u8, environment: *const *const u8) -> isize {
    // SAFETY: the caller's promise; `path` is NUL-terminated below.
    unsafe {
        if command.contains(&b'/') {
            return syscall(number::EXECVE, [command.as_ptr() as usize, arguments as usize, environment as usize, 0, 0]);
        }
        let mut failure = ENOENT;
        for directory in search_path(environment).split(|byte| *byte == b':') {
            let mut path = [0_u8; 4096];
            let directory = if directory.is_empty() { b".".as_slice() } else { directory };
            let length = directory.len() + 1 + command.len();
            if length >= path.len() {
                continue;
            }
            for (to, from) in path.iter_mut().zip(directory.iter().chain(b"/").chain(command)) {
                *to = *from;
            }
            let errno = syscall(number::EXECVE, [path.as_ptr() as usize, arguments as usize, environment as usize, 0, 0]);
            // As execvp(3): a directory without it is passed over, one that may not be searched is remembered.
            if errno == EACCES {
                failure = EACCES;
            } else if errno != ENOENT && errno != ENOTDIR {
                return errno;
            }
        }
        failure
    }
}

/// The value of PATH, or the one podman gives containers without.
///
/// # Safety
/// `environment` must be a NULL-terminated array of C strings.
unsafe fn search_path(environment: *const *const u8) -> &'static [u8] {
    let mut index = 0;
    // SAFETY: the array ends with NULL.
    unsafe {
        while !(*environment.add(index)).is_null() {
            if let Some(value) = bytes_of(*environment.add(index)).strip_prefix(b"PATH=") {
                return value;
            }
            index += 1;
        }
    }
    b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}

/// Process 1's life: waits for signals, passes them on, reaps; ends with the child.
fn supervise(child: usize) -> i32 {
    let everything: u64 = !0;
    loop {
        // SAFETY: the mask is eight bytes; no information and no timeout are asked for.
        let signal = unsafe { syscall(number::RT_SIGTIMEDWAIT, [(&raw const everything) as usize, 0, 0, 8, 0]) };
        match usize::try_from(signal) {
            Ok(SIGCHLD) => {
                if let Some(status) = reap(child) {
                    return status;
                }
            }
            // The terminal's job control is for the child, and these two are about our own reading and writing.
            Ok(SIGTTIN | SIGTTOU) => {}
            // SAFETY: kill(2) of the child's process group.
            Ok(signal) => unsafe {
                if syscall(number::KILL, [child.wrapping_neg(), signal, 0, 0, 0]) < 0 {
                    syscall(number::KILL, [child, signal, 0, 0, 0]);
                }
            },
            Err(_) => {}
        }
    }
}

/// Reaps all that have ended; the status to end with if the child is among them.
fn reap(child: usize) -> Option<i32> {
    let mut end = None;
    loop {
        let mut status: i32 = 0;
        // SAFETY: wait4(2) writes one int.
        let reaped = unsafe { syscall(number::WAIT4, [usize::MAX, (&raw mut status) as usize, WNOHANG, 0, 0]) };
        if reaped <= 0 {
            return end;
        }
        if reaped as usize == child {
            let signal = status & 0x7f;
            end = Some(if signal == 0 { status >> 8 & 0xff } else { 128 + signal });
        }
    }
}
