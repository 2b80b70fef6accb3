//! Two arms timed in turn, in short rounds, so that whatever else the machine does meets both
//! alike. What counts is the ratio; the times beside it are those of this machine, at this time.

use std::time::{Duration, Instant};

/// How long a comparison takes.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    rounds: u32,
    round: Duration,
    pub(crate) is_quick: bool,
}

impl Effort {
    /// From the command line: `--quick`, or the lack of what `cargo bench` adds, makes it a smoke
    /// test whose figures mean nothing.
    pub(crate) fn from_arguments() -> Self {
        let given = |wanted: &str| std::env::args().any(|argument| argument == wanted);
        if given("--quick") || !given("--bench") {
            Self {
                rounds: 3,
                round: Duration::from_millis(1),
                is_quick: true,
            }
        } else {
            Self {
                rounds: 1_601,
                round: Duration::from_micros(250),
                is_quick: false,
            }
        }
    }

    /// How many rounds a comparison has that cannot choose their length.
    pub(crate) const fn rounds(self) -> u32 {
        self.rounds
    }

    /// Times two arms that can do their work any number of times.
    pub(crate) fn compare(self, mut ours: impl FnMut(), mut other: impl FnMut()) -> Ratio {
        let mut times = 1;
        while time(times, &mut other) < self.round && times < 1 << 24 {
            times *= 2;
        }
        time(times, &mut ours);
        let arm = |work: &mut dyn FnMut()| (time(times, work), times);
        Ratio::of(
            (0..self.rounds).map(|round| in_turn(round, || arm(&mut ours), || arm(&mut other))),
        )
    }
}

fn time(times: u32, mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        work();
    }
    start.elapsed()
}

/// Runs both arms once, every other round in the other order. Each says how long it took, and for
/// how many pieces of work.
pub(crate) fn in_turn(
    round: u32,
    ours: impl FnOnce() -> (Duration, u32),
    other: impl FnOnce() -> (Duration, u32),
) -> [f64; 2] {
    let nanos = |(took, times): (Duration, u32)| took.as_secs_f64() * 1e9 / f64::from(times.max(1));
    if round.is_multiple_of(2) {
        let ours = nanos(ours());
        [ours, nanos(other())]
    } else {
        let other = nanos(other());
        [nanos(ours()), other]
    }
}

/// How many times as long one arm takes as the other.
pub(crate) struct Ratio {
    /// The median of the rounds' ratios.
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// The medians of both arms, in nanoseconds for a piece of work.
    pub(crate) nanos: [f64; 2],
}

impl Ratio {
    /// From what [`in_turn`] gave.
    pub(crate) fn of(rounds: impl Iterator<Item = [f64; 2]>) -> Self {
        let rounds: Vec<_> = rounds.collect();
        let mut ratios: Vec<f64> = rounds.iter().map(|[ours, other]| ours / other).collect();
        ratios.sort_by(f64::total_cmp);
        let median_of = |arm: fn(&[f64; 2]) -> f64| median(rounds.iter().map(arm).collect());
        Self {
            nanos: [median_of(|[ours, _]| *ours), median_of(|[_, other]| *other)],
            median: median_of(|[ours, other]| ours / other),
            least: ratios.first().copied().unwrap_or(f64::NAN),
            most: ratios.last().copied().unwrap_or(f64::NAN),
        }
    }

    /// The columns of a table, ending with whether the limit holds.
    pub(crate) fn columns(&self, limit: f64) -> String {
        let [ours, other] = self.nanos.map(shown);
        let verdict = if self.median <= limit { "PASS" } else { "FAIL" };
        format!(
            "{ours:>9} {other:>9} {:>6.2} {:>6.2}–{:<6.2} {limit:>4.1}  {verdict}",
            self.median, self.least, self.most
        )
    }
}

/// Sorts, and gives the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A time, in the unit that suits it.
pub(crate) fn shown(nanos: f64) -> String {
    if nanos < 1_000.0 {
        format!("{nanos:.0} ns")
    } else if nanos < 1_000_000.0 {
        format!("{:.1} µs", nanos / 1e3)
    } else {
        format!("{:.1} ms", nanos / 1e6)
    }
}
