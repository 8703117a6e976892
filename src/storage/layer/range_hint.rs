//! The command that gives a user as many subordinate IDs as a layer needs.

use std::fs;

use crate::userns::SubIds;

/// The usermod command after which the container ID `id` can be mapped. IDs beyond what can be mapped at all get none.
pub(super) fn hint(id: u64) -> String {
    let ids = SubIds::of_user().unwrap_or_default();
    let tables = ["/etc/subuid", "/etc/subgid"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let has = |ranges: &[crate::userns::Range]| 1 + ranges.iter().map(|range| u64::from(range.size)).sum::<u64>();
    let available = has(&ids.uids).min(has(&ids.gids));
    command(&ids.user, id, available, &tables.concat())
}

/// New ranges follow the highest that anybody has, in steps of 65,536 as useradd makes them.
fn command(user: &str, id: u64, available: u64, tables: &str) -> String {
    const STEP: u64 = 65_536;
    let first = tables.lines().filter_map(end_of_range).chain([100_000]).max().unwrap_or(100_000);
    let count = (id + 1).saturating_sub(available).max(1).div_ceil(STEP) * STEP;
    let last = first + count - 1;
    if last > u64::from(u32::MAX) - 1 {
        return "rebuild the image with lower IDs: there are not that many in a user namespace".into();
    }
    format!("sudo usermod --add-subuids {first}-{last} --add-subgids {first}-{last} {user}")
}

/// The first ID after the range in a line `user:start:count`.
fn end_of_range(line: &str) -> Option<u64> {
    let mut fields = line.split(':').skip(1);
    Some(fields.next()?.trim().parse::<u64>().ok()? + fields.next()?.trim().parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_adds_enough_ids_after_everybody_elses() {
        let tables = "root:100000:65536\nalice:165536:65536\nbroken\n";
        assert_eq!(command("alice", 70_000, 65_537, tables), "sudo usermod --add-subuids 231072-296607 --add-subgids 231072-296607 alice");
        assert_eq!(command("bob", 10, 1, ""), "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 bob");
        assert!(command("bob", 1 << 40, 1, "").starts_with("rebuild"));
    }
}
