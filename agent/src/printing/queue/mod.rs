//! The task of one printer: the shell around [`super::job`].
//!
//! It opens the way to the printer ([`super::transport`]) where its unit is now (`standing`), claims tickets from the
//! spool, writes the journal before the first byte of each, and tells the spool what came of it (`claims`). It holds
//! claims only while the printer can print: those that were not begun go back as soon as it cannot, so that after a
//! power cut as few tickets as possible are in doubt. What it knows of the printer it shows (`shown`).
//!
//! # What survives a crash
//! Nothing here. Between "began" and "fenced" the journal says so; between "fenced" and the spool's commit the
//! journal says that too.
//!
//! # What survives another spool
//! When other printers are changed, everything is opened anew but this: the connection, the ticket in flight and what
//! was proven of it ([`Kept`]). In a mere new connection the fence of a ticket that waits for paper would never come,
//! and the ticket would be printed twice.

mod claims;
mod shown;
mod standing;

pub use claims::CLAIM_AHEAD_MS;
pub use shown::unknown_health;

use super::PrinterConfig;
use super::health::Conditions;
use super::job::{Event, Machine};
use super::journal::Journal;
use super::profile::Profile;
use super::transport::{self, Happened, NotADevice, Port, UsbIdentity};
use crate::clock;
use crate::spool::{ClaimPort, Ending, Spool, SpoolError};
use claims::Claims;
use docket_protocol::outcome::Doubt;
use docket_protocol::printer::{Condition, PrinterHealth};
use shown::Shown;
use standing::Place;
use std::io;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The first pause after a failed or lost connection; it doubles.
pub const RECONNECT_MS_MIN: u64 = 500;
/// The longest pause.
pub const RECONNECT_MS_MAX: u64 = 5_000;
/// How long a ticket in flight may take when the agent stops; the journal covers it after that.
pub const SHUTDOWN_MS_MAX: u64 = 5_000;
/// How long opening may take before the printer is shown as unreachable. It is not given up: a second attempt beside
/// one that hangs would find the port taken.
pub const OPEN_SHOWN_MS: u64 = 5_000;

/// How long a ticket of an earlier life waits for its printer to be reached, so that it can be asked: a unit with room
/// for one connection may take some seconds until it has let go of that life's.
pub const ASK_OPEN_MS_MAX: u64 = 15_000;

/// Reasons that the log gives while a printer cannot be reached.
const REASONS_SAID_MAX: usize = 8;

/// Prints what the spool has for one printer until `shutdown` becomes true, or the spool is closed. Where the sender of
/// `shutdown` is gone without that, another spool follows: the printer is left as it is, and goes on with that.
pub async fn run_printer(
    config: PrinterConfig,
    spool: Spool,
    journal: Journal,
    health: watch::Sender<PrinterHealth>,
    shutdown: watch::Receiver<bool>,
) -> Option<Kept> {
    let port = port_of(&config, &spool)?;
    let name = config.name.clone();
    let task = Task {
        owed: journal.is_owed(),
        ask_until: Instant::now() + Duration::from_millis(ASK_OPEN_MS_MAX),
        reasons_said: Vec::new(),
        claims: Claims::new(name.clone(), config.paper, port, journal),
        shown: Shown::new(name, health, spool.counts()),
        config,
        shutdown,
    };
    task.live(None).await
}

/// A printer between two spools: its connection stands, and a ticket may be in flight. Nobody hears it meanwhile, and
/// nothing is begun; without a next spool it is as after a crash.
#[derive(Debug)]
pub struct Kept {
    task: Task,
    connection: Connection,
}

impl Kept {
    /// Whether it is this printer, reached and set up as it was. What is mapped to it may have changed.
    pub fn is(&self, config: &PrinterConfig) -> bool {
        self.task.config.is_same_unit(config)
    }

    /// Its health, which goes on as well.
    pub fn health(&self) -> watch::Receiver<PrinterHealth> {
        self.task.shown.watch()
    }

