//! What is said of the agent: since when, and what that costs.

use crate::samples::{PATIENCE, front, open, within};
use docket_agent::link::LinkShown;
use docket_agent::printing::unknown_health;
use docket_agent::spool::Spool;
use docket_agent::status::{Reporter, StatusFile};
use docket_protocol::message::AgentStatus;
use docket_protocol::printer::PrinterHealth;
use docket_protocol::session::LinkState;
use docket_protocol::storage::StorageReport;
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

struct Running {
    _folder: TempDir,
    link: watch::Sender<LinkShown>,
    shown: watch::Receiver<Option<Arc<StatusFile>>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(printers: Vec<watch::Receiver<PrinterHealth>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spool: Spool = open(folder.path());
        let identity = json!({
            "agent": "00000000000000000000000000000001", "store": "S1", "store_name": "一店",
            "hub": "127.0.0.1:1", "key": [], "certificate": [], "ca": [],
        });
        let (link, link_seen) = watch::channel(LinkShown::default());
        let (show, shown) = watch::channel(None);
        let (stop, stopped) = watch::channel(false);
        let reporter = Reporter {
            identity: serde_json::from_value(identity).unwrap(),
            data: folder.path().to_owned(),
            spool,
            configs: Vec::new(),
            printers,
            link: link_seen,
            page: watch::channel(None).1,
            publish: watch::channel(AgentStatus::default()).0,
            publish_storage: watch::channel(StorageReport::default()).0,
            show,
        };
        let task = tokio::spawn(reporter.run(stopped));
        Self { _folder: folder, link, shown, stop, task }
    }

    fn is_linked(&self, state: LinkState) {
        self.link.send_modify(|shown| shown.state = state);
    }

    /// The state in which the link is said to be `link`.
    async fn says(&mut self, link: &str) -> Arc<StatusFile> {
        let is_so =
            |status: &Option<Arc<StatusFile>>| status.as_ref().is_some_and(|status| status.link == link);
        let said = within("the state of the link", self.shown.wait_for(is_so)).await.unwrap();
        said.clone().unwrap()
    }
}

#[tokio::test]
async fn a_link_that_is_tried_again_and_again_has_been_lost_since_it_was_lost() {
    let mut running = Running::start(Vec::new());
    running.is_linked(LinkState::Live { epoch: 1 });
    let live = running.says("live").await;
    running.is_linked(LinkState::Waiting);
    let lost = running.says("waiting").await;
    assert!(lost.link_since > live.link_since);
    for (state, word) in [(LinkState::Connecting, "connecting"), (LinkState::Waiting, "waiting")] {
        running.is_linked(state);
        assert_eq!(running.says(word).await.link_since, lost.link_since, "{word}");
    }
    running.is_linked(LinkState::Live { epoch: 2 });
    assert!(running.says("live").await.link_since > lost.link_since);
}

#[tokio::test]
async fn who_listened_to_a_printer_that_goes_on_is_gone_with_the_reporter() {
    let (_health, seen) = watch::channel(unknown_health(&front()));
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let running = Running::start(vec![seen]);
    running.stop.send_replace(true);
    within("the reporter's end", running.task).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while tasks() > before {
        assert!(Instant::now() < deadline, "{} tasks are left", tasks() - before);
        tokio::task::yield_now().await;
    }
}
