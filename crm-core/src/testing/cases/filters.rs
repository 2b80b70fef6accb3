//! Every filter, alone and with the others.

use super::prelude::*;

/// A tenant with the village in it.
async fn settled(setup: &Setup) -> (Desk, Vec<Lead>) {
    let desk = setup.desk().await;
    let leads = village();
    desk.create(&leads).await;
    (desk, leads)
}

/// Checks the queries on each shelf of the archive, and that together they find something.
async fn check(setup: &Setup, queries: impl IntoIterator<Item = LeadQuery>) {
    let (desk, leads) = settled(setup).await;
    let order = desk.order().await;
    let mut found = 0;
    for query in queries {
        for shelf in SHELVES {
            let query = query.clone().archived(shelf);
            desk.answers(&leads, &order, &query).await;
            found += naive::count(&leads, query.filter());
        }
    }
    assert!(found > 0, "a case that finds nothing proves nothing");
}

fn new() -> LeadQuery {
    LeadQuery::new()
}

pub(crate) async fn without_a_filter_all_active_leads_are_found(setup: &Setup) {
    let (desk, leads) = settled(setup).await;
    let found = desk.list(&new()).await;
    assert!(found.iter().all(|lead| !lead.is_archived()));
    let active = leads.iter().filter(|lead| !lead.is_archived());
    assert_eq!(found.len(), active.count());
}

pub(crate) async fn archived_leads_are_left_out_or_asked_for(setup: &Setup) {
    check(setup, [new()]).await;
}

pub(crate) async fn a_status_finds_its_leads(setup: &Setup) {
    check(
        setup,
        ["new", "contacted", "proposal", "lost"].map(|slug| new().status(slug)),
    )
    .await;
}

pub(crate) async fn several_statuses_find_the_leads_of_any(setup: &Setup) {
    let few = new().status("new").status("lost").status("won");
    let all = new().statuses(["new", "contacted", "qualified", "proposal", "won", "lost"]);
    check(setup, [few, all]).await;
}

pub(crate) async fn a_status_that_does_not_exist_finds_nothing(setup: &Setup) {
    let (desk, _) = settled(setup).await;
    assert_eq!(desk.numbers(&new().status("nowhere")).await, NOBODY);
    assert_eq!(desk.count(&new().status("nowhere")).await, 0);
    assert_eq!(
        desk.count(&new().status("ne")).await,
        0,
        "no prefix of a slug"
    );
}

pub(crate) async fn a_user_finds_the_leads_of_this_user(setup: &Setup) {
    check(
        setup,
        ["u", "u2", "user 456 with a long id"].map(|user| new().assigned_to(user)),
    )
    .await;
}

pub(crate) async fn a_user_is_told_from_users_alike(setup: &Setup) {
    let desk = setup.desk().await;
    let users = ["u", "U", "uu", "u 1", "u_1", "u%", "é", "e\u{301}"];
    let leads: Vec<Lead> = (1..)
        .zip(users)
        .map(|(number, user)| lead_with(number, |lead| lead.assigned_to = user.parse().ok()))
        .collect();
    desk.create(&leads).await;
    for (number, user) in (1..).zip(users) {
        assert_eq!(
            desk.numbers(&new().assigned_to(user)).await,
            [number],
            "{user}"
        );
        assert_eq!(desk.count(&new().assigned_to(user)).await, 1, "{user}");
    }
    assert_eq!(desk.count(&new().assigned_to("u1")).await, 0);
}

pub(crate) async fn nobody_finds_the_leads_without_user(setup: &Setup) {
    check(setup, [new().unassigned()]).await;
}

pub(crate) async fn a_user_and_a_status_find_what_is_both(setup: &Setup) {
    let both = new().assigned_to("u").status("new");
    let several = new()
        .assigned_to("u2")
        .statuses(["won", "lost", "proposal"]);
    check(
        setup,
        [both, several, new().unassigned().status("contacted")],
    )
    .await;
}

pub(crate) async fn sources_find_the_leads_of_any(setup: &Setup) {
    let each = ["website", "event", "trade_fair"].map(|source| new().source(source));
    let several = new().source("website").source("trade_fair");
    check(setup, each.into_iter().chain([several])).await;
}

pub(crate) async fn a_tag_finds_its_leads_in_any_spelling(setup: &Setup) {
    check(
        setup,
        ["VIP", "vip", "renewal", "GRUSSE", "grüsse"].map(|tag| new().tag(tag)),
    )
    .await;
}

