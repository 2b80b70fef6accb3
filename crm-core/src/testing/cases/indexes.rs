//! Lists follow every change of a lead: by its new values it is found, by its old ones no more.

use super::prelude::*;
use crate::lead::EmailAddress;

/// Changes a lead among others, and checks by which queries it is found before and after.
async fn follows(
    setup: &Setup,
    first: impl FnOnce(&mut Lead),
    then: impl FnOnce(&mut Lead),
    before: LeadQuery,
    after: LeadQuery,
) {
    let desk = setup.desk().await;
    let known = plain_with(30, first);
    let others: Vec<Lead> = (1..=3).map(plain).collect();
    desk.create(others.iter().chain([&known])).await;
    let shelves = |query: &LeadQuery| query.clone().archived(Archived::Include);
    let (before, after) = (shelves(&before), shelves(&after));
    assert_eq!(desk.numbers(&before).await, [30]);
    assert_eq!(desk.numbers(&after).await, NOBODY);
    let known = desk.update(&known, then).await;
    assert_eq!(desk.numbers(&before).await, NOBODY, "found by what it was");
    assert_eq!(desk.numbers(&after).await, [30], "not found by what it is");
    assert_eq!(
        (desk.count(&before).await, desk.count(&after).await),
        (0, 1)
    );
    let all: Vec<Lead> = others.into_iter().chain([known.clone()]).collect();
    desk.holds(&all).await;
    desk.delete(&known).await;
    assert_eq!(desk.numbers(&after).await, NOBODY);
    desk.holds(&all[..3]).await;
}

fn new() -> LeadQuery {
    LeadQuery::new()
}

pub(crate) async fn a_change_of_status_is_followed(setup: &Setup) {
    let then = |lead: &mut Lead| lead.status = LeadStatus::LOST;
    let first = |lead: &mut Lead| lead.status = LeadStatus::WON;
    follows(
        setup,
        first,
        then,
        new().status("won"),
        new().status("lost"),
    )
    .await;
}

pub(crate) async fn a_change_of_user_is_followed(setup: &Setup) {
    let first = |lead: &mut Lead| lead.assigned_to = "anna".parse().ok();
    let then = |lead: &mut Lead| lead.assigned_to = "bob".parse().ok();
    follows(
        setup,
        first,
        then,
        new().assigned_to("anna"),
        new().assigned_to("bob"),
    )
    .await;
}

pub(crate) async fn a_change_of_user_within_a_status_is_followed(setup: &Setup) {
    let first = |lead: &mut Lead| lead.assigned_to = "anna".parse().ok();
    let then = |lead: &mut Lead| lead.assigned_to = "bob".parse().ok();
    let of = |user: &str| new().assigned_to(user).status("new").sort(Sort::updated());
    follows(setup, first, then, of("anna"), of("bob")).await;
}

pub(crate) async fn a_change_of_source_is_followed(setup: &Setup) {
    let first = |lead: &mut Lead| lead.source = "website".parse().ok();
    let then = |lead: &mut Lead| lead.source = "event".parse().ok();
    follows(
        setup,
        first,
        then,
        new().source("website"),
        new().source("event"),
    )
    .await;
}

pub(crate) async fn a_change_of_tags_is_followed(setup: &Setup) {
    let first = |lead: &mut Lead| lead.tags = vec!["one".parse().unwrap(), "two".parse().unwrap()];
    let then = |lead: &mut Lead| lead.tags = vec!["two".parse().unwrap(), "new".parse().unwrap()];
    follows(setup, first, then, new().tag("one"), new().tag("new")).await;
}

pub(crate) async fn a_change_of_e_mail_is_followed(setup: &Setup) {
    let address = |text: &str| Some(text.parse::<EmailAddress>().unwrap());
    let first = |lead: &mut Lead| lead.email = address("a@example.com");
    let then = |lead: &mut Lead| lead.email = address("b@example.com");
    follows(
        setup,
        first,
        then,
        new().email("a@example.com"),
        new().email("b@example.com"),
    )
    .await;
}

pub(crate) async fn a_change_of_name_in_a_search_is_followed(setup: &Setup) {
    let first = |lead: &mut Lead| lead.last_name = Some("Miller".into());
    let then = |lead: &mut Lead| lead.last_name = Some("Smith".into());
    follows(
        setup,
        first,
        then,
        new().search("miller"),
        new().search("smith"),
    )
    .await;
}

pub(crate) async fn a_change_of_phone_in_a_search_is_followed(setup: &Setup) {
    let first = |lead: &mut Lead| lead.phone = "+263 77 123 4567".parse().ok();
    let then = |lead: &mut Lead| lead.phone = "+44 20 7946 0000".parse().ok();
    follows(
        setup,
        first,
        then,
        new().search("1234567"),
        new().search("79460000"),
    )
    .await;
}

