//! Every order, in both directions.

use super::prelude::*;

async fn check(setup: &Setup, sort: Sort) {
    let desk = setup.desk().await;
    let leads = village();
    desk.create(&leads).await;
    let order = desk.order().await;
    for sort in [sort.ascending(), sort.descending()] {
        for shelf in SHELVES {
            let query = LeadQuery::new().sort(sort).archived(shelf);
            desk.answers(&leads, &order, &query).await;
            let found = naive::found(&leads, &query, &order);
            let paged = desk.pages(&query, 7, async |_| {}).await;
            assert_eq!(numbers(&paged), numbers(found), "{sort}");
        }
    }
}

pub(crate) async fn leads_sort_by_creation(setup: &Setup) {
    check(setup, Sort::created()).await;
}

pub(crate) async fn leads_sort_by_last_change(setup: &Setup) {
    check(setup, Sort::updated()).await;
}

pub(crate) async fn leads_sort_by_change_of_status(setup: &Setup) {
    check(setup, Sort::status_changed()).await;
}

pub(crate) async fn leads_sort_by_name_those_without_last(setup: &Setup) {
    check(setup, Sort::name()).await;
}

pub(crate) async fn leads_sort_by_company_those_without_last(setup: &Setup) {
    check(setup, Sort::company()).await;
}

pub(crate) async fn leads_sort_by_e_mail_those_without_last(setup: &Setup) {
    check(setup, Sort::email()).await;
}

pub(crate) async fn leads_sort_by_the_place_of_their_status(setup: &Setup) {
    check(setup, Sort::status()).await;
}

pub(crate) async fn leads_sort_by_value_those_without_last(setup: &Setup) {
    check(setup, Sort::value()).await;
}

/// Leads sorted by one field, of which these are the values in ascending order; `None` is last.
async fn ordered<T: Clone>(
    setup: &Setup,
    sort: Sort,
    values: &[Option<T>],
    set: impl Fn(&mut Lead, Option<T>),
) {
    let desk = setup.desk().await;
    // Numbers run against the order, so that none of it can come from the ids.
    let count = u64::try_from(values.len()).unwrap();
    let leads: Vec<Lead> = (1..=count)
        .rev()
        .zip(values)
        .map(|(number, value)| lead_with(number, |lead| set(lead, value.clone())))
        .collect();
    desk.create(&leads).await;
    let ascending = numbers(&leads);
    let (some, none): (Vec<u64>, Vec<u64>) = ascending
        .iter()
        .partition(|number| values[usize::try_from(count - **number).unwrap()].is_some());
    let up = LeadQuery::new().sort(sort.ascending());
    let nulls_up = none.iter().rev();
    assert_eq!(
        desk.numbers(&up).await,
        some.iter().chain(nulls_up).copied().collect::<Vec<_>>()
    );
    let down = LeadQuery::new().sort(sort.descending());
    assert_eq!(
        desk.numbers(&down).await,
        some.iter().rev().chain(&none).copied().collect::<Vec<_>>()
    );
}

pub(crate) async fn texts_sort_by_their_folded_bytes(setup: &Setup) {
    let companies = [
        "1 & 1",
        "100",
        "20",
        "_under",
        "Ac",
        "acme",
        "ACME 2",
        "Ärzte",
        "azur",
        "Zebra",
        "Österling",
        "straße 1",
        "STRASSE 2",
        "Ωmega",
        "Жук",
        "日本",
        "𝄞 Musik",
    ];
    let mut sorted = companies;
    sorted.sort_by_key(|company| crate::text::sort_key(company));
    let values: Vec<_> = sorted.into_iter().map(Some).chain([None, None]).collect();
    ordered(setup, Sort::company(), &values, |lead, company| {
        lead.company = company.map(ToOwned::to_owned);
    })
    .await;
}

pub(crate) async fn a_name_that_begins_another_comes_first(setup: &Setup) {
    let names = [
        ("Do", "Zoë"),
        ("Doe", "Anna"),
        ("doe", "Bob"),
        ("Doe Smith", "Anna"),
        ("Doerr", "Anna"),
    ];
    ordered(setup, Sort::name(), &names.map(Some), |lead, name| {
        let (last, first) = name.unzip();
        lead.last_name = last.map(ToOwned::to_owned);
        lead.first_name = first.map(ToOwned::to_owned);
    })
    .await;
}

