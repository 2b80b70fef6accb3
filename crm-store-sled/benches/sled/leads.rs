//! Made-up leads, mixed as those of a sales team are: the same ones in every run.

use crm_core::crm::Crm;
use crm_core::lead::{Invalid, Money, NewLead};
use crm_core::memory::MemoryRepository;
use crm_core::repository::ChangeSet;
use pollster::block_on;

/// A lead like many: the number spreads it over users, companies and names.
pub(crate) fn new_lead(number: u32) -> NewLead {
    made(number).expect("a lead without faults")
}

fn made(number: u32) -> Result<NewLead, Invalid> {
    let status = match number % 10 {
        0..4 => "new",
        4..7 => "contacted",
        7..9 => "qualified",
        _ => "lost",
    };
    let source = match number % 3 {
        0 => "website",
        1 => "referral",
        _ => "event",
    };
    let new = NewLead::new(
        "John",
        format!("Doe-{}", number % 20_000),
        format!("john.doe{number}@example.com"),
    )?;
    let mut new = new
        .company(format!("Acme {}", number % 5_000))
        .phone(format!("+263 77 {:07}", number % 10_000_000))
        .source(source)
        .status(status)
        .assigned_to(format!("user_{}", number % 20));
    if number.is_multiple_of(2) {
        new = new.value(Money::new(i64::from(number % 5_000_000), "USD")?);
    }
    if number.is_multiple_of(4) {
        new = new
            .tag("vip")
            .notes("Asked for a quote, wants to see a demo with their own data.");
    }
    Ok(new)
}

/// Plans creations without making them, so that core's rules are outside of what is timed.
pub(crate) struct Planner {
    crm: Crm,
    next: u32,
}

impl Planner {
    pub(crate) fn new() -> Self {
        let crm = block_on(Crm::open(MemoryRepository::new())).expect("memory");
        // A tenant's lifecycle is stored once, by its first commit.
        block_on(crm.create(new_lead(0))).expect("a lead");
        Self { crm, next: 1 }
    }

    pub(crate) fn creations(&mut self, count: u32) -> Vec<ChangeSet> {
        let numbers = self.next..self.next + count;
        self.next = numbers.end;
        let plan = |number| block_on(self.crm.plan_create(new_lead(number)));
        numbers
            .map(|number| plan(number).expect("a plan"))
            .collect()
    }
}
