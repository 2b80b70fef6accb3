//! Who waits for what: seen from inside, where the lock can be held still.

use crate::error::Error;
use crate::table::Table;
use crate::{Durability, SledRepository};
use crm_core::crm::Crm;
use crm_core::lead::{LeadStatus, NewLead, TenantId};
use crm_core::memory::MemoryRepository;
use crm_core::query::LeadQuery;
use crm_core::repository::{
    Applied, ChangeSet, Committed, Repository, RepositoryError, RepositoryErrorKind,
};
use pollster::block_on;
use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tempfile::TempDir;

const TENANT: TenantId = TenantId::DEFAULT;

/// A store that puts off flushes for as long as there are commits to be made.
fn patient(durability: Durability) -> (TempDir, SledRepository) {
    let directory = tempfile::tempdir().unwrap();
    let mut options = SledRepository::builder(directory.path()).durability(durability);
    options.longest_wait = Duration::MAX;
    let repository = block_on(options.open()).unwrap();
    (directory, repository)
}

/// Creations of a lead each, and the one before them that stores the lifecycle.
fn creations(count: usize) -> (ChangeSet, Vec<ChangeSet>) {
    block_on(async {
        let memory = MemoryRepository::new();
        let crm = Crm::open(memory.clone()).await.unwrap();
        let plan = async || {
            let new = NewLead::new("John", "Doe", "john@example.com").unwrap();
            crm.plan_create(new).await.unwrap()
        };
        let first = plan().await;
        memory.commit(&TENANT, &first).await.unwrap();
        let mut others = Vec::new();
        for _ in 0..count {
            others.push(plan().await);
        }
        (first, others)
    })
}

fn poll<T>(future: &mut Pin<Box<impl Future<Output = T> + ?Sized>>) -> Poll<T> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn sixty_four_commits_that_wait_together_share_one_flush() {
    for durability in [Durability::Fsynced, Durability::Flushed] {
        let (_directory, repository) = patient(durability);
        let (first, others) = creations(64);
        block_on(repository.commit(&TENANT, &first)).unwrap();
        let before = repository.flushes();
        // Nobody commits while it is held, so all of them meet in the queue.
        let held = repository.store.hold();
        let mut commits: Vec<_> = others
            .iter()
            .map(|set| repository.commit(&TENANT, set))
            .collect();
        for commit in &mut commits {
            assert!(poll(commit).is_pending());
        }
        drop(held);
        for commit in commits {
            assert_eq!(block_on(commit).unwrap().applied, Applied::Now);
        }
        assert_eq!(repository.flushes() - before, 1);
    }
}

/// Commits that meet in the queue, in this order; what each was answered, and how many transactions
/// they took.
fn met(repository: &SledRepository, sets: &[ChangeSet]) -> (Vec<Answer>, u64) {
    let before = repository.store.flusher.tickets();
    let held = repository.store.hold();
    // The first one is taken by a thread, and waits on it.
    let mut commits: Vec<_> = sets
        .iter()
        .map(|set| repository.commit(&TENANT, set))
        .collect();
    for commit in &mut commits {
        assert!(poll(commit).is_pending());
    }
    drop(held);
    let answers = commits.into_iter().map(block_on).collect();
    assert!(block_on(repository.verify()).unwrap().is_clean());
    (answers, repository.store.flusher.tickets() - before)
}

type Answer = Result<Committed, RepositoryError>;

#[test]
fn commits_that_wait_together_share_transactions() {
    let (_directory, repository) = patient(Durability::Fsynced);
    let (first, others) = creations(64);
    block_on(repository.commit(&TENANT, &first)).unwrap();
    let (answers, transactions) = met(&repository, &others);
    for (answer, set) in answers.iter().zip(&others) {
        let committed = answer.as_ref().unwrap();
        assert_eq!(*committed, set.outcome());
    }
    // Sixteen in each, but for the first, which was taken before all others had come.
    assert!((4..=5).contains(&transactions), "{transactions}");
    let count = block_on(repository.count(&TENANT, LeadQuery::new().filter())).unwrap();
    assert_eq!(count, 65);
}

