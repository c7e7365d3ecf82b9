//! The network. It is harsher than the transports: those keep order within a connection and lose nothing.

use super::agent::AgentEvent;
use super::hub::HubEvent;
use super::world::{Event, World};
use docket_protocol::frame::{Decoder, encode};
use docket_protocol::message::Message;

/// One connection, numbered in the order in which agents began them.
pub(super) struct Link {
    pub(super) agent: usize,
    agent_open: bool,
    hub_open: bool,
    /// Nothing that is sent from now on arrives.
    cut: bool,
    to_agent: Lane,
    to_hub: Lane,
}

#[derive(Default)]
struct Lane {
    decoder: Decoder,
    /// What is sent in order does not arrive before this.
    arrived_by: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Agent,
    Hub,
}

pub(super) enum WireEvent {
    /// The agent's first packet comes to the hub.
    Reach,
    /// The hub's answer to it comes to the agent.
    Established,
    Arrive(Side, Vec<u8>),
    /// This side learns that there is no connection.
    Broken(Side),
}

impl World<'_> {
    pub(super) fn connect(&mut self, agent: usize) -> usize {
        let lanes = (Lane::default(), Lane::default());
        self.links.push(Link {
            agent,
            agent_open: true,
            hub_open: false,
            cut: false,
            to_agent: lanes.0,
            to_hub: lanes.1,
        });
        let link = self.links.len() - 1;
        let after = self.latency();
        self.after(after, Event::Wire(link, WireEvent::Reach));
        link
    }

    pub(super) fn send(&mut self, link: usize, to: Side, message: &Message) {
        self.note(|| format!("link {link} to {to:?}: {}", brief(message)));
        let mut frame = Vec::new();
        encode(message, &mut frame).expect("a model sends nothing that is too large");
        if self.links[link].cut || self.chance.permille(self.weather.loss) {
            self.count("lost");
            return;
        }
        let mut copies = 1;
        if self.chance.permille(self.weather.duplicates) {
            self.count("duplicated");
            copies = 2;
        }
        for _ in 0..copies {
            let mut at = self.now + self.latency();
            if self.chance.permille(self.weather.stalled) {
                self.count("stalled");
                let longest = self.chance.pick(&[5_000, 60_000]);
                at += self.chance.below(longest);
                if let Message::Hello(_) = message {
                    // The agent gives up and greets again; this greeting comes behind that one.
                    let after = self.chance.below(1_000);
                    self.after(after, Event::Wire(link, WireEvent::Broken(Side::Agent)));
                }
            }
            if self.chance.permille(self.weather.overtaken) {
                self.count("overtaken");
                at += self.chance.below(2_000);
            } else {
                let lane = self.links[link].lane(to);
                at = at.max(lane.arrived_by);
                lane.arrived_by = at;
            }
            self.at(at, Event::Wire(link, WireEvent::Arrive(to, frame.clone())));
        }
    }

    /// This side closes. The other one hears of it behind what was sent before, or never.
    pub(super) fn close(&mut self, link: usize, by: Side) {
        let other = by.other();
        self.links[link].set_open(by, false);
        if self.links[link].cut || self.chance.permille(self.weather.close_lost) {
            return;
        }
        let at = (self.now + self.latency()).max(self.links[link].lane(other).arrived_by);
        self.at(at, Event::Wire(link, WireEvent::Broken(other)));
    }

    pub(super) fn on_wire(&mut self, link: usize, event: WireEvent) {
        match event {
            WireEvent::Reach => self.reached(link),
            WireEvent::Established => {
                let passes = !self.blocked(link, Side::Agent) && self.links[link].hub_open;
                if passes && self.links[link].agent_open {
                    self.agent_event_of(link, AgentEvent::Established(link));
                }
            }
            WireEvent::Arrive(to, frame) => self.arrived(link, to, &frame),
            WireEvent::Broken(side) => {
                if self.links[link].is_open(side) && !self.blocked(link, side) {
                    self.links[link].set_open(side, false);
                    match side {
                        Side::Agent => self.agent_event_of(link, AgentEvent::Broken(link)),
                        Side::Hub => self.at_hub(HubEvent::Broken(link)),
                    }
                }
            }
        }
    }

    fn reached(&mut self, link: usize) {
        if self.blocked(link, Side::Hub) {
            return;
        }
        let after = self.latency();
        if self.hub.up {
            self.links[link].hub_open = true;
            self.at_hub(HubEvent::Incoming(link));
            self.after(after, Event::Wire(link, WireEvent::Established));
        } else if self.chance.permille(500) {
            self.after(after, Event::Wire(link, WireEvent::Broken(Side::Agent)));
        }
    }

    fn arrived(&mut self, link: usize, to: Side, frame: &[u8]) {
        if self.blocked(link, to) {
            self.count("lost");
            return;
        }
        if !self.links[link].is_open(to) {
            // A host that is up answers what belongs to no connection with a reset.
            if (to == Side::Agent || self.hub.up) && !self.links[link].cut {
                let after = self.latency();
                self.after(after, Event::Wire(link, WireEvent::Broken(to.other())));
            }
            return;
        }
        let split = self.chance.below(frame.len() as u64 + 1) as usize;
        let (first, second) = frame.split_at(split);
        for part in [first, second] {
            self.links[link].lane(to).decoder.push(part);
            while let Some(message) =
                self.links[link].lane(to).decoder.next_message().expect("frames come as they were sent")
            {
                match to {
                    Side::Agent => self.agent_event_of(link, AgentEvent::Received(link, message)),
                    Side::Hub => self.at_hub(HubEvent::Received(link, message)),
                }
            }
        }
    }

    /// The newest connection of an agent breaks; each side learns it in its own time, or never.
    pub(super) fn cut(&mut self, agent: usize) {
        let Some(link) = self.links.iter().rposition(|link| link.agent == agent) else { return };
        self.links[link].cut = true;
        for side in [Side::Agent, Side::Hub] {
            if self.chance.permille(700) {
                let after = self.chance.pick(&[0, 100, 5_000, 60_000]);
                self.after(after, Event::Wire(link, WireEvent::Broken(side)));
            }
        }
    }

    /// Nothing passes between the hub and an agent, in one direction or both.
    pub(super) fn partition(&mut self, agent: usize, lasts_ms_max: u64) {
        self.count("partition");
        let until = (self.now + self.chance.between(100, lasts_ms_max)).min(self.calm_at);
        let which = self.chance.below(3);
        let agent = &mut self.agents[agent];
        if which != 0 {
            agent.deaf_until = until;
        }
        if which != 1 {
            agent.mute_until = until;
        }
    }

    fn blocked(&self, link: usize, to: Side) -> bool {
        let agent = &self.agents[self.links[link].agent];
        match to {
            Side::Agent => self.now < agent.deaf_until,
            Side::Hub => self.now < agent.mute_until,
        }
    }

    fn latency(&mut self) -> u64 {
        self.chance.between(1, self.weather.latency_max)
    }

    fn agent_event_of(&mut self, link: usize, event: AgentEvent) {
        self.at_agent(self.links[link].agent, event);
    }
}

