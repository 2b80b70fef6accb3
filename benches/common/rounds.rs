//! Two arms timed in turn, in rounds so short that most of them are not interrupted by whatever else
//! the machine does; what slows it for longer meets both arms alike. What counts is the ratio: the
//! times beside it are those of this machine at this time.

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

    /// The same with a part of the rounds, for work that leaves something behind.
    pub(crate) fn divided_by(mut self, parts: u32) -> Self {
        self.rounds = (self.rounds / parts).max(3);
        self
    }

    /// Times two arms that can do their work any number of times.
    pub(crate) fn compare(self, mut ours: impl FnMut(), mut other: impl FnMut()) -> Ratio {
        let mut times = 1;
        while time(times, &mut other) < self.round && times < 1 << 24 {
            times *= 2;
        }
        time(times, &mut ours);
        self.each_round(|round| {
            in_turn(
                round,
                || (time(times, &mut ours), times),
                || (time(times, &mut other), times),
            )
        })
    }

    /// The median time of one piece of work, in nanoseconds.
    pub(crate) fn nanos(self, mut work: impl FnMut()) -> f64 {
        let [_, nanos] = self.compare(|| {}, &mut work).nanos;
        nanos
    }

    /// Compares what [`in_turn`] gives in each round.
    pub(crate) fn each_round(self, round: impl FnMut(u32) -> [f64; 2]) -> Ratio {
        Ratio::of((0..self.rounds).map(round))
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
    /// The rounds' ratios: a quarter of them below, half, three quarters.
    quartiles: [f64; 3],
    /// The medians of both arms, in nanoseconds for a piece of work.
    nanos: [f64; 2],
}

impl Ratio {
    fn of(rounds: impl Iterator<Item = [f64; 2]>) -> Self {
        let rounds: Vec<_> = rounds.collect();
        let all = |of: fn(&[f64; 2]) -> f64| quartiles(rounds.iter().map(of).collect());
        let [_, ours, _] = all(|[ours, _]| *ours);
        let [_, other, _] = all(|[_, other]| *other);
        Self {
            quartiles: all(|[ours, other]| ours / other),
            nanos: [ours, other],
        }
    }

    /// Names the columns of [`row`](Self::row).
    pub(crate) fn header(title: &str, ours: &str, other: &str) -> String {
        format!(
            "{title:<42} {ours:>10} {other:>10} {:>6}  {:>11}  {:>4}",
            "ratio", "middle half", "max"
        )
    }

    /// A row of a table, ending with whether the limit holds.
    pub(crate) fn row(&self, name: &str, limit: f64) -> String {
        let [ours, other] = self.nanos.map(shown);
        let [low, ratio, high] = self.quartiles;
        let verdict = if ratio <= limit { "PASS" } else { "FAIL" };
        format!(
            "{name:<42} {ours:>10} {other:>10} {ratio:>6.2}  {low:>5.2}–{high:<5.2}  {limit:>4.1}  {verdict}"
        )
    }
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let at = |quarter| values.get(values.len() * quarter / 4).copied();
    [1, 2, 3].map(|quarter| at(quarter).unwrap_or(f64::NAN))
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
