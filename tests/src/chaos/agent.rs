//! The shell around an agent's session: spool, connections, and a process that may end at any moment.

use super::Sabotage;
use super::chance::Chance;
use super::disk::Disk;
use super::journal::{Journal, unix};
use super::ledger::Id;
use super::printer::Printer;
use super::spool::{Spool, SpoolWork, report_of, rows_of};
use super::wire::Side;
use super::world::{Event, READ_WITHIN_MS, World};
use docket_agent::spool::hub_clock::{self, HubClock};
use docket_protocol::ids::{Seq, UnixMs};
use docket_protocol::message::{AgentStatus, Message};
use docket_protocol::session::{
    AgentSession, Effect, LinkState, RECONNECT_MAX, RECONNECT_MIN, REFUSED_PAUSE, WINDOW_ITEMS,
};

/// Permille of restarts that lose the spool, and that come back with an older copy of it.
const SPOOL_LOST: u64 = 20;
const SPOOL_RESTORED: u64 = 20;
/// How often a disk without room is tried again.
const DISK_RETRY_MS: u64 = 1_000;

use std::time::Duration;

pub(super) struct Agent {
    /// Rises with every end of the process: what belonged to an earlier one is dropped.
    pub(super) life: u64,
    /// `None` while the process is down.
    pub(super) session: Option<AgentSession>,
    pub(super) spool: Spool,
    pub(super) printers: Vec<Printer>,
    /// An older copy of the data folder.
    copy: Option<(Spool, Vec<Journal>)>,
    pub(super) disk: Disk<SpoolWork>,
    pub(super) link: Option<usize>,
    boot: u64,
    /// By how much the PC's clock is wrong.
    pub(super) clock_off_ms: i64,
    hub_clock: HubClock,
    /// The hub has told this process the time.
    heard_hub: bool,
    /// Somebody is there: the PC runs, if nothing has ended it.
    pub(super) is_open: bool,
    /// The PC sleeps until then; its process stays.
    pub(super) asleep_until: u64,
    /// A connection that is tried while another one is in use.
    better: Option<usize>,
    timer_at: Option<u64>,
    /// When the outbox last had something new.
    pub(super) outbox_grew_at: u64,
    pub(super) deaf_until: u64,
    pub(super) mute_until: u64,
    pub(super) connections: u64,
}

#[derive(Debug)]
pub(super) enum AgentEvent {
    Start,
    Timer,
    /// What was being committed is durable.
    Committed,
    Established(usize),
    Broken(usize),
    Received(usize, Message),
}

impl Agent {
    pub(super) fn new(chance: &mut Chance, printers: usize) -> Self {
        Agent {
            life: 0,
            session: None,
            spool: Spool::new(chance.roll()),
            printers: (0..printers).map(|_| Printer::new(chance)).collect(),
            copy: None,
            disk: Disk::new(),
            link: None,
            boot: 1,
            clock_off_ms: 0,
            hub_clock: HubClock::default(),
            heard_hub: false,
            is_open: false,
            asleep_until: 0,
            better: None,
            timer_at: None,
            outbox_grew_at: 0,
            deaf_until: 0,
            mute_until: 0,
            connections: 0,
        }
    }

    /// What the PC's clock says.
    fn pc_time(&self, at: u64) -> UnixMs {
        UnixMs(unix(at).0 + self.clock_off_ms)
    }
}

