//! Documents: small values that outlive a process.

use super::prelude::*;
use crate::repository::{MAX_DOCUMENT, MAX_DOCUMENT_KEY};

pub(crate) async fn a_document_comes_back_byte_by_byte(setup: &Setup) {
    let desk = setup.empty("acme");
    let every_byte: Vec<u8> = (0..=255).rev().collect();
    for (place, bytes) in [
        &b""[..],
        b"\0",
        b"\0\0\0",
        b"\xff\xfe",
        b"'; --",
        &every_byte,
    ]
    .iter()
    .enumerate()
    {
        let key = format!("key/{place}");
        desk.commit(&Draft::new().put(&key, None, bytes)).await;
        let stored = desk.document(&key).await.unwrap();
        assert_eq!(
            (stored.bytes.as_slice(), stored.version),
            (*bytes, Version::FIRST)
        );
        assert_eq!(stored.key.as_str(), key);
    }
}

pub(crate) async fn the_largest_document_is_stored(setup: &Setup) {
    let desk = setup.empty("acme");
    let key = "k".repeat(MAX_DOCUMENT_KEY);
    let mut dice = Dice::new(1);
    let bytes: Vec<u8> = (0..MAX_DOCUMENT)
        .map(|_| u8::try_from(dice.below(256)).unwrap())
        .collect();
    desk.commit(&Draft::new().put(&key, None, &bytes)).await;
    assert!(desk.document(&key).await.unwrap().bytes == bytes);
    desk.commit(&Draft::new().put(&key, Some(1), b"small"))
        .await;
    assert_eq!(desk.document(&key).await.unwrap().bytes, b"small");
}

pub(crate) async fn a_document_is_replaced_version_by_version(setup: &Setup) {
    let desk = setup.empty("acme");
    desk.commit(&Draft::new().put(KEY, None, b"0")).await;
    for version in 1..12 {
        desk.commit(&Draft::new().put(KEY, Some(version), version.to_string().as_bytes()))
            .await;
        let stored = desk.document(KEY).await.unwrap();
        assert_eq!(stored.bytes, version.to_string().as_bytes());
        assert_eq!(stored.version, Version::new(version + 1));
    }
}

pub(crate) async fn a_removed_document_is_gone_and_may_come_back(setup: &Setup) {
    let desk = setup.empty("acme");
    desk.commit(&Draft::new().put(KEY, None, b"x")).await;
    desk.commit(&Draft::new().remove(KEY, 1)).await;
    assert_eq!(desk.document(KEY).await, None);
    desk.commit(&Draft::new().put(KEY, None, b"y")).await;
    assert_eq!(desk.document(KEY).await.unwrap().version, Version::FIRST);
}

pub(crate) async fn keys_that_look_alike_are_apart(setup: &Setup) {
    let desk = setup.empty("acme");
    let keys = [
        "a", "A", "a/", "a/b", "a%", "a_", "aa", "ab", "'", "\\", "~", "!",
    ];
    let draft = keys.iter().fold(Draft::new(), |draft, key| {
        draft.put(key, None, key.as_bytes())
    });
    desk.commit(&draft).await;
    for key in keys {
        assert_eq!(
            desk.document(key).await.unwrap().bytes,
            key.as_bytes(),
            "{key}"
        );
    }
    desk.commit(&Draft::new().remove("a", 1)).await;
    assert_eq!(desk.document("A").await.unwrap().bytes, b"A");
    assert_eq!(desk.document("b").await, None);
}

pub(crate) async fn documents_leave_leads_alone(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create([&lead(1)]).await;
    desk.commit(&Draft::new().put(KEY, None, b"x")).await;
    desk.commit(&Draft::new().remove(KEY, 1).put("other", None, b"y"))
        .await;
    desk.holds(&[lead(1)]).await;
    assert_eq!(desk.feed().await.len(), 1);
}
