//! What the two programs that run inside containers need of a standard library: they are built without one, so that each is
//! a static file of a few kilobytes that starts in a handful of page faults, whatever the container's image holds.
//!
//! The entry point hands the kernel's initial stack (System V ABI, "Process Initialization") to `program`; system calls are
//! made directly, by the kernel's calling convention of syscall(2).

use core::arch::{asm, global_asm};

#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {entry}", "ud2", entry = sym entry);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, xzr", "mov x0, sp", "and sp, x0, #-16", "bl {entry}", "brk #1", entry = sym entry);

/// System call numbers.
#[cfg(target_arch = "x86_64")]
#[allow(dead_code, reason = "each program uses some")]
pub mod number {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const IOCTL: usize = 16;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const GETPID: usize = 39;
    pub const SOCKET: usize = 41;
    pub const CLONE: usize = 56;
    pub const EXECVE: usize = 59;
    pub const WAIT4: usize = 61;
    pub const KILL: usize = 62;
    pub const UNAME: usize = 63;
    pub const SETPGID: usize = 109;
    pub const GETUID: usize = 102;
    pub const GETGID: usize = 104;
    pub const RT_SIGTIMEDWAIT: usize = 128;
    pub const PRCTL: usize = 157;
    pub const EXIT_GROUP: usize = 231;
    pub const OPENAT: usize = 257;
    pub const READLINKAT: usize = 267;
}
#[cfg(target_arch = "aarch64")]
#[allow(dead_code, reason = "each program uses some")]
pub mod number {
    pub const IOCTL: usize = 29;
    pub const OPENAT: usize = 56;
    pub const CLOSE: usize = 57;
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const READLINKAT: usize = 78;
    pub const EXIT_GROUP: usize = 94;
    pub const KILL: usize = 129;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const RT_SIGTIMEDWAIT: usize = 137;
    pub const SETPGID: usize = 154;
    pub const UNAME: usize = 160;
    pub const PRCTL: usize = 167;
    pub const GETPID: usize = 172;
    pub const GETUID: usize = 174;
    pub const GETGID: usize = 176;
    pub const SOCKET: usize = 198;
    pub const CLONE: usize = 220;
    pub const EXECVE: usize = 221;
    pub const WAIT4: usize = 260;
}

/// Makes system call `number`; a negative result is an errno.
///
/// # Safety
/// The arguments must be what that system call expects; pointers among them must be valid for its accesses.
pub unsafe fn syscall(number: usize, arguments: [usize; 5]) -> isize {
    let [a, b, c, d, e] = arguments;
    let result: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller answers for the arguments; the clobbers are those of the x86-64 system call convention.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
             lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the caller answers for the arguments.
    unsafe {
        asm!("svc #0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c, in("x3") d, in("x4") e, options(nostack));
    }
    result
}

/// What the kernel gave the program: NULL-terminated arrays of C strings.
#[allow(dead_code, reason = "each program uses some")]
pub struct Start {
    pub arguments: *const *const u8,
    pub environment: *const *const u8,
    pub count: usize,
}

unsafe extern "C" fn entry(stack: *const usize) -> ! {
    // SAFETY: the kernel puts argc, argv, NULL, envp, NULL at the stack's top.
    let start = unsafe {
        let count = *stack;
        let arguments = stack.add(1).cast::<*const u8>();
        Start { arguments, environment: arguments.add(count + 1), count }
    };
    exit(crate::program(&start))
}

pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: exit_group(2) takes a number and does not return.
        unsafe { syscall(number::EXIT_GROUP, [status as usize, 0, 0, 0, 0]) };
    }
}

/// Writes all of `bytes` to `descriptor`, as far as it takes them.
pub fn write(descriptor: usize, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the slice is valid for its length.
        let written = unsafe { syscall(number::WRITE, [descriptor, bytes.as_ptr() as usize, bytes.len(), 0, 0]) };
        match usize::try_from(written) {
            Ok(count) if count > 0 => bytes = bytes.get(count..).unwrap_or_default(),
            _ => return,
        }
    }
}

/// The bytes of a C string, without the NUL.
///
/// # Safety
/// `text` must point to a NUL-terminated string that lives as long as the program.
#[allow(dead_code, reason = "each program uses some")]
pub unsafe fn bytes_of(text: *const u8) -> &'static [u8] {
    let mut length = 0;
    // SAFETY: the caller promises a terminating NUL.
    unsafe {
        while *text.add(length) != 0 {
            length += 1;
        }
        core::slice::from_raw_parts(text, length)
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(125)
}

// The compiler calls these by name; `#![no_builtins]` keeps it from turning the loops into calls of themselves.

/// # Safety
/// As memcpy(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    for index in 0..count {
        // SAFETY: the caller promises both ranges.
        unsafe { *to.add(index) = *from.add(index) };
    }
    to
}

/// # Safety
/// As memmove(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if (to as usize) < (from as usize) {
        // SAFETY: the caller promises both ranges; ascending order reads each byte before it is overwritten.
        return unsafe { memcpy(to, from, count) };
    }
    for index in (0..count).rev() {
        // SAFETY: the caller promises both ranges.
        unsafe { *to.add(index) = *from.add(index) };
    }
    to
}

/// # Safety
/// As memset(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
    for index in 0..count {
        // SAFETY: the caller promises the range.
        unsafe { *to.add(index) = value as u8 };
    }
    to
}

/// # Safety
/// As memcmp(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    for index in 0..count {
        // SAFETY: the caller promises both ranges.
        let (a, b) = unsafe { (*left.add(index), *right.add(index)) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

/// # Safety
/// As bcmp(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    // SAFETY: the same promise.
    unsafe { memcmp(left, right, count) }
}

/// `core` as shipped names the unwinder's entry; with panic=abort nothing calls it.
#[unsafe(no_mangle)]
pub extern "C" fn rust_eh_personality() {}
