//! The monitor with real processes, pipes and terminals; no namespaces.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is for who runs it")]

mod helper;

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use dulse::sys::signal;
use dulse::sys::stream::{self, Progress};
use dulse::sys::tty::{self, WindowSize};
use libtest_mimic::{Arguments, Trial};
use tempfile::TempDir;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|word| word == "run" || word == "attach") {
        return helper::main(&arguments);
    }
    macro_rules! trials {
        ($($name:ident)*) => { vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*] };
    }
    let trials = trials! {
        output_and_exit_code_reach_the_client
        a_signal_ends_as_128_and_its_number
        a_command_that_cannot_be_launched_is_reported_with_its_code
        standard_input_is_relayed_to_its_end
        large_input_and_output_at_once_do_not_lock_up
        hundred_megabytes_arrive_complete
        a_slow_reader_loses_nothing
        the_log_has_what_the_client_saw
        a_full_log_starts_anew
        a_full_disk_under_the_log_is_noted_once_and_harms_nobody
        a_killed_client_leaves_the_session_and_its_log_running
        a_session_without_client_keeps_standard_input_open
        clients_come_and_go
        a_stuck_further_client_does_not_hold_the_session
        a_terminal_has_the_clients_size_and_follows_it
        the_clients_terminal_is_restored
        detach_keys_leave_the_session_running
        signals_are_passed_on_even_when_input_is_stuck
        without_sig_proxy_a_signal_ends_the_client_alone
        a_reader_that_goes_away_ends_the_client
        a_session_over_its_time_is_killed
        a_restarted_session_logs_on_and_lets_its_client_go
        a_grandchild_with_our_pipe_does_not_hold_the_exit
        orphans_are_reaped
        descriptors_of_the_caller_are_not_kept
        passthrough_gives_the_clients_own_streams
        passthrough_does_not_give_a_terminal_away
        an_idle_monitor_is_small
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A client: this program in its other role.
fn client(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(words: &[&str]) -> Output {
    client(&[&["run"], words].concat()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Waits until `check` gives something.
fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(result) = check() {
            return result;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{what} does not come to pass");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The directory of a session under test.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.0.path().join(name)).ok().filter(|text| !text.is_empty())
    }

    fn wait_for(&self, name: &str) -> String {
        eventually(name, || self.read(name))
    }

    fn pid(&self, name: &str) -> i32 {
        self.wait_for(name).trim().parse().unwrap()
    }

    /// The log's entries without their times.
    fn log(&self) -> Vec<String> {
        let log = self.read("log").unwrap_or_default();
        log.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }

    fn start(&self, words: &[&str]) -> Child {
        client(&[&["run", "--dir", self.path()], words].concat()).stdin(Stdio::piped()).spawn().unwrap()
    }

    fn attach(&self, words: &[&str]) -> Command {
        client(&[&["attach"], words, &[self.path()]].concat())
    }

    fn kill(&self, name: &str, number: i32) {
        signal::kill(self.pid(name), number).unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A failed test leaves no process behind: the monitor passes this on.
        if let (Some(pid), None) = (self.read("pid"), self.read("exit")) {
            let _ = signal::kill(pid.trim().parse().unwrap(), libc::SIGKILL);
        }
    }
}

/// A client with a terminal of its own.
struct Terminal {
    child: Child,
    master: OwnedFd,
    slave: OwnedFd,
    seen: Vec<u8>,
}

impl Terminal {
    fn run(command: &mut Command, size: WindowSize) -> Self {
        let pair = tty::open_pair(size).unwrap();
        let end = || Stdio::from(pair.slave.try_clone().unwrap());
        // setsid gives it the terminal as controlling one, for SIGWINCH.
        let mut wrapped = Command::new("setsid");
        wrapped.arg("--ctty").arg(command.get_program()).args(command.get_args());
        let child = wrapped.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Self { child, master: pair.master, slave: pair.slave, seen: Vec::new() }
    }

    fn type_in(&self, keys: &str) {
        stream::write(self.master.as_fd(), keys.as_bytes());
    }

    /// Waits until `wanted` has appeared on the screen.
    fn expect(&mut self, wanted: &str) {
        stream::set_nonblocking(self.master.as_fd()).unwrap();
        eventually(wanted, || {
            let mut buffer = [0; 4096];
            while let Progress::Bytes(count) = stream::read(self.master.as_fd(), &mut buffer) {
                self.seen.extend_from_slice(&buffer[..count]);
            }
            String::from_utf8_lossy(&self.seen).contains(wanted).then_some(())
        });
        self.seen.clear();
    }

    fn wait(&mut self) -> Option<i32> {
        eventually("the client's end", || self.child.try_wait().unwrap()).code()
    }

    fn is_raw(&self) -> bool {
        !tty::Settings::of(self.slave.as_fd()).unwrap().echoes()
    }
}

fn output_and_exit_code_reach_the_client() {
    let output = run(&["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((text(&output.stdout), text(&output.stderr), output.status.code()), ("out\n", "err\n", Some(7)));
}

fn a_signal_ends_as_128_and_its_number() {
    assert_eq!(run(&["sh", "-c", "kill -9 $$"]).status.code(), Some(137));
}

fn a_command_that_cannot_be_launched_is_reported_with_its_code() {
    let output = run(&["/nonexistent"]);
    assert_eq!(output.status.code(), Some(127));
    assert!(text(&output.stderr).contains("/nonexistent"));
    assert_eq!(run(&["-d", "/nonexistent"]).status.code(), Some(127));
}

fn standard_input_is_relayed_to_its_end() {
    let mut child = client(&["run", "-i", "sh", "-c", "cat; echo end"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "hello\nend\n");
    // Without -i there is nothing to read.
    let mut child = client(&["run", "cat"]).stdin(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(b"hello\n");
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "");
}

fn large_input_and_output_at_once_do_not_lock_up() {
    let mut child = client(&["run", "-i", "cat"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let data: Vec<u8> = (0..20_000_000u32).map(|number| (number / 7) as u8).collect();
    let expected = data.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&data).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.stdout == expected, "{} bytes came back", output.stdout.len());
}

fn digest(mut reader: impl Read) -> (u64, u64) {
    let (mut hasher, mut total, mut buffer) = (DefaultHasher::new(), 0, vec![0; 1 << 16]);
    loop {
        let count = reader.read(&mut buffer).unwrap();
        if count == 0 {
            return (hasher.finish(), total);
        }
        buffer[..count].iter().for_each(|byte| hasher.write_u8(*byte));
        total += count as u64;
    }
}

fn hundred_megabytes_arrive_complete() {
    let numbers = "11500000";
    let mut direct = Command::new("seq").arg(numbers).stdout(Stdio::piped()).spawn().unwrap();
    let expected = digest(direct.stdout.take().unwrap());
    direct.wait().unwrap();
    let mut child = client(&["run", "seq", numbers]).spawn().unwrap();
    let seen = digest(child.stdout.take().unwrap());
    assert!(child.wait().unwrap().success());
    assert!(expected.1 > 90_000_000 && seen == expected, "{seen:?} instead of {expected:?}");
}

fn a_slow_reader_loses_nothing() {
    let place = Place::new();
    let mut child = place.start(&["sh", "-c", "seq 200000; echo last"]);
    let mut stdout = child.stdout.take().unwrap();
    let mut all = Vec::new();
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(20));
        let mut part = vec![0; 1000];
        stdout.read_exact(&mut part).unwrap();
        all.extend(part);
    }
    stdout.read_to_end(&mut all).unwrap();
    let lines: Vec<_> = text(&all).lines().collect();
    assert_eq!((lines.len(), lines[199_999], lines[200_000]), (200_001, "200000", "last"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(place.log().iter().filter(|entry| entry.starts_with("stdout F")).count(), 200_001);
}

fn the_log_has_what_the_client_saw() {
    let place = Place::new();
    let output = place.start(&["sh", "-c", "echo one; printf two; sleep 0.3; echo; echo bad >&2"]).wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "one\ntwo\n");
    let log = place.log();
    let of = |stream: &str| log.iter().filter(|entry| entry.starts_with(stream)).cloned().collect::<Vec<_>>();
    assert_eq!(of("stdout"), ["stdout F one", "stdout P two", "stdout F "]);
    assert_eq!(of("stderr"), ["stderr F bad"]);
}

fn a_full_log_starts_anew() {
    let place = Place::new();
    place.start(&["--size", "2000", "seq", "1000"]).wait_with_output().unwrap();
    assert!(place.read("log").unwrap().len() <= 2000);
    assert_eq!(place.log().last().unwrap(), "stdout F 1000");
}

fn a_full_disk_under_the_log_is_noted_once_and_harms_nobody() {
    let place = Place::new();
    std::os::unix::fs::symlink("/dev/full", place.0.path().join("log")).unwrap();
    let output = place.start(&["sh", "-c", "echo one; sleep 0.2; echo two; exit 5"]).wait_with_output().unwrap();
    assert_eq!((text(&output.stdout), output.status.code()), ("one\ntwo\n", Some(5)));
    let errors = place.wait_for("errors");
    assert!(errors.lines().count() == 1 && errors.contains("No space left"), "{errors}");
}

fn a_killed_client_leaves_the_session_and_its_log_running() {
    let place = Place::new();
    let mut child = place.start(&["sh", "-c", "echo before; sleep 0.5; echo after; exit 3"]);
    place.wait_for("log");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(place.wait_for("exit"), "3\n");
    assert_eq!(place.log(), ["stdout F before", "stdout F after"]);
    assert_eq!(place.read("errors"), None);
}

fn a_session_without_client_keeps_standard_input_open() {
    let place = Place::new();
    assert!(place.start(&["-d", "-i", "sh", "-c", "read line; echo got $line"]).wait_with_output().unwrap().status.success());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(place.read("exit"), None);
    let mut joined = place.attach(&["-i"]).stdin(Stdio::piped()).spawn().unwrap();
    joined.stdin.as_mut().unwrap().write_all(b"it\n").unwrap();
    assert_eq!(text(&joined.wait_with_output().unwrap().stdout), "got it\n");
}

fn clients_come_and_go() {
    let place = Place::new();
    let first = place.start(&["-i", "sh", "-c", "while read line; do echo got $line; done; exit 5"]);
    place.wait_for("pid");
    let second = place.attach(&[]).spawn().unwrap();
    let mut third = place.attach(&["-i"]).stdin(Stdio::piped()).spawn().unwrap();
    // Joined, which the first line's way through all of them does not prove by itself.
    std::thread::sleep(Duration::from_millis(200));
    third.stdin.as_mut().unwrap().write_all(b"one\n").unwrap();
    eventually("the line", || (place.log() == ["stdout F got one"]).then_some(()));
    third.kill().unwrap();
    third.wait().unwrap();
    // Its input ended with it, as when it had been closed.
    for client in [first, second] {
        let output = client.wait_with_output().unwrap();
        assert_eq!((text(&output.stdout), output.status.code()), ("got one\n", Some(5)));
    }
}

fn a_stuck_further_client_does_not_hold_the_session() {
    let place = Place::new();
    let first = place.start(&["sh", "-c", "sleep 1; seq 300000"]);
    place.wait_for("pid");
    let mut stuck = place.attach(&[]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    signal::kill(stuck.id() as i32, libc::SIGSTOP).unwrap();
    let output = first.wait_with_output().unwrap();
    assert!(text(&output.stdout).ends_with("\n300000\n"));
    assert_eq!(place.wait_for("exit"), "0\n");
    signal::kill(stuck.id() as i32, libc::SIGCONT).unwrap();
    drop(stuck.stdout.take());
    stuck.kill().unwrap();
    stuck.wait().unwrap();
}

const SIZE: WindowSize = WindowSize { rows: 33, columns: 111 };

fn a_terminal_has_the_clients_size_and_follows_it() {
    let script = "stty size; trap 'stty size; exit 4' WINCH; echo ready; while :; do sleep 0.05; done";
    let mut terminal = Terminal::run(&mut client(&["run", "-t", "-i", "sh", "-c", script]), SIZE);
    terminal.expect("33 111\r\nready");
    tty::set_window_size(terminal.master.as_fd(), WindowSize { rows: 44, columns: 55 }).unwrap();
    terminal.expect("44 55");
    assert_eq!(terminal.wait(), Some(4));
}

fn the_clients_terminal_is_restored() {
    let mut terminal = Terminal::run(&mut client(&["run", "-t", "-i", "sh", "-c", "echo up; read x; echo got $x"]), SIZE);
    terminal.expect("up");
    assert!(terminal.is_raw());
    terminal.type_in("y\r");
    terminal.expect("got y");
    assert_eq!(terminal.wait(), Some(0));
    assert!(!terminal.is_raw());

    let place = Place::new();
    let words = ["run", "-n", "--dir", place.path(), "-t", "-i", "sh", "-c", "echo up; sleep 60"];
    let mut terminal = Terminal::run(&mut client(&words), SIZE);
    terminal.expect("up");
    assert!(terminal.is_raw());
    signal::kill(terminal.child.id() as i32, libc::SIGTERM).unwrap();
    assert_eq!(terminal.wait(), None);
    assert!(!terminal.is_raw());
    place.kill("pid", libc::SIGKILL);
    place.wait_for("exit");
}

fn detach_keys_leave_the_session_running() {
    let place = Place::new();
    let script = "echo up; while read x; do echo got $x; done";
    let mut terminal = Terminal::run(&mut client(&["run", "--dir", place.path(), "-t", "-i", "sh", "-c", script]), SIZE);
    terminal.expect("up");
    terminal.type_in("\x10\x11");
    assert_eq!(terminal.wait(), Some(99));
    assert!(!terminal.is_raw());
    let mut again = Terminal::run(&mut place.attach(&["-t", "-i"]), SIZE);
    eventually("raw mode", || again.is_raw().then_some(()));
    again.type_in("more\r");
    again.expect("got more");
    // The end of file is a key there.
    again.type_in("\x04");
    assert_eq!(again.wait(), Some(0));
}

fn signals_are_passed_on_even_when_input_is_stuck() {
    let place = Place::new();
    let mut child = place.start(&["-i", "sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"]);
    let mut stdin = child.stdin.take().unwrap();
    // Fills the pipe of the session, the window and the pipe to the client; ends when the client does.
    let writer = std::thread::spawn(move || while stdin.write_all(&[b'x'; 4096]).is_ok() {});
    place.wait_for("log");
    std::thread::sleep(Duration::from_millis(300));
    signal::kill(child.id() as i32, libc::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
    writer.join().unwrap();
}

fn without_sig_proxy_a_signal_ends_the_client_alone() {
    let place = Place::new();
    let mut child = place.start(&["-n", "sh", "-c", "echo up; sleep 0.5; exit 2"]);
    place.wait_for("log");
    signal::kill(child.id() as i32, libc::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), None);
    assert_eq!(place.wait_for("exit"), "2\n");
}

fn a_reader_that_goes_away_ends_the_client() {
    let place = Place::new();
    let mut child = place.start(&["sh", "-c", "while :; do echo y; sleep 0.01; done"]);
    drop(child.stdout.take());
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(libc::SIGPIPE));
    assert_eq!(place.read("exit"), None);
    place.kill("pid", libc::SIGKILL);
    assert_eq!(place.wait_for("exit"), "137\n");
}

fn a_session_over_its_time_is_killed() {
    let place = Place::new();
    let output = place.start(&["--timeout", "200", "sleep", "60"]).wait_with_output().unwrap();
    assert_eq!((output.status.code(), place.wait_for("exit").as_str()), (Some(255), "-1\n"));
}

fn a_restarted_session_logs_on_and_lets_its_client_go() {
    let place = Place::new();
    let output = place.start(&["--restarts", "2", "sh", "-c", "echo hello; exit 6"]).wait_with_output().unwrap();
    assert_eq!((text(&output.stdout), output.status.code()), ("hello\n", Some(6)));
    eventually("three runs", || (place.wait_for("exit") == "6\n6\n6\n").then_some(()));
    assert_eq!(place.log(), ["stdout F hello"; 3]);
}

fn a_grandchild_with_our_pipe_does_not_hold_the_exit() {
    let start = Instant::now();
    let output = run(&["sh", "-c", "sleep 5 & echo done"]);
    assert_eq!(text(&output.stdout), "done\n");
    assert!(start.elapsed() < Duration::from_secs(4));
}

fn orphans_are_reaped() {
    let place = Place::new();
    assert!(place.start(&["-d", "sh", "-c", "(true &); (sleep 0.1 &); sleep 60"]).wait_with_output().unwrap().status.success());
    let monitor = place.pid("monitor");
    std::thread::sleep(Duration::from_millis(400));
    let children = fs::read_to_string(format!("/proc/{monitor}/task/{monitor}/children")).unwrap();
    assert_eq!(children.trim(), place.wait_for("pid"));
    place.kill("monitor", libc::SIGTERM);
    assert_eq!(place.wait_for("exit"), "143\n");
}

fn descriptors_of_the_caller_are_not_kept() {
    let place = Place::new();
    let file = place.0.path().join("foreign");
    let script = format!("exec 9>{}; exec \"$@\"", file.display());
    let client = client(&["run", "-d", "--dir", place.path(), "sleep", "60"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "sh"]).arg(client.get_program()).args(client.get_args()).stdin(Stdio::null());
    assert!(shell.status().unwrap().success());
    let monitor = place.pid("monitor");
    let links = fs::read_dir(format!("/proc/{monitor}/fd")).unwrap().map(|entry| fs::read_link(entry.unwrap().path()).unwrap());
    let links: Vec<_> = links.collect();
    assert!(!links.contains(&file), "{links:?}");
    assert_eq!(links.iter().filter(|link| link.as_path() == Path::new("/dev/null")).count(), 3, "{links:?}");
    place.kill("pid", libc::SIGKILL);
    place.wait_for("exit");
}

fn passthrough_gives_the_clients_own_streams() {
    let place = Place::new();
    let file = place.0.path().join("out");
    let output = fs::File::create(&file).unwrap();
    let status = client(&["run", "-p", "sh", "-c", "readlink /proc/self/fd/1"]).stdout(output).status().unwrap();
    assert!(status.success());
    assert_eq!(fs::read_to_string(&file).unwrap().trim(), file.to_str().unwrap());
}

fn passthrough_does_not_give_a_terminal_away() {
    let mut terminal = Terminal::run(&mut client(&["run", "-p", "echo", "hi"]), SIZE);
    terminal.expect("cannot be used on a terminal");
    assert_eq!(terminal.wait(), Some(125));
}

fn an_idle_monitor_is_small() {
    let place = Place::new();
    assert!(place.start(&["-d", "sh", "-c", "seq 100000; sleep 60"]).wait_with_output().unwrap().status.success());
    let monitor = place.pid("monitor");
    std::thread::sleep(Duration::from_millis(500));
    let rollup = fs::read_to_string(format!("/proc/{monitor}/smaps_rollup")).unwrap();
    let private = rollup.lines().filter(|line| line.starts_with("Private_Clean") || line.starts_with("Private_Dirty"));
    let total: u64 = private.map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()).sum();
    assert!(total <= 512, "{total} KiB\n{}", fs::read_to_string(format!("/proc/{monitor}/smaps")).unwrap());
    place.kill("pid", libc::SIGKILL);
    place.wait_for("exit");
}