pub(crate) async fn one_name_sorts_as_the_last(setup: &Setup) {
    let names = [
        (None, Some("Adler")),
        (Some("Berg"), None),
        (Some("Cole"), Some("Anna")),
    ];
    let values: Vec<_> = names.into_iter().map(Some).chain([None]).collect();
    ordered(setup, Sort::name(), &values, |lead, name| {
        let (last, first) = name.unwrap_or_default();
        lead.last_name = last.map(ToOwned::to_owned);
        lead.first_name = first.map(ToOwned::to_owned);
    })
    .await;
}

pub(crate) async fn values_sort_by_currency_then_amount(setup: &Setup) {
    let most = crate::lead::limits::MAX_MINOR_UNITS;
    let money = |minor, code| Some(Money::new(minor, code).unwrap());
    let values = [
        money(0, "EUR"),
        money(9, "EUR"),
        money(10, "EUR"),
        money(most, "EUR"),
        money(5, "JPY"),
        money(0, "USD"),
        money(255, "USD"),
        money(256, "USD"),
        None,
        None,
    ];
    ordered(setup, Sort::value(), &values, |lead, value| {
        lead.value = value;
    })
    .await;
}

pub(crate) async fn times_sort_before_1970_and_to_the_microsecond(setup: &Setup) {
    let times = [
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999998Z",
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00.000001Z",
        "2026-03-01T12:00:00.000255Z",
        "2026-03-01T12:00:00.000256Z",
        "9999-12-31T23:59:59.999999Z",
    ];
    let values = times.map(|time| Some(time.parse::<chrono::DateTime<chrono::Utc>>().unwrap()));
    ordered(setup, Sort::updated(), &values, |lead, time| {
        lead.updated_at = time.unwrap();
    })
    .await;
}

async fn tied(setup: &Setup, change: impl Fn(&mut Lead)) {
    let desk = setup.desk().await;
    let numbers: [u64; 6] = [3, 255, 256, 65_535, 65_536, 1_000_000];
    let leads = numbers.map(|number| {
        plain_with(number, |lead| {
            (lead.created_at, lead.updated_at, lead.status_changed_at) = (at(0), at(0), at(0));
            change(lead);
        })
    });
    desk.create(leads.iter().rev()).await;
    let mut reversed = numbers;
    reversed.reverse();
    for sort in all_sorts() {
        let expected = match sort.direction {
            Direction::Ascending => numbers,
            Direction::Descending => reversed,
        };
        let query = LeadQuery::new().sort(sort);
        assert_eq!(desk.numbers(&query).await, expected, "{sort}");
        let paged = desk.pages(&query, 1, async |_| {}).await;
        assert_eq!(
            super::prelude::numbers(&paged),
            expected,
            "{sort}, one by one"
        );
    }
}

pub(crate) async fn equal_leads_follow_their_ids(setup: &Setup) {
    tied(setup, |lead| {
        lead.first_name = Some("Anna".into());
        lead.email = "anna@example.com".parse().ok();
        lead.value = usd(5);
    })
    .await;
}

pub(crate) async fn leads_without_values_follow_their_ids(setup: &Setup) {
    tied(setup, |_| {}).await;
}

pub(crate) async fn leads_that_differ_beyond_the_key_follow_their_ids(setup: &Setup) {
    let desk = setup.desk().await;
    let long =
        |number, end: &str| lead_with(number, |lead| lead.company = Some("é".repeat(150) + end));
    let leads = [long(1, "z"), long(2, "y"), long(3, "x")];
    desk.create(&leads).await;
    assert_eq!(
        desk.numbers(&LeadQuery::new().sort(Sort::company())).await,
        [1, 2, 3]
    );
    let down = LeadQuery::new().sort(Sort::company().descending());
    assert_eq!(desk.numbers(&down).await, [3, 2, 1]);
    let paged = desk.pages(&down, 1, async |_| {}).await;
    assert_eq!(numbers(&paged), [3, 2, 1]);
}

pub(crate) async fn an_order_of_statuses_is_followed_as_soon_as_it_is_stored(setup: &Setup) {
    let desk = setup.desk().await;
    let slugs = ["new", "contacted", "qualified", "won"];
    let leads: Vec<Lead> = (1..)
        .zip(slugs)
        .map(|(number, slug)| lead_with(number, |lead| lead.status = slug.parse().unwrap()))
        .collect();
    desk.create(&leads).await;
    let query = LeadQuery::new().sort(Sort::status());
    assert_eq!(desk.numbers(&query).await, [1, 2, 3, 4]);
    desk.edit(|edit| edit.move_to("won", 0).move_to("contacted", 9))
        .await;
    assert_eq!(desk.numbers(&query).await, [4, 1, 3, 2]);
    let down = query.sort(Sort::status().descending());
    assert_eq!(desk.numbers(&down).await, [2, 3, 1, 4]);
}
