//! The software of a till: it gives orders to the agent on its PC, over the local API.

use super::{Agent, PATIENCE, wait_for};
use crate::platform::http::HttpClient;
use anyhow::Context;
use std::net::SocketAddr;

/// A till beside a running agent.
#[derive(Debug)]
pub struct Till {
    client: HttpClient,
    token: String,
}

impl Till {
    /// Waits until the agent's API listens.
    ///
    /// # Errors
    /// Where it does not in time; with the agent's log.
    pub async fn at(agent: &Agent) -> anyhow::Result<Self> {
        let address: SocketAddr = wait_for("the local API", PATIENCE, || {
            let status = agent.status().map_err(|error| error.to_string())?;
            let page = status["file"]["page"].as_str().filter(|_| status["fresh"] == true);
            page.and_then(|page| page.parse().ok()).ok_or_else(|| format!("{status}\n{}", agent.log_text()))
        })
        .await?;
        let token = String::from_utf8(agent.command(&["api", "token"])?.stdout)?.trim().to_owned();
        Ok(Till { client: HttpClient::new(address), token })
    }

    /// Gives the order of that number, under a key of the same number, until it is taken.
    ///
    /// # Errors
    /// Where it is refused, or the agent does not answer.
    pub async fn order(&self, number: u64) -> anyhow::Result<()> {
        let body = serde_json::json!({
            "number": number.to_string(), "service": "dine-in", "table": (number % 40).to_string(),
            "total_fen": 5_800, "paid": true, "note": "少放辣",
            "dishes": [
                { "code": "F1001", "name": "红烧牛肉面", "choices": ["中辣"], "quantity": 2, "price_fen": 2_800 },
                { "code": "F2001", "name": "可乐 100%冰", "quantity": 1, "price_fen": 200 },
            ],
        });
        let headers = format!("Authorization: Bearer {}\r\nIdempotency-Key: till-{number}\r\n", self.token);
        let reply = self.client.post_json_with("/api/v1/orders", &headers, &body.to_string()).await;
        let reply = reply.with_context(|| format!("order {number}"))?;
        anyhow::ensure!(reply.status == 201, "order {number}: {} {}", reply.status, reply.body);
        Ok(())
    }
}
