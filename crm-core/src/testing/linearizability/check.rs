//! Whether one order explains what was seen, found out within a time limit.

use super::history::Recorder;
use stateright::semantics::ConsistencyTester;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How long it may take to check what was recorded of one run. A history of 28 operations takes
/// milliseconds.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Checks what was recorded, lead by lead. Fails with the history that no order explains, or if
/// that is not found out in time.
pub(crate) fn check(recorder: Recorder, limit: Duration) -> Result<(), String> {
    let histories = recorder.histories();
    let decided = decide_within(limit, move || {
        let inconsistent = |history: &&super::history::History| !history.tester().is_consistent();
        let found = histories.values().find(inconsistent);
        found.map(|history| format!("no order explains what was seen:\n{history}"))
    })?;
    decided.map_or(Ok(()), Err)
}

/// The outcome of work that may take for ever. Then the thread it is done on is left behind, to
/// end with the process of the test that fails.
pub(crate) fn decide_within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let (sender, receiver) = channel();
    let watched = std::thread::spawn(move || {
        // Nobody waits any more if it took too long.
        let _ = sender.send(work());
    });
    match receiver.recv_timeout(limit) {
        Ok(outcome) => Ok(outcome),
        Err(RecvTimeoutError::Timeout) => Err(format!("not decided within {limit:?}")),
        Err(RecvTimeoutError::Disconnected) => match watched.join() {
            Ok(()) => Err(String::from("the check ended without an outcome")),
            Err(panic) => std::panic::resume_unwind(panic),
        },
    }
}
