//! The main job: leads come from a CSV file, are worked through their lifecycle, and are asked
//! about.
//!
//! ```text
//! cargo run --example quickstart
//! cargo run --example quickstart -- path/to/leads.csv
//! cargo run --example quickstart -- --store sqlite:leads.db
//! cargo run --example quickstart -- --store sled:leads.sled
//! cargo run --example quickstart -- --store memory:
//! ```
//!
//! Without `--store` it begins with a new SQLite file each time. A storage that is named holds its
//! leads when it is run again: then the rows of the file are known already.

use crm_kit::import::{Encoding, ImportReport, Original, RejectedRow, RowProblemKind, Target};
use crm_kit::prelude::*;
use indicatif::{ProgressBar, ProgressStyle};
use std::error::Error;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/leads.csv");
const SHOWN: usize = 10;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

// Only the SQL storages need a runtime, and any that sqlx knows will do.
#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let first: &dyn Error = &*error;
            let causes = std::iter::successors(Some(first), |error| (*error).source());
            let causes: Vec<_> = causes.map(ToString::to_string).collect();
            eprintln!("{}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

/// What was asked for on the command line.
struct Arguments {
    store: Option<String>,
    file: PathBuf,
}

impl Arguments {
    fn read() -> Result<Self> {
        let mut found = Self {
            store: None,
            file: PathBuf::from(SAMPLE),
        };
        let mut words = std::env::args_os().skip(1);
        while let Some(word) = words.next() {
            match word.to_str() {
                Some("--store") => {
                    let url = words.next().and_then(|url| url.into_string().ok());
                    let url = url.ok_or("--store: needs a URL, such as sqlite:leads.db")?;
                    found.store = Some(url);
                }
                Some(flag) if flag.starts_with('-') => {
                    return Err("usage: quickstart [--store URL] [CSV]".into());
                }
                _ => found.file = PathBuf::from(word),
            }
        }
        Ok(found)
    }
}

async fn run() -> Result<()> {
    let arguments = Arguments::read()?;
    let store = match arguments.store {
        Some(url) => url,
        None => new_file()?,
    };
    let crm = Crm::builder(crm_kit::connect(&store).await?)
        .lifecycle(Lifecycle::sales())
        .open()
        .await?;
    // Every event of what follows says who did it.
    let crm = crm.as_user("user_456");

    title("1. Leads come in from a file");
    import(&crm, &arguments.file).await?;
    title("2. One is worked through its lifecycle");
    let worked = work(&crm).await?;
    title("3. Lists");
    lists(&crm).await?;
    title("4. The timeline of the one that was worked");
    timeline(&crm, &worked).await?;
    title("5. Leads that are stuck");
    stuck(&crm).await?;
    title("6. The pipeline");
    pipeline(&crm).await
}

/// The URL of a SQLite file beside this program, without what an earlier run left.
fn new_file() -> Result<String> {
    let path = std::env::current_exe()?.with_file_name("quickstart.db");
    for end in ["", "-wal", "-shm"] {
        let mut old = path.clone().into_os_string();
        old.push(end);
        match std::fs::remove_file(&old) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    println!("Leads are kept in {}", path.display());
    Ok(format!("sqlite:{}", path.display()))
}

async fn import(crm: &Crm, path: &Path) -> Result<()> {
    let open = || File::open(path).map_err(|error| format!("{}: {error}", path.display()));
    let mut import = CsvImport::new()
        .date_formats(["%+", "%d %b, %Y %H:%M:%S", "%Y-%m-%d"])
        .encoding(Encoding::Utf8OrLatin1)
        .currency("USD")
        // What other teams call these statuses.
        .status("Not Contacted", LeadStatus::NEW)
        .status("Attempted to Contact", LeadStatus::CONTACTED)
        .status("Contact in Future", LeadStatus::CONTACTED)
        .status("Pre Qualified", LeadStatus::QUALIFIED)
        .status("Lost Lead", LeadStatus::LOST)
        .status("Junk Lead", LeadStatus::LOST);

    // A dry run shows what the file holds: some teams do not record first names.
    let dry = import.clone().dry_run().run(crm, open()?).await?;
    let has = |wanted: Target| {
        dry.columns()
            .iter()
            .any(|column| column.target() == Some(&wanted))
    };
    if !has(Field::FirstName.into()) && !has(Target::FullName) {
        import = import.fallback(Field::FirstName, "(unknown)");
    }
    let everybody = LeadQuery::new().archived(Archived::Include);
    let before = crm.count(&everybody).await?;
    if before > 0 {
        println!("{before} leads are there already; rows with their e-mails are duplicates");
    }

    let progress = ProgressBar::new(open()?.metadata()?.len());
    progress.set_style(ProgressStyle::with_template(
        "{bar:40} {bytes}/{total_bytes} {msg}",
    )?);
    let shown = progress.clone();
    let report = import
        .on_progress(move |done| {
            shown.set_position(done.bytes);
            shown.set_message(format!("{} rows", done.rows));
        })
        .run(crm, open()?)
        .await?;
    progress.finish_and_clear();
    print_report(&report);
    Ok(())
}

fn print_report(report: &ImportReport) {
    let (rows, imported, rejected) = (report.rows(), report.imported(), report.rejected());
    println!("{rows} rows: {imported} imported, {rejected} rejected");
    for (field, problem, count) in report.problems() {
        println!("  {count:>5} × {field}: {problem}");
    }
    let mut faulty = report.rejected_rows().iter().filter(|row| !is_known(row));
    let first: Vec<_> = faulty.by_ref().take(SHOWN).collect();
    if !first.is_empty() {
        println!("The first that are faulty:");
    }
    for row in first {
        println!("  {row}");
    }
}

/// Whether nothing is wrong with a row but that its lead is there already.
fn is_known(row: &RejectedRow) -> bool {
    let mut kinds = row.problems().iter().map(|problem| problem.kind());
    kinds.all(|kind| matches!(kind, RowProblemKind::Duplicate(Original::Lead(_))))
}

async fn work(crm: &Crm) -> Result<Lead> {
    // The team agrees on what "qualified" means, while everybody works on.
    crm.edit_lifecycle(|edit| {
        let agreed = vec![
            Field::FirstName,
            Field::LastName,
            Field::Email,
            Field::Company,
        ];
        edit.set_required(LeadStatus::QUALIFIED, agreed)
    })
    .await?;

    // Whoever was worked when this was run before is done with.
    let before = LeadQuery::new().email("zoe@example.com");
    for lead in crm.list(before).await?.items {
        println!("archived      {}", lead.id);
        crm.archive(lead.id).await?;
    }
    let new = NewLead::new("Zoë", "Quick", "zoe@example.com")?;
    let lead = crm.create(new.source(LeadSource::REFERRAL)).await?;
    println!("created       {}", lead.id);
    let lead = crm.transition(lead.id, LeadStatus::CONTACTED).await?;
    println!("moved to      {}", lead.status);

    for next in crm.lifecycle().await?.next(&lead) {
        let missing: Vec<String> = next.missing.iter().map(ToString::to_string).collect();
        let missing = if missing.is_empty() {
            "ready".to_owned()
        } else {
            missing.join(", ")
        };
        println!(
            "  next: {} {missing}",
            pad(next.definition.slug.as_str(), 12)
        );
    }
    let refused = crm.transition(lead.id, LeadStatus::QUALIFIED).await;
    println!(
        "refused:      {}",
        refused
            .err()
            .map_or_else(String::new, |error| error.to_string())
    );

    let value = Money::parse("12500", "USD")?;
    let patch = LeadPatch::new()
        .company("Quick & Sons")
        .value(value)
        .status(LeadStatus::QUALIFIED);
    let lead = crm.update(lead.id, patch).await?;
    println!("moved to      {} with the company filled in", lead.status);
    crm.transition(lead.id, LeadStatus::PROPOSAL).await?;
    let lead = crm
        .transition_because(lead.id, LeadStatus::WON, "Signed on the second call")
        .await?;
    println!("moved to      {}", lead.status);
    let refused = crm.transition(lead.id, LeadStatus::NEW).await;
    println!(
        "refused:      {}",
        refused
            .err()
            .map_or_else(String::new, |error| error.to_string())
    );
    Ok(lead)
}

async fn lists(crm: &Crm) -> Result<()> {
    let contacted = LeadQuery::new()
        .status(LeadStatus::CONTACTED)
        .sort(Sort::created().descending())
        .limit(5)
        .total(Total::Exact);
    let page = crm.list(contacted).await?;
    let total = page.total.map_or(0, |total| total.count());
    println!("Contacted, newest first: {} of {total}", page.items.len());
    print_leads(&page.items);

    let user = some_user(crm).await?;
    let theirs = crm.scoped(Scope::AssignedTo(user.clone()));
    let page = theirs
        .list(
            LeadQuery::new()
                .sort(Sort::name())
                .limit(5)
                .total(Total::Exact),
        )
        .await?;
    let total = page.total.map_or(0, |total| total.count());
    println!(
        "\nThe leads of {user}, by name: {} of {total}",
        page.items.len()
    );
    print_leads(&page.items);
    Ok(())
}

/// `user_456` if that user has leads, or whoever has the lead that was created last.
async fn some_user(crm: &Crm) -> Result<UserId> {
    let known: UserId = "user_456".parse()?;
    if crm
        .count(&LeadQuery::new().assigned_to(known.as_str()))
        .await?
        > 0
    {
        return Ok(known);
    }
    let latest = crm.list(LeadQuery::new().limit(1_000)).await?;
    Ok(latest
        .items
        .into_iter()
        .find_map(|lead| lead.assigned_to)
        .unwrap_or(known))
}

fn print_leads(leads: &[Lead]) {
    for lead in leads {
        let value = lead
            .value
            .map_or_else(String::new, |value| value.to_string());
        println!(
            "  {} {} {} {value:>16}",
            pad(&lead.display_name(), 26),
            pad(lead.company.as_deref().unwrap_or("–"), 28),
            pad(lead.status.as_str(), 10),
        );
    }
}

async fn timeline(crm: &Crm, lead: &Lead) -> Result<()> {
    for event in crm.history(lead.id, &HistoryQuery::new()).await?.items {
        let what = match &event.kind {
            EventKind::Created { status, .. } => format!("created as {status}"),
            EventKind::StatusChanged {
                from,
                to,
                reason: None,
            } => format!("{from} → {to}"),
            EventKind::StatusChanged {
                from,
                to,
                reason: Some(why),
            } => {
                format!("{from} → {to}: {why}")
            }
            other => other.name().to_owned(),
        };
        let fields: Vec<String> = event
            .changes
            .iter()
            .map(|change| change.field.to_string())
            .collect();
        let actor = event.actor.as_ref().map_or("–", |actor| actor.as_str());
        println!(
            "  {} {} {} {what} [{}]",
            event.version,
            event.at.format("%F %T"),
            actor,
            fields.join(", ")
        );
    }
    Ok(())
}

async fn stuck(crm: &Crm) -> Result<()> {
    let limit = u32::try_from(SHOWN)?;
    let page = crm.stuck(StuckQuery::new().limit(limit)).await?;
    for stuck in &page.items {
        println!(
            "  {} {} {:>5} days over",
            pad(&stuck.lead.display_name(), 26),
            pad(stuck.lead.status.as_str(), 12),
            stuck.overdue().num_days(),
        );
    }
    println!(
        "  {}",
        if page.next.is_some() {
            "… and more"
        } else {
            "that is all"
        }
    );
    Ok(())
}

async fn pipeline(crm: &Crm) -> Result<()> {
    let pipeline = crm.pipeline().await?;
    let most = pipeline
        .stages
        .iter()
        .map(|stage| stage.leads)
        .max()
        .unwrap_or(0);
    println!(
        "{} {:>6} {:>6}  {:40}  value (weighted)",
        pad("status", 12),
        "leads",
        "stuck",
        ""
    );
    for stage in &pipeline.stages {
        let values: Vec<String> = stage
            .values
            .iter()
            .map(|value| {
                format!(
                    "{} {} ({})",
                    value.currency,
                    value.total_text(),
                    value.weighted_text()
                )
            })
            .collect();
        println!(
            "{} {:>6} {:>6}  {:40}  {}",
            pad(&stage.name, 12),
            stage.leads,
            stage.stuck,
            bar(stage.leads, most),
            values.join(", "),
        );
    }
    println!("{} {:>6}", pad("all", 12), pipeline.leads());
    Ok(())
}

fn title(text: &str) {
    println!("\n{text}\n{}", "─".repeat(text.width()));
}

/// A bar of at most 40 blocks, and at least one where there is anything.
fn bar(count: u64, most: u64) -> String {
    let blocks = (count * 40).div_ceil(most.max(1));
    "█".repeat(usize::try_from(blocks).unwrap_or(40))
}

/// Cuts or fills to a width on screen, where some characters are two columns wide.
fn pad(text: &str, width: usize) -> String {
    let mut used = 0;
    let mut shown: String = text
        .chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= width
        })
        .collect();
    shown.extend(std::iter::repeat_n(
        ' ',
        width.saturating_sub(shown.width()),
    ));
    shown
}
