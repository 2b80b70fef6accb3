//! Totals, equal to counting one by one.

use super::prelude::*;

async fn village_desk(setup: &Setup) -> (Desk, Vec<Lead>) {
    let desk = setup.desk().await;
    let leads = village();
    desk.create(&leads).await;
    (desk, leads)
}

pub(crate) async fn status_totals_equal_counting(setup: &Setup) {
    let (desk, leads) = village_desk(setup).await;
    let totals = desk.totals(None).await;
    assert_eq!(totals, naive::totals(&leads, None));
    assert_eq!(totals.len(), 6, "the village has leads in every status");
}

pub(crate) async fn a_user_s_totals_equal_counting(setup: &Setup) {
    let (desk, leads) = village_desk(setup).await;
    for user in ["u", "u2", "user 456 with a long id", "nobody else"] {
        let expected = naive::totals(&leads, Some(&user.parse().unwrap()));
        assert_eq!(desk.totals(Some(user)).await, expected, "{user}");
    }
}

pub(crate) async fn no_leads_make_no_totals(setup: &Setup) {
    let desk = setup.desk().await;
    assert_eq!(desk.totals(None).await, []);
    desk.create([&lead(1)]).await;
    desk.delete(&lead(1)).await;
    assert_eq!(desk.totals(None).await, []);
}

pub(crate) async fn archived_leads_are_not_in_totals(setup: &Setup) {
    let desk = setup.desk().await;
    let known = lead_with(1, |lead| lead.value = usd(700));
    desk.create(&[known.clone(), lead(2)]).await;
    let archived = desk
        .update(&known, |lead| lead.archived_at = Some(at(9)))
        .await;
    assert_eq!(desk.totals(None).await, naive::totals(&[lead(2)], None));
    let back = desk.update(&archived, |lead| lead.archived_at = None).await;
    assert_eq!(
        desk.totals(None).await,
        naive::totals(&[lead(2), back], None)
    );
}

pub(crate) async fn totals_follow_every_change(setup: &Setup) {
    let desk = setup.desk().await;
    let other = lead_with(2, |lead| lead.value = usd(1));
    let mut known = lead(1);
    desk.create(&[known.clone(), other.clone()]).await;
    let steps: [fn(&mut Lead); 8] = [
        |lead| lead.value = usd(500),
        |lead| lead.value = Some(Money::new(500, "EUR").unwrap()),
        |lead| lead.status = LeadStatus::WON,
        |lead| lead.assigned_to = "anna".parse().ok(),
        |lead| lead.assigned_to = "bob".parse().ok(),
        |lead| (lead.status, lead.value) = (LeadStatus::NEW, usd(3)),
        |lead| lead.value = None,
        |lead| lead.assigned_to = None,
    ];
    for step in steps {
        known = desk.update(&known, step).await;
        let leads = [known.clone(), other.clone()];
        assert_eq!(desk.totals(None).await, naive::totals(&leads, None));
        for user in ["anna", "bob"] {
            let expected = naive::totals(&leads, Some(&user.parse().unwrap()));
            assert_eq!(desk.totals(Some(user)).await, expected, "{user}");
        }
    }
    desk.delete(&known).await;
    assert_eq!(desk.totals(None).await, naive::totals(&[other], None));
}

pub(crate) async fn currencies_are_added_apart_and_sorted_by_code(setup: &Setup) {
    let desk = setup.desk().await;
    let codes = ["USD", "EUR", "JPY", "CHF", "EUR", "USD"];
    let leads: Vec<Lead> = (1..)
        .zip(codes)
        .map(|(number, code)| lead_with(number, |lead| lead.value = Money::new(7, code).ok()))
        .collect();
    desk.create(&leads).await;
    let totals = desk.totals(None).await;
    let told: Vec<_> = totals[0]
        .values
        .iter()
        .map(|(code, sum)| (code.code(), *sum))
        .collect();
    assert_eq!(told, [("CHF", 7), ("EUR", 14), ("JPY", 7), ("USD", 14)]);
}

pub(crate) async fn a_currency_that_adds_up_to_nothing_is_left_out(setup: &Setup) {
    let desk = setup.desk().await;
    let (free, paid) = (
        lead_with(1, |lead| lead.value = usd(0)),
        lead_with(2, |lead| lead.value = usd(5)),
    );
    desk.create([&free]).await;
    assert_eq!(desk.totals(None).await[0].values, []);
    desk.create([&paid]).await;
    assert_eq!(desk.totals(None).await[0].values.len(), 1);
    desk.delete(&paid).await;
    assert_eq!(desk.totals(None).await[0].values, []);
}

pub(crate) async fn sums_go_beyond_64_bits(setup: &Setup) {
    let desk = setup.desk().await;
    let most = crate::lead::limits::MAX_MINOR_UNITS;
    let count = 1_100;
    let leads: Vec<Lead> = (1..=count)
        .map(|number| plain_with(number, |lead| lead.value = usd(most)))
        .collect();
    desk.create(&leads).await;
    let expected = i128::from(most) * i128::from(count);
    assert!(expected > i128::from(i64::MAX));
    assert_eq!(desk.totals(None).await[0].values[0].1, expected);
}

pub(crate) async fn statuses_come_in_the_order_of_their_slugs(setup: &Setup) {
    let (desk, _) = village_desk(setup).await;
    let totals = desk.totals(None).await;
    let slugs: Vec<_> = totals.iter().map(|total| total.status.as_str()).collect();
    assert_eq!(
        slugs,
        ["contacted", "lost", "new", "proposal", "qualified", "won"]
    );
}

pub(crate) async fn counts_equal_counting(setup: &Setup) {
    let (desk, leads) = village_desk(setup).await;
    for shelf in SHELVES {
        for query in [
            LeadQuery::new(),
            LeadQuery::new().status("new"),
            LeadQuery::new().statuses(["won", "lost", "nowhere"]),
            LeadQuery::new().assigned_to("u"),
            LeadQuery::new().unassigned(),
            LeadQuery::new()
                .assigned_to("u2")
                .statuses(["new", "qualified"]),
            LeadQuery::new().source("event"),
            LeadQuery::new().tag("vip").status("new"),
            LeadQuery::new().search("an"),
        ] {
            let query = query.archived(shelf);
            let expected = naive::count(&leads, query.filter());
            assert_eq!(desk.count(&query).await, expected, "{query:?}");
        }
    }
}

pub(crate) async fn a_change_without_effect_on_totals_leaves_them(setup: &Setup) {
    let (desk, mut leads) = village_desk(setup).await;
    let before = desk.totals(None).await;
    leads[0] = desk
        .update(&leads[0], |lead| lead.notes = Some("called".into()))
        .await;
    assert_eq!(desk.totals(None).await, before);
    assert_eq!(
        desk.count(&LeadQuery::new().archived(Archived::Include))
            .await,
        60
    );
}
