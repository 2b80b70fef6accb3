//! Bugs are found, and shown by little code that can be pasted.

use super::*;
use crate::memory::MemoryRepository;
use crate::testing::planted::{Bug, Planted};
use std::sync::Arc;

/// What a run of the case ends with on a storage with this bug.
fn found(bug: Bug) -> String {
    let setup = Setup::new(move || Planted::new(bug));
    let run = Run {
        sequences: 100,
        steps: 50,
        reopening: false,
    };
    let failed = catch_unwind(AssertUnwindSafe(|| explore(&setup, &run)));
    let panic = failed.expect_err("the bug is found");
    panic.downcast_ref::<String>().unwrap().clone()
}

fn steps(failure: &str) -> usize {
    let (_, code) = failure.split_once("replay(harness(), &[\n").unwrap();
    code.lines().take_while(|line| *line != "    ]);").count()
}

#[test]
fn every_planted_bug_is_found_and_shown_in_few_steps() {
    for bug in [
        Bug::CountsTheArchive,
        Bug::LosesTheLastOfAPage,
        Bug::ForgetsCommits,
        Bug::KeepsOneLifecycle,
        Bug::IgnoresTheOrderOfAHistory,
        Bug::MixesFeeds,
        Bug::ErasesNothing,
        Bug::PanicsWithoutDocument,
        Bug::ReadsAreStale,
    ] {
        let failure = found(bug);
        assert!(steps(&failure) <= 4, "{bug:?}: {failure}");
    }
}

#[test]
fn a_failure_is_printed_as_the_code_of_a_test() {
    let failure = found(Bug::LosesTheLastOfAPage);
    let (difference, code) = failure.split_once("\n\nAs a test:\n\n").unwrap();
    assert!(
        difference.starts_with("step 2, Find(0, [PerPage(1)]):"),
        "{difference}"
    );
    let expected = "\
#[test]
fn the_storage_and_the_model_agree() {
    use crm_core::testing::sequences::*;
    replay(harness(), &[
        Commit(0, InForce, vec![Begin]),
        Commit(1, InForce, vec![Create(3, vec![]), Create(1, vec![])]),
        Find(0, vec![PerPage(1)]),
    ]);
}
";
    assert_eq!(code, expected);
}

/// Steps, and the text of the same steps.
macro_rules! written {
    ($($step:expr),* $(,)?) => {
        (vec![$($step),*], [$(stringify!($step)),*])
    };
}

#[test]
fn what_is_printed_compiles() {
    let (steps, text) = written![
        Enter(1),
        Commit(0, InForce, vec![Begin, Create(0, vec![])]),
        Commit(
            1,
            Unread,
            vec![Update(0, Latest, vec![InArchive(true), Custom(Some(1))])]
        ),
        Commit(
            2,
            Replaced,
            vec![Update(
                1,
                Older,
                vec![FirstName(Some("Anna")), LastName(None)]
            )]
        ),
        Commit(3, Unborn, vec![Delete(1, Newer), Remove("note", Latest)]),
        Commit(
            4,
            InForce,
            vec![PutNew("note", 1), PutOver("note/2", Latest, 2)]
        ),
        Commit(
            5,
            InForce,
            vec![
                Edit(Latest, AddStatus("Demo")),
                Edit(Older, MoveStatus("demo", 0))
            ]
        ),
        Commit(6, InForce, vec![Edit(Latest, RenameStatus("new", "Fresh"))]),
        Commit(7, InForce, vec![Edit(Latest, RetireStatus("demo", "new"))]),
        Commit(8, InForce, vec![Edit(Latest, RemoveStatus("demo"))]),
        Commit(
            9,
            InForce,
            vec![
                Create(
                    2,
                    vec![
                        Email(Some("anna@example.com")),
                        Company(Some("Acme")),
                        Phone(None)
                    ]
                ),
                Create(
                    3,
                    vec![
                        Status("won"),
                        Source(Some("website")),
                        AssignedTo(Some("u"))
                    ]
                ),
                Create(
                    4,
                    vec![
                        Notes(None),
                        Value(Some((50, "EUR"))),
                        Tags(vec!["VIP", "Grüße"])
                    ]
                ),
            ]
        ),
        Repeat(9),
        Committed(9),
        Get(vec![0, 1]),
        Find(
            0,
            vec![
                InStatus("new"),
                WorkedBy("u"),
                FromSource("event"),
                Tagged("VIP")
            ]
        ),
        Next(0),
        Misplace(
            0,
            vec![
                WorkedByNobody,
                CreatedFrom(0),
                CreatedBefore(1),
                UpdatedFrom(2)
            ]
        ),
        Count(vec![
            UpdatedBefore(1),
            InStatusSince(2),
            WithEmail("bob@example.org")
        ]),
        Count(vec![Matching("anna"), OnlyArchived, AlsoArchived]),
        Find(
            1,
            vec![SortedBy("-name"), PerPage(3), Counted, CountedUpTo(2)]
        ),
        Totals(Some("u")),
        Totals(None),
        History(0, OldestFirst, 1),
        History(0, NewestFirst, 1),
        Events(3),
        Lifecycle,
        LifecycleAt(1),
        Document("note"),
        Tenants,
        Erase,
        Reopen,
    ];
    let plain = |text: &str| {
        text.split_whitespace()
            .collect::<String>()
            .replace(",]", "]")
    };
    let printed = code::test(&steps);
    let printed: Vec<String> = printed.lines().map(plain).collect();
    for text in text {
        let line = format!("{},", plain(text));
        assert!(printed.contains(&line), "{line} is not in {printed:#?}");
    }
    replay(MemoryRepository::new, &steps);
}

#[test]
fn a_pasted_sequence_fails_again() {
    let steps = [
        Commit(0, InForce, vec![Begin, Create(0, vec![InArchive(true)])]),
        Count(vec![]),
    ];
    let harness = || Planted::new(Bug::CountsTheArchive);
    let failed = catch_unwind(|| replay(harness, &steps));
    let panic = failed.unwrap_err();
    let told = panic.downcast_ref::<String>().unwrap();
    assert!(
        told.starts_with("step 1, Count([]): the storage says\n    Ok(1)"),
        "{told}"
    );
    replay(MemoryRepository::new, &steps);
}

#[test]
fn commits_of_random_sequences_are_answered_in_every_way() {
    let storage = Planted::new(Bug::None);
    let answers = Arc::clone(&storage.answers);
    let setup = Setup::new(move || storage.clone());
    let run = Run {
        sequences: 100,
        steps: 50,
        reopening: false,
    };
    explore(&setup, &run);
    let known = [
        "AlreadyExists",
        "Before",
        "CommitReused",
        "Conflict",
        "DocumentConflict",
        "Gone",
        "NotFound",
        "Now",
        "StaleLifecycle",
        "StatusInUse",
        "UnknownStatus",
    ];
    assert_eq!(answers.lock().unwrap().iter().collect::<Vec<_>>(), known);
}