pub(crate) async fn several_tags_find_the_leads_that_have_all(setup: &Setup) {
    check(
        setup,
        [
            new().tag("vip").tag("renewal"),
            new().tag("VIP").tag("Grüße"),
        ],
    )
    .await;
}

pub(crate) async fn a_range_of_creation_times_includes_its_start_and_not_its_end(setup: &Setup) {
    let (from, before) = (at(5), at(9));
    let both = new().created_from(from).created_before(before);
    check(
        setup,
        [new().created_from(from), new().created_before(before), both],
    )
    .await;
}

pub(crate) async fn a_range_of_change_times_includes_its_start_and_not_its_end(setup: &Setup) {
    let (from, before) = (at(4), at(8));
    let both = new().updated_from(from).updated_before(before);
    check(
        setup,
        [new().updated_from(from), new().updated_before(before), both],
    )
    .await;
}

pub(crate) async fn an_empty_range_finds_nothing(setup: &Setup) {
    let (desk, _) = settled(setup).await;
    assert_eq!(
        desk.numbers(&new().created_from(at(5)).created_before(at(5)))
            .await,
        NOBODY
    );
    assert_eq!(desk.count(&new().updated_from(at(900))).await, 0);
}

pub(crate) async fn bounds_are_compared_to_the_microsecond(setup: &Setup) {
    let desk = setup.desk().await;
    let micro = |micros| at(100) + chrono::TimeDelta::microseconds(micros);
    let leads: Vec<Lead> = (1..=5)
        .map(|number| {
            lead_with(number, |lead| {
                let time = micro(i64::try_from(number).unwrap());
                (lead.created_at, lead.updated_at, lead.status_changed_at) = (time, time, time);
            })
        })
        .collect();
    desk.create(&leads).await;
    let order = desk.order().await;
    let between = micro(3) + chrono::TimeDelta::nanoseconds(1);
    for time in [micro(2), micro(3), between, micro(4)] {
        for query in [
            new().created_from(time),
            new().created_before(time),
            new().updated_from(time),
            new().updated_before(time),
            new().in_status_since(time),
        ] {
            desk.answers(&leads, &order, &query).await;
        }
    }
    assert_eq!(
        desk.numbers(&new().created_before(micro(3)).sort(Sort::created()))
            .await,
        [1, 2]
    );
    assert_eq!(desk.count(&new().in_status_since(micro(3))).await, 3);
}

pub(crate) async fn leads_in_their_status_since_then_or_longer_are_found(setup: &Setup) {
    let since = new().in_status_since(at(4));
    let by_age = since.clone().status("new").sort(Sort::status_changed());
    check(setup, [since, by_age]).await;
}

pub(crate) async fn an_e_mail_finds_its_leads_in_any_spelling(setup: &Setup) {
    let each = ["anna@example.com", "ANNA@EXAMPLE.COM", "bob@example.org"];
    check(setup, each.map(|email| new().email(email))).await;
}

pub(crate) async fn accents_tell_e_mails_apart(setup: &Setup) {
    let desk = setup.desk().await;
    let emails = [
        "rene@example.com",
        "rené@example.com",
        "re_e@example.com",
        "re.e@example.com",
    ];
    let leads: Vec<Lead> = (1..)
        .zip(emails)
        .map(|(number, email)| lead_with(number, |lead| lead.email = email.parse().ok()))
        .collect();
    desk.create(&leads).await;
    for (number, email) in (1..).zip(emails) {
        assert_eq!(desk.numbers(&new().email(email)).await, [number], "{email}");
    }
    assert_eq!(desk.numbers(&new().email("RENÉ@EXAMPLE.com")).await, [2]);
}

/// One query for each filter there is.
fn singles() -> Vec<LeadQuery> {
    vec![
        new().statuses(["new", "won", "contacted"]),
        new().assigned_to("u"),
        new().unassigned(),
        new().source("website").source("event"),
        new().tag("vip"),
        new().created_from(at(2)).created_before(at(17)),
        new().updated_from(at(3)),
        new().in_status_since(at(8)),
        new().email("anna@example.com"),
        new().search("an"),
    ]
}

pub(crate) async fn every_filter_is_answered_in_every_order(setup: &Setup) {
    let sorted = |query: LeadQuery| all_sorts().map(move |sort| query.clone().sort(sort));
    check(setup, singles().into_iter().flat_map(sorted)).await;
}

