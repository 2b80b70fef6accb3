//! The pipeline by status.

use crate::lead::{Currency, LeadStatus, Money, Version};
use crate::lifecycle::{Lifecycle, StatusKind};
use crate::query::LeadFilter;
use crate::repository::StatusTotals;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How the leads stand: one stage for each status of the lifecycle, in its order.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Pipeline {
    /// The time that "stuck" was judged at.
    pub as_of: DateTime<Utc>,
    /// The lifecycle whose stages these are.
    pub lifecycle_version: Version,
    /// The stages, empty ones included.
    pub stages: Vec<PipelineStage>,
}

/// The active leads of one status.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PipelineStage {
    /// The status.
    pub status: LeadStatus,
    /// What people call it.
    pub name: String,
    /// Open, won or lost.
    pub kind: StatusKind,
    /// Win probability in percent, 0 to 100.
    pub probability: u8,
    /// How many leads.
    pub leads: u64,
    /// How many of them are stuck.
    pub stuck: u64,
    /// What they are worth, one entry for each currency, by code.
    pub values: Vec<StageValue>,
    /// How long a lead may be here.
    #[serde(skip)]
    stuck_after: Option<TimeDelta>,
}

/// What the leads of a stage are worth in one currency, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StageValue {
    /// The currency.
    pub currency: Currency,
    /// The sum.
    pub total: i128,
    /// The sum times the win probability, rounded half up.
    pub weighted: i128,
}

impl StageValue {
    fn new(currency: Currency, total: i128, probability: u8) -> Self {
        let weighted = (total * i128::from(probability) + 50).div_euclid(100);
        Self {
            currency,
            total,
            weighted,
        }
    }

    /// The sum as people write it: `12500.50`.
    #[must_use]
    pub fn total_text(&self) -> String {
        Money::format_minor(self.total, self.currency)
    }

    /// The weighted sum as people write it.
    #[must_use]
    pub fn weighted_text(&self) -> String {
        Money::format_minor(self.weighted, self.currency)
    }
}

impl Pipeline {
    pub(crate) fn new(lifecycle: &Lifecycle, as_of: DateTime<Utc>) -> Self {
        let stages = lifecycle
            .statuses()
            .iter()
            .map(|status| PipelineStage {
                status: status.slug.clone(),
                name: status.name.clone(),
                kind: status.kind,
                probability: status.probability,
                leads: 0,
                stuck: 0,
                values: Vec::new(),
                stuck_after: status.stuck_after,
            })
            .collect();
        Self {
            as_of,
            lifecycle_version: lifecycle.version(),
            stages,
        }
    }

    pub(crate) fn add(&mut self, totals: Vec<StatusTotals>) {
        let mut totals: BTreeMap<LeadStatus, StatusTotals> = totals
            .into_iter()
            .map(|total| (total.status.clone(), total))
            .collect();
        for stage in &mut self.stages {
            if let Some(total) = totals.remove(&stage.status) {
                stage.leads = total.leads;
                let value = |(currency, sum)| StageValue::new(currency, sum, stage.probability);
                stage.values = total.values.into_iter().map(value).collect();
            }
        }
    }

    /// How many leads there are in all stages.
    #[must_use]
    pub fn leads(&self) -> u64 {
        self.stages.iter().map(|stage| stage.leads).sum()
    }

    /// What the open stages are worth together, by currency: sum and weighted sum.
    #[must_use]
    pub fn open_values(&self) -> Vec<StageValue> {
        let mut sums: BTreeMap<Currency, StageValue> = BTreeMap::new();
        for stage in self.stages.iter().filter(|stage| stage.kind.is_open()) {
            for value in &stage.values {
                let zero = StageValue {
                    currency: value.currency,
                    total: 0,
                    weighted: 0,
                };
                let sum = sums.entry(value.currency).or_insert(zero);
                sum.total += value.total;
                sum.weighted += value.weighted;
            }
        }
        sums.into_values().collect()
    }
}

impl PipelineStage {
    /// The stuck leads of this stage among those of a filter; `None` if none can be stuck.
    pub(crate) fn overdue(&self, filter: &LeadFilter, as_of: DateTime<Utc>) -> Option<LeadFilter> {
        let since = as_of.checked_sub_signed(self.stuck_after?)?;
        if self.leads == 0 {
            return None;
        }
        let mut overdue = filter.clone();
        overdue.statuses = BTreeSet::from([self.status.clone()]);
        overdue.in_status_since = Some(since);
        Some(overdue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_rounded_half_up_and_never_overflow() {
        let usd: Currency = "USD".parse().unwrap();
        let weighted = |total, probability| StageValue::new(usd, total, probability).weighted;
        assert_eq!(weighted(5, 50), 3);
        assert_eq!(weighted(4, 10), 0);
        assert_eq!(weighted(0, 100), 0);
        let most = i128::from(crate::lead::limits::MAX_MINOR_UNITS) * 1_000_000_000_000;
        assert_eq!(weighted(most, 100), most);
    }

    #[test]
    fn every_status_is_a_stage_and_unknown_totals_are_none() {
        let mut pipeline = Pipeline::new(&Lifecycle::standard(), DateTime::UNIX_EPOCH);
        let usd: Currency = "USD".parse().unwrap();
        pipeline.add(vec![
            StatusTotals::new(LeadStatus::QUALIFIED, 3, vec![(usd, 1_000)]),
            StatusTotals::new("gone".parse().unwrap(), 9, Vec::new()),
        ]);
        assert_eq!(pipeline.stages.len(), 5);
        assert_eq!(pipeline.leads(), 3);
        let open = pipeline.open_values();
        assert_eq!((open.len(), open[0].total), (1, 1_000));
    }
}
