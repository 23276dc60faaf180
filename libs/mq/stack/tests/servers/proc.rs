//! What the system says about processes and sockets.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

/// Ids of the processes, zombies excepted, whose command line contains `text`.
pub fn with_argument(text: &str) -> Vec<u32> {
    pids()
        .filter(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(text)
        })
        .collect()
}

/// Whether the process exists and is no zombie.
pub fn alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(_, state)| state != "Z" && state != "X")
}

/// Whether the process may run code of its own: not stopped, not ended, and not asleep in the kernel
/// (as whoever vforked is until its child, which may be stopped, has become a program).
pub fn running(pid: u32) -> bool {
    stat(pid).is_some_and(|(_, state)| !["T", "D", "Z", "X"].contains(&state.as_str()))
}

/// The process that started this one.
pub fn parent(pid: u32) -> u32 {
    stat(pid).unwrap().0
}

/// The process and everything below it.
pub fn tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = pids().filter_map(|pid| Some((pid, stat(pid)?.0))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(c, _)| c));
        next += 1;
    }
    found
}

/// Local addresses of the TCP sockets on which the process listens. `None` as
/// an address stands for one of IPv6.
pub fn listening(pid: u32) -> Vec<(Option<Ipv4Addr>, u16)> {
    let inodes = socket_inodes(pid);
    let four = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let six = std::fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    four.lines().chain(six.lines()).filter_map(|line| listener(line, &inodes)).collect()
}

/// Waits until the condition holds; fails the test with its name after 10 s.
pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn pids() -> impl Iterator<Item = u32> {
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Parent and state letter.
fn stat(pid: u32) -> Option<(u32, String)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.to_owned();
    Some((fields.next()?.parse().ok()?, state))
}

fn socket_inodes(pid: u32) -> HashSet<String> {
    let folder = format!("/proc/{pid}/fd");
    std::fs::read_dir(Path::new(&folder))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .filter_map(|link| {
            let link = link.to_str()?;
            Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect()
}

/// A line of /proc/net/tcp: local address in hexadecimal, state 0A = listening.
fn listener(line: &str, inodes: &HashSet<String>) -> Option<(Option<Ipv4Addr>, u16)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != "0A" || !inodes.contains(*fields.get(9)?) {
        return None;
    }
    let (address, port) = fields[1].split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let address = (address.len() == 8)
        .then(|| u32::from_str_radix(address, 16).ok())
        .flatten()
        .map(|number| Ipv4Addr::from(number.to_le_bytes()));
    Some((address, port))
}