/// Adds the filters of one query to another.
fn and(query: &LeadQuery, other: &LeadQuery) -> LeadQuery {
    let mut query = query.clone();
    let (filter, other) = (query.filter_mut(), other.filter().clone());
    filter.statuses.extend(other.statuses);
    filter.sources.extend(other.sources);
    filter.tags.extend(other.tags);
    filter.assignee = filter.assignee.take().or(other.assignee);
    filter.created.from = filter.created.from.or(other.created.from);
    filter.created.before = filter.created.before.or(other.created.before);
    filter.updated.from = filter.updated.from.or(other.updated.from);
    filter.updated.before = filter.updated.before.or(other.updated.before);
    filter.in_status_since = filter.in_status_since.or(other.in_status_since);
    filter.email = filter.email.take().or(other.email);
    if filter.words.is_empty() {
        filter.words = other.words;
    }
    query
}

pub(crate) async fn every_two_filters_are_answered_together(setup: &Setup) {
    let singles = singles();
    let pairs = singles.iter().enumerate().flat_map(|(place, one)| {
        let others = singles.iter().skip(place + 1);
        others.map(move |other| and(one, other))
    });
    check(setup, pairs.collect::<Vec<_>>()).await;
}

pub(crate) async fn any_filters_are_answered_in_any_order(setup: &Setup) {
    let singles = singles();
    let sorts: Vec<Sort> = all_sorts().collect();
    let mut dice = Dice::new(7);
    let queries = (0..200).map(|_| {
        let chosen = singles.iter().filter(|_| dice.one_in(3));
        let query = chosen.fold(new(), |query, single| and(&query, single));
        query.sort(*dice.pick(&sorts))
    });
    check(setup, queries.collect::<Vec<_>>()).await;
}

pub(crate) async fn all_filters_are_answered_at_once(setup: &Setup) {
    let desk = setup.desk().await;
    let wanted = |number| {
        lead_with(number, |lead| {
            lead.assigned_to = "u".parse().ok();
            lead.source = "website".parse().ok();
            lead.tags = vec!["VIP".parse().unwrap()];
            lead.email = "anna@example.com".parse().ok();
            lead.phone = "+263 77 123 4567".parse().ok();
            (lead.created_at, lead.updated_at, lead.status_changed_at) = (at(5), at(5), at(5));
        })
    };
    // Each of the others fails one filter.
    let but = |number, change: fn(&mut Lead)| {
        let mut lead = wanted(number);
        change(&mut lead);
        lead
    };
    let leads = [
        wanted(1),
        but(2, |lead| lead.assigned_to = None),
        but(3, |lead| lead.source = None),
        but(4, |lead| lead.tags.clear()),
        but(5, |lead| lead.email = "bob@example.com".parse().ok()),
        but(6, |lead| lead.phone = None),
        but(7, |lead| lead.created_at = at(9)),
        but(8, |lead| lead.updated_at = at(9)),
        but(9, |lead| lead.status_changed_at = at(9)),
        but(10, |lead| lead.status = LeadStatus::LOST),
        but(11, |lead| lead.archived_at = Some(at(9))),
    ];
    desk.create(&leads).await;
    let query = new()
        .assigned_to("u")
        .source("website")
        .tag("vip")
        .email("anna@example.com")
        .search("771234567")
        .created_from(at(5))
        .created_before(at(6))
        .updated_from(at(5))
        .updated_before(at(6))
        .in_status_since(at(5))
        .status("new");
    for sort in all_sorts() {
        assert_eq!(desk.numbers(&query.clone().sort(sort)).await, [1], "{sort}");
    }
    assert_eq!(desk.count(&query).await, 1);
}

pub(crate) async fn as_many_values_are_taken_as_a_filter_may_have(setup: &Setup) {
    let (desk, leads) = settled(setup).await;
    let order = desk.order().await;
    let many = (0..crate::query::MAX_VALUES - 1).map(|number| format!("x{number}"));
    let sources = many
        .clone()
        .fold(new().source("website"), LeadQuery::source);
    desk.answers(&leads, &order, &sources).await;
    let statuses = new().statuses(many.chain(["new".to_owned()]));
    desk.answers(&leads, &order, &statuses).await;
    desk.answers(
        &leads,
        &order,
        &statuses.assigned_to("u").sort(Sort::name()),
    )
    .await;
}
