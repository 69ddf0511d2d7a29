//! A full disk: ingest asks for patience, and nothing that was acknowledged is lost.

use crate::state::Scene;
use crate::stream::Stream;
use crate::{START, check_ledger, rebuild, say};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use testkit::{Options, Script, until};

/// A small file system in memory; unmounted when dropped.
struct SmallDisk {
    _room: tempfile::TempDir,
    path: PathBuf,
}

impl SmallDisk {
    /// `None` where this process may not mount.
    fn mount(size: &str) -> Option<SmallDisk> {
        let room = tempfile::TempDir::with_prefix("rivermouth-disk-").expect("a temporary directory");
        let path = room.path().join("disk");
        std::fs::create_dir(&path).expect("a mount point");
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], &path)
            .then_some(SmallDisk { _room: room, path })
    }

    /// False when more is used than this.
    fn resize(&self, size: &str) -> bool {
        run("mount", &["-o", &format!("remount,size={size}")], &self.path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: files of a server that is still ending do not matter.
        run("umount", &["-l"], &self.path);
    }
}

fn run(program: &str, args: &[&str], path: &Path) -> bool {
    Command::new(program).args(args).arg(path).output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_full_disk_loses_nothing() {
    let Some(disk) = SmallDisk::mount("512m") else {
        say("SKIPPED: this process may not mount a file system");
        return;
    };
    let options = Options { data_dir: Some(disk.path.join("data")), ..Options::manual(START) };
    let mut scene = Scene::new(options, Script::default());
    let stream = Stream::new(&scene.world, START);
    let server = &mut scene.world.server;
    stream.run(Duration::ZERO, || {
        // Space returns: the server goes on by itself.
        fill(&disk, &stream);
        // It must not be at its end before the disk is full again.
        stream.hold();
        let acked = stream.acked();
        assert!(disk.resize("512m"));
        until("the server takes messages again", || stream.acked(), |now| *now > acked);
        // The server dies on a full disk.
        fill(&disk, &stream);
        server.kill9();
        assert!(disk.resize("512m"));
        server.restart();
        stream.moved(&server.url);
    });
    scene.world.server.settle();
    let state = scene.state(&scene.world.server, &scene.world.receiver, &stream);
    let events: usize = stream.all_events().values().map(Vec::len).sum();
    assert_eq!(state.counts, (stream.customers().len() as u64, events as u64));
    check_ledger(&scene.world.server);
    rebuild(&mut scene.world.server);
}

/// Leaves the disk little space and waits until ingest was refused for a while.
fn fill(disk: &SmallDisk, stream: &Stream) {
    let (_, before) = stream.troubles();
    // The server may use more between the look and the change.
    until("the disk is small", || disk.resize(&format!("{}k", used_kb(&disk.path) + 1024)), |done| *done);
    stream.go_on();
    until("the disk is full", || stream.troubles(), |(_, refused)| *refused > before + 200);
    assert!(stream.acked() < stream.len(), "the disk was large enough for all");
}

fn used_kb(path: &Path) -> u64 {
    let output = Command::new("df").args(["-k", "--output=used"]).arg(path).output().expect("df can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().nth(1).and_then(|l| l.trim().parse().ok()).expect("a number")
}
