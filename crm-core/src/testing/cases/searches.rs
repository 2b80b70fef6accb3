//! Text search: the same on every backend, whatever its engine thinks of language.

use super::prelude::*;

/// Stores leads known by these names, numbered from one.
async fn named(setup: &Setup, names: &[&str]) -> Desk {
    let desk = setup.desk().await;
    let leads: Vec<Lead> = (1..)
        .zip(names)
        .map(|(number, name)| plain_with(number, |lead| lead.company = Some((*name).to_owned())))
        .collect();
    desk.create(&leads).await;
    desk
}

async fn finds(desk: &Desk, text: &str, expected: &[u64]) {
    let query = LeadQuery::new().search(text).sort(Sort::created());
    assert_eq!(desk.numbers(&query).await, expected, "{text}");
    let count = u64::try_from(expected.len()).unwrap();
    assert_eq!(desk.count(&query).await, count, "{text}");
}

pub(crate) async fn accents_do_not_matter(setup: &Setup) {
    let desk = named(setup, &["José", "Jose\u{301}", "Jose", "Josefa", "Joao"]).await;
    for text in ["jose", "JOSÉ", "Jose\u{301}", "josé"] {
        finds(&desk, text, &[1, 2, 3, 4]).await;
    }
    finds(&desk, "joão", &[5]).await;
}

pub(crate) async fn case_does_not_matter(setup: &Setup) {
    let desk = named(
        setup,
        &[
            "Straße",
            "STRASSE",
            "ΣΊΣΥΦΟΣ",
            "σίσυφος",
            "İstanbul",
            "ЁЛКА",
        ],
    )
    .await;
    finds(&desk, "strasse", &[1, 2]).await;
    finds(&desk, "STRAß", &[1, 2]).await;
    finds(&desk, "σισυφος", &[3, 4]).await;
    finds(&desk, "istanbul", &[5]).await;
    finds(&desk, "елка", &[6]).await;
}

pub(crate) async fn a_word_is_found_by_its_beginning(setup: &Setup) {
    let desk = named(setup, &["Annabel", "Anna", "Hanna", "Joanna Ann"]).await;
    finds(&desk, "ann", &[1, 2, 4]).await;
    finds(&desk, "annab", &[1]).await;
    finds(&desk, "anna", &[1, 2]).await;
    finds(&desk, "nna", &[]).await;
    finds(&desk, "annabela", &[]).await;
    finds(&desk, "a", &[1, 2, 4]).await;
}

pub(crate) async fn every_word_must_be_found(setup: &Setup) {
    let desk = named(
        setup,
        &["Acme Trading Ltd", "Acme Ltd", "Trading Ltd", "Ltd"],
    )
    .await;
    finds(&desk, "acme trading", &[1]).await;
    finds(&desk, "ltd trad", &[1, 3]).await;
    finds(&desk, "l a", &[1, 2]).await;
    finds(&desk, "acme trading ltd limited", &[]).await;
}

pub(crate) async fn words_may_be_in_different_fields(setup: &Setup) {
    let desk = setup.desk().await;
    let mut anna = plain(1);
    anna.first_name = Some("Anna".into());
    anna.last_name = Some("Doe".into());
    anna.email = "sales@example.org".parse().ok();
    anna.company = Some("Acme".into());
    anna.phone = "+263 77 123 4567".parse().ok();
    desk.create(&[anna, plain(2)]).await;
    for text in [
        "anna",
        "doe",
        "acme",
        "sales",
        "example",
        "org",
        "263771234567",
    ] {
        finds(&desk, text, &[1]).await;
    }
    finds(&desk, "acme doe exam 771234567 anna sales", &[1]).await;
    finds(&desk, "acme doe exam 771234568", &[]).await;
}

pub(crate) async fn other_fields_are_not_searched(setup: &Setup) {
    let desk = setup.desk().await;
    let hidden = plain_with(1, |lead| {
        lead.notes = Some("secret".into());
        lead.tags = vec!["secret".parse().unwrap()];
        lead.source = "secret".parse().ok();
        lead.assigned_to = "secret".parse().ok();
        lead.status_reason = Some("secret".into());
    });
    desk.create([&hidden]).await;
    finds(&desk, "secret", &[]).await;
}

pub(crate) async fn a_phone_is_found_however_it_is_typed(setup: &Setup) {
    let desk = setup.desk().await;
    let phones = [
        "+263 (77) 123-4567",
        "00263771234567",
        "0771 234 567",
        "555-0199",
    ];
    let leads: Vec<Lead> = (1..)
        .zip(phones)
        .map(|(number, phone)| plain_with(number, |lead| lead.phone = phone.parse().ok()))
        .collect();
    desk.create(&leads).await;
    finds(&desk, "+263 77 123 4567", &[1, 2]).await;
    finds(&desk, "263771234567", &[1, 2]).await;
    finds(&desk, "771234567", &[1, 2, 3]).await;
    finds(&desk, "77 123 4567", &[1, 2, 3]).await;
    finds(&desk, "234567", &[1, 2, 3]).await;
    finds(&desk, "5550199", &[4]).await;
    finds(&desk, "34567", &[]).await;
}

