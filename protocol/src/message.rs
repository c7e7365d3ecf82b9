//! Messages of the link. postcard is not self-describing, so every enum here only ever appends, and
//! `tests/golden_frames.txt` keeps the bytes of each variant.

use crate::help::{BundlePart, BundleTaken, HelpId, HelpOutcome, HelpRequest};
use crate::ids::{Seq, TicketId, UnixMs};
use crate::outcome::TicketReport;
use crate::printer::PrinterHealth;
use crate::ticket::Ticket;
use serde::{Deserialize, Serialize};

/// The version of the link that this code speaks.
pub const PROTOCOL_VERSION: u16 = 1;

/// What travels on the control stream, in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Agent to hub, first.
    Hello(Hello),
    /// Hub to agent, the answer to [`Message::Hello`].
    Welcome(Welcome),
    /// Hub to agent, before it closes the connection.
    Refused(Refusal),
    /// A sequenced item: stored by the receiver before it is acknowledged.
    Deliver {
        /// Its place in this direction's sequence.
        seq: Seq,
        /// A postcard [`Item`] (to the agent) or [`Report`] (to the hub). It is opaque to the session, so
        /// that a peer can store and acknowledge what only its next version can read.
        payload: Vec<u8>,
    },
    /// Everything up to and including this place is stored.
    Ack {
        /// Cumulative.
        up_to: Seq,
    },
    /// Sent when nothing else was for a while; shows the receiver what it should have.
    Heartbeat {
        /// The last place that was sent in this direction.
        sent_up_to: Seq,
        /// What the last [`Message::Ack`] in this direction said, or should have said.
        stored_up_to: Seq,
    },
    /// Agent to hub: the state of things now. Not sequenced: only the newest counts.
    Status(AgentStatus),
    /// Agent to hub: how it is connected. Not sequenced either.
    Link(LinkReport),
    /// Agent to hub: what the store made of its own accord, oldest first, beside the sequence. One at a time.
    Upload {
        /// Counts from 1 in each session.
        number: u64,
        /// Packed rows, opaque to the session.
        packed: Vec<u8>,
    },
    /// Hub to agent: that upload is stored.
    Uploaded {
        /// Which.
        number: u64,
    },
    /// Agent to hub: a part of a bundle of diagnostics. Not sequenced: it is sent again until it is taken.
    BundlePart(BundlePart),
    /// Hub to agent, the answer to each [`Message::BundlePart`].
    BundleTaken(BundleTaken),
    /// Agent to hub, before [`Message::Hello`]: which of the programs with this identity it is. A hub that does not know it
    /// skips it, and one that does can judge before the greeting takes the lease from another.
    Instance(Instance),
    /// Hub to agent: its certificate is to be renewed now. The hub says when, since its clock is the one that counts.
    RenewalDue,
    /// Agent to hub: a fresh key of its own, to be certified.
    Renew(Renewal),
    /// Hub to agent, the answer: the certificate (DER) for that key. The hub takes both, the former and this one, until
    /// this one was used.
    Renewed {
        /// DER.
        certificate: Vec<u8>,
    },
    /// Hub to agent: trust hubs with a certificate of one of these CAs (DER), and of no other. It is believed because it
    /// comes over a session whose hub was proven by a CA that is trusted already.
    Trust {
        /// At most [`TRUSTED_MAX`].
        cas: Vec<Vec<u8>>,
    },
    /// Agent to hub: these are stored, and trusted from now on.
    Trusting {
        /// SHA-256 of the SHA-256s of the CAs, in the order in which they were told.
        bundle: [u8; 32],
    },
}

/// CAs that an agent may be told to trust: the one in use and the next.
pub const TRUSTED_MAX: usize = 2;
/// What the proof of a [`Renewal`] is a signature of begins with this; then come the keying material of the TLS session and
/// the new public key.
pub const RENEWAL_LABEL: &[u8] = b"docket renewal 1";

/// A running program of an agent. Two that live at the same time have the same identity where a disk was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Drawn when the program began.
    pub process: [u8; 16],
    /// Hash of the id that the operating system has given this PC, where it has.
    pub machine: Option<[u8; 32]>,
    /// Names this run of the operating system.
    pub boot: String,
    /// The PC's name, for people.
    pub host: String,
}

