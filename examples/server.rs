//! The REST APIs, served.
//!
//! ```text
//! cargo run --example server
//! cargo run --example server -- --addr 127.0.0.1:8080 --store sqlite:leads.db --lifecycle sales
//! ```
//!
//! `/v1/crm/docs` shows the APIs in a browser.
//!
//! `CRM_ADMIN_TOKEN` gives the first administrator's access token, valid while it is given. Without
//! it, one is made and printed once if the storage has none. `--rate N` lets a token make N requests
//! per second, `--rate off` any number, also at once; 1,000 by default.

use crm_kit::http::auth::{NewToken, Principal, StoredTokens};
use crm_kit::http::{Api, Limits, serve};
use crm_kit::prelude::*;
use std::error::Error;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio::signal;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: server [--addr HOST:PORT] [--store URL] [--lifecycle standard|sales] \
                     [--rate N|off]";

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
    addr: SocketAddr,
    store: Option<String>,
    lifecycle: Lifecycle,
    rate: Option<NonZeroU32>,
}

impl Arguments {
    fn read() -> Result<Self> {
        let mut found = Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 8080)),
            store: None,
            lifecycle: Lifecycle::standard(),
            rate: NonZeroU32::new(1_000),
        };
        let mut words = std::env::args().skip(1);
        while let Some(flag) = words.next() {
            let value = words.next().ok_or(USAGE)?;
            match flag.as_str() {
                "--addr" => {
                    let refused = |_| "--addr: must be like 127.0.0.1:8080";
                    found.addr = value.parse().map_err(refused)?;
                }
                "--store" => found.store = Some(value),
                "--lifecycle" => {
                    found.lifecycle = match value.as_str() {
                        "standard" => Lifecycle::standard(),
                        "sales" => Lifecycle::sales(),
                        _ => return Err("--lifecycle: must be standard or sales".into()),
                    };
                }
                "--rate" if value == "off" => found.rate = None,
                "--rate" => {
                    let refused = |_| "--rate: must be a number of requests per second, or off";
                    found.rate = Some(value.parse().map_err(refused)?);
                }
                _ => return Err(USAGE.into()),
            }
        }
        Ok(found)
    }
}

async fn run() -> Result<()> {
    let arguments = Arguments::read()?;
    let store = match arguments.store {
        Some(url) => url,
        None => file_beside_this_program()?,
    };
    let crm = Crm::builder(crm_kit::connect(&store).await?)
        .lifecycle(arguments.lifecycle)
        .open()
        .await?;
    let tokens = tokens(&crm).await?;
    tokio::spawn(resume_removals(crm.clone()));
    let mut limits = Limits::default().requests_per_second(arguments.rate);
    if arguments.rate.is_none() {
        limits = limits.requests_at_once_per_token(usize::MAX);
    }
    let api = Api::new(crm)
        .tokens(tokens)
        .limits(limits.clone())
        .statuses_at("/api")
        .with_page()
        .with_probes();
    let listener = TcpListener::bind(arguments.addr).await?;
    println!("Listening on http://{}", listener.local_addr()?);
    serve(listener, api.router(), &limits, told_to_stop()).await?;
    println!("Stopped");
    Ok(())
}

/// Goes on with removing statuses where an earlier run stopped, of every tenant of which it can.
async fn resume_removals(crm: Crm) {
    let resume = async {
        let mut after = None;
        loop {
            let tenants = crm.repository()?.tenants(after.as_ref()).await?;
            let Some(last) = tenants.last().cloned() else {
                return Ok::<_, CrmError>(());
            };
            for tenant in tenants {
                if let Err(error) = crm.tenant(&tenant).resume_removals().await {
                    eprintln!("The removal of a status of tenant {tenant} did not go on: {error}");
                }
            }
            after = Some(last);
        }
    };
    if let Err(error) = resume.await {
        eprintln!("Removals of statuses did not go on: {error}");
    }
}

/// The URL of a SQLite file beside this program, which keeps what earlier runs wrote.
fn file_beside_this_program() -> Result<String> {
    let path = std::env::current_exe()?.with_file_name("server.db");
    println!("Leads are kept in {}", path.display());
    Ok(format!("sqlite:{}", path.display()))
}

/// Access tokens, with one for the first administrator.
async fn tokens(crm: &Crm) -> Result<StoredTokens> {
    let tokens = StoredTokens::new(crm);
    let admin: UserId = "admin".parse()?;
    if let Ok(token) = std::env::var("CRM_ADMIN_TOKEN") {
        if token.trim().is_empty() {
            return Err("CRM_ADMIN_TOKEN: must not be blank".into());
        }
        let principal = Principal::new(TenantId::DEFAULT, admin).allow_all();
        return Ok(tokens.with_given(token.trim(), principal));
    }
    if !tokens.has_administrator(&TenantId::DEFAULT).await? {
        let new = NewToken::new(admin).name("First administrator").allow_all();
        let created = tokens.create(&TenantId::DEFAULT, new).await?;
        println!(
            "Access token of the administrator, shown only now: {}",
            created.token
        );
    }
    Ok(tokens)
}

/// Ready when the process is asked to end.
async fn told_to_stop() {
    let interrupted = signal::ctrl_c();
    #[cfg(unix)]
    {
        let Ok(mut terminated) = signal::unix::signal(signal::unix::SignalKind::terminate()) else {
            drop(interrupted.await);
            return;
        };
        tokio::select! {
            _ = interrupted => {}
            _ = terminated.recv() => {}
        }
    }
    #[cfg(not(unix))]
    drop(interrupted.await);
}
