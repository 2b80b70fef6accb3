//! Tenants never see each other.

use super::prelude::*;
use crate::lead::TenantId;
use crate::repository::{RepositoryError, RepositoryErrorKind, TENANTS_PER_PAGE};
use std::sync::Arc;

/// Two tenants with leads of the same numbers and other contents.
async fn two(setup: &Setup) -> (Desk, Desk) {
    let (acme, other) = (setup.desk().await, setup.desk_of("acme2").await);
    let company = |name: &'static str| move |lead: &mut Lead| lead.company = Some(name.into());
    acme.create(&[lead_with(1, company("Ours")), lead_with(2, company("Ours"))])
        .await;
    other.create(&[lead_with(1, company("Theirs"))]).await;
    (acme, other)
}

pub(crate) async fn the_same_id_is_another_lead_in_another_tenant(setup: &Setup) {
    let (acme, other) = two(setup).await;
    assert_eq!(acme.get(1).await.unwrap().company.unwrap(), "Ours");
    assert_eq!(other.get(1).await.unwrap().company.unwrap(), "Theirs");
    assert_eq!(other.get(2).await, None);
    assert_eq!(other.get_all(&[id(2), id(1)]).await.len(), 1);
}

pub(crate) async fn a_list_shows_one_tenant(setup: &Setup) {
    let (acme, other) = two(setup).await;
    for sort in all_sorts() {
        let query = LeadQuery::new().sort(sort);
        assert_eq!(other.numbers(&query).await, [1], "{sort}");
        assert_eq!(acme.numbers(&query).await.len(), 2, "{sort}");
    }
}

pub(crate) async fn a_total_counts_one_tenant(setup: &Setup) {
    let (acme, other) = two(setup).await;
    let filtered = LeadQuery::new().search("first1");
    for query in [
        LeadQuery::new(),
        LeadQuery::new().status("new"),
        LeadQuery::new().unassigned(),
    ] {
        assert_eq!(
            (acme.count(&query).await, other.count(&query).await),
            (2, 1)
        );
        let page = other.page(&query.total(Total::Exact)).await;
        assert_eq!(page.total.unwrap().count(), 1);
    }
    assert_eq!(
        (acme.count(&filtered).await, other.count(&filtered).await),
        (1, 1)
    );
    assert_eq!(other.totals(None).await[0].leads, 1);
}

pub(crate) async fn an_e_mail_finds_the_leads_of_one_tenant(setup: &Setup) {
    let (acme, other) = two(setup).await;
    let query = LeadQuery::new().email("LEAD2@example.com");
    assert_eq!(acme.numbers(&query).await, [2]);
    assert_eq!(other.numbers(&query).await, NOBODY);
}

pub(crate) async fn a_search_finds_the_leads_of_one_tenant(setup: &Setup) {
    let (acme, other) = two(setup).await;
    assert_eq!(
        other.numbers(&LeadQuery::new().search("ours")).await,
        NOBODY
    );
    assert_eq!(
        acme.numbers(&LeadQuery::new().search("theirs")).await,
        NOBODY
    );
    assert_eq!(
        acme.numbers(&LeadQuery::new().search("ours first2")).await,
        [2]
    );
}

pub(crate) async fn a_history_is_of_one_tenant(setup: &Setup) {
    let (acme, other) = two(setup).await;
    let known = acme.get(1).await.unwrap();
    acme.update(&known, |lead| lead.notes = Some("ours".into()))
        .await;
    assert_eq!(acme.history(1).await.len(), 2);
    assert_eq!(other.history(1).await.len(), 1);
    assert_eq!(other.history(2).await, []);
}

pub(crate) async fn a_feed_is_of_one_tenant(setup: &Setup) {
    let (acme, other) = two(setup).await;
    let leads = |events: Vec<LeadEvent>| -> Vec<u64> {
        events.iter().map(|event| number(event.lead)).collect()
    };
    assert_eq!(leads(acme.feed().await), [1, 2]);
    assert_eq!(leads(other.feed().await), [1]);
}