pub(crate) async fn a_move_to_the_archive_is_followed(setup: &Setup) {
    let desk = setup.desk().await;
    let known = lead(1);
    desk.create(&[known.clone(), lead(2)]).await;
    let archived = desk
        .update(&known, |lead| lead.archived_at = Some(at(50)))
        .await;
    for sort in all_sorts() {
        assert_eq!(desk.numbers(&new().sort(sort)).await, [2], "{sort}");
        let only = new().archived(Archived::Only).sort(sort);
        assert_eq!(desk.numbers(&only).await, [1], "{sort}");
    }
    desk.holds(&[archived.clone(), lead(2)]).await;
    let back = desk.update(&archived, |lead| lead.archived_at = None).await;
    desk.holds(&[back, lead(2)]).await;
}

pub(crate) async fn a_change_of_time_is_followed(setup: &Setup) {
    let first = |lead: &mut Lead| lead.updated_at = at(40);
    let then = |lead: &mut Lead| lead.updated_at = at(90);
    let before = new().updated_from(at(40)).updated_before(at(41));
    follows(setup, first, then, before, new().updated_from(at(90))).await;
}

pub(crate) async fn a_change_of_place_in_every_order_is_followed(setup: &Setup) {
    let desk = setup.desk().await;
    let mut leads = village();
    desk.create(&leads).await;
    for number in [1usize, 7, 22, 40] {
        let donor = leads[number + 11].clone();
        leads[number] = desk
            .update(&leads[number], |lead| {
                lead.first_name.clone_from(&donor.first_name);
                lead.last_name.clone_from(&donor.last_name);
                lead.company = Some("Moved".into());
                lead.email.clone_from(&donor.email);
                lead.value = donor.value;
                lead.status = donor.status;
                lead.status_changed_at = donor.status_changed_at;
            })
            .await;
    }
    desk.holds(&leads).await;
}

pub(crate) async fn a_change_of_each_field_alone_is_followed(setup: &Setup) {
    let desk = setup.desk().await;
    let mut leads: Vec<Lead> = (1..=3).map(lead).collect();
    desk.create(&leads).await;
    let changes: [fn(&mut Lead); 12] = [
        |lead| lead.first_name = Some("Zoë".into()),
        |lead| lead.last_name = Some("Ahlberg".into()),
        |lead| lead.email = "zoe@example.com".parse().ok(),
        |lead| lead.company = Some("Zebra".into()),
        |lead| lead.phone = "+46 70 123 45 67".parse().ok(),
        |lead| lead.source = "trade_show".parse().ok(),
        |lead| lead.assigned_to = "user_zoe".parse().ok(),
        |lead| lead.value = usd(7),
        |lead| lead.tags = vec!["Zoo".parse().unwrap()],
        |lead| lead.status = LeadStatus::LOST,
        |lead| lead.status_changed_at = at(1_000),
        |lead| lead.archived_at = Some(at(1_001)),
    ];
    for change in changes {
        leads[1] = desk.update(&leads[1], change).await;
        desk.holds(&leads).await;
    }
}

pub(crate) async fn a_value_that_comes_and_goes_is_followed(setup: &Setup) {
    let desk = setup.desk().await;
    let bare = plain(1);
    desk.create([&bare, &lead(2)]).await;
    let full = desk
        .update(&bare, |lead| {
            lead.first_name = Some("Anna".into());
            lead.email = "anna@example.com".parse().ok();
            lead.value = usd(100);
            lead.source = "event".parse().ok();
            lead.assigned_to = "u".parse().ok();
            lead.phone = "112".parse().ok();
            lead.tags = vec!["VIP".parse().unwrap()];
        })
        .await;
    desk.holds(&[full.clone(), lead(2)]).await;
    let bare = desk
        .update(&full, |lead| {
            lead.first_name = None;
            lead.email = None;
            lead.value = None;
            lead.source = None;
            lead.assigned_to = None;
            lead.phone = None;
            lead.tags.clear();
        })
        .await;
    desk.holds(&[bare, lead(2)]).await;
}

pub(crate) async fn many_changes_are_followed(setup: &Setup) {
    let desk = setup.desk().await;
    let mut leads = village();
    desk.create(&leads).await;
    let templates = village();
    let mut dice = Dice::new(3);
    for _ in 0..120 {
        let place = usize::try_from(dice.below(leads.len().try_into().unwrap())).unwrap();
        if dice.one_in(6) {
            let gone = leads.swap_remove(place);
            desk.delete(&gone).await;
            continue;
        }
        let template = dice.pick(&templates).clone();
        let known = leads[place].clone();
        leads[place] = desk
            .update(&known, |lead| {
                let (id, version) = (lead.id, lead.version);
                *lead = template;
                (lead.id, lead.version) = (id, version);
            })
            .await;
    }
    desk.holds(&leads).await;
}
