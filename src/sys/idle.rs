//! Waiting with as little memory as can be.
//!
//! Most of what a sleeping process of a big program holds is the program: since Linux 6.18 the first touch of a page maps the whole
//! folio of the page cache around it, up to megabytes, and all of it counts as private while one such process runs. So a long wait
//! drops those pages, and does so from a page of its own, lest the return from the dropping maps them again.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::epoll::EpollEvent;

const PAGE: usize = 4096;

/// A system call: its number and six arguments.
type Call = [usize; 7];

// Makes `count` system calls from a table, one after the other, and returns the result of the last; aligned so that
// nothing else is on its page.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .text.dulse_calls, \"ax\", @progbits",
    ".balign 4096",
    ".globl dulse_calls",
    ".hidden dulse_calls",
    "dulse_calls:",
    "push rbx",
    "push r12",
    "mov rbx, rdi",
    "mov r12, rsi",
    "2:",
    "mov rax, [rbx]",
    "mov rdi, [rbx + 8]",
    "mov rsi, [rbx + 16]",
    "mov rdx, [rbx + 24]",
    "mov r10, [rbx + 32]",
    "mov r8, [rbx + 40]",
    "mov r9, [rbx + 48]",
    "syscall",
    "add rbx, 56",
    "dec r12",
    "jnz 2b",
    "pop r12",
    "pop rbx",
    "ret",
    ".balign 4096",
    ".popsection",
);

#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".pushsection .text.dulse_calls, \"ax\", @progbits",
    ".balign 4096",
    ".globl dulse_calls",
    ".hidden dulse_calls",
    "dulse_calls:",
    "mov x9, x0",
    "mov x10, x1",
    "2:",
    "ldr x8, [x9]",
    "ldp x0, x1, [x9, 8]",
    "ldp x2, x3, [x9, 24]",
    "ldp x4, x5, [x9, 40]",
    "svc 0",
    "add x9, x9, 56",
    "subs x10, x10, 1",
    "b.ne 2b",
    "ret",
    ".balign 4096",
    ".popsection",
);

unsafe extern "C" {
    fn dulse_calls(table: *const Call, count: usize) -> isize;
}

/// epoll_wait(2) after giving back free heap, the unused part of the stack and the pages of the program, which are read from the page
/// cache again when they are needed. `timeout` in milliseconds, -1 for ever.
pub fn epoll_wait(epoll: BorrowedFd<'_>, events: &mut [EpollEvent], timeout: i32) -> Result<usize, Errno> {
    // SAFETY: malloc_trim only returns free memory of the allocator to the kernel.
    unsafe { libc::malloc_trim(0) };
    release_stack();
    let mut calls: Vec<Call> = program().iter().map(|&(start, length)| madvise(start, length, libc::MADV_DONTNEED)).collect();
    let (pointer, count) = (events.as_mut_ptr() as usize, events.len());
    calls.push([libc::SYS_epoll_pwait as usize, epoll.as_raw_fd() as usize, pointer, count, timeout as isize as usize, 0, 8]);
    // SAFETY: the program's ranges are mapped from its file and have never been writable, so their pages come back unchanged; the table
    // and the events (EpollEvent is a transparent epoll_event) outlive the calls, which are made from a page that is in none of the ranges.
    let result = unsafe { dulse_calls(calls.as_ptr(), calls.len()) };
    usize::try_from(result).map_err(|_| Errno::from_raw(-result as i32))
}

fn madvise(start: usize, length: usize, advice: i32) -> Call {
    [libc::SYS_madvise as usize, start, length, advice as usize, 0, 0, 0]
}

/// What lies below the stack pointer is left over from deeper calls.
fn release_stack() {
    const MARGIN: usize = 2 * PAGE;
    let here = &MaybeUninit::<u8>::uninit() as *const _ as usize;
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    // Only the main thread's stack, which the kernel names: it borders on nothing else.
    let Some(line) = maps.lines().find(|line| line.ends_with("[stack]")) else { return };
    let Some((start, end)) = line.split_once(' ').and_then(|(range, _)| range.split_once('-')) else { return };
    let (Ok(start), Ok(end)) = (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16)) else { return };
    let limit = (here & !(PAGE - 1)).saturating_sub(MARGIN);
    if start < limit && here < end {
        // SAFETY: the range is part of this thread's stack, two pages and more below the frame of this function, which is the deepest
        // live one but for the call of madvise itself; what is there is dead.
        unsafe { libc::madvise(start as *mut _, limit - start, libc::MADV_DONTNEED) };
    }
}

/// The read-only segments of the program file, without the page of [`dulse_calls`]: start and length.
fn program() -> &'static [(usize, usize)] {
    static RANGES: OnceLock<Vec<(usize, usize)>> = OnceLock::new();
    RANGES.get_or_init(|| {
        let own = dulse_calls as *const () as usize;
        // A mapping of its own, so that mapping in what surrounds a touched page ends at its borders. The advice is as good as any that
        // makes it differ from its neighbours.
        // SAFETY: MADV_RANDOM changes nothing but read-ahead.
        unsafe { libc::madvise(own as *mut _, PAGE, libc::MADV_RANDOM) };
        let mut ranges = Vec::new();
        for (start, end) in segments() {
            let parts = if (start..end).contains(&own) { [(start, own), (own + PAGE, end)] } else { [(start, end), (end, end)] };
            ranges.extend(parts.into_iter().filter(|(start, end)| start < end).map(|(start, end)| (start, end - start)));
        }
        ranges
    })
}

/// Read-only segments of the program file, which a static program that is not relocated never had writable: start and end.
fn segments() -> Vec<(usize, usize)> {
    extern "C" fn visit(info: *mut libc::dl_phdr_info, _: libc::size_t, segments: *mut libc::c_void) -> libc::c_int {
        // SAFETY: dl_iterate_phdr passes a valid structure whose table has dlpi_phnum entries, and the pointer given below.
        let (base, headers, segments) = unsafe {
            let headers = std::slice::from_raw_parts((*info).dlpi_phdr, (*info).dlpi_phnum as usize);
            ((*info).dlpi_addr as usize, headers, &mut *segments.cast::<Vec<(usize, usize)>>())
        };
        for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0) {
            let (start, length) = (base + header.p_vaddr as usize, header.p_memsz as usize);
            segments.push((start & !(PAGE - 1), (start + length).next_multiple_of(PAGE)));
        }
        // The first object is the program.
        1
    }
    let mut segments: Vec<(usize, usize)> = Vec::new();
    // SAFETY: the callback matches the expected type and uses its data only during the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut segments).cast()) };
    segments
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use crate::sys::poll::{Interest, Poll, Registration};

    #[test]
    fn an_idle_wait_reports_events_and_time_outs() {
        let poll = Poll::new().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        poll.set(ours.as_fd(), &mut Registration::new(3), Interest::READ).unwrap();
        assert_eq!(poll.wait_idle(Some(Duration::from_millis(20))).unwrap().count(), 0);
        drop(theirs);
        assert_eq!(poll.wait_idle(None).unwrap().next().unwrap().token, 3);
    }
}