pub(crate) async fn a_change_reaches_one_tenant(setup: &Setup) {
    let (acme, other) = two(setup).await;
    let theirs = other.snapshot().await;
    let known = acme.get(2).await.unwrap();
    let after = changed(&known, |lead| lead.notes = Some("x".into()));
    let stranger = other.refused(&Draft::new().update(&known, &after)).await;
    assert_eq!(stranger, Kind::NotFound { lead: id(2) });
    acme.update(&known, |lead| lead.status = LeadStatus::WON)
        .await;
    acme.delete(&acme.get(1).await.unwrap()).await;
    assert_eq!(other.snapshot().await, theirs);
}

pub(crate) async fn each_tenant_has_its_lifecycle(setup: &Setup) {
    let (acme, other) = two(setup).await;
    let edited = acme.edit(|edit| edit.add("Demo")).await;
    assert_eq!(acme.lifecycle().await, Some(edited));
    assert_eq!(other.lifecycle().await, Some(Lifecycle::sales()));
    let at = other
        .repository
        .lifecycle_at(&other.tenant, Version::new(2));
    assert_eq!(at.await.unwrap(), None);
    other
        .commit(&Draft::new().checked(1).create(&lead(5)))
        .await;
    let odd = lead_with(6, |lead| lead.status = "demo".parse().unwrap());
    let kind = other.refused(&Draft::new().checked(1).create(&odd)).await;
    assert!(matches!(kind, Kind::UnknownStatus { .. }));
}

pub(crate) async fn each_tenant_has_its_documents(setup: &Setup) {
    let (acme, other) = two(setup).await;
    acme.commit(&Draft::new().put(KEY, None, b"ours")).await;
    assert_eq!(other.document(KEY).await, None);
    other.commit(&Draft::new().put(KEY, None, b"theirs")).await;
    acme.commit(&Draft::new().remove(KEY, 1)).await;
    assert_eq!(other.document(KEY).await.unwrap().bytes, b"theirs");
}

pub(crate) async fn a_cursor_of_another_tenant_is_refused(setup: &Setup) {
    let (acme, other) = two(setup).await;
    let query = LeadQuery::new().limit(1);
    let next = acme.page(&query).await.next.unwrap();
    let kind = other.page_error(&query.after(next)).await;
    assert_eq!(kind, Kind::InvalidCursor(InvalidCursor::OtherQuery));
}

pub(crate) async fn a_feed_cursor_of_another_tenant_is_refused(setup: &Setup) {
    let (acme, other) = two(setup).await;
    let feed = |desk: &Desk, after: Option<EventCursor>| {
        let (repository, tenant) = (Arc::clone(&desk.repository), desk.tenant.clone());
        async move { repository.events(&tenant, after.as_ref(), Limit::MAX).await }
    };
    let cursor = feed(&acme, None).await.unwrap().cursor;
    assert!(cursor.is_some());
    for desk in [&other, &setup.empty("nobody")] {
        let refused = feed(desk, cursor).await.unwrap_err();
        let kind = Kind::InvalidCursor(InvalidCursor::OtherQuery);
        assert_eq!(*refused.kind(), kind);
    }
    assert_eq!(feed(&acme, cursor).await.unwrap().events, []);
}

pub(crate) async fn what_does_not_exist_reads_as_empty(setup: &Setup) {
    let nobody = setup.empty("nobody");
    assert_eq!(nobody.all().await, []);
    assert_eq!(nobody.get(1).await, None);
    assert_eq!(nobody.count(&LeadQuery::new().search("x")).await, 0);
    assert_eq!(nobody.history(1).await, []);
    assert_eq!(nobody.feed().await, []);
    assert_eq!(nobody.totals(None).await, []);
    assert_eq!(nobody.lifecycle().await, None);
    assert_eq!(nobody.document(KEY).await, None);
    assert_eq!(
        nobody
            .page(&LeadQuery::new().total(Total::Exact))
            .await
            .total
            .unwrap()
            .count(),
        0
    );
    let wrong = nobody.page_error(&LeadQuery::new().email("no")).await;
    assert!(matches!(wrong, Kind::InvalidQuery(_)), "{wrong:?}");
    assert_eq!(nobody.repository.tenants(None).await.unwrap(), NO_TENANTS);
}

