//! The program of the embedded image `hello`: it prints the sandbox it finds itself in, so that a user sees at once what a
//! container on this machine has. It reads only its own /proc, the host's name and its network interfaces.

#![no_std]
#![no_main]
#![no_builtins]

mod bare;

use bare::{Start, number, syscall, write};

/// capabilities(7), by number.
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

fn program(_: &Start) -> i32 {
    let mut page = Page::default();
    page.text("\n  Hello from a container, started without root and without a daemon.\n\n");
    host_name(&mut page);
    user(&mut page);
    id_map(&mut page, "uid map", b"/proc/self/uid_map\0");
    id_map(&mut page, "gid map", b"/proc/self/gid_map\0");
    namespaces(&mut page);
    let mut buffer = [0; 8192];
    let status = read(b"/proc/self/status\0", &mut buffer);
    capabilities(&mut page, status);
    protection(&mut page, status);
    let mut buffer = [0; 4096];
    let control_group = read(b"/proc/self/cgroup\0", &mut buffer);
    page.label("cgroup");
    page.bytes(control_group.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::")).unwrap_or(b"none of version 2"));
    page.text("\n");
    root(&mut page);
    network(&mut page);
    page.text("\n  Next: dulse run --rm -it IMAGE sh, and dulse doctor for what this machine could offer beyond this.\n\n");
    write(1, page.contents());
    0
}

fn host_name(page: &mut Page) {
    let mut names = [0_u8; 65 * 6];
    // SAFETY: struct utsname is six fields of 65 bytes.
    unsafe { syscall(number::UNAME, [names.as_mut_ptr() as usize, 0, 0, 0, 0]) };
    let field = |index: usize| names.chunks(65).nth(index).and_then(|field| field.split(|byte| *byte == 0).next()).unwrap_or_default();
    page.label("host name");
    page.bytes(field(1));
    page.text("\n");
    page.label("kernel");
    page.bytes(field(2));
    page.text(" ");
    page.bytes(field(4));
    page.text("\n");
}

fn user(page: &mut Page) {
    // SAFETY: no arguments.
    let (uid, gid) = unsafe { (syscall(number::GETUID, [0; 5]), syscall(number::GETGID, [0; 5])) };
    page.label("user");
    page.text("uid ");
    page.number(uid as u64);
    page.text(", gid ");
    page.number(gid as u64);
    page.text(" in here\n");
}

/// uid_map and gid_map, user_namespaces(7): first ID here, first ID outside, how many.
fn id_map(page: &mut Page, label: &str, path: &[u8]) {
    let mut buffer = [0; 4096];
    let lines = read(path, &mut buffer);
    page.label(label);
    for (index, line) in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
        let mut numbers = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).map(decimal);
        let (inside, outside, size) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        page.text(if index == 0 { "" } else { ", " });
        page.range(inside, size);
        page.text(if size == 1 { " is " } else { " are " });
        page.range(outside, size);
    }
    page.text(" outside\n");
}

fn namespaces(page: &mut Page) {
    page.label("namespaces");
    const KINDS: [(&str, &[u8]); 7] = [
        ("user", b"/proc/self/ns/user\0"),
        ("pid", b"/proc/self/ns/pid\0"),
        ("mnt", b"/proc/self/ns/mnt\0"),
        ("net", b"/proc/self/ns/net\0"),
        ("ipc", b"/proc/self/ns/ipc\0"),
        ("uts", b"/proc/self/ns/uts\0"),
        ("cgroup", b"/proc/self/ns/cgroup\0"),
    ];
    for (index, (name, path)) in KINDS.iter().enumerate() {
        let mut link = [0_u8; 64];
        // SAFETY: a NUL-terminated path and a buffer of the length given.
        let length = unsafe { syscall(number::READLINKAT, [AT_FDCWD, path.as_ptr() as usize, link.as_mut_ptr() as usize, link.len(), 0]) };
        let target = link.get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default();
        page.text(if index == 0 { "" } else { " " });
        page.text(name);
        page.bytes(target.iter().position(|byte| *byte == b'[').and_then(|start| target.get(start..)).unwrap_or(b"[?]"));
    }
    page.text("\n");
}

fn capabilities(page: &mut Page, status: &[u8]) {
    let set = field(status, b"CapEff:").iter().fold(0_u64, |set, digit| set << 4 | u64::from((*digit as char).to_digit(16).unwrap_or(0)));
    page.label("capabilities");
    if set == 0 {
        page.text("none");
    }
    let mut first = true;
    for (_, name) in CAPABILITIES.iter().enumerate().filter(|(number, _)| set >> number & 1 == 1) {
        page.text(if first { "" } else { " " });
        page.text(name);
        first = false;
    }
    page.text("\n");
}

fn protection(page: &mut Page, status: &[u8]) {
    page.label("seccomp");
    page.text(match field(status, b"Seccomp:") {
        b"0" => "off",
        b"1" => "strict",
        b"2" => "filter",
        _ => "not in this kernel",
    });
    page.text(if field(status, b"NoNewPrivs:") == b"1" {
        ", no new privileges\n"
    } else {
        ", setuid programs may raise privileges in here\n"
    });
}