impl World<'_> {
    pub(super) fn at_agent(&mut self, agent: usize, event: AgentEvent) {
        let now = self.instant();
        if !matches!(event, AgentEvent::Timer) {
            self.note(|| format!("agent {agent}: {event:?}"));
        }
        match event {
            AgentEvent::Start if self.agents[agent].session.is_some() => {}
            AgentEvent::Start => self.start_agent(agent),
            AgentEvent::Timer => {
                // A PC that slept is late.
                if self.agents[agent].timer_at.take_if(|at| *at <= self.now).is_some() {
                    self.session(agent).timed_out(now);
                }
            }
            AgentEvent::Committed => self.spool_committed(agent),
            AgentEvent::Established(link) => {
                if self.agents[agent].better == Some(link) {
                    self.switch(agent, link);
                } else if self.agents[agent].link == Some(link) {
                    // A shell may ask the spool's thread, or look at what is durable now: that is older.
                    if self.chance.permille(500) {
                        self.spool_work(agent, SpoolWork::ReadCursors { link });
                    } else {
                        let cursors = self.agents[agent].spool.cursors();
                        self.session(agent).connected(now, cursors);
                    }
                }
            }
            AgentEvent::Broken(link) => {
                self.agents[agent].better.take_if(|better| *better == link);
                if self.agents[agent].link == Some(link) {
                    self.agent_disconnected(agent);
                }
            }
            AgentEvent::Received(link, message) => {
                if self.agents[agent].link == Some(link) {
                    let is_welcome = matches!(message, Message::Welcome(_));
                    self.session(agent).received(now, message);
                    if is_welcome {
                        self.session(agent).uploads_wait(now);
                    }
                }
            }
        }
        self.drive_agent(agent);
    }

    fn start_agent(&mut self, agent: usize) {
        let (now, at, seed) = (self.instant(), self.now, self.chance.roll());
        let state = &mut self.agents[agent];
        state.session = Some(AgentSession::new(now, seed, "0.1.0".into(), "test".into()));
        state.hub_clock = HubClock::default();
        state.heard_hub = false;
        let boot = state.boot;
        let same_boot = state.spool.is_of_boot(boot);
        let journals: Vec<&Journal> = state.printers.iter().map(|printer| &printer.journal).collect();
        let printed = state.spool.recover(&journals, boot, self.sabotage);
        for printer in &mut state.printers {
            let in_question = state.spool.in_question(&printer.journal);
            printer.journal.open(same_boot);
            printer.agent_started(at, in_question);
            if in_question.is_some() {
                self.ledger.tally.count("printer asked");
            }
        }
        for id in printed {
            self.ledger.said_done(id, "the journal");
        }
        self.outbox_grew(agent);
        self.look_at_printers(agent);
    }

    /// The process ends, and comes back with what is durable, or with less.
    pub(super) fn restart_agent(&mut self, agent: usize, with_power: bool) {
        self.end_agent(agent, with_power);
        let roll = self.chance.below(1000);
        if roll < SPOOL_LOST {
            self.lose_spool(agent);
        } else if roll < SPOOL_LOST + SPOOL_RESTORED {
            self.restore_spool(agent);
        }
        let longest = self.chance.pick(&[200, 30_000]);
        let back_after = self.chance.below(longest);
        self.agent_after(agent, back_after, AgentEvent::Start);
    }

    /// The process is gone: killed, or with the power of the PC.
    pub(super) fn end_agent(&mut self, agent: usize, with_power: bool) {
        self.count(if with_power { "power cut" } else { "agent restart" });
        let links = [self.agents[agent].link.take(), self.agents[agent].better.take()];
        for link in links.into_iter().flatten() {
            self.close(link, Side::Agent);
        }
        let is_full = self.now < self.agents[agent].disk.full_until;
        let lost = self.agents[agent].disk.lose();
        // Nobody was told of a commit that was done just then.
        if !lost.is_empty() && !is_full && self.chance.permille(500) {
            self.count("commit untold");
            for work in &lost {
                self.apply(agent, work);
            }
            for printer in 0..self.agents[agent].printers.len() {
                if self.agents[agent].printers[printer].wants {
                    self.agents[agent].spool.claim(printer);
                }
            }
        }
        let state = &mut self.agents[agent];
        state.life += 1;
        state.session = None;
        state.timer_at = None;
        for printer in &mut state.printers {
            printer.agent_ended(self.now, &mut self.ledger);
        }
        if with_power {
            self.agents[agent].boot += 1;
            let printers_too = self.chance.permille(500);
            for printer in 0..self.agents[agent].printers.len() {
                let at = self.now;
                let lost = &mut self.agents[agent].printers[printer].journal;
                lost.lose_power(at, &mut self.chance);
                if printers_too {
                    self.with_printer(agent, printer, |printer, moment, _| printer.power_off(moment));
                }
            }
        }
    }

    fn lose_spool(&mut self, agent: usize) {
        self.count("spool lost");
        let state = &mut self.agents[agent];
        state.spool = Spool::new(self.chance.roll());
        for printer in &mut state.printers {
            printer.forget(Journal::new(&mut self.chance));
        }
        for id in self.ledger.sold[agent].clone() {
            self.ledger.lose_with_spool(id);
        }
    }

    /// Somebody puts back an older copy of the data folder. What it holds and a lost life printed, it prints again; and
    /// what a lost life took and printed without the hub's having heard of it, comes again. No protocol can see either.
    fn restore_spool(&mut self, agent: usize) {
        let Some((copy, journals)) = self.agents[agent].copy.clone() else { return };
        self.count("spool restored");
        for id in copy.open() {
            self.ledger.forgive(id);
        }
        for id in self.ledger.accepted[agent].clone() {
            if !copy.has(id) && !self.hub.records[agent].knows_taken(id) {
                self.ledger.forgive(id);
            }
        }
        for id in self.ledger.sold[agent].clone() {
            if !copy.has(id) {
                self.ledger.lose_with_spool(id);
            }
        }
        let state = &mut self.agents[agent];
        state.spool = copy;
        for (printer, journal) in state.printers.iter_mut().zip(journals) {
            printer.journal = journal;
        }
    }

    pub(super) fn copy_spool(&mut self, agent: usize) {
        let state = &mut self.agents[agent];
        let journals = state.printers.iter().map(|printer| printer.journal.clone()).collect();
        state.copy = Some((state.spool.clone(), journals));
    }

    /// What an agent does on TCP when QUIC may be back.
    pub(super) fn try_better_way(&mut self, agent: usize) {
        if self.is_live(agent) && self.agents[agent].better.is_none() {
            let link = self.connect(agent);
            self.agents[agent].better = Some(link);
        }
    }

    /// The better way stands. Where the session has ended since, it is of no more use.
    fn switch(&mut self, agent: usize, link: usize) {
        self.agents[agent].better = None;
        if !self.is_live(agent) {
            self.close(link, Side::Agent);
            return;
        }
        self.count("switch");
        if let Some(former) = self.agents[agent].link.replace(link) {
            self.close(former, Side::Agent);
        }
        self.agents[agent].connections += 1;
        let (now, cursors) = (self.instant(), self.agents[agent].spool.cursors());
        self.session(agent).switched(now, cursors);
    }

    fn is_live(&self, agent: usize) -> bool {
        let link = self.agents[agent].session.as_ref().map(AgentSession::link);
        matches!(link, Some(LinkState::Live { .. }))
    }

    pub(super) fn spool_work(&mut self, agent: usize, work: SpoolWork) {
        if self.agents[agent].disk.write(work) {
            self.begin_spool_commit(agent);
        }
    }

    fn begin_spool_commit(&mut self, agent: usize) {
        let after = self.chance.between(0, self.weather.fsync_max);
        self.agent_after(agent, after, AgentEvent::Committed);
    }

    fn spool_committed(&mut self, agent: usize) {
        let (works, again) = self.agents[agent].disk.committed();
        if again {
            self.begin_spool_commit(agent);
        }
        let is_full = self.now < self.agents[agent].disk.full_until;
        let (works, without_room): (Vec<_>, Vec<_>) =
            works.into_iter().partition(|work| !is_full || !work.grows());
        if !without_room.is_empty() {
            self.count("agent disk full");
            if self.agents[agent].disk.put_back(without_room) {
                self.agent_after(agent, DISK_RETRY_MS, AgentEvent::Committed);
            }
        }
        for work in works {
            self.spool_worked(agent, work);
            self.drive_agent(agent);
        }
        self.give_claims(agent);
        self.drive_agent(agent);
    }

    /// At the end of each transaction, and in it.
    fn give_claims(&mut self, agent: usize) {
        let at = self.now;
        let state = &mut self.agents[agent];
        let uptime = Duration::from_millis(at);
        let hub_now = state.hub_clock.time(state.pc_time(at), uptime, state.spool.ahead_ms, UnixMs(0));
        let heard_hub = state.heard_hub;
        let expired = state.spool.expire(u64::try_from(hub_now.0).unwrap_or(0));
        if !expired.is_empty() {
            self.outbox_grew(agent);
        }
        for (id, expires_at) in expired {
            assert!(
                !heard_hub || expires_at <= at,
                "ticket {id} expires at {expires_at}, by the hub's own clock"
            );
            self.count(if expires_at <= at { "expired" } else { "expired by a wrong clock" });
        }
        for printer in 0..self.agents[agent].printers.len() {
            let state = &mut self.agents[agent];
            if state.printers[printer].wants
                && let Some(claim) = state.spool.claim(printer)
            {
                state.printers[printer].take(claim);
            }
        }
        self.look_at_printers(agent);
    }

    /// What is written, without what is said of it.
    fn apply(&mut self, agent: usize, work: &SpoolWork) {
        let (spool, ledger) = (&mut self.agents[agent].spool, &mut self.ledger);
        match work {
            SpoolWork::Store(items) => spool.store(items),
            SpoolWork::Acknowledged(up_to) => spool.acknowledged(*up_to),
            SpoolWork::SkipTo(seq) => spool.cursor = spool.cursor.max(*seq),
            SpoolWork::RenumberAfter(seq) => spool.renumber_after(*seq),
            SpoolWork::Sell { id, printer } => {
                spool.sell(*id, *printer);
                ledger.sell(agent, *id);
            }
            SpoolWork::HandBack(id) => spool.hand_back(*id),
            SpoolWork::Finish { claim, ending } => spool.finish(*claim, *ending, self.sabotage),
            SpoolWork::Decide { id, settle } => {
                if spool.decide(*id, *settle) && *settle {
                    ledger.settled(*id);
                }
            }
            SpoolWork::HubClock { ahead_ms } => spool.ahead_ms = *ahead_ms,
            SpoolWork::UploadedUpTo(number) => spool.uploaded_up_to(*number),
            SpoolWork::Claim
            | SpoolWork::ReadCursors { .. }
            | SpoolWork::ReadOutbox { .. }
            | SpoolWork::ReadRows { .. } => {}
        }
    }

    fn spool_worked(&mut self, agent: usize, work: SpoolWork) {
        let now = self.instant();
        let current = self.agents[agent].link;
        self.apply(agent, &work);
        let spool = &self.agents[agent].spool;
        match work {
            SpoolWork::ReadCursors { link } => {
                let cursors = spool.cursors();
                if current == Some(link) {
                    self.session(agent).connected(now, cursors);
                }
            }
            SpoolWork::ReadOutbox { link, after, limit } => {
                // A shell may drop what an earlier session asked for, or not.
                let items = spool.read_outbox(after, limit);
                if current == Some(link) || self.chance.permille(500) {
                    self.session(agent).outbox_read(items);
                }
            }
            SpoolWork::Store(_) => {
                let cursor = spool.cursor;
                self.session(agent).stored(cursor);
            }
            SpoolWork::RenumberAfter(_) => self.outbox_grew(agent),
            SpoolWork::Finish { .. } | SpoolWork::Decide { .. } => {
                self.outbox_grew(agent);
                self.session(agent).uploads_wait(now);
                if self.chance.permille(100) {
                    self.session(agent).report_status(AgentStatus::default());
                }
            }
            SpoolWork::Sell { .. } => self.session(agent).uploads_wait(now),
            SpoolWork::ReadRows { link, bytes_max } => {
                let batch = spool.read_rows(bytes_max);
                if current == Some(link) {
                    self.session(agent).uploads_read(now, batch);
                }
            }
            SpoolWork::Acknowledged(_)
            | SpoolWork::SkipTo(_)
            | SpoolWork::Claim
            | SpoolWork::HandBack(_)
            | SpoolWork::HubClock { .. }
            | SpoolWork::UploadedUpTo(_) => {}
        }
    }

    fn outbox_grew(&mut self, agent: usize) {
        let assigned = self.agents[agent].spool.assigned;
        self.agents[agent].outbox_grew_at = self.now;
        self.session(agent).outbox_has(assigned);
    }

    /// A person looks at what waits for one: at the paper first.
    pub(super) fn person(&mut self, agent: usize) {
        let held: Vec<Id> = self.agents[agent].spool.held.iter().copied().collect();
        for id in held {
            let settle = self.ledger.has_come_out(id) || self.chance.permille(300);
            self.count("decided by a person");
            self.spool_work(agent, SpoolWork::Decide { id, settle });
        }
    }

    fn drive_agent(&mut self, agent: usize) {
        let now = self.instant();
        while let Some(effect) =
            self.agents[agent].session.as_mut().and_then(|session| session.poll_effect(now))
        {
            match effect {
                Effect::Connect => {
                    assert_eq!(self.agents[agent].link, None, "a second connection");
                    self.agents[agent].connections += 1;
                    self.count("connection");
                    let link = self.connect(agent);
                    self.agents[agent].link = Some(link);
                }
                Effect::Send(message) => {
                    self.check_agent_says(agent, &message);
                    let link = self.agents[agent].link.expect("an agent sends on a connection");
                    self.send(link, Side::Hub, &message);
                }
                Effect::Store(items) => {
                    let up_to = items.last().map(|(seq, _)| *seq);
                    self.spool_work(agent, SpoolWork::Store(items));
                    if let (Sabotage::AcknowledgesEarly, Some(up_to)) = (self.sabotage, up_to) {
                        self.session(agent).stored(up_to);
                    }
                }
                Effect::ReadOutbox { after, limit } => {
                    let link = self.agents[agent].link.expect("an agent reads for a connection");
                    self.spool_work(agent, SpoolWork::ReadOutbox { link, after, limit });
                }
                Effect::Acknowledged(up_to) => self.spool_work(agent, SpoolWork::Acknowledged(up_to)),
                Effect::HubTime(time) => {
                    let at = self.now;
                    let state = &mut self.agents[agent];
                    state.hub_clock.hear(time, Duration::from_millis(at));
                    state.heard_hub = true;
                    let ahead = hub_clock::changed(time, state.pc_time(at), state.spool.ahead_ms);
                    if let Some(ahead_ms) = ahead {
                        self.spool_work(agent, SpoolWork::HubClock { ahead_ms });
                    }
                }
                Effect::SkipTo(seq) => {
                    self.count("skip");
                    self.spool_work(agent, SpoolWork::SkipTo(seq));
                }
                Effect::RenumberAfter(seq) => {
                    self.count("renumber");
                    self.spool_work(agent, SpoolWork::RenumberAfter(seq));
                }
                Effect::Close(reason) => {
                    self.count(reason.code().0);
                    self.note(|| format!("agent {agent}: closes, {reason:?}"));
                    if let Some(link) = self.agents[agent].link {
                        self.close(link, Side::Agent);
                    }
                    self.agent_disconnected(agent);
                }
                Effect::ReadUploads { bytes_max } => {
                    let link = self.agents[agent].link.expect("an agent reads for a connection");
                    self.spool_work(agent, SpoolWork::ReadRows { link, bytes_max });
                }
                Effect::UploadedUpTo(number) => self.spool_work(agent, SpoolWork::UploadedUpTo(number)),
                Effect::BundleTaken(_) => {}
                Effect::Renew | Effect::Renewed(_) | Effect::Trust(_) => {
                    panic!("nobody has asked for it: {effect:?}")
                }
                Effect::Open(_)
                | Effect::Status(_)
                | Effect::Link(_)
                | Effect::StoreUpload { .. }
                | Effect::Storage(_)
                | Effect::BundlePart(_)
                | Effect::Instance(_)
                | Effect::Certify(_)
                | Effect::Trusting(_) => {
                    panic!("an effect of the hub: {effect:?}")
                }
            }
        }
        self.set_agent_timer(agent);
    }

    /// The pause that follows has its named bounds.
    fn agent_disconnected(&mut self, agent: usize) {
        let now = self.instant();
        self.agents[agent].link = None;
        let session = self.session(agent);
        session.disconnected(now);
        let pause = session.poll_timeout().expect("an agent tries again by itself") - now;
        let (shortest, longest) = match session.link() {
            LinkState::Waiting => (RECONNECT_MIN / 2, RECONNECT_MAX),
            LinkState::Refused(refusal) if refusal.passes_by_itself() => (RECONNECT_MAX / 2, RECONNECT_MAX),
            LinkState::Refused(_) => (REFUSED_PAUSE / 2, REFUSED_PAUSE),
            state @ (LinkState::Connecting | LinkState::Live { .. }) => {
                panic!("{state:?} without connection")
            }
        };
        assert!((shortest..=longest).contains(&pause), "a pause of {pause:?}");
    }

    /// What an agent says is so, and survives a power cut.
    fn check_agent_says(&self, agent: usize, message: &Message) {
        let spool = &self.agents[agent].spool;
        let stored = |up_to: Seq| assert!(up_to <= spool.cursor, "{up_to} is acknowledged and not durable");
        match message {
            Message::Hello(hello) => stored(hello.received_up_to),
            Message::Ack { up_to } => stored(*up_to),
            Message::Heartbeat { sent_up_to, stored_up_to } => {
                stored(*stored_up_to);
                let first = spool.outbox.first_key_value().map_or(spool.assigned, |(&seq, _)| seq);
                let all_sent = *sent_up_to >= spool.assigned || sent_up_to.0 + 1 >= first.0 + WINDOW_ITEMS;
                let grew_at = self.agents[agent].outbox_grew_at;
                assert!(all_sent || self.now - grew_at < READ_WITHIN_MS, "idle, with reports to send");
            }
            Message::Deliver { seq, payload } => {
                let durable = spool.outbox.get(seq).copied();
                assert_eq!(durable, Some(report_of(payload)), "report {seq} is sent and not durable");
            }
            Message::Upload { packed, .. } => {
                for row in rows_of(packed) {
                    assert!(spool.rows.values().any(|&kept| kept == row), "{row:?} is sent and not durable");
                }
            }
            Message::Status(_) | Message::Link(_) | Message::BundlePart(_) | Message::Storage(_) => {}
            Message::Instance(_) | Message::Renew(_) | Message::Trusting { .. } => {}
            Message::Welcome(_)
            | Message::Refused(_)
            | Message::Uploaded { .. }
            | Message::BundleTaken(_)
            | Message::RenewalDue
            | Message::Renewed { .. }
            | Message::Trust { .. } => panic!("an agent says {message:?}"),
        }
    }

    fn set_agent_timer(&mut self, agent: usize) {
        let Some(due) = self.agents[agent].session.as_ref().and_then(|session| session.poll_timeout()) else {
            return;
        };
        let due = self.ms_of(due).max(self.now);
        let state = &mut self.agents[agent];
        if state.timer_at.is_none_or(|at| at > due) {
            state.timer_at = Some(due);
            let life = state.life;
            self.at(due, Event::Agent(agent, life, AgentEvent::Timer));
        }
    }

    fn session(&mut self, agent: usize) -> &mut AgentSession {
        self.agents[agent].session.as_mut().expect("events of a process that ended are dropped")
    }
}