/// What an agent asks for when its certificate is to be renewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// An uncompressed point of P-256, 65 bytes (SEC 1, 2.3.3).
    pub public_key: Vec<u8>,
    /// A signature with the new key (ECDSA, ASN.1) of [`RENEWAL_LABEL`], the keying material of this TLS session and the
    /// public key: whoever asks has the private key, and asks here and now.
    pub proof: Vec<u8>,
}

/// How an agent opens a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The oldest version of the link that the agent speaks.
    pub protocol_min: u16,
    /// The newest.
    pub protocol_max: u16,
    /// Drawn when the spool was made: another id is another spool.
    pub spool: [u8; 16],
    /// Everything from the hub up to here is in the spool.
    pub received_up_to: Seq,
    /// The last place that the agent gave to an item of its own, sent or not.
    pub assigned_up_to: Seq,
    /// Version of the agent's program.
    pub agent_version: String,
    /// Operating system and processor, e.g. `windows x86_64`.
    pub platform: String,
}

/// How the hub accepts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version that both will speak.
    pub protocol: u16,
    /// The lease: rises with every session of this agent; what an older one says no longer counts.
    pub epoch: u64,
    /// Everything from the agent up to here is stored at the hub.
    pub received_up_to: Seq,
    /// The hub will send what comes after this place. It is after the agent's own `received_up_to` where
    /// an earlier spool has taken what was between.
    pub sends_after: Seq,
    /// The hub's clock.
    pub now: UnixMs,
}

/// Why the hub does not talk to an agent. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// No common version of the link.
    Protocol {
        /// The oldest that the hub speaks.
        min: u16,
        /// The newest.
        max: u16,
    },
    /// The hub does not know this certificate.
    UnknownAgent,
    /// The agent was revoked at headquarters.
    Revoked,
    /// A newer session of the same agent has taken over.
    Superseded,
    /// The hub cannot store at the moment.
    Unavailable,
    /// Two PCs with this identity are running; the hub keeps the other one.
    Cloned,
    /// The certificate ended long ago.
    CertificateEnded,
}

impl Refusal {
    /// The code that logs and interfaces show.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::Protocol { .. } => "protocol-version",
            Refusal::UnknownAgent => "unknown-agent",
            Refusal::Revoked => "revoked",
            Refusal::Superseded => "superseded",
            Refusal::Unavailable => "hub-unavailable",
            Refusal::Cloned => "agent-cloned",
            Refusal::CertificateEnded => "certificate-ended",
        }
    }

    /// What it is and what to do, for people: (zh-CN, en).
    pub fn remedy(self) -> (&'static str, &'static str) {
        match self {
            Refusal::Protocol { .. } => {
                ("程序版本和总部不兼容:请更新", "no common protocol version: update the older side")
            }
            Refusal::UnknownAgent => {
                ("总部不认识这台电脑:请用新的注册码重新注册", "the hub does not know this agent: enrol again")
            }
            Refusal::Revoked => (
                "这台电脑已被总部停用:请向总部要新的注册码",
                "this agent was revoked: ask headquarters for a new enrolment code",
            ),
            Refusal::Superseded => (
                "同一身份的另一个连接已接替:检查是否有两台电脑用了同一个数据目录",
                "another session of the same agent took over: look for a copied data folder",
            ),
            Refusal::Unavailable => {
                ("总部暂时无法存储:稍后自动重试", "the hub cannot store now: retried by itself")
            }
            Refusal::Cloned => (
                "两台电脑在用同一个身份(磁盘被复制),总部只用另一台:关掉其中一台,或在这台用新的注册码重新注册",
                "two PCs run with this identity (a copied disk) and the hub keeps the other one: switch one off, or enrol \
                 this one with a new code",
            ),
            Refusal::CertificateEnded => (
                "这台电脑的证书早已过期:请向总部要新的注册码",
                "the certificate ended long ago: ask headquarters for a new enrolment code",
            ),
        }
    }

    /// The refusal of that code; that of versions does not tell which.
    pub fn from_code(code: &str) -> Option<Self> {
        [
            Refusal::Protocol { min: 0, max: 0 },
            Refusal::UnknownAgent,
            Refusal::Revoked,
            Refusal::Superseded,
            Refusal::Unavailable,
            Refusal::Cloned,
            Refusal::CertificateEnded,
        ]
        .into_iter()
        .find(|refusal| refusal.code() == code)
    }

    /// Whether trying again soon makes sense.
    pub fn passes_by_itself(self) -> bool {
        matches!(self, Refusal::Superseded | Refusal::Unavailable)
    }
}

