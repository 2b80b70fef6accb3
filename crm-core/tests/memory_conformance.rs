//! The storage in memory keeps every rule.
#![cfg(feature = "testing")]

crm_core::testing::repository_tests!(crm_core::memory::MemoryRepository::new);
