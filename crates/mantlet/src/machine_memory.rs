//! How much memory there is: the machine's, or what the cgroup leaves of it.

use std::fs;
use std::path::Path;

use edge::limits::MEMORY_BYTES_DEFAULT;

/// What connections of viewers may hold unless a flag says it: half, since the rest of the process, the kernel's
/// side of the connections and whatever else runs here want some, too.
pub(crate) fn for_connections() -> usize {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| {
        limit_of_groups(unified_group(&text)?, |file| {
            fs::read_to_string(Path::new("/sys/fs/cgroup").join(file)).ok()
        })
    });
    machine.into_iter().chain(group).min().map_or(MEMORY_BYTES_DEFAULT, |bytes| bytes / 2)
}

/// `MemTotal` of proc(5)'s meminfo.
fn total(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<usize>().ok()?.checked_mul(1024)
}

/// The path of the only cgroup of version 2 (cgroups(7), "/proc/pid/cgroup").
fn unified_group(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| line.strip_prefix("0::/"))
}

/// The least that a group or one above it may have. A group without a limit says `max`.
fn limit_of_groups(group: &str, read: impl Fn(&Path) -> Option<String>) -> Option<usize> {
    let files = Path::new(group).ancestors().map(|group| group.join("memory.max"));
    files.filter_map(|file| read(&file)?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_how_much_it_has() {
        assert_eq!(total("MemTotal:       24504856 kB\nMemFree: 1 kB\n"), Some(24_504_856 * 1024));
        assert_eq!(total("MemFree: 1 kB\n"), None);
        assert_eq!(total("MemTotal: 99999999999999999999 kB\n"), None);
    }

    #[test]
    fn the_tightest_group_counts() {
        let read = |file: &Path| match file.to_str()? {
            "a/b/memory.max" => Some("max\n".to_owned()),
            "a/memory.max" => Some("1000\n".to_owned()),
            "memory.max" => Some("2000\n".to_owned()),
            _ => None,
        };
        assert_eq!(unified_group("1:cpu:/x\n0::/a/b\n"), Some("a/b"));
        assert_eq!(limit_of_groups("a/b", read), Some(1000));
        assert_eq!(limit_of_groups("", read), Some(2000));
        assert_eq!(limit_of_groups("", |_| None), None);
    }

    #[test]
    fn connections_get_some() {
        assert!(for_connections() > 0);
    }
}
