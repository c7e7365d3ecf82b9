//! A printer's task against virtual printers over TCP, from one that has everything to one that never says a word: what
//! evidence comes out, that nothing comes twice, and that no trace of a probe is on paper.

use crate::samples::{PATIENCE, front, items, open, reports, within};
use docket_agent::printing::profile::Pins;
use docket_agent::printing::{Paper, PrinterConfig, run_printer, unknown_health};
use docket_agent::spool::Spool;
use docket_protocol::message::Report;
use docket_protocol::outcome::{Doubt, Evidence, Outcome};
use docket_protocol::printer::{Condition, PrinterHealth};
use docket_tests::virtual_printer::{self, Fault, FlagKind, PrinterOptions, Profile, VirtualPrinter};
use tempfile::{TempDir, tempdir};
use tokio::sync::watch;

/// A fast printer; one that took no time at all could not be told from one that answers before it has printed.
const SPEED_MM_PER_S: u32 = 500;
const FENCE: Outcome = Outcome::Printed(Evidence::Fence);
const STATUS: Outcome = Outcome::Printed(Evidence::Status);
const SENT: Outcome = Outcome::Printed(Evidence::Sent);

struct Shop {
    printer: VirtualPrinter,
    spool: Spool,
    health: watch::Receiver<PrinterHealth>,
    /// The task ends with it.
    _stop: watch::Sender<bool>,
    _folder: TempDir,
}

impl Shop {
    fn new(profile: &str, pins: Pins) -> Self {
        let options = Profile::by_name(profile).unwrap().options();
        let printer =
            VirtualPrinter::start(PrinterOptions { speed_mm_per_s: SPEED_MM_PER_S, ..options }).unwrap();
        let folder = tempdir().unwrap();
        let spool = open(folder.path());
        let config = PrinterConfig {
            name: front(),
            address: printer.plug().to_string().parse().unwrap(),
            paper: Paper::Mm80,
            stations: Vec::new(),
            default: true,
            profile: pins,
            others: Vec::new(),
        };
        let (told, health) = watch::channel(unknown_health(&front()));
        let (stop, stopping) = watch::channel(false);
        let journal = spool.journal(&front()).unwrap().in_boot(Some("boot-1")).unwrap();
        tokio::spawn(run_printer(config, spool.clone(), journal, told, stopping));
        Self { printer, spool, health, _stop: stop, _folder: folder }
    }

    async fn print(&self, count: u32) -> Vec<Outcome> {
        self.spool.receive(items(count)).await.unwrap();
        self.outcomes(count).await
    }

    async fn outcomes(&self, count: u32) -> Vec<Outcome> {
        let mut outbox = self.spool.outbox_changed();
        within("reports", outbox.wait_for(|seq| seq.0 >= u64::from(count))).await.unwrap();
        let told = reports(&self.spool).await.into_iter().map(|report| match report {
            Report::Ticket(report) => report.outcome,
            other => panic!("{other:?}"),
        });
        told.collect()
    }

    /// What came out, as far as it was cut.
    async fn slips(&self, count: u64) -> Vec<String> {
        self.printer.wait_until(PATIENCE, |status| status.receipts >= count).await.unwrap();
        let receipts = self.printer.receipts();
        for receipt in &receipts {
            // What a probe left in the line buffer is lost, as it should be.
            let strange = receipt.flags().iter().find(|flag| flag.kind != FlagKind::TextLost);
            assert_eq!(strange, None, "{}", receipt.text());
        }
        receipts.iter().map(|receipt| receipt.text().trim().to_owned()).collect()
    }

    /// What the spool has kept of the unit.
    async fn facts(&self) -> String {
        self.spool.flush().await.unwrap();
        self.spool.profiles().await.unwrap().remove(0).1
    }
}

/// Three tickets on a printer of this profile.
async fn check(profile: &str, outcomes: [Outcome; 3], facts: &str) {
    let shop = Shop::new(profile, Pins::default());
    assert_eq!(shop.print(3).await, outcomes, "{profile}");
    assert_eq!(shop.slips(3).await, ["No.1", "No.2", "No.3"], "{profile}");
    let learned = shop.facts().await;
    // Whether there was a question while it printed depends on how busy this machine is.
    let settled: Vec<&str> = learned.split(' ').filter(|word| !word.starts_with("status-busy=")).collect();
    assert_eq!(settled.join(" "), facts, "{profile}");
}

#[tokio::test]
async fn everything() {
    check("everything", [FENCE; 3], "status=1234 asb=yes gs-h=yes gs-r=answers init-keeps=yes").await;
}

#[tokio::test]
async fn no_gs_h() {
    // The first ticket shows that GS r is answered in turn, the others are proven by it.
    check("no-gs-h", [STATUS, FENCE, FENCE], "status=1234 asb=yes gs-h=no gs-r=in-order").await;
}

#[tokio::test]
async fn prints_gs_h() {
    check("prints-gs-h", [STATUS, FENCE, FENCE], "status=1234 asb=yes gs-h=no gs-r=in-order").await;
}

