//! The shell around the hub's sessions: storage with one writer, leases, and who is told of a new order.

use super::disk::Disk;
use super::record::{HubWork, Record};
use super::spool::{Row, Told, item_of, report_of, rows_of};
use super::wire::Side;
use super::world::{Event, READ_WITHIN_MS, World};
use docket_protocol::ids::Seq;
use docket_protocol::message::{Hello, Message, Refusal};
use docket_protocol::outcome::Outcome;
use docket_protocol::session::{Effect, HubSession, Opened, WINDOW_ITEMS};
use std::collections::BTreeMap;

pub(super) struct Hub {
    pub(super) life: u64,
    pub(super) up: bool,
    /// One for each agent; durable.
    pub(super) records: Vec<Record>,
    pub(super) disk: Disk<HubWork>,
    sessions: BTreeMap<usize, HubEnd>,
    /// Where new orders for an agent are offered.
    newest: Vec<Option<usize>>,
    /// When each outbox last had something new.
    outbox_grew_at: Vec<u64>,
}

struct HubEnd {
    session: HubSession,
    /// The lease, once the session is open.
    epoch: u64,
    timer_at: Option<u64>,
}

#[derive(Debug)]
pub(super) enum HubEvent {
    Start,
    Timer(usize),
    /// What was being committed is durable.
    Committed,
    Incoming(usize),
    Broken(usize),
    Received(usize, Message),
    Opened(usize, Opened),
    Offer(usize, Seq, Vec<u8>),
    ReadBegins {
        link: usize,
        after: Seq,
        limit: usize,
    },
    ReadEnds(usize, Vec<(Seq, Vec<u8>)>),
    /// A session hears that a newer one has the lease.
    Superseded(usize),
}

impl Hub {
    pub(super) fn new(agents: usize) -> Self {
        Hub {
            life: 0,
            up: false,
            records: (0..agents).map(|_| Record::new()).collect(),
            disk: Disk::new(),
            sessions: BTreeMap::new(),
            newest: vec![None; agents],
            outbox_grew_at: vec![0; agents],
        }
    }
}