impl Link {
    pub(super) fn set_open(&mut self, side: Side, open: bool) {
        match side {
            Side::Agent => self.agent_open = open,
            Side::Hub => self.hub_open = open,
        }
    }

    fn is_open(&self, side: Side) -> bool {
        match side {
            Side::Agent => self.agent_open,
            Side::Hub => self.hub_open,
        }
    }

    fn lane(&mut self, to: Side) -> &mut Lane {
        match to {
            Side::Agent => &mut self.to_agent,
            Side::Hub => &mut self.to_hub,
        }
    }
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Agent => Side::Hub,
            Side::Hub => Side::Agent,
        }
    }
}

fn brief(message: &Message) -> String {
    match message {
        Message::Hello(hello) => {
            format!("hello, has {}, assigned {}", hello.received_up_to, hello.assigned_up_to)
        }
        Message::Welcome(welcome) => format!(
            "welcome, epoch {}, has {}, sends after {}",
            welcome.epoch, welcome.received_up_to, welcome.sends_after
        ),
        Message::Refused(refusal) => format!("refused {}", refusal.code()),
        Message::Deliver { seq, payload } => format!("deliver {seq} {payload:02x?}"),
        Message::Ack { up_to } => format!("ack {up_to}"),
        Message::Heartbeat { sent_up_to, stored_up_to } => {
            format!("heartbeat, sent {sent_up_to}, stored {stored_up_to}")
        }
        Message::Status(_) => "status".to_owned(),
        Message::Upload { number, packed } => format!("upload {number}, {} bytes", packed.len()),
        Message::Uploaded { number } => format!("uploaded {number}"),
        Message::Link(_) => "link".to_owned(),
        Message::BundlePart(_) => "bundle part".to_owned(),
        Message::BundleTaken(_) => "bundle taken".to_owned(),
        Message::Instance(_)
        | Message::RenewalDue
        | Message::Renew(_)
        | Message::Renewed { .. }
        | Message::Trust { .. }
        | Message::Trusting { .. } => "identity".to_owned(),
    }
}