#[test]
fn of_commits_that_wait_together_each_is_answered_for_itself() {
    let (_directory, repository) = patient(Durability::Fsynced);
    let memory = MemoryRepository::new();
    let crm = block_on(Crm::open(memory.clone())).unwrap();
    let plan = || {
        let new = NewLead::new("John", "Doe", "john@example.com").unwrap();
        block_on(crm.plan_create(new)).unwrap()
    };
    let both = |set: &ChangeSet| {
        block_on(memory.commit(&TENANT, set)).unwrap();
        block_on(repository.commit(&TENANT, set)).unwrap();
    };
    let first = plan();
    both(&first);
    let lead = first.leads().next().unwrap().id;
    let move_to = |status| block_on(crm.plan_transition(lead, status)).unwrap();
    let (stale, moved) = (move_to(LeadStatus::LOST), move_to(LeadStatus::CONTACTED));
    block_on(memory.commit(&TENANT, &moved)).unwrap();
    let moved_again = move_to(LeadStatus::QUALIFIED);
    let new = plan();
    // The same commit twice, and two that are made before; one lead changed twice, and once by
    // somebody who does not know of it.
    let sets = [
        plan(),
        new.clone(),
        first,
        new,
        moved,
        moved_again,
        stale,
        plan(),
    ];
    let (answers, _) = met(&repository, &sets);
    let told: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Ok(committed) => Ok(committed.applied),
            Err(error) => Err(error.kind()),
        })
        .collect();
    let now = Ok(Applied::Now);
    let before = Ok(Applied::Before);
    assert_eq!(told[..6], [now, now, before, before, now, now]);
    assert!(
        matches!(told[6], Err(RepositoryErrorKind::Conflict { .. })),
        "{told:?}"
    );
    assert_eq!(told[7], now);
}

#[test]
fn commits_one_after_another_are_flushed_one_by_one() {
    let (_directory, repository) = patient(Durability::Fsynced);
    let (first, others) = creations(10);
    block_on(repository.commit(&TENANT, &first)).unwrap();
    let before = repository.flushes();
    for set in &others {
        block_on(repository.commit(&TENANT, set)).unwrap();
    }
    assert_eq!(repository.flushes() - before, 10);
}

/// It was told between a commit's transaction and its ticket for the flush, so before it was on
/// disk.
#[test]
fn what_became_of_a_commit_is_not_told_while_one_is_being_made() {
    let (_directory, repository) = patient(Durability::Fsynced);
    let (first, _) = creations(0);
    block_on(repository.commit(&TENANT, &first)).unwrap();
    let being_made = repository.store.change();
    let mut asked = repository.committed(&TENANT, first.commit());
    for _ in 0..100 {
        assert!(poll(&mut asked).is_pending());
        std::thread::yield_now();
    }
    drop(being_made);
    assert!(block_on(asked).unwrap().is_some());
}

// A transaction that cannot be logged is half applied in memory: a reader would see half of it, and
// whoever repeated it be told that its lead exists already.
#[test]
fn after_a_failure_of_sled_nothing_is_answered_until_it_is_opened_again() {
    let (directory, repository) = patient(Durability::Fsynced);
    let (first, others) = creations(1);
    block_on(repository.commit(&TENANT, &first)).unwrap();
    let full = || Error::Sled(sled::Error::Io(io::ErrorKind::StorageFull.into()));
    let failed = repository.store.guarded::<()>(|_| Err(full())).unwrap_err();
    assert!(matches!(failed, Error::Failed(_)), "{failed}");

    let refused = block_on(repository.commit(&TENANT, &others[0])).unwrap_err();
    assert_eq!(*refused.kind(), RepositoryErrorKind::Other);
    let reason = refused.source().unwrap().to_string();
    assert!(reason.starts_with("the disk is full"), "{reason}");
    let (id, _) = first.outcome().leads[0];
    block_on(repository.get(&TENANT, &[id])).unwrap_err();
    block_on(repository.find(&TENANT, &LeadQuery::new())).unwrap_err();

    drop(repository);
    let repository = block_on(SledRepository::open(directory.path())).unwrap();
    assert_eq!(block_on(repository.get(&TENANT, &[id])).unwrap().len(), 1);
    block_on(repository.commit(&TENANT, &others[0])).unwrap();
}

