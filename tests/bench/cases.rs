//! The cases of starting, listing and removing containers.

use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::fixture::{Fixture, IMAGE, program, run, time};
use crate::report::Table;

/// `run --rm --network none IMAGE true` beside the runtimes alone and the kernel's share.
pub fn start(fixture: &Fixture) -> Result<Table, String> {
    let mut table = Table::times("run --rm --network none IMAGE true");
    let upper = fixture.scratch.join("floor");
    fs::create_dir_all(&upper).map_err(|error| error.to_string())?;
    let subuid = first_subuid();
    let mut count = 0;
    for _ in 0..fixture.rounds {
        for engine in fixture.engines() {
            table.duration(&engine, time(fixture.command(&engine).args(["run", "--rm", "--network", "none", IMAGE, "true"]))?);
        }
        if let (Some(floor), Some(subuid)) = (&fixture.floor, &subuid) {
            table.duration("floor (kernel's share)", time(Command::new(floor).arg(&fixture.rootfs).arg(&upper).env("SUBUID", subuid))?);
        }
        for runtime in ["crun", "runc"].into_iter().filter(|runtime| program(runtime).is_some()) {
            count += 1;
            let mut command = Command::new(runtime);
            fixture.environment(&mut command);
            let name = format!("bench-{}-{count}", std::process::id());
            // A runtime that cannot work here (runc wants a cgroup of its own) is left out, not a reason to end.
            if let Ok(duration) = time(command.args(["run", "--bundle"]).arg(&fixture.bundle).arg(name)) {
                table.duration(&format!("{runtime} run, one ID"), duration);
            }
        }
        if program("bwrap").is_some() {
            let mut command = Command::new("bwrap");
            command.arg("--bind").arg(&fixture.rootfs).args(["/", "--unshare-all", "--proc", "/proc", "--dev", "/dev", "true"]);
            table.duration("bwrap --unshare-all", time(&mut command)?);
        }
    }
    Ok(table)
}

/// The first subordinate uid of the caller's, /etc/subuid.
fn first_subuid() -> Option<String> {
    let user = run(Command::new("id").arg("-un")).ok()?;
    let file = fs::read_to_string("/etc/subuid").ok()?;
    file.lines().find_map(|line| line.strip_prefix(&format!("{user}:"))?.split(':').next().map(str::to_owned))
}

/// The same with the default network.
pub fn network(fixture: &Fixture) -> Result<Table, String> {
    let mut table = Table::times("run --rm IMAGE true (default network)");
    for _ in 0..fixture.rounds {
        for engine in fixture.engines() {
            table.duration(&engine, time(fixture.command(&engine).args(["run", "--rm", IMAGE, "true"]))?);
        }
        for engine in fixture.engines() {
            let arguments = ["run", "--rm", "--network", "none", IMAGE, "true"];
            table.duration(&format!("{engine} --network none"), time(fixture.command(&engine).args(arguments))?);
        }
    }
    Ok(table)
}

/// `exec` of true in a running container.
pub fn exec(fixture: &Fixture) -> Result<Table, String> {
    let mut table = Table::times("exec CONTAINER true");
    for engine in fixture.engines() {
        let arguments = ["run", "-d", "--name", "target", "--network", "none", IMAGE, "sleep", "600"];
        run(fixture.command(&engine).args(arguments))?;
    }
    for _ in 0..fixture.rounds {
        for engine in fixture.engines() {
            table.duration(&engine, time(fixture.command(&engine).args(["exec", "target", "true"]))?);
        }
    }
    remove_all(fixture)?;
    Ok(table)
}

/// `create`, and `rm` of what it made.
pub fn create(fixture: &Fixture) -> Result<Table, String> {
    let mut table = Table::times("create, rm");
    for round in 0..fixture.rounds {
        let name = format!("made-{round}");
        for engine in fixture.engines() {
            table.duration(&format!("{engine} create"), time(fixture.command(&engine).args(["create", "--name", &name, IMAGE, "true"]))?);
        }
        for engine in fixture.engines() {
            table.duration(&format!("{engine} rm"), time(fixture.command(&engine).args(["rm", &name]))?);
        }
    }
    Ok(table)
}

/// `ps -a` with 1,000 containers, and `rm -a` of them.
pub fn list(fixture: &Fixture) -> Result<Table, String> {
    let mut table = Table::times("1,000 containers: ps -a, rm -a");
    for engine in fixture.engines() {
        parallel(8, 1000, |_| run(fixture.command(&engine).args(["create", "--network", "none", IMAGE, "true"])).map(drop))?;
    }
    for _ in 0..fixture.rounds {
        for engine in fixture.engines() {
            table.duration(&format!("{engine} ps -a"), time(fixture.command(&engine).args(["ps", "-a"]))?);
        }
    }
    for engine in fixture.engines() {
        table.duration(&format!("{engine} rm -a"), time(fixture.command(&engine).args(["rm", "-a"]))?);
    }
    Ok(table)
}

/// 100 times `run -d`, eight at once, and `rm -f -t 0` of them.
pub fn many(fixture: &Fixture) -> Result<Table, String> {
    let mut table = Table::times("100 x run -d, eight at once; rm -f -a -t 0 of them");
    for _ in 0..3 {
        for engine in fixture.engines() {
            let begin = Instant::now();
            parallel(8, 100, |_| run(fixture.command(&engine).args(["run", "-d", "--network", "none", IMAGE, "sleep", "600"])).map(drop))?;
            table.duration(&format!("{engine} run -d"), begin.elapsed());
            table.duration(&format!("{engine} rm -f"), time(fixture.command(&engine).args(["rm", "-f", "-a", "-t", "0"]))?);
        }
    }
    Ok(table)
}

pub fn remove_all(fixture: &Fixture) -> Result<(), String> {
    fixture.engines().iter().try_for_each(|engine| run(fixture.command(engine).args(["rm", "-f", "-a", "-t", "0"])).map(drop))
}

/// Does `work` `total` times on `workers` threads; the first error ends it.
pub fn parallel(workers: usize, total: usize, work: impl Fn(usize) -> Result<(), String> + Sync) -> Result<(), String> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let step = || loop {
        let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if index >= total {
            return Ok(());
        }
        work(index)?;
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(step)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a worker panicked".into())))
    })
}
