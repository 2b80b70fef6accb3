//! Which cases there are: one list, from which the tests and the table are made.

use super::Harness;
use super::cases;
use super::setup::Setup;
use std::pin::Pin;

/// One rule of the contract.
pub(crate) struct Case {
    pub(crate) subject: &'static str,
    pub(crate) name: &'static str,
    run: Run,
}

enum Run {
    /// One task.
    Task(for<'a> fn(&'a Setup) -> Pin<Box<dyn Future<Output = ()> + 'a>>),
    /// Threads of its own.
    Threads(fn(&Setup)),
}

/// Makes a test of each rule of the [`Repository`](crate::repository::Repository) contract: a
/// backend that passes them can stand in for any other.
///
/// It takes an expression that makes a [`Harness`](crate::testing::Harness), which for a storage in
/// memory is any function that returns one. It is a module of tests, so it stands alone in a file
/// of `tests/` or in a module:
///
/// ```
/// # use crm_core as crm_kit;
/// use crm_kit::memory::MemoryRepository;
///
/// mod conformance {
/// #   use crm_core as crm_kit;
///     crm_kit::testing::repository_tests!(crm_kit::memory::MemoryRepository::new);
/// }
/// ```
///
/// The names of the tests are sentences about what must hold; run one by its name as any other
/// test.
///
/// Durability is the backend's own to test: run these in its fastest mode.
///
/// The environment variable `CRM_TEST_LONG=1` asks for ten times as much of everything that is
/// counted, such as the 10,000 leads of a status that is removed.
#[macro_export]
#[doc(hidden)]
macro_rules! repository_tests {
    ($harness:expr $(,)?) => {
        $crate::__for_each_case! { [$crate::__test_each_case] [$harness] }
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __test_each_case {
    ([$harness:expr] $($kind:ident $subject:ident { $($name:ident)* })*) => {
        fn harness() -> impl $crate::testing::Harness {
            $harness
        }

        $(mod $subject {
            $(
                #[test]
                fn $name() {
                    $crate::testing::run_case(
                        stringify!($subject),
                        stringify!($name),
                        super::harness(),
                    );
                }
            )*
        })*
    };
}

macro_rules! run {
    (tasks $case:path) => {
        Run::Task(|setup| Box::pin($case(setup)))
    };
    (threads $case:path) => {
        Run::Threads($case)
    };
}

macro_rules! table {
    ([] $($kind:ident $subject:ident { $($name:ident)* })*) => {
        /// Every case, in the order of the list.
        pub(crate) const CASES: &[Case] = &[$($(
            Case {
                subject: stringify!($subject),
                name: stringify!($name),
                run: run!($kind cases::$subject::$name),
            },
        )*)*];
    };
}

crate::__for_each_case! { [table] [] }

/// Runs a case.
///
/// # Panics
///
/// If the rule does not hold, or there is no such case.
#[doc(hidden)]
pub fn run_case(subject: &str, name: &str, harness: impl Harness) {
    find(subject, name).run(harness);
}

pub(crate) fn find(subject: &str, name: &str) -> &'static Case {
    let mut cases = CASES.iter();
    let found = cases.find(|case| case.subject == subject && case.name == name);
    found.expect("a case of the list")
}

impl Case {
    pub(crate) fn run(&self, harness: impl Harness) {
        let setup = Setup::new(harness);
        match self.run {
            Run::Task(task) => setup.block_on(task(&setup)),
            Run::Threads(threads) => threads(&setup),
        }
        setup.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_is_listed_once() {
        let names: BTreeSet<_> = CASES.iter().map(|case| (case.subject, case.name)).collect();
        assert_eq!(names.len(), CASES.len());
        assert!(CASES.len() >= 120, "{}", CASES.len());
    }
}