    /// Goes on as [`run_printer`] does. What is known of the other printers may be new.
    pub async fn go_on(
        self,
        config: PrinterConfig,
        spool: Spool,
        shutdown: watch::Receiver<bool>,
    ) -> Option<Kept> {
        let Kept { mut task, connection } = self;
        task.config = config;
        task.claims.go_on(port_of(&task.config, &spool)?);
        task.shown.go_on(spool.counts());
        task.shutdown = shutdown;
        task.live(Some(connection)).await
    }
}

fn port_of(config: &PrinterConfig, spool: &Spool) -> Option<ClaimPort> {
    let port = spool.port(&config.name);
    if port.is_none() {
        tracing::error!(code = "printer-unknown", printer = %config.name, "the spool does not know this printer");
    }
    port
}

/// Why a connection is left.
enum Left {
    Lost(Option<io::Error>),
    Closed,
    Stopping,
}

/// What stands between a printer and its task.
#[derive(Debug)]
struct Connection {
    port: Port,
    machine: Machine,
    /// Which unit it is.
    unit: String,
    since: Instant,
}

#[derive(Debug)]
struct Task {
    config: PrinterConfig,
    claims: Claims,
    shown: Shown,
    shutdown: watch::Receiver<bool>,
    /// Fences of an earlier connection may still be answered.
    owed: bool,
    /// Until then a ticket of an earlier life waits for its printer to be reached.
    ask_until: Instant,
    /// Why it cannot be reached, as far as the log says so.
    reasons_said: Vec<String>,
}

impl Task {
    async fn live(mut self, kept: Option<Connection>) -> Option<Kept> {
        match self.run(kept).await {
            Ok(connection) => {
                tracing::debug!(printer = %self.config.name, kept = connection.is_some(), "printer task ends");
                connection.map(|connection| Kept { task: self, connection })
            }
            Err(error) => {
                tracing::warn!(printer = %self.config.name, %error, "printer task ends: the spool is gone");
                None
            }
        }
    }

    /// Gives the connection back where it is to be kept.
    async fn run(&mut self, mut kept: Option<Connection>) -> Result<Option<Connection>, SpoolError> {
        let mut pause_ms = RECONNECT_MS_MIN;
        if kept.is_none() {
            self.find_left_open().await?;
        }
        while kept.is_some() || !self.is_called_off() {
            let opened = match kept.take() {
                Some(connection) => Ok(connection),
                None => match self.open().await? {
                    Some(Ok(port)) => Ok(self.connect(port).await?),
                    Some(Err(error)) => Err(error),
                    None => return Ok(None),
                },
            };
            match opened {
                Ok(mut connection) => {
                    let Some(left) = self.serve(&mut connection).await? else {
                        return Ok(Some(connection));
                    };
                    let Connection { port, mut machine, unit, since } = connection;
                    self.leave(port, &mut machine, &unit).await?;
                    let printer = &self.config.name;
                    match left {
                        Left::Stopping => return Ok(None),
                        Left::Closed => tracing::warn!(%printer, "printer is silent: connecting anew"),
                        Left::Lost(error) => {
                            let error = error
                                .map_or_else(|| "closed by the printer".into(), |error| error.to_string());
                            tracing::warn!(%printer, error, "connection to the printer lost");
                        }
                    }
                    self.owed = machine.is_owed();
                    // Some printers never answer: theirs is good when it has lasted.
                    if machine.has_been_heard() || since.elapsed() > Duration::from_millis(RECONNECT_MS_MAX) {
                        pause_ms = RECONNECT_MS_MIN;
                    }
                }
                Err(error) => {
                    self.say_why(&error);
                    // It cannot be asked: a ticket of an earlier life waits no longer for its word.
                    if Instant::now() >= self.ask_until {
                        self.claims.end(Ending::Unknown(Doubt::AgentEnded)).await?;
                    }
                }
            }
            self.shown.unreachable();
            self.pause(Duration::from_millis(pause_ms)).await?;
            pause_ms = (pause_ms * 2).min(RECONNECT_MS_MAX);
        }
        Ok(None)
    }

