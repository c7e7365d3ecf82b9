//! The software of a till: it gives orders to the agent on its PC, and asks what became of them.

use super::{Agent, LOOK_EVERY, PATIENCE, wait_for};
use crate::platform::http::{HttpClient, Reply};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::time::Instant;

/// A till.
#[derive(Debug)]
pub struct Till {
    client: HttpClient,
    token: String,
}

impl Till {
    /// Reads the token as a person does, and waits until the agent answers.
    ///
    /// # Errors
    /// Where it does not; with the agent's log.
    pub async fn at(agent: &Agent) -> anyhow::Result<Self> {
        let token = wait_for("the token", PATIENCE, || {
            let output = agent.command(&["api", "token"]).map_err(|error| error.to_string())?;
            let text = if output.status.success() { output.stdout } else { output.stderr };
            let text = String::from_utf8_lossy(&text).trim().to_owned();
            if output.status.success() { Ok(text) } else { Err(text) }
        })
        .await?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = agent.status().unwrap_or_default();
            if let Some(address) = status["file"]["page"].as_str() {
                let till = Till { client: HttpClient::new(address.parse()?), token: token.clone() };
                // What an earlier life has left tells where that one listened.
                if till.get("/orders?limit=1").await.is_ok() {
                    return Ok(till);
                }
            }
            ensure!(Instant::now() < deadline, "no local API: {status}\n{}", agent.log_text());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Asks for something under a key.
    ///
    /// # Errors
    /// Where there is no answer: then nobody knows whether it was done.
    pub async fn ask(&self, path: &str, key: &str, body: &Value) -> anyhow::Result<Reply> {
        let headers = format!("{}Idempotency-Key: {key}\r\n", self.bearer());
        self.client.post_json_with(&format!("/api/v1{path}"), &headers, &body.to_string()).await
    }

    /// [`Till::ask`] for what must be done.
    ///
    /// # Errors
    /// Where it is not.
    pub async fn must(&self, path: &str, key: &str, body: &Value) -> anyhow::Result<Value> {
        let reply = self.ask(path, key, body).await?;
        ensure!((200..300).contains(&reply.status), "{path} under {key}: {reply:?}");
        Ok(serde_json::from_str(&reply.body)?)
    }

    /// What is at an address.
    ///
    /// # Errors
    /// Where there is nothing.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let reply = self.client.get_with(&format!("/api/v1{path}"), &self.bearer()).await?;
        ensure!(reply.status == 200, "{path}: {reply:?}");
        serde_json::from_str(&reply.body).context("an answer in JSON")
    }

    /// Waits until an order is in this state.
    ///
    /// # Errors
    /// Where it is not in time; with its last state.
    pub async fn until(&self, key: &str, state: &str) -> anyhow::Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let order = self.get(&format!("/orders/{key}")).await?;
            if order["state"] == state {
                return Ok(order);
            }
            ensure!(Instant::now() < deadline, "waited for {key} to be {state}: {order:#}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token)
    }
}

/// Order `number` of a till, for a table.
pub fn order(number: u32) -> Value {
    json!({
        "number": number.to_string(), "service": "dine-in", "table": format!("A{number}"), "total_fen": 3300, "paid": true,
        "dishes": [
            { "code": "F1001", "name": "红烧牛肉面", "quantity": 1, "price_fen": 2800 },
            { "name": "可乐", "quantity": 1, "price_fen": 500 },
        ],
    })
}
