//! A file that was changed by something else: the store says so, or is whole all the same. Never
//! does it open with something missing.

#![cfg(test)]

mod common;

use common::{new_lead, open, stated};
use crm_core::crm::Crm;
use crm_core::query::{LeadQuery, Total};
use crm_core::repository::{RepositoryError, RepositoryErrorKind};
use crm_store_sled::{Durability, SledRepository};
use std::path::Path;

const LEADS: u64 = 400;
const AT_ONCE: u64 = 20;

async fn write(path: &Path) {
    let crm = Crm::open(open(path, Durability::Fsynced).await)
        .await
        .unwrap();
    for first in (0..LEADS).step_by(20) {
        let many: Vec<_> = (first..first + AT_ONCE)
            .map(|number| new_lead(usize::try_from(number).unwrap()))
            .collect();
        crm.create_many(&many).await.unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("blobs")).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

fn flip(path: &Path, at: usize) {
    let file = path.join("db");
    let mut bytes = std::fs::read(&file).unwrap();
    for byte in bytes.iter_mut().skip(at).take(64) {
        *byte = !*byte;
    }
    std::fs::write(file, bytes).unwrap();
}

/// sled panics where it is damaged, which is told as an error and need not be printed. Only here: a
/// check that fails is to be seen.
fn open_silently(path: &Path) -> Result<SledRepository, RepositoryError> {
    let printing = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let opened = pollster::block_on(SledRepository::open(path));
    std::panic::set_hook(printing);
    opened
}

#[test]
fn damage_is_told_or_did_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let original = directory.path().join("original");
    pollster::block_on(write(&original));
    let length = usize::try_from(std::fs::metadata(original.join("db")).unwrap().len()).unwrap();
    let times = usize::try_from(stated(200)).unwrap();
    let (mut told, mut harmless) = (0, 0);
    for time in 0..times {
        let damaged = directory.path().join(format!("damaged-{time}"));
        copy(&original, &damaged);
        flip(&damaged, length / times * time + 77);
        match open_silently(&damaged) {
            Err(error) => {
                assert!(
                    matches!(error.kind(), RepositoryErrorKind::Corrupt { .. }),
                    "{time}: {error:?}"
                );
                // The failed opening let go of the file, and the damage is still told.
                let again = open_silently(&damaged).unwrap_err();
                assert_eq!(again.kind(), error.kind(), "{time}");
                told += 1;
            }
            Ok(repository) => {
                let whole = pollster::block_on(async {
                    assert!(repository.verify().await.unwrap().is_clean(), "{time}");
                    let crm = Crm::open(repository).await.unwrap();
                    let query = LeadQuery::new().total(Total::Exact);
                    crm.list(query).await.unwrap().total
                });
                assert_eq!(whole.unwrap().count(), LEADS, "{time}");
                harmless += 1;
            }
        }
        std::fs::remove_dir_all(&damaged).unwrap();
    }
    println!("of {times}: {told} told, {harmless} harmless");
    assert!(told > 0);
}