impl World<'_> {
    pub(super) fn at_hub(&mut self, event: HubEvent) {
        let now = self.instant();
        if !matches!(event, HubEvent::Timer(_) | HubEvent::Committed) {
            self.note(|| format!("hub: {event:?}"));
        }
        match event {
            HubEvent::Start => self.hub.up = true,
            HubEvent::Committed => self.hub_committed(),
            HubEvent::Incoming(link) => {
                let end = HubEnd { session: HubSession::new(now), epoch: 0, timer_at: None };
                self.hub.sessions.insert(link, end);
                self.drive_hub(link);
            }
            HubEvent::Broken(link) => {
                self.hub.sessions.remove(&link);
            }
            HubEvent::Timer(link) => {
                let at = self.now;
                self.with_session(link, |end| {
                    if end.timer_at.take_if(|due| *due == at).is_some() {
                        end.session.timed_out(now);
                    }
                });
            }
            HubEvent::Received(link, message) => {
                self.with_session(link, |end| end.session.received(now, message));
            }
            HubEvent::Opened(link, opened) => self.with_session(link, |end| end.session.opened(now, opened)),
            HubEvent::Offer(link, seq, payload) => {
                // A shell that is behind drops the payload and says only that there is something.
                if self.chance.permille(800) {
                    self.with_session(link, |end| end.session.offer(seq, payload));
                } else {
                    self.with_session(link, |end| end.session.outbox_has(seq));
                }
            }
            HubEvent::ReadBegins { link, after, limit } => {
                if self.holds_lease(link) {
                    let record = &self.hub.records[self.links[link].agent];
                    let items = record.read_outbox(after, limit);
                    let after = self.chance.below(10);
                    self.hub_after(after, HubEvent::ReadEnds(link, items));
                }
            }
            HubEvent::ReadEnds(link, items) => self.with_session(link, |end| end.session.outbox_read(items)),
            HubEvent::Superseded(link) => {
                self.with_session(link, |end| end.session.refuse(Refusal::Superseded));
            }
        }
    }

    /// The process ends, and comes back with what is durable.
    pub(super) fn restart_hub(&mut self) {
        self.count("hub restart");
        let applies = self.now >= self.hub.disk.full_until && self.chance.permille(500);
        let links: Vec<usize> = self.hub.sessions.keys().copied().collect();
        for link in links {
            self.close(link, Side::Hub);
        }
        self.hub.life += 1;
        self.hub.up = false;
        for work in self.hub.disk.lose() {
            self.hub_apply_untold(work, applies);
        }
        self.hub.sessions.clear();
        self.hub.newest.fill(None);
        self.hub.records.iter_mut().for_each(Record::restarted);
        let back_after = self.chance.between(0, 20_000);
        self.hub_after(back_after, HubEvent::Start);
    }

    pub(super) fn hub_write(&mut self, work: HubWork) {
        if self.hub.disk.write(work) {
            self.begin_hub_commit();
        }
    }

    fn begin_hub_commit(&mut self) {
        let after = self.chance.between(0, self.weather.fsync_max.min(100));
        self.hub_after(after, HubEvent::Committed);
    }

    fn hub_committed(&mut self) {
        let (works, again) = self.hub.disk.committed();
        if again {
            self.begin_hub_commit();
        }
        if self.now < self.hub.disk.full_until {
            works.into_iter().for_each(|work| self.hub_cannot_store(work));
            return;
        }
        for work in works {
            match work {
                HubWork::Accept { agent, item } => {
                    let (seq, payload) = self.hub.records[agent].accept(item);
                    self.ledger.accept(agent, item.id);
                    self.hub.outbox_grew_at[agent] = self.now;
                    if let Some(link) = self.hub.newest[agent] {
                        let after = self.chance.below(10);
                        self.hub_after(after, HubEvent::Offer(link, seq, payload));
                    }
                }
                HubWork::Open { link, hello } => self.open(link, &hello),
                HubWork::Store { link, epoch, items } => {
                    let agent = self.links[link].agent;
                    if self.lease_is(link, epoch) {
                        let up_to = items.last().map(|(seq, _)| *seq).expect("there is something to store");
                        self.hub_stores(agent, items);
                        self.with_session(link, |end| end.session.stored(up_to));
                    }
                }
                HubWork::Upload { link, epoch, number, packed } => {
                    if self.lease_is(link, epoch) {
                        let agent = self.links[link].agent;
                        self.hub_takes(agent, &packed);
                        self.with_session(link, |end| end.session.upload_stored(number));
                    }
                }
                HubWork::Acknowledged { link, epoch, up_to } => {
                    if self.lease_is(link, epoch) {
                        self.hub.records[self.links[link].agent].acknowledged(up_to);
                    }
                }
            }
        }
    }

    fn hub_stores(&mut self, agent: usize, items: Vec<(Seq, Vec<u8>)>) {
        for (seq, payload) in items {
            let told = report_of(&payload);
            self.hub_hears(told);
            self.hub.records[agent].store(seq, told);
        }
    }

    fn hub_takes(&mut self, agent: usize, packed: &[u8]) {
        for row in rows_of(packed) {
            if let Row::Outcome(told) = row {
                self.hub_hears(told);
            }
            if self.hub.records[agent].upload(row) {
                self.count("uploaded again");
            }
        }
    }

    fn hub_hears(&mut self, told: Told) {
        match told.outcome {
            Outcome::Printed(_) => self.ledger.said_done(told.id, "the hub"),
            Outcome::Unknown(_) => self.count("told: unknown"),
            Outcome::Held(_) => self.count("told: held"),
            Outcome::Settled => self.ledger.check_settled(told.id),
        }
    }

    /// A platform gets an error, and pushes again; a session is refused.
    fn hub_cannot_store(&mut self, work: HubWork) {
        self.count("hub disk full");
        match work {
            HubWork::Accept { agent, item } => self.push_again(agent, item),
            HubWork::Open { link, .. }
            | HubWork::Store { link, .. }
            | HubWork::Upload { link, .. }
            | HubWork::Acknowledged { link, .. } => {
                self.with_session(link, |end| end.session.refuse(Refusal::Unavailable));
            }
        }
    }

    /// The process has ended while this was being committed, and nobody was told. It is durable, or it is gone.
    fn hub_apply_untold(&mut self, work: HubWork, applies: bool) {
        match work {
            HubWork::Accept { agent, item } if applies => {
                self.count("accepted untold");
                self.hub.records[agent].accept(item);
                self.ledger.accept(agent, item.id);
            }
            // The platform had no answer.
            HubWork::Accept { agent, item } => self.push_again(agent, item),
            _ if !applies => {}
            HubWork::Open { link, hello } => {
                let now = self.now;
                self.hub.records[self.links[link].agent].open(&hello, now);
            }
            HubWork::Store { link, epoch, items } => {
                let agent = self.links[link].agent;
                if self.hub.records[agent].epoch == epoch {
                    self.hub_stores(agent, items);
                }
            }
            HubWork::Acknowledged { link, epoch, up_to } => {
                let record = &mut self.hub.records[self.links[link].agent];
                if record.epoch == epoch {
                    record.acknowledged(up_to);
                }
            }
            HubWork::Upload { link, epoch, packed, .. } => {
                let agent = self.links[link].agent;
                if self.hub.records[agent].epoch == epoch {
                    self.hub_takes(agent, &packed);
                }
            }
        }
    }

    fn open(&mut self, link: usize, hello: &Hello) {
        let agent = self.links[link].agent;
        let opened = self.hub.records[agent].open(hello, self.now);
        self.count("session");
        if hello.received_up_to < self.agents[agent].spool.cursor
            || hello.spool != self.agents[agent].spool.id
        {
            self.count("stale hello");
        }
        if let Some(end) = self.hub.sessions.get_mut(&link) {
            end.epoch = opened.epoch;
        }
        if let Some(older) = self.hub.newest[agent].replace(link) {
            let after = self.chance.below(5_000);
            self.hub_after(after, HubEvent::Superseded(older));
        }
        let longest = self.chance.pick(&[10, 1_000]);
        let after = self.chance.below(longest);
        self.hub_after(after, HubEvent::Opened(link, opened));
    }

    /// Whether this is the newest session of its agent. One that is not is told so.
    fn holds_lease(&mut self, link: usize) -> bool {
        let epoch = self.hub.sessions.get(&link).map_or(0, |end| end.epoch);
        self.lease_is(link, epoch)
    }

    fn lease_is(&mut self, link: usize, epoch: u64) -> bool {
        let holds = self.hub.records[self.links[link].agent].epoch == epoch;
        if !holds {
            self.count("fenced");
            self.with_session(link, |end| end.session.refuse(Refusal::Superseded));
        }
        holds
    }

    /// Events for sessions that have ended are dropped.
    fn with_session(&mut self, link: usize, act: impl FnOnce(&mut HubEnd)) {
        if let Some(end) = self.hub.sessions.get_mut(&link) {
            act(end);
            self.drive_hub(link);
        }
    }

    fn drive_hub(&mut self, link: usize) {
        let now = self.instant();
        while let Some(end) = self.hub.sessions.get_mut(&link)
            && let Some(effect) = end.session.poll_effect(now)
        {
            let epoch = end.epoch;
            match effect {
                Effect::Send(message) => {
                    self.check_hub_says(link, &message);
                    self.send(link, Side::Agent, &message);
                }
                Effect::Open(hello) => {
                    if self.chance.permille(self.weather.busy) {
                        if let Some(end) = self.hub.sessions.get_mut(&link) {
                            end.session.refuse(Refusal::Unavailable);
                        }
                    } else {
                        self.hub_write(HubWork::Open { link, hello });
                    }
                }
                Effect::Store(items) => self.hub_write(HubWork::Store { link, epoch, items }),
                Effect::Acknowledged(up_to) => self.hub_write(HubWork::Acknowledged { link, epoch, up_to }),
                Effect::ReadOutbox { after, limit } => {
                    let begins_after = self.chance.below(10);
                    self.hub_after(begins_after, HubEvent::ReadBegins { link, after, limit });
                }
                Effect::Status(_) => self.count("status"),
                Effect::Link(_) | Effect::BundlePart(_) => {}
                Effect::Close(reason) => {
                    self.count(reason.code().0);
                    self.note(|| format!("hub: closes link {link}, {reason:?}"));
                    self.hub.sessions.remove(&link);
                    self.close(link, Side::Hub);
                }
                Effect::Instance(_) | Effect::Certify(_) | Effect::Trusting(_) => {
                    panic!("no agent says so here: {effect:?}")
                }
                Effect::StoreUpload { number, packed } => {
                    self.hub_write(HubWork::Upload { link, epoch, number, packed });
                }
                Effect::Connect
                | Effect::HubTime(_)
                | Effect::SkipTo(_)
                | Effect::RenumberAfter(_)
                | Effect::ReadUploads { .. }
                | Effect::UploadedUpTo(_)
                | Effect::BundleTaken(_)
                | Effect::Renew
                | Effect::Renewed(_)
                | Effect::Trust(_) => panic!("an effect of an agent: {effect:?}"),
            }
        }
        self.set_hub_timer(link);
    }

    /// What the hub says is so, and survives a power cut.
    fn check_hub_says(&mut self, link: usize, message: &Message) {
        let agent = self.links[link].agent;
        let newest = self.hub.newest[agent] == Some(link);
        let record = &mut self.hub.records[agent];
        let stored = |up_to: Seq| assert!(up_to <= record.cursor, "{up_to} is acknowledged and not durable");
        match message {
            Message::Welcome(welcome) => stored(welcome.received_up_to),
            Message::Ack { up_to } => stored(*up_to),
            Message::Heartbeat { sent_up_to, stored_up_to } => {
                stored(*stored_up_to);
                let all_sent =
                    *sent_up_to >= record.assigned || sent_up_to.0 >= record.acked.0 + WINDOW_ITEMS;
                let grew_at = self.hub.outbox_grew_at[agent];
                assert!(
                    all_sent || !newest || self.now - grew_at < READ_WITHIN_MS,
                    "idle, with items to send"
                );
            }
            Message::Deliver { seq, payload } => {
                let id = item_of(payload).id;
                assert!(self.ledger.is_accepted(id), "item {id} is sent and not durable");
                record.sent(*seq);
            }
            Message::Refused(_)
            | Message::Uploaded { .. }
            | Message::BundleTaken(_)
            | Message::RenewalDue
            | Message::Renewed { .. }
            | Message::Trust { .. } => {}
            Message::Hello(_)
            | Message::Status(_)
            | Message::Link(_)
            | Message::Upload { .. }
            | Message::BundlePart(_)
            | Message::Instance(_)
            | Message::Renew(_)
            | Message::Trusting { .. } => panic!("the hub says {message:?}"),
        }
    }

    fn set_hub_timer(&mut self, link: usize) {
        let Some(due) = self.hub.sessions.get(&link).and_then(|end| end.session.poll_timeout()) else {
            return;
        };
        let due = self.ms_of(due).max(self.now);
        if let Some(end) = self.hub.sessions.get_mut(&link)
            && end.timer_at.is_none_or(|at| at > due)
        {
            end.timer_at = Some(due);
            let life = self.hub.life;
            self.at(due, Event::Hub(life, HubEvent::Timer(link)));
        }
    }
}
