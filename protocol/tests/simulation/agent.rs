//! The shell around an agent's session: spool, connections, and a process that may end at any moment.

use super::chance::Chance;
use super::disk::Disk;
use super::ledger::Id;
use super::spool::{Spool, SpoolWork, report_of, rows_of};
use super::wire::Side;
use super::world::{Event, READ_WITHIN_MS, World};
use docket_protocol::ids::Seq;
use docket_protocol::message::{AgentStatus, Message};
use docket_protocol::session::{
    AgentSession, Effect, LinkState, RECONNECT_MAX, RECONNECT_MIN, REFUSED_PAUSE, WINDOW_ITEMS,
};

pub(super) struct Agent {
    /// Rises with every end of the process: what belonged to an earlier one is dropped.
    pub(super) life: u64,
    /// `None` while the process is down.
    pub(super) session: Option<AgentSession>,
    pub(super) spool: Spool,
    /// An older copy of the spool.
    pub(super) copy: Option<Spool>,
    disk: Disk<SpoolWork>,
    link: Option<usize>,
    /// A connection that is tried while another one is in use.
    better: Option<usize>,
    timer_at: Option<u64>,
    /// When the outbox last had something new.
    outbox_grew_at: u64,
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
    /// An item's turn has come at its printer.
    Due(Id),
}

impl Agent {
    pub(super) fn new(chance: &mut Chance) -> Self {
        Agent {
            life: 0,
            session: None,
            spool: Spool::new(chance.next()),
            copy: None,
            disk: Disk::new(),
            link: None,
            better: None,
            timer_at: None,
            outbox_grew_at: 0,
            deaf_until: 0,
            mute_until: 0,
            connections: 0,
        }
    }
}

impl World<'_> {
    pub(super) fn at_agent(&mut self, agent: usize, event: AgentEvent) {
        let now = self.instant();
        if !matches!(event, AgentEvent::Timer) {
            self.note(|| format!("agent {agent}: {event:?}"));
        }
        match event {
            AgentEvent::Start => self.start_agent(agent),
            AgentEvent::Timer => {
                if self.agents[agent].timer_at.take_if(|at| *at == self.now).is_some() {
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
            AgentEvent::Due(id) => self.spool_work(agent, SpoolWork::Execute(id)),
        }
        self.drive_agent(agent);
    }

    fn start_agent(&mut self, agent: usize) {
        let (now, seed) = (self.instant(), self.chance.next());
        self.agents[agent].session = Some(AgentSession::new(now, seed, "0.1.0".into(), "test".into()));
        for id in self.agents[agent].spool.unexecuted() {
            self.item_due(agent, id);
        }
    }

    /// The process ends, and comes back with what is durable, or with less.
    pub(super) fn restart_agent(&mut self, agent: usize) {
        self.count("agent restart");
        let links = [self.agents[agent].link.take(), self.agents[agent].better.take()];
        for link in links.into_iter().flatten() {
            self.close(link, Side::Agent);
        }
        let roll = self.chance.below(1000);
        if roll < self.weather.spool_lost {
            self.count("spool lost");
            self.agents[agent].spool = Spool::new(self.chance.next());
        } else if roll < self.weather.spool_lost + self.weather.spool_restored
            && let Some(copy) = self.agents[agent].copy.clone()
        {
            self.count("spool restored");
            self.forgive_what_is_forgotten(agent, &copy);
            self.agents[agent].spool = copy;
        }
        let longest = self.chance.pick(&[200, 30_000]);
        let back_after = self.chance.below(longest);
        let agent_state = &mut self.agents[agent];
        agent_state.life += 1;
        agent_state.session = None;
        agent_state.disk.lose();
        agent_state.timer_at = None;
        self.agent_after(agent, back_after, AgentEvent::Start);
    }

    /// What a copy holds and a lost life executed, it executes again; and what a lost life took and executed
    /// without the hub's having heard of it, comes again. No protocol can see either.
    fn forgive_what_is_forgotten(&mut self, agent: usize, copy: &Spool) {
        for id in self.ledger.accepted[agent].clone() {
            let forgotten = !copy.items.get(&id).is_some_and(|stored| stored.executed);
            if forgotten && (copy.items.contains_key(&id) || !self.hub.records[agent].knows_taken(id)) {
                self.ledger.forgive(id);
            }
        }
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
        for work in works {
            self.spool_worked(agent, work);
            self.drive_agent(agent);
        }
    }

    fn spool_worked(&mut self, agent: usize, work: SpoolWork) {
        let now = self.instant();
        let current = self.agents[agent].link;
        let spool = &mut self.agents[agent].spool;
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
            SpoolWork::Store(items) => {
                let new = spool.store(&items);
                let cursor = spool.cursor;
                for id in new {
                    self.item_due(agent, id);
                }
                self.session(agent).stored(cursor);
            }
            SpoolWork::Acknowledged(up_to) => spool.acknowledged(up_to),
            SpoolWork::SkipTo(seq) => spool.cursor = spool.cursor.max(seq),
            SpoolWork::RenumberAfter(seq) => {
                spool.renumber_after(seq);
                self.outbox_grew(agent);
            }
            SpoolWork::Execute(id) => {
                if let Some(marked) = spool.execute(id) {
                    self.ledger.executed(id, marked);
                    self.outbox_grew(agent);
                    if self.chance.permille(100) {
                        self.session(agent).report_status(AgentStatus::default());
                    }
                }
            }
            SpoolWork::Write(id) => {
                spool.write(id);
                self.outbox_grew(agent);
            }
            SpoolWork::Add(id) => {
                spool.add_row(id);
                self.session(agent).uploads_wait(now);
            }
            SpoolWork::ReadRows { link, bytes_max } => {
                let batch = spool.read_rows(bytes_max);
                if current == Some(link) {
                    self.session(agent).uploads_read(now, batch);
                }
            }
            SpoolWork::UploadedUpTo(number) => spool.uploaded_up_to(number),
        }
    }

    fn outbox_grew(&mut self, agent: usize) {
        let assigned = self.agents[agent].spool.assigned;
        self.agents[agent].outbox_grew_at = self.now;
        self.session(agent).outbox_has(assigned);
    }

    fn item_due(&mut self, agent: usize, id: Id) {
        let after = self.chance.between(10, 20_000);
        self.agent_after(agent, after, AgentEvent::Due(id));
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
                Effect::Store(items) => self.spool_work(agent, SpoolWork::Store(items)),
                Effect::ReadOutbox { after, limit } => {
                    let link = self.agents[agent].link.expect("an agent reads for a connection");
                    self.spool_work(agent, SpoolWork::ReadOutbox { link, after, limit });
                }
                Effect::Acknowledged(up_to) => self.spool_work(agent, SpoolWork::Acknowledged(up_to)),
                Effect::HubTime(_) => {}
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
                    assert!(spool.rows.values().any(|&id| id == row), "row {row:#x} is sent and not durable");
                }
            }
            Message::Status(_) | Message::Link(_) | Message::BundlePart(_) => {}
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