pub(crate) async fn a_tenant_exists_from_its_first_commit_on(setup: &Setup) {
    let desk = setup.empty("acme");
    desk.error(&Draft::new().create(&lead(1))).await;
    assert_eq!(desk.repository.tenants(None).await.unwrap(), NO_TENANTS);
    desk.commit(&Draft::new().put(KEY, None, b"")).await;
    let tenants = desk.repository.tenants(None).await.unwrap();
    assert_eq!(tenants, std::slice::from_ref(&desk.tenant));
}

/// Ids that a careless key, pattern or collation takes for one another.
const ALIKE: [&str; 14] = [
    "a", "A", "a a", "a%", "a-b", "a/b", "a:b", "a_b", "aa", "ab", "b", "é", "e\u{301}", "𝄞",
];

pub(crate) async fn tenants_that_look_alike_are_apart(setup: &Setup) {
    for (place, tenant) in ALIKE.into_iter().enumerate() {
        let desk = setup.desk_of(tenant).await;
        let place = u64::try_from(place).unwrap();
        desk.create(&[
            lead(1),
            lead_with(100 + place, |lead| lead.company = Some("Acme".into())),
        ])
        .await;
    }
    for (place, tenant) in ALIKE.into_iter().enumerate() {
        let desk = setup.empty(tenant);
        let place = u64::try_from(place).unwrap();
        let by_name = LeadQuery::new().sort(Sort::name());
        assert_eq!(desk.numbers(&by_name).await, [1, 100 + place], "{tenant}");
        assert_eq!(
            desk.numbers(&LeadQuery::new().search("acme")).await,
            [100 + place]
        );
        assert_eq!(
            desk.count(&LeadQuery::new().status("new")).await,
            2,
            "{tenant}"
        );
        assert_eq!(desk.feed().await.len(), 2, "{tenant}");
    }
}

async fn listed(desk: &Desk) -> Vec<String> {
    let mut names: Vec<TenantId> = Vec::new();
    loop {
        let page = desk.repository.tenants(names.last()).await.unwrap();
        let is_last = page.len() < TENANTS_PER_PAGE;
        assert!(page.len() <= TENANTS_PER_PAGE);
        assert!(
            is_last || page.last() != names.last(),
            "it ends where it began"
        );
        names.extend(page);
        if is_last {
            return names.iter().map(ToString::to_string).collect();
        }
    }
}

pub(crate) async fn tenants_are_listed_in_byte_order(setup: &Setup) {
    let mut expected: Vec<String> = ALIKE.iter().map(ToString::to_string).collect();
    for tenant in ALIKE.iter().rev() {
        setup.desk_of(tenant).await;
    }
    expected.sort_unstable();
    let desk = setup.empty("zzz");
    assert_eq!(listed(&desk).await, expected);
    let after: TenantId = "a_".parse().unwrap();
    let rest = desk.repository.tenants(Some(&after)).await.unwrap();
    let rest: Vec<String> = rest.iter().map(ToString::to_string).collect();
    let later = expected.iter().filter(|name| name.as_str() > "a_");
    assert_eq!(
        rest,
        later.cloned().collect::<Vec<_>>(),
        "after one that does not exist"
    );
}

pub(crate) async fn more_tenants_than_a_page_holds_are_all_listed(setup: &Setup) {
    let count = TENANTS_PER_PAGE + 3;
    let mut expected = Vec::new();
    for number in 0..count {
        let tenant = format!("tenant-{number:04}");
        setup
            .empty(&tenant)
            .commit(&Draft::new().put(KEY, None, b""))
            .await;
        expected.push(tenant);
    }
    let desk = setup.empty("zzz");
    let first = desk.repository.tenants(None).await.unwrap();
    assert_eq!(first.len(), TENANTS_PER_PAGE);
    assert_eq!(listed(&desk).await, expected);
}

