//! What is wrong with a query, all of it at once.

use super::{LeadQuery, TimeRange};
use crate::lead::{Invalid, LeadStatus, ProblemKind, Problems};

impl LeadQuery {
    /// Checks what was given.
    ///
    /// # Errors
    ///
    /// Every problem, each with its field: `assigned_to`, `created_before`, `email`, `limit`, `q`,
    /// `source`, `status`, `tag`, `updated_before`.
    pub fn check(&self) -> Result<(), Invalid> {
        let mut problems = self.problems();
        if !self.unresolved_statuses.is_empty() {
            let kind = ProblemKind::Malformed {
                expected: "the slug of a status, such as qualified",
            };
            problems.add("status", kind);
        }
        problems.finish()
    }

    /// Checks what was given, and that the statuses are among these.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check); for a status that is not among them the error lists them.
    pub fn check_with(&self, known: &[LeadStatus]) -> Result<(), Invalid> {
        let mut problems = self.problems();
        let unknown = |status| !known.contains(status);
        if !self.unresolved_statuses.is_empty() || self.filter.statuses.iter().any(unknown) {
            let known = known.iter().map(ToString::to_string).collect();
            problems.add("status", ProblemKind::Unknown { known });
        }
        problems.finish()
    }

    fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        for invalid in self.problems.values() {
            problems.keep::<()>(Err(invalid.clone()));
        }
        let mut ordered = |range: TimeRange, before, from| {
            if let (Some(start), Some(end)) = (range.from, range.before)
                && end < start
            {
                problems.add(before, ProblemKind::Before { other: from });
            }
        };
        ordered(self.filter.created, "created_before", "created_from");
        ordered(self.filter.updated, "updated_before", "updated_from");
        problems
    }

    /// What was given as a status and is no slug.
    #[must_use]
    pub fn unresolved_statuses(&self) -> &[String] {
        &self.unresolved_statuses
    }

    /// Looks up what was given as a status and is no slug, as by the name people see. What is not
    /// found stays unresolved.
    pub fn resolve_statuses(&mut self, mut find: impl FnMut(&str) -> Option<LeadStatus>) {
        let statuses = &mut self.filter.statuses;
        self.unresolved_statuses.retain(|typed| match find(typed) {
            Some(status) => {
                statuses.insert(status);
                false
            }
            None => true,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::Problem;
    use crate::query::testing::at;

    fn fields(refused: &Invalid) -> Vec<&str> {
        let problems = refused.problems().iter();
        problems.map(Problem::field).collect()
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let huge = "x".repeat(10 << 20);
        let refused = LeadQuery::new()
            .status("Qualified!")
            .assigned_to("")
            .source("Cold Call")
            .tag("a\nb")
            .created_from(at(2))
            .created_before(at(1))
            .updated_from(at(2))
            .updated_before(at(1))
            .email("john@")
            .search(huge)
            .limit(10_000_000)
            .check()
            .unwrap_err();
        let mut found = fields(&refused);
        found.sort_unstable();
        assert_eq!(
            found,
            [
                "assigned_to",
                "created_before",
                "email",
                "limit",
                "q",
                "source",
                "status",
                "tag",
                "updated_before"
            ]
        );
        assert!(refused.to_string().len() < 1_000);
    }

    #[test]
    fn a_limit_out_of_range_names_the_range() {
        for limit in [0, 1_001, 10_000_000] {
            let refused = LeadQuery::new().limit(limit).check().unwrap_err();
            assert!(refused.to_string().contains("between 1 and 1000"));
        }
    }

    #[test]
    fn a_status_that_nobody_knows_lists_the_known_ones() {
        let known = [LeadStatus::NEW, LeadStatus::LOST];
        let good = LeadQuery::new().status("new").status("lost");
        good.check_with(&known).unwrap();
        for typed in ["won", "In Progress"] {
            let refused = LeadQuery::new().status("new").status(typed).limit(0);
            let refused = refused.check_with(&known).unwrap_err();
            assert_eq!(fields(&refused), ["limit", "status"]);
            assert!(refused.to_string().contains("new, lost"), "{refused}");
        }
    }

    #[test]
    fn a_status_can_be_resolved_by_its_name() {
        let mut query = LeadQuery::new().status("In Progress").status("Nowhere");
        query.resolve_statuses(|typed| (typed == "In Progress").then_some(LeadStatus::CONTACTED));
        assert_eq!(query.unresolved_statuses(), ["Nowhere"]);
        assert!(query.filter().statuses.contains(&LeadStatus::CONTACTED));
        assert!(query.check().is_err());
    }
}