/// What the hub delivers. Append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Item {
    /// Print this.
    Ticket(Ticket),
    /// Headquarters asks for help with this agent.
    Help(HelpRequest),
    /// A piece of what the store is set to.
    Settings(SettingsPart),
}

/// A piece of what a store is set to. The revision is there when all of its parts are, and of several the highest
/// counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsPart {
    /// Rises with each change; the same for all parts of one.
    pub revision: u64,
    /// Which part, from 0.
    pub part: u16,
    /// How many there are. None, where a later item of the sequence has a newer revision and this place is only kept.
    pub parts: u16,
    /// Its bytes; all of them together are a bundle (`docket-settings`).
    pub bytes: Vec<u8>,
}

/// What an agent delivers. Append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// What came of a ticket.
    Ticket(TicketReport),
    /// The item at this place was stored but cannot be read: it was made by a newer hub.
    Unreadable {
        /// Its place in the hub's sequence.
        seq: Seq,
    },
    /// What came out of a ticket is not all of it: it was longer than a ticket may be, and its last line says so. It
    /// comes after what came of the attempt.
    CutShort {
        /// Which ticket.
        ticket: TicketId,
    },
    /// What came of a request for help.
    Help {
        /// Which request.
        id: HelpId,
        /// What came of it.
        outcome: HelpOutcome,
    },
    /// What came of a revision of the settings.
    Settings {
        /// Which.
        revision: u64,
        /// What came of it.
        outcome: SettingsOutcome,
    },
}

/// What came of a revision of the settings. Append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SettingsOutcome {
    /// It is in force.
    Applied {
        /// What of it this PC has otherwise, for people; empty where nothing.
        otherwise: String,
    },
    /// It was never in force: something in it cannot be on this PC.
    Refused {
        /// Code, cause and remedy, for people.
        cause: String,
    },
    /// It was tried, and what was before it is in force again.
    RolledBack {
        /// Code, cause and remedy, for people.
        cause: String,
    },
    /// It came after a newer one, and nothing was done with it.
    Outdated {
        /// The newest that this PC has had.
        newest: u64,
    },
}

/// The state of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AgentStatus {
    /// Each printer.
    pub printers: Vec<PrinterHealth>,
    /// Tickets that have not come out.
    pub waiting: u32,
    /// Tickets that wait for a person.
    pub held: u32,
    /// The spool cannot store (disk full): nothing is acknowledged until it can.
    pub spool_full: bool,
}

/// How an agent is connected, and how that went since its program began. Times are by its own clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkReport {
    /// What carries the frames.
    pub transport: Transport,
    /// Whether it goes through a proxy.
    pub proxied: bool,
    /// Round trip in microseconds: smoothed where the transport measures it, else that of making the connection.
    pub rtt_us: Option<u32>,
    /// Packets of this connection that were lost, where the transport counts them.
    pub lost_packets: Option<u64>,
    /// Sessions after the first one.
    pub reconnects: u32,
    /// How often it went from QUIC to TLS over TCP.
    pub fallbacks: u32,
    /// When this connection was made.
    pub connected_at: UnixMs,
    /// When counting began.
    pub counted_since: UnixMs,
}

/// What carries the frames. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// QUIC, over UDP.
    Quic,
    /// TLS over TCP, where QUIC does not get through.
    Tls,
}

impl Transport {
    /// As logs and interfaces name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Quic => "quic",
            Transport::Tls => "tls",
        }
    }
}