    /// A port was opened: what is known of the unit behind it, and what it is to be asked.
    async fn connect(&mut self, port: Port) -> Result<Connection, SpoolError> {
        self.reasons_said.clear();
        let (printer, address) = (&self.config.name, &self.config.address);
        tracing::info!(%printer, %address, "printer connected");
        let unit = port.unit().map_or_else(|| format!("{printer}@{address}"), str::to_owned);
        let since = Instant::now();
        let profile = self.profile(&unit).await?;
        let mut machine = if port.reads_back() {
            Machine::new(profile, self.owed, since)
        } else {
            Machine::write_only(since)
        };
        if port.outlives_unit() {
            machine.expect_unseen_restarts();
        }
        if let Some(serial) = self.claims.in_question() {
            machine.ask_about(serial, Doubt::AgentEnded);
        }
        Ok(Connection { port, machine, unit, since })
    }

    /// Each reason once until it is reached again: the first need not be what keeps it away.
    fn say_why(&mut self, error: &io::Error) {
        let (printer, address) = (&self.config.name, &self.config.address);
        let is_no_device = NotADevice::of(error).is_some();
        let code = if is_no_device { NotADevice::CODE } else { Condition::Unreachable.code() };
        let (remedy, reason) = (transport::remedy(error), error.to_string());
        if self.reasons_said.len() < REASONS_SAID_MAX && !self.reasons_said.contains(&reason) {
            tracing::warn!(code, %printer, %address, %error, remedy, "printer cannot be reached");
            self.reasons_said.push(reason);
        }
    }

    /// Until the spool can tell in which ticket an earlier life ended, nothing is begun.
    async fn find_left_open(&mut self) -> Result<(), SpoolError> {
        while !self.is_called_off() {
            match self.claims.find_left_open().await {
                Err(SpoolError::Database { .. }) => {
                    self.pause(Duration::from_millis(RECONNECT_MS_MIN)).await?;
                }
                found => return found,
            }
        }
        Ok(())
    }

    /// What is known of a unit before it is asked.
    async fn profile(&mut self, unit: &str) -> Result<Profile, SpoolError> {
        let usb = UsbIdentity::ids_of_unit(unit).or_else(|| self.config.address.usb_ids());
        let profile = self.config.profile.profile(usb, &self.claims.facts(unit).await?);
        // So that it is known which unit stands where.
        self.claims.learn(unit, profile).await?;
        if self.config.address.names_unit() {
            self.claims.own(unit).await?;
        }
        Ok(profile)
    }

    /// `None` when it is called off.
    async fn open(&mut self) -> Result<Option<io::Result<Port>>, SpoolError> {
        let Place { address, news } = match standing::place(&self.config, &self.claims).await? {
            Ok(place) => place,
            Err(error) => return Ok(Some(Err(error))),
        };
        let opening = async {
            let port = Port::open(&address).await?;
            if let Some(news) = news {
                tracing::info!(printer = %self.config.name, %address, news, "printer stands otherwise");
            }
            Ok(port)
        };
        tokio::pin!(opening);
        tokio::select! {
            opened = &mut opening => return Ok(Some(opened)),
            () = until_called_off(&mut self.shutdown) => return Ok(None),
            () = tokio::time::sleep(Duration::from_millis(OPEN_SHOWN_MS)) => self.shown.unreachable(),
        }
        tokio::select! {
            opened = opening => Ok(Some(opened)),
            () = until_called_off(&mut self.shutdown) => Ok(None),
        }
    }