/// The line of /proc/self/mountinfo for `/`, proc_pid_mountinfo(5): what carries the root file system.
fn root(page: &mut Page) {
    let mut buffer = [0; 32768];
    let mounts = read(b"/proc/self/mountinfo\0", &mut buffer);
    let at_root = |line: &&[u8]| line.split(|byte| *byte == b' ').nth(4) == Some(b"/");
    let line = mounts.split(|byte| *byte == b'\n').find(at_root).unwrap_or_default();
    let behind = line.windows(3).position(|window| window == b" - ").and_then(|start| line.get(start + 3..)).unwrap_or_default();
    let mut words = behind.split(|byte| *byte == b' ');
    let kind = words.next().unwrap_or_default();
    page.label("root");
    page.bytes(kind);
    page.text(match kind {
        b"overlay" => " (the kernel's)",
        b"fuse" | b"fuse.dulse" | b"fuse.fuse-overlayfs" => " (in user space)",
        _ => "",
    });
    let read_only = line.split(|byte| *byte == b' ').nth(5).is_some_and(|options| options.starts_with(b"ro"));
    page.text(if read_only { ", read-only\n" } else { ", writable\n" });
}

/// Interfaces of /proc/net/dev with their IPv4 addresses, netdevice(7).
fn network(page: &mut Page) {
    let mut buffer = [0; 8192];
    let devices = read(b"/proc/net/dev\0", &mut buffer);
    // SAFETY: socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0).
    let socket = unsafe { syscall(number::SOCKET, [2, 2 | 0o2000000, 0, 0, 0]) };
    page.label("network");
    let mut first = true;
    for line in devices.split(|byte| *byte == b'\n').skip(2) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = line.get(..colon).unwrap_or_default().trim_ascii();
        // struct ifreq: 16 bytes of name, then a sockaddr_in whose address starts at byte 4.
        let mut request = [0_u8; 40];
        for (to, from) in request.iter_mut().zip(name.iter().take(15)) {
            *to = *from;
        }
        page.text(if first { "" } else { ", " });
        first = false;
        page.bytes(name);
        // SAFETY: SIOCGIFADDR reads and writes one struct ifreq.
        if unsafe { syscall(number::IOCTL, [socket as usize, SIOCGIFADDR, request.as_mut_ptr() as usize, 0, 0]) } == 0 {
            for (index, byte) in request.iter().skip(20).take(4).enumerate() {
                page.text(if index == 0 { " " } else { "." });
                page.number(u64::from(*byte));
            }
        }
    }
    page.text(if first { "none\n" } else { "\n" });
}

const AT_FDCWD: usize = -100_isize as usize;
const SIOCGIFADDR: usize = 0x8915;

/// As much of the file at the NUL-terminated `path` as `buffer` holds; nothing where it cannot be read.
fn read<'a>(path: &[u8], buffer: &'a mut [u8]) -> &'a [u8] {
    let mut filled = 0;
    // SAFETY: a NUL-terminated path; reads go to what is left of the buffer.
    unsafe {
        let file = syscall(number::OPENAT, [AT_FDCWD, path.as_ptr() as usize, 0, 0, 0]);
        if file < 0 {
            return &[];
        }
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match syscall(number::READ, [file as usize, rest.as_mut_ptr() as usize, rest.len(), 0, 0]) {
                count @ 1.. => filled += count as usize,
                _ => break,
            }
        }
        syscall(number::CLOSE, [file as usize, 0, 0, 0, 0]);
    }
    buffer.get(..filled).unwrap_or_default()
}

/// The value of a `Name:\tvalue` line of /proc/self/status.
fn field<'a>(status: &'a [u8], name: &[u8]) -> &'a [u8] {
    status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim_ascii()
}

fn decimal(digits: &[u8]) -> u64 {
    digits
        .iter()
        .filter(|digit| digit.is_ascii_digit())
        .fold(0_u64, |value, digit| value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}

/// The output, written at once.
struct Page {
    bytes: [u8; 8192],
    length: usize,
}

impl Default for Page {
    fn default() -> Self {
        Self { bytes: [0; 8192], length: 0 }
    }
}

impl Page {
    fn contents(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Adds `bytes`, control characters but the line end replaced.
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(place) = self.bytes.get_mut(self.length) {
                *place = if *byte >= b' ' || *byte == b'\n' { *byte } else { b'?' };
                self.length += 1;
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// The start of a row: the label, padded.
    fn label(&mut self, label: &str) {
        self.text("  ");
        self.text(label);
        for _ in label.len()..14 {
            self.text(" ");
        }
    }

    fn number(&mut self, mut value: u64) {
        let mut digits = [0_u8; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            if let Some(digit) = digits.get_mut(start) {
                *digit = b'0' + (value % 10) as u8;
            }
            value /= 10;
            if value == 0 || start == 0 {
                break;
            }
        }
        self.bytes(digits.get(start..).unwrap_or_default());
    }

    /// `first` alone, or `first-last` for more than one.
    fn range(&mut self, first: u64, size: u64) {
        self.number(first);
        if size > 1 {
            self.text("-");
            self.number(first.wrapping_add(size).wrapping_sub(1));
        }
    }
}