#[tokio::test]
async fn gs_r_at_once() {
    check("gs-r-at-once", [STATUS; 3], "status=1234 asb=yes gs-h=no gs-r=at-once").await;
}

#[tokio::test]
async fn no_fence() {
    check("no-fence", [STATUS; 3], "status=1234 asb=yes gs-h=no gs-r=no").await;
}

#[tokio::test]
async fn no_asb() {
    check("no-asb", [FENCE; 3], "status=1234 gs-h=yes gs-r=answers init-keeps=yes").await;
}

#[tokio::test]
async fn late_answers() {
    check("late-answers", [FENCE; 3], "status=1234 late=yes asb=yes gs-h=yes gs-r=answers").await;
}

#[tokio::test]
async fn status_when_idle() {
    check("status-when-idle", [FENCE; 3], "status=1234 asb=yes gs-h=yes gs-r=answers init-keeps=yes").await;
}

#[tokio::test]
async fn deaf_when_busy() {
    let shop = Shop::new("deaf-when-busy", Pins::default());
    shop.printer.set(Fault::PaperOutAfterLines(1));
    shop.spool.receive(items(1)).await.unwrap();
    shop.printer
        .wait_until(PATIENCE, |status| status.conditions.paper == virtual_printer::Paper::Out)
        .await
        .unwrap();
    // What it is asked now, it never answers.
    let asked = shop.printer.status().status_requests;
    shop.printer.wait_until(PATIENCE, |status| status.status_requests >= asked + 4).await.unwrap();
    shop.printer.set(Fault::PaperIn);
    assert_eq!(shop.outcomes(1).await, [FENCE]);
    assert_eq!(shop.slips(1).await, ["No.1"], "once, unmarked");
    assert!(shop.facts().await.contains("status-busy=no"));
    shop.spool.receive(items(3)).await.unwrap();
    assert_eq!(shop.outcomes(3).await, [FENCE; 3]);
}

#[tokio::test]
async fn tiny_buffer() {
    check("tiny-buffer", [FENCE; 3], "status=1234 asb=yes gs-h=yes gs-r=answers init-keeps=yes").await;
}

#[tokio::test]
async fn init_clears_buffer() {
    check("init-clears-buffer", [FENCE; 3], "status=1234 asb=yes gs-h=yes gs-r=answers init-keeps=no").await;
}

#[tokio::test]
async fn cheap() {
    check("cheap", [STATUS; 3], "status=1234 gs-h=no gs-r=at-once").await;
}

#[tokio::test]
async fn answers_nothing() {
    let shop = Shop::new("answers-nothing", Pins::default());
    assert_eq!(shop.print(2).await, [SENT; 2]);
    assert_eq!(shop.slips(2).await, ["No.1", "No.2"]);
    let shown: Vec<Condition> = shop.health.borrow().conditions.iter().map(|since| since.condition).collect();
    assert_eq!(shown, [Condition::Unknown], "it prints, and nobody knows how it is");
}

#[tokio::test]
async fn a_person_knows_better() {
    let pins: Pins = toml::from_str("fence = \"gs-r\"").unwrap();
    let shop = Shop::new("everything", pins);
    assert_eq!(shop.print(1).await, [FENCE]);
    assert_eq!(shop.printer.status().fences_answered, 2, "GS r, and never GS ( H");
}

#[tokio::test]
async fn paper_out_in_mid_ticket_is_never_done_before_it_is_in_again() {
    for (profile, outcome) in [("everything", FENCE), ("gs-r-at-once", STATUS), ("no-fence", STATUS)] {
        let shop = Shop::new(profile, Pins::default());
        shop.printer.set(Fault::PaperOutAfterLines(1));
        shop.spool.receive(items(1)).await.unwrap();
        let mut health = shop.health.clone();
        let out = |health: &PrinterHealth| {
            health.conditions.iter().any(|since| since.condition == Condition::PaperOut)
        };
        within("paper out", health.wait_for(out)).await.unwrap();
        assert_eq!(
            (shop.spool.cursors().assigned_up_to.0, shop.printer.receipt_count()),
            (0, 0),
            "{profile}"
        );
        shop.printer.set(Fault::PaperIn);
        assert_eq!(shop.outcomes(1).await, [outcome], "{profile}");
        assert_eq!(shop.slips(1).await, ["No.1"], "{profile}: once, unmarked");
    }
}

#[tokio::test]
async fn power_lost_in_mid_ticket_is_unknown_and_the_repeat_is_marked() {
    let shop = Shop::new("everything", Pins::default());
    shop.printer.set(Fault::PowerCut { after_lines: 1, off_ms: 200 });
    assert_eq!(shop.print(1).await[0], Outcome::Unknown(Doubt::ConnectionLost));
    assert_eq!(shop.outcomes(2).await, [Outcome::Unknown(Doubt::ConnectionLost), FENCE]);
    let slips = shop.slips(2).await;
    assert!(slips[1].contains("补打 1") && slips[1].ends_with("No.1"), "{slips:?}");
}