pub(crate) async fn a_phone_is_found_by_the_beginning_of_its_end(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&plain_with(1, |lead| {
        lead.phone = "+263 77 123 4567".parse().ok();
    })])
    .await;
    finds(&desk, "7712345", &[1]).await;
    finds(&desk, "2637", &[1]).await;
    finds(&desk, "123", &[1]).await;
    finds(&desk, "567", &[]).await;
}

pub(crate) async fn short_and_common_words_are_words(setup: &Setup) {
    let desk = named(
        setup,
        &[
            "The Who",
            "To be or not to be",
            "Li and Wu",
            "www com",
            "5 a Day",
            "AND",
        ],
    )
    .await;
    finds(&desk, "the", &[1]).await;
    finds(&desk, "to or be", &[2]).await;
    finds(&desk, "li", &[3]).await;
    finds(&desk, "www", &[4]).await;
    finds(&desk, "com", &[4]).await;
    finds(&desk, "5 a", &[5]).await;
    finds(&desk, "and", &[3, 6]).await;
}

pub(crate) async fn what_engines_take_for_syntax_is_text(setup: &Setup) {
    let desk = named(
        setup,
        &[
            "100% sure",
            "a_b",
            "Rock'n'Roll",
            "\"Quoted\" OR NOT",
            "c++",
        ],
    )
    .await;
    finds(&desk, "100%", &[1]).await;
    finds(&desk, "sure* -nothing", &[]).await;
    finds(&desk, "sure*", &[1]).await;
    finds(&desk, "%sure", &[1]).await;
    finds(&desk, "a_b", &[2]).await;
    finds(&desk, "aXb", &[]).await;
    finds(&desk, "n' roll", &[3]).await;
    finds(&desk, "\"quoted\" NOT", &[4]).await;
    finds(&desk, "NEAR(quoted)", &[]).await;
    finds(&desk, "c++", &[5]).await;
    finds(&desk, "'; DROP TABLE leads; --", &[]).await;
}

pub(crate) async fn every_script_is_found(setup: &Setup) {
    let names = [
        "日本商事",
        "한국상사",
        "हिन्दी कंपनी",
        "العربية",
        "עברית",
        "ไทย",
        "Ωmega",
        "𝒜cme",
    ];
    let desk = named(setup, &names).await;
    for (number, text) in (1..).zip([
        "日本",
        "한국",
        "हिन्दी",
        "العرب",
        "עבר",
        "ไทย",
        "ωme",
        "acme",
    ]) {
        finds(&desk, text, &[number]).await;
    }
}

pub(crate) async fn marks_that_make_another_letter_matter(setup: &Setup) {
    let desk = named(setup, &["がく", "かく", "कि", "क"]).await;
    finds(&desk, "がく", &[1]).await;
    finds(&desk, "が", &[1]).await;
    finds(&desk, "かく", &[2]).await;
    finds(&desk, "कि", &[3]).await;
}

pub(crate) async fn a_very_long_word_is_found_by_what_is_kept_of_it(setup: &Setup) {
    let word = "x".repeat(150);
    let desk = named(setup, &[&word, &"é".repeat(100), &"x".repeat(63)]).await;
    finds(&desk, &word[..64], &[1]).await;
    finds(&desk, &word, &[1]).await;
    finds(&desk, &"e".repeat(100), &[2]).await;
    finds(&desk, &word[..63], &[1, 3]).await;
}

pub(crate) async fn a_lead_found_by_several_words_is_shown_once(setup: &Setup) {
    let desk = named(setup, &["Anna Annabel Annette", "Ann Anna"]).await;
    finds(&desk, "ann", &[1, 2]).await;
    finds(&desk, "an anna", &[1, 2]).await;
    let query = LeadQuery::new().search("an").sort(Sort::company());
    let paged = desk.pages(&query, 1, async |_| {}).await;
    assert_eq!(numbers(&paged), [2, 1]);
}

pub(crate) async fn a_search_goes_with_filters_orders_and_totals(setup: &Setup) {
    let desk = setup.desk().await;
    let leads = village();
    desk.create(&leads).await;
    let order = desk.order().await;
    for text in ["a", "an do", "acme", "771234567", "example anna", "zzz"] {
        for sort in all_sorts() {
            let query = LeadQuery::new().search(text).sort(sort);
            desk.answers(&leads, &order, &query).await;
            desk.answers(&leads, &order, &query.clone().status("new"))
                .await;
            let narrow = query
                .archived(Archived::Include)
                .assigned_to("u2")
                .tag("vip");
            desk.answers(&leads, &order, &narrow).await;
        }
    }
}

pub(crate) async fn a_search_of_many_words_is_answered(setup: &Setup) {
    let desk = named(
        setup,
        &[
            "a b c d e f g h i j k l m n o p q r s t u v w x y z",
            "a b c",
        ],
    )
    .await;
    finds(
        &desk,
        "z y x w v u t s r q p o n m l k j i h g f e d c b a",
        &[1],
    )
    .await;
    finds(&desk, "c b a", &[1, 2]).await;
}