    /// Talks to the printer until the connection is to be left; `None` where it is to be kept.
    async fn serve(&mut self, connection: &mut Connection) -> Result<Option<Left>, SpoolError> {
        let Connection { port, machine, unit, .. } = connection;
        let mut stop_at: Option<Instant> = None;
        let timer = tokio::time::sleep_until(machine.timeout().into());
        tokio::pin!(timer);
        loop {
            if self.take_events(machine, unit).await? {
                return Ok(Some(Left::Closed));
            }
            if self.is_stopping() && stop_at.is_none() {
                stop_at = Some(Instant::now() + Duration::from_millis(SHUTDOWN_MS_MAX));
            }
            if let Some(at) = stop_at
                && (self.claims.is_idle() || Instant::now() >= at)
            {
                return Ok(Some(Left::Stopping));
            }
            let is_paused = self.shown.is_paused();
            let goes_on = !self.is_called_off();
            self.claims.look_after(machine, goes_on, is_paused).await?;
            if !goes_on && stop_at.is_none() {
                return Ok(None);
            }
            self.claims.begin_next(machine).await?;
            let heard_at = machine.take_heard().then(clock::now);
            // What is usually heard of and was not yet on this connection is not known to be any better than before.
            let is_known = !machine.awaits_first_word();
            let conditions =
                machine.conditions().with_if(self.claims.retry_at().is_some(), Condition::Journal);
            let conditions = Some(conditions);
            let only_unknown = Conditions::NONE.with(Condition::Unknown);
            let conditions = conditions.filter(|&shown| is_known || shown != only_unknown);
            self.shown.publish(conditions, heard_at, Instant::now());

            let mut due = machine.timeout();
            for at in [stop_at, self.claims.retry_at(), self.shown.tell_at()].into_iter().flatten() {
                due = due.min(at);
            }
            if timer.deadline() != due.into() {
                timer.as_mut().reset(due.into());
            }
            let wants_any = self.claims.wants_any();
            tokio::select! {
                biased;
                happened = port.next(machine.to_send()) => if let Some(lost) = tell(machine, happened) {
                    return Ok(Some(lost));
                },
                claim = self.claims.next() => self.claims.take(claim?),
                () = &mut timer => machine.handle_timeout(Instant::now()),
                () = until_called_off(&mut self.shutdown), if stop_at.is_none() => {}
                // Only where nothing else would show that tickets pile up.
                changed = self.shown.counts_changed(), if !wants_any => changed?,
            }
        }
    }

    /// Does what the machine asks for; true where that is to leave.
    async fn take_events(&mut self, machine: &mut Machine, unit: &str) -> Result<bool, SpoolError> {
        while let Some(event) = machine.poll_event() {
            match event {
                Event::OnPaper(evidence) => self.claims.note_on_paper(evidence),
                Event::Ended(ending) => self.claims.end(ending).await?,
                Event::Learned(profile) => self.claims.learn(unit, profile).await?,
                Event::Close => return Ok(true),
            }
        }
        Ok(false)
    }

    /// The connection is given up: what was under way is accounted for, then the ticket in flight is settled and
    /// the rest given back.
    async fn leave(&mut self, mut port: Port, machine: &mut Machine, unit: &str) -> Result<(), SpoolError> {
        while let Some(happened) = port.settle().await {
            tell(machine, happened);
        }
        drop(port);
        self.take_events(machine, unit).await?;
        let is_stopping = self.is_stopping();
        self.claims.leave(machine.lost(), is_stopping).await
    }

    /// Waits; claims that were on their way go back at once.
    async fn pause(&mut self, pause: Duration) -> Result<(), SpoolError> {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return Ok(()),
                () = until_called_off(&mut self.shutdown) => return Ok(()),
                claim = self.claims.next() => self.claims.refuse(claim?).await?,
            }
        }
    }

    fn is_stopping(&self) -> bool {
        *self.shutdown.borrow()
    }

    /// It is stopping, or another spool follows.
    fn is_called_off(&self) -> bool {
        self.is_stopping() || self.shutdown.has_changed().is_err()
    }
}

fn tell(machine: &mut Machine, happened: Happened<'_>) -> Option<Left> {
    match happened {
        Happened::Took(bytes) => machine.sent(bytes, Instant::now()),
        Happened::Received(bytes) => machine.received(bytes, Instant::now()),
        Happened::Told(conditions) => machine.way_is(conditions, Instant::now()),
        Happened::Lost(error) => return Some(Left::Lost(error)),
    }
    None
}

async fn until_called_off(shutdown: &mut watch::Receiver<bool>) {
    // An error is a sender that is gone: another spool follows.
    let _ = shutdown.wait_for(|&stopping| stopping).await;
}
