//! A disk with no space left for what `COMMIT` writes: told as such, nothing is half there, and the
//! same repository goes on once there is space.

#![cfg(test)]
#![cfg(target_os = "linux")]

mod common;
mod servers;

use common::{numbered, verified};
use crm_core::crm::Crm;
use crm_core::event::CommitId;
use crm_core::lead::TenantId;
use crm_core::query::LeadQuery;
use crm_core::repository::{Applied, Repository as _, RepositoryErrorKind};
use crm_store_sqlx::SqliteRepository;
use servers::leave_out;
use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

const PATH: &str = "CRM_FULL_DISK_TEST_PATH";

/// What takes the space, and gives it back.
enum Space {
    /// A file that fills a small disk.
    Ballast(PathBuf),
    /// A limit on the size of files, which is a failing disk to SQLite.
    Limit,
}

impl Space {
    fn take(&self) {
        match self {
            Self::Ballast(path) => {
                let mut ballast = File::create(path).unwrap();
                let full = io::copy(&mut io::repeat(0), &mut ballast).unwrap_err();
                assert_eq!(full.kind(), io::ErrorKind::StorageFull);
            }
            Self::Limit => limit("0"),
        }
    }

    fn give(&self) {
        match self {
            Self::Ballast(path) => fs::remove_file(path).unwrap(),
            Self::Limit => limit("unlimited"),
        }
    }

    /// SQLite knows that nothing was committed if the disk was full. If it fails otherwise, what was
    /// written may be there or not.
    fn expected(&self, commit: CommitId) -> RepositoryErrorKind {
        match self {
            Self::Ballast(_) => RepositoryErrorKind::Other,
            Self::Limit => RepositoryErrorKind::OutcomeUnknown { commit },
        }
    }
}

/// Up to which place of a file this process may write.
fn limit(bytes: &str) {
    let process = std::process::id().to_string();
    let mut prlimit = Command::new("prlimit");
    let prlimit = prlimit.args(["--pid", &process, &format!("--fsize={bytes}:")]);
    assert!(prlimit.status().unwrap().success());
}

/// What the process does whose disk is full.
async fn child(directory: &Path, space: Space) {
    let path = directory.join("leads.db").display().to_string();
    let leads = SqliteRepository::open(path).await.unwrap();
    let crm = Crm::open(leads.clone()).await.unwrap();
    let tenant = &TenantId::DEFAULT;
    crm.create(numbered(0)).await.unwrap();
    let mut known = 1;
    for _ in 0..2 {
        // A connection that reads keeps the log when the one that writes is replaced.
        assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), known);
        let plan = crm.plan_create(numbered(1)).await.unwrap();
        space.take();
        for _ in 0..3 {
            let failed = leads.commit(tenant, &plan).await.unwrap_err();
            assert_eq!(*failed.kind(), space.expected(plan.commit()), "{failed:?}");
            assert!(failed.source().is_some());
        }
        let many: Vec<_> = (0..200).map(numbered).collect();
        assert!(crm.create_many(&many).await.is_err());
        assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), known);
        verified(&leads).await;

        space.give();
        let done = leads.commit(tenant, &plan).await.unwrap();
        assert_eq!(done.applied, Applied::Now, "it was not made before");
        crm.create(numbered(2)).await.unwrap();
        known += 2;
        assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), known);
        verified(&leads).await;
    }
    leads.close().await;
}

/// Runs a test of this program again in a process of its own, which a line of the shell prepares.
fn run(name: &str, mut shell: Command, prepare: &str, directory: &Path) {
    let line = format!("{prepare} && exec \"$0\" {name} --exact --nocapture");
    let program = std::env::current_exe().unwrap();
    let shell = shell.arg("-c").arg(line).arg(program);
    let output = shell.env(PATH, directory).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("1 passed"), "{told}");
}

#[tokio::test]
async fn a_disk_that_fails_in_a_commit_is_told_and_leaves_nothing_half_done() {
    const NAME: &str = "a_disk_that_fails_in_a_commit_is_told_and_leaves_nothing_half_done";
    if let Some(directory) = std::env::var_os(PATH) {
        return child(Path::new(&directory), Space::Limit).await;
    }
    if Command::new("prlimit").arg("--version").output().is_err() {
        return leave_out("a failing disk", "there is no prlimit");
    }
    let directory = tempfile::tempdir().unwrap();
    // Otherwise the signal ends whoever writes too far.
    let prepare = "trap '' XFSZ";
    run(NAME, Command::new("sh"), prepare, directory.path());
    let path = directory.path().join("leads.db").display().to_string();
    let leads = SqliteRepository::open(path).await.unwrap();
    verified(&leads).await;
    let crm = Crm::open(leads).await.unwrap();
    assert_eq!(crm.count(&LeadQuery::new()).await.unwrap(), 5);
}

/// A shell that may mount a disk, which goes with it.
fn shell() -> Command {
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--mount", "sh"]);
    unshare
}

#[tokio::test]
async fn a_disk_that_is_full_in_a_commit_is_told_and_leaves_nothing_half_done() {
    const NAME: &str = "a_disk_that_is_full_in_a_commit_is_told_and_leaves_nothing_half_done";
    if let Some(directory) = std::env::var_os(PATH) {
        let directory = Path::new(&directory);
        return child(directory, Space::Ballast(directory.join("ballast"))).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size=8m none \"${PATH}\"");
    let mut trying = shell();
    let trying = trying.args(["-c", &mount]).env(PATH, directory.path());
    if !trying.output().is_ok_and(|tried| tried.status.success()) {
        return leave_out("a full disk", "this user may not mount one");
    }
    run(NAME, shell(), &mount, directory.path());
}
