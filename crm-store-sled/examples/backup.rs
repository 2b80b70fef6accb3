//! Looks a store over, repairs what can be repaired, and writes everything in it to a file for each
//! tenant: what to run once a day, and what to do first with a store that is said to be damaged.
//!
//! ```text
//! cargo run -p crm-store-sled --example backup -- leads.sled backup
//! ```
//!
//! Without arguments it does so with a small store of its own.

use crm_core::crm::Crm;
use crm_core::lead::{LeadStatus, NewLead};
use crm_core::repository::Repository;
use crm_store_sled::{OpenCheck, SledRepository};
use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    match &paths[..] {
        [store, backup] => pollster::block_on(back_up(store, backup)),
        [] => {
            let directory = tempfile::tempdir()?;
            let (store, backup) = (
                directory.path().join("leads"),
                directory.path().join("backup"),
            );
            pollster::block_on(async {
                write(&store).await?;
                back_up(&store, &backup).await
            })
        }
        _ => Err("usage: backup STORE DIRECTORY".into()),
    }
}

/// A store with a lead for each of two tenants.
async fn write(path: &Path) -> Result<()> {
    let crm = Crm::open(SledRepository::open(path).await?).await?;
    for tenant in ["acme", "globex"] {
        let crm = crm.tenant(tenant);
        let new = NewLead::new("John", "Doe", "john@example.com")?;
        let lead = crm.create(new.company("Acme Corp")).await?;
        crm.transition(lead.id, LeadStatus::CONTACTED).await?;
    }
    Ok(())
}

async fn back_up(path: &Path, backup: &Path) -> Result<()> {
    if !path.join("db").exists() {
        return Err(format!("{}: no store is there", path.display()).into());
    }
    // Not counted while opening: what is wrong is to be seen, and whatever can be read, saved.
    let opening = SledRepository::builder(path).check(OpenCheck::Nothing);
    let store = opening.open().await?;
    let mut found = store.verify().await?;
    println!(
        "{} tenants, {} leads, {} events, {} index keys",
        found.tenants, found.leads, found.events, found.keys
    );
    if !found.is_clean() {
        for fault in &found.faults {
            println!("  {fault}");
        }
        println!("{} faults; making the indexes anew", found.faults_in_all);
        // Where a lead cannot be read, other tenants are saved all the same.
        if let Err(error) = store.rebuild_indexes().await {
            println!("not possible: {error}");
        }
        found = store.verify().await?;
        println!("{} faults are left", found.faults_in_all);
    }
    std::fs::create_dir_all(backup)?;
    let mut after = None;
    loop {
        let tenants = store.tenants(after.as_ref()).await?;
        for tenant in &tenants {
            let name = file_name(tenant.as_str());
            let file = backup.join(format!("{name}.jsonl"));
            let to = BufWriter::new(File::create(&file)?);
            let (to, exported) = store.export(tenant, to).await?;
            to.into_inner()?.sync_all()?;
            println!(
                "{tenant}: {} leads, {} events in {}",
                exported.leads,
                exported.events,
                file.display()
            );
        }
        match tenants.last() {
            Some(last) => after = Some(last.clone()),
            None => return Ok(()),
        }
    }
}

/// A tenant's name is the application's, and may be none for a file.
fn file_name(tenant: &str) -> String {
    let shown = |byte: u8| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    tenant.bytes().map(shown).collect()
}
