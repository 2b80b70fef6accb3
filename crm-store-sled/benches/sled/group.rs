//! Group commit: what 64 writers at once do in a second, and what one does: on this disk, and on ones
//! that take longer for each sync.

use crate::leads::new_lead;
use crate::rounds::Effort;
use crm_core::crm::Crm;
use crm_store_sled::{Durability, SledRepository};
use pollster::block_on;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

const WRITERS: u32 = 64;
/// Rounds of both, in turn; what counts is the median of their ratios.
const ROUNDS: usize = 7;

struct Bench {
    runtime: Runtime,
    repository: SledRepository,
    crm: Crm,
    next: u32,
}

pub(crate) fn run(effort: Effort) {
    println!(
        "\ncommits a second of one lead each, by one writer and by {WRITERS} at the same time"
    );
    let as_it_is = Duration::ZERO;
    for (durability, longer) in [
        (Durability::Fsynced, as_it_is),
        (Durability::Fsynced, Duration::from_millis(9)),
        (Durability::Fsynced, Duration::from_millis(20)),
        (Durability::Flushed, as_it_is),
        (Durability::Buffered, as_it_is),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let repository = SledRepository::builder(directory.path())
            .durability(durability)
            .sync_delay(longer);
        let repository = block_on(repository.open()).expect("a new store");
        let crm = block_on(Crm::open(repository.clone())).expect("a store");
        block_on(crm.create(new_lead(0))).expect("a lead");
        let runtime = Builder::new_multi_thread().worker_threads(2).build();
        let mut bench = Bench {
            runtime: runtime.expect("a runtime"),
            repository,
            crm,
            next: 1,
        };
        // Long enough that the end, at which fewer and fewer write, is a small part.
        let (rounds, each) = if effort.is_quick {
            (1, 1)
        } else {
            (ROUNDS, 50)
        };
        let mut found: Vec<_> = (0..rounds)
            .map(|_| {
                let (one, _) = bench.rate(1, each * 2);
                let (many, shared) = bench.rate(WRITERS, each);
                (many / one, one, many, shared)
            })
            .collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, one, many, shared) = found.swap_remove(found.len() / 2);
        let slower = if longer.is_zero() {
            String::new()
        } else {
            format!(" + {} ms", longer.as_millis())
        };
        println!(
            "{:<16} one {one:>6.0} ({:>4.1} ms each)   {WRITERS} {many:>6.0}   ratio {ratio:>5.1}   commits for each flush {shared:>5.1}",
            format!("{durability:?}{slower}"),
            1e3 / one,
        );
    }
}

impl Bench {
    /// Commits a second, and commits for each flush.
    fn rate(&mut self, writers: u32, each: u32) -> (f64, f64) {
        let before = self.repository.flushes();
        let start = Instant::now();
        self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..writers {
                let crm = self.crm.clone();
                let numbers = self.next..self.next + each;
                self.next = numbers.end;
                tasks.spawn(async move {
                    for number in numbers {
                        crm.create(new_lead(number)).await.expect("a commit");
                    }
                });
            }
            tasks.join_all().await;
        });
        let seconds = start.elapsed().as_secs_f64();
        let commits = f64::from(writers * each);
        let flushes = u32::try_from(self.repository.flushes() - before).expect("few");
        (commits / seconds, commits / f64::from(flushes.max(1)))
    }
}
