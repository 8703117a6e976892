//! A tiny program that executes another one, so that this program's own file is not what a container's process was before.
//!
//! Between our fork and the exec of the container's program, /proc/self/exe is this program's file. A container whose program is
//! `/proc/self/exe`, or a script with that as its interpreter, would execute it inside, and could open it for writing once it has ended
//! (CVE-2019-5736): where the file is the user's own, the container's root may. With the trampoline in between, /proc/self/exe is a
//! sealed memfd of 300 bytes.
//!
//! The trampoline is called as `PATH ARGUMENT…`. It marks one descriptor as closed at exec and executes PATH with the arguments. Where
//! that fails it writes `r` and the negative errno to the descriptor.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::check;

#[cfg(target_arch = "x86_64")]
macro_rules! code {
    () => {
        "
        mov edi, dword ptr [rip + 3f]
        mov esi, 2
        mov edx, 1
        mov eax, 72
        syscall
        test eax, eax
        js 2f
        mov rdi, [rsp + 8]
        lea rsi, [rsp + 16]
        mov rax, [rsp]
        lea rdx, [rsp + rax * 8 + 16]
        mov eax, 59
        syscall
    2:  sub rsp, 16
        mov byte ptr [rsp], 0x72
        mov dword ptr [rsp + 1], eax
        mov edi, dword ptr [rip + 3f]
        mov rsi, rsp
        mov edx, 5
        mov eax, 1
        syscall
        mov edi, 127
        mov eax, 231
        syscall
        hlt
        .balign 4
    3:
        "
    };
}

#[cfg(target_arch = "aarch64")]
macro_rules! code {
    () => {
        "
        ldr w0, 3f
        mov x1, 2
        mov x2, 1
        mov x8, 25
        svc 0
        tbnz w0, 31, 2f
        ldr x0, [sp, 8]
        add x1, sp, 16
        ldr x3, [sp]
        add x2, x1, x3, lsl 3
        mov x8, 221
        svc 0
    2:  sub sp, sp, 16
        mov w3, 0x72
        strb w3, [sp]
        stur w0, [sp, 1]
        ldr w0, 3f
        mov x1, sp
        mov x2, 5
        mov x8, 64
        svc 0
        mov x0, 127
        mov x8, 94
        svc 0
        brk 0
        .balign 4
    3:
        "
    };
}

#[cfg(target_arch = "x86_64")]
macro_rules! machine {
    () => {
        "62"
    };
}

#[cfg(target_arch = "aarch64")]
macro_rules! machine {
    () => {
        "183"
    };
}

// An ELF file, elf(5): the header, one loaded segment (the whole file, readable and executable), a stack that is not executable, code.
// Its last four bytes are the descriptor's number.
std::arch::global_asm!(
    ".pushsection .rodata.dulse_trampoline, \"a\"",
    ".balign 8",
    ".globl dulse_trampoline_begin, dulse_trampoline_end",
    "dulse_trampoline_begin:",
    ".byte 0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0",
    ".8byte 0",
    concat!(".2byte 2, ", machine!()),
    ".4byte 1",
    ".8byte 0x400000 + 4f - dulse_trampoline_begin",
    ".8byte 64, 0",
    ".4byte 0",
    ".2byte 64, 56, 2, 0, 0, 0",
    ".4byte 1, 5",
    ".8byte 0, 0x400000, 0x400000",
    ".8byte dulse_trampoline_end - dulse_trampoline_begin, dulse_trampoline_end - dulse_trampoline_begin, 0x10000",
    ".4byte 0x6474e551, 6",
    ".8byte 0, 0, 0, 0, 0, 16",
    "4:",
    code!(),
    ".4byte 0",
    "dulse_trampoline_end:",
    ".popsection",
);

unsafe extern "C" {
    static dulse_trampoline_begin: u8;
    static dulse_trampoline_end: u8;
}

/// The trampoline as an executable file in memory that reports to the descriptor `report`, which survives its exec and no further one.
pub fn open(report: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let (begin, end) = (&raw const dulse_trampoline_begin, &raw const dulse_trampoline_end);
    // SAFETY: the assembly above puts the two labels around one object in read-only memory.
    let program = unsafe { std::slice::from_raw_parts(begin, end.addr() - begin.addr()) };
    let mut program = program.to_vec();
    let number = program.len().saturating_sub(4);
    program.splice(number.., report.as_raw_fd().to_le_bytes());
    let file = memory_file()?;
    nix::unistd::write(&file, &program)?;
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: no memory is involved.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }.into())?;
    // SAFETY: no memory is involved. The trampoline sets the flag again.
    check(unsafe { libc::fcntl(report.as_raw_fd(), libc::F_SETFD, 0) }.into())?;
    Ok(file)
}

fn memory_file() -> io::Result<OwnedFd> {
    let name = c"exec";
    let create = |flags: u32| {
        // SAFETY: `name` is a C string; the result is a new descriptor that nobody else owns.
        let fd = check(unsafe { libc::memfd_create(name.as_ptr(), flags) }.into())?;
        // SAFETY: see above.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
    };
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    match create(flags | libc::MFD_EXEC) {
        // Before Linux 6.3 there is no such flag, and all are executable.
        Err(error) if io::Error::raw_os_error(&error) == Some(libc::EINVAL) => create(flags),
        created => created,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::io::Read;
    use std::os::fd::AsFd;

    use super::super::{clone, process::Exec};
    use super::*;

    /// The exit code and the report of a program called through the trampoline, whose standard output is the report's pipe as well.
    fn through(arguments: &[&str]) -> (i32, Vec<u8>) {
        let (mut reader, writer) = io::pipe().unwrap();
        let trampoline = open(writer.as_fd()).unwrap();
        let arguments: Vec<CString> = arguments.iter().map(|text| CString::new(*text).unwrap()).collect();
        let environment = [CString::new("GREETING=hello").unwrap()];
        let exec = Exec::new(c"", &arguments, &environment);
        let child = clone::clone_process(0, || {
            let _ = exec.execute_file(trampoline.as_fd());
            99
        });
        drop(writer);
        let code = clone::wait(child.unwrap().pid).unwrap();
        let mut report = Vec::new();
        reader.read_to_end(&mut report).unwrap();
        (code, report)
    }

    #[test]
    fn the_program_gets_its_arguments_and_environment_and_no_descriptor() {
        // A pipe among the descriptors could only be the report's: the shell opens none for what it does itself.
        let script = "test \"$0 $1 $GREETING\" = 'name one hello' || exit 1
            for fd in 3 4 5 6 7 8 9; do ! test -p /proc/$$/fd/$fd || exit 2; done; exit 42";
        assert_eq!(through(&["/bin/sh", "sh", "-c", script, "name", "one"]), (42, Vec::new()));
    }

    #[test]
    fn a_failure_is_reported_with_its_errno() {
        let report = |errno: i32| [b"r".as_slice(), &(-errno).to_le_bytes()].concat();
        assert_eq!(through(&["/nowhere", "x"]), (127, report(libc::ENOENT)));
        assert_eq!(through(&["/etc/passwd", "x"]), (127, report(libc::EACCES)));
    }
}