/// It went on from what was in memory, which might never be on disk.
#[test]
fn after_a_failed_flush_nothing_is_answered_until_it_is_opened_again() {
    let (directory, repository) = patient(Durability::Fsynced);
    let (first, others) = creations(2);
    block_on(repository.commit(&TENANT, &first)).unwrap();
    // A directory that cannot be synced.
    let blobs = directory.path().join("blobs");
    std::fs::remove_dir_all(&blobs).unwrap();
    let doubtful = block_on(repository.commit(&TENANT, &others[0])).unwrap_err();
    let commit = others[0].commit();
    let unknown = RepositoryErrorKind::OutcomeUnknown { commit };
    assert_eq!(*doubtful.kind(), unknown);

    let (id, _) = others[0].outcome().leads[0];
    let refused = block_on(repository.get(&TENANT, &[id])).unwrap_err();
    assert_eq!(*refused.kind(), RepositoryErrorKind::Other);
    block_on(repository.lifecycle(&TENANT)).unwrap_err();
    let refused = block_on(repository.commit(&TENANT, &others[1])).unwrap_err();
    assert_eq!(
        *refused.kind(),
        RepositoryErrorKind::Other,
        "nothing was made"
    );

    drop(repository);
    std::fs::create_dir_all(blobs).unwrap();
    let repository = block_on(SledRepository::open(directory.path())).unwrap();
    assert!(block_on(repository.verify()).unwrap().is_clean());
    block_on(repository.commit(&TENANT, &others[0])).unwrap();
}

/// They blocked the thread that polls, for as long as somebody else wrote or everything was checked.
#[test]
fn a_read_of_one_lead_does_not_block_while_others_write() {
    let (_directory, repository) = patient(Durability::Buffered);
    let (large, small) = block_on(async {
        let crm = Crm::open(repository.clone()).await.unwrap();
        let new = || NewLead::new("John", "Doe", "john@example.com").unwrap();
        let large = crm.create(new().notes("n".repeat(9_000))).await.unwrap();
        let small = crm.create(new()).await.unwrap();
        (large.id, small.id)
    });

    let others = repository.store.change();
    assert_eq!(
        block_on(repository.get(&TENANT, &[small])).unwrap().len(),
        1
    );
    let larges = [large];
    let mut lead = repository.get(&TENANT, &larges);
    assert!(poll(&mut lead).is_pending());
    // In the middle of a transaction, which may stay there half.
    repository.store.tables.set_being_written(true);
    let smalls = [small];
    let mut other = repository.get(&TENANT, &smalls);
    for _ in 0..100 {
        assert!(poll(&mut other).is_pending());
        std::thread::yield_now();
    }
    repository.store.tables.set_being_written(false);
    drop(others);
    assert_eq!(block_on(lead).unwrap().len(), 1);
    assert_eq!(block_on(other).unwrap().len(), 1);
}

/// What was read may have been half of what failed.
#[test]
fn what_was_read_while_something_failed_is_not_answered() {
    let (_directory, repository) = patient(Durability::Fsynced);
    let read = repository.store.guarded(|store| {
        let _ = store.flusher.fail(Error::Panicked);
        Ok(())
    });
    assert!(matches!(read, Err(Error::Failed(_))), "{read:?}");
}

/// The lead was gone, and nothing waited for that to be on disk.
#[test]
fn a_deletion_whose_erasing_fails_has_a_ticket_all_the_same() {
    let (_directory, repository) = patient(Durability::Fsynced);
    let crm = block_on(Crm::open(repository.clone())).unwrap();
    let new = NewLead::new("John", "Doe", "john@example.com").unwrap();
    let lead = block_on(crm.create(new)).unwrap();
    // The event to be erased is damaged.
    let events = repository.store.tables.tree(Table::Events);
    let (key, _) = events.first().unwrap().unwrap();
    events.insert(key, b"damaged").unwrap();
    let before = repository.store.flusher.last();
    let delete = block_on(crm.plan_delete(lead.id)).unwrap();
    let doubtful = block_on(repository.commit(&TENANT, &delete)).unwrap_err();
    let commit = delete.commit();
    assert_eq!(
        *doubtful.kind(),
        RepositoryErrorKind::OutcomeUnknown { commit }
    );
    assert!(repository.store.flusher.last() > before);
    // Nobody who asks for what became of it waits for good.
    let last = repository.store.flusher.last();
    block_on(repository.store.flusher.wait(last)).unwrap();
}
