//! Two processes that share a storage, each with a server: what is edited through one holds in the
//! other at once.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod common;

use common::Answer;
use common::postgres::Schema;
use crm_core::crm::Crm;
use crm_core::lead::TenantId;
use crm_core::repository::Repository;
use crm_http::auth::{Principal, StoredTokens};
use crm_http::{Api, Limits, serve};
use crm_store_sqlx::{PostgresRepository, SqliteRepository};
use reqwest::Client;
use serde_json::{Value, json};
use std::any::Any;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The test whose name starts a process that serves.
const NAME: &str = "an_edit_holds_in_every_process_at_once";
/// Where such a process finds its storage.
const STORE: &str = "CRM_PROCESS_TEST_STORE";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const STATUSES: &str = "/v1/crm/lead-statuses";

/// What the other processes do: serve until their input ends.
async fn serve_for_a_test(store: &str) {
    let repository: Arc<dyn Repository> = if store.starts_with("postgres") {
        Arc::new(PostgresRepository::open(store).await.unwrap())
    } else {
        Arc::new(SqliteRepository::open(store).await.unwrap())
    };
    let crm = Crm::open(repository).await.unwrap();
    let admin = Principal::new(TenantId::DEFAULT, "admin".parse().unwrap()).allow_all();
    let tokens = StoredTokens::new(&crm).with_given(TOKEN, admin);
    let api = Api::new(crm).tokens(tokens).statuses_at("/api");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let told = format!("\nlistening {address}\n");
    std::io::stdout().lock().write_all(told.as_bytes()).unwrap();
    let (stop, stopped) = oneshot::channel();
    std::thread::spawn(move || {
        drop(std::io::stdin().lock().read_to_end(&mut Vec::new()));
        let _ = stop.send(());
    });
    let until = async { drop(stopped.await) };
    let limits = Limits::default();
    serve(listener, api.router(), &limits, until).await.unwrap();
}

struct Process {
    child: Child,
    url: String,
    client: Client,
}

impl Process {
    fn start(store: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture"])
            .env(STORE, store)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = told.map_while(Result::ok);
        let address = told.find_map(|line| Some(line.strip_prefix("listening ")?.to_owned()));
        let url = format!("http://{}", address.unwrap());
        let client = Client::new();
        Self { child, url, client }
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> impl Future<Output = Answer> + Send + 'static {
        let method = method.parse().unwrap();
        let request = self.client.request(method, format!("{}{path}", self.url));
        let request = request.bearer_auth(TOKEN).header("authtoken", TOKEN);
        Answer::of(common::with_json(request, body))
    }

    async fn get(&self, path: &str) -> Answer {
        let request = self.client.get(format!("{}{path}", self.url));
        Answer::of(request.bearer_auth(TOKEN)).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Two servers over one storage, and what must outlive them.
struct Pair {
    here: Process,
    there: Process,
    _kept: Box<dyn Any>,
}

impl Pair {
    fn over(store: &str, kept: impl Any) -> Self {
        Self {
            here: Process::start(store),
            there: Process::start(store),
            _kept: Box::new(kept),
        }
    }

    /// One for each storage that processes can share.
    async fn on_each() -> Vec<Self> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("leads.db");
        let mut pairs = vec![Self::over(path.to_str().unwrap(), directory)];
        if let Some(schema) = Schema::new().await {
            pairs.push(Self::over(&schema.url(), schema));
        }
        pairs
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_holds_in_every_process_at_once() {
    if let Ok(store) = std::env::var(STORE) {
        return serve_for_a_test(&store).await;
    }
    for Pair { here, there, .. } in &Pair::on_each().await {
        let john = json!({"first_name": "John", "last_name": "Doe", "email": "john@example.com"});
        let john = there.send("POST", "/v1/crm/leads", &john).await;
        assert_eq!(john.status, 201, "{}", john.text);
        let path = format!("/v1/crm/leads/{}", john.json["lead_id"].as_str().unwrap());
        // Known there, so that what it knows can be out of date.
        assert_eq!(there.get(STATUSES).await.json["total_count"], 5);
        let trial = json!({"name": "Trial"});
        let added = here.send("POST", "/api/lead_statuses", &trial).await;
        assert_eq!(added.status, 200, "{}", added.text);
        let moved = there.send("PUT", &path, &json!({"status": "trial"})).await;
        assert_eq!(moved.status, 200, "{}", moved.text);
        let strict = json!({"transitions": ["lost"]});
        let trial = format!("{STATUSES}/trial");
        let strict = here.send("PATCH", &trial, &strict).await;
        assert_eq!(strict.status, 200, "{}", strict.text);
        let refused = there.send("PUT", &path, &json!({"status": "contacted"}));
        let refused = refused.await;
        refused.must_be_refused(409);
        assert_eq!(refused.json["allowed"], json!(["lost"]));
        let gone = format!("{trial}?move_to=new");
        let gone = there.send("DELETE", &gone, &Value::Null).await;
        assert_eq!(gone.status, 200, "{}", gone.text);
        let refused = here.send("PUT", &path, &json!({"status": "trial"})).await;
        refused.must_be_refused(422);
        assert_eq!(here.get(&path).await.json["lead"]["status"], "new");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_at_the_same_time_are_all_made() {
    for Pair { here, there, .. } in &Pair::on_each().await {
        let requests = (0..16).map(|number| {
            let process = if number % 2 == 0 { here } else { there };
            let body = json!({"name": format!("Step {number}"), "order": 1});
            tokio::spawn(process.send("POST", STATUSES, &body))
        });
        let requests: Vec<_> = requests.collect();
        for request in requests {
            let answer = request.await.unwrap();
            assert_eq!(answer.status, 201, "{}", answer.text);
        }
        let list = here.get(STATUSES).await;
        assert_eq!(
            (&list.json["total_count"], &list.json["version"]),
            (&21.into(), &17.into())
        );
        // Repeated, it is refused because of the first.
        let again = json!({"name": "step 3"});
        let again = there.send("POST", STATUSES, &again).await;
        again.must_be_refused(422);
        assert_eq!(again.wrong(), ["name"]);
    }
}