async fn erase(desk: &Desk) -> Result<(), RepositoryError> {
    desk.repository.erase_tenant(&desk.tenant).await
}

pub(crate) async fn an_erased_tenant_leaves_nothing(setup: &Setup) {
    let (acme, other) = two(setup).await;
    let theirs = other.snapshot().await;
    acme.edit(|edit| edit.add("Demo")).await;
    acme.commit(&Draft::new().put(KEY, None, b"x")).await;
    let draft = Draft::new().create(&lead_with(8, |lead| lead.value = usd(5)));
    acme.commit(&draft).await;
    acme.delete(&acme.get(1).await.unwrap()).await;
    erase(&acme).await.unwrap();

    let acme = setup.empty("acme");
    assert_eq!(
        acme.snapshot().await,
        setup.empty("nobody").snapshot().await
    );
    assert_eq!(acme.history(1).await, []);
    assert_eq!(acme.history(8).await, []);
    for version in [1, 2] {
        let at = acme
            .repository
            .lifecycle_at(&acme.tenant, Version::new(version));
        assert_eq!(at.await.unwrap(), None);
    }
    let commit = draft.set().commit();
    assert_eq!(
        acme.repository
            .committed(&acme.tenant, commit)
            .await
            .unwrap(),
        None
    );
    let tenants = acme.repository.tenants(None).await.unwrap();
    assert_eq!(tenants, std::slice::from_ref(&other.tenant));
    assert_eq!(other.snapshot().await, theirs);
}

pub(crate) async fn an_erased_tenant_can_begin_anew(setup: &Setup) {
    let (acme, _) = two(setup).await;
    let draft = Draft::new().create(&lead(8));
    acme.commit(&draft).await;
    acme.delete(&acme.get(1).await.unwrap()).await;
    erase(&acme).await.unwrap();
    let acme = setup.desk().await;
    acme.create(&[lead(1), lead(2)]).await;
    assert_eq!(acme.commit(&draft).await.applied, Applied::Now);
    acme.holds(&[lead(1), lead(2), lead(8)]).await;
    assert_eq!(acme.feed().await.len(), 3);
}

/// The lead of that id is now another one: of the same version, but of another time.
pub(crate) async fn what_was_planned_before_an_erasure_leaves_right_keys(setup: &Setup) {
    for is_deletion in [false, true] {
        let acme = setup.desk().await;
        let old = lead_with(1, |lead| {
            lead.company = Some("Olden".into());
            lead.tags = ["old".parse().unwrap()].into();
            lead.value = usd(5);
        });
        acme.create([&old]).await;
        let after = changed(&old, |lead| lead.company = Some("Later".into()));
        let planned = match is_deletion {
            true => Draft::new().delete(&old),
            false => Draft::new().update(&old, &after),
        };
        erase(&acme).await.unwrap();

        let acme = setup.desk().await;
        let new = lead_with(1, |lead| {
            lead.company = Some("Newer".into());
            lead.status = LeadStatus::CONTACTED;
            lead.assigned_to = "anna".parse().ok();
            for time in [
                &mut lead.created_at,
                &mut lead.updated_at,
                &mut lead.status_changed_at,
            ] {
                *time = at(500);
            }
        });
        acme.create([&new]).await;
        match acme.try_commit(&planned).await {
            Ok(_) if is_deletion => acme.holds(&[]).await,
            Ok(_) => acme.holds(&[after]).await,
            Err(error) => {
                let kind = error.kind();
                let is_conflict = matches!(kind, RepositoryErrorKind::Conflict { .. });
                assert!(is_conflict, "{kind:?}");
                acme.holds(&[new]).await;
            }
        }
        erase(&acme).await.unwrap();
    }
}

pub(crate) async fn erasing_nobody_does_nothing(setup: &Setup) {
    let (acme, other) = two(setup).await;
    let before = (acme.snapshot().await, other.snapshot().await);
    let nobody = setup.empty("acm");
    erase(&nobody).await.unwrap();
    erase(&nobody).await.unwrap();
    assert_eq!((acme.snapshot().await, other.snapshot().await), before);
}
