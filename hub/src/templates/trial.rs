//! A template is tried before it is put in force, in a process of its own.
//!
//! The template language counts its steps, but some of them take as long and as much memory as a template likes:
//! a list that is put behind itself forty times, lists within lists until a thread's stack is at its end. What that
//! takes along must not be the hub. So this program starts itself once more ([`TRY`]), with less of everything than
//! the hub's threads have: whoever does not come back with an answer is refused, and the last good one stays.
//!
//! The text is handed over, not the file's name: what is put in force is what was tried, whoever saves meanwhile,
//! and a drive that hangs keeps nobody here.
//!
//! Rejected: a thread (it cannot be stopped, and nothing bounds its memory), and an allocator with a limit (it is in
//! the way of all that the hub does).

use docket_paper::template::{Bound, Fault, Images, Template, TemplateError, TemplateKind};
use docket_protocol::frame::{payload, read_payload};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// The arguments with which this program tries the template on its standard input.
pub const TRY: [&str; 2] = ["template", "try"];
/// The code of a template that could not be tried: nothing is known against it.
pub const UNTRIED: &str = "template-untried";
/// How long a trial may take, however busy the machine is. A good template takes some milliseconds.
const TRIAL_MAX: Duration = Duration::from_secs(10);
/// Of the processor, for all orders that it is tried with: a template in force keeps the hub's storage waiting for no
/// longer. A machine that is busy with other things refuses nothing.
#[cfg(unix)]
const PROCESSOR_MAX: Duration = Duration::from_millis(500);
/// Then the system ends the process.
#[cfg(unix)]
const PROCESSOR_S_MAX: u64 = 1;
/// Address space of the process: a good template needs a tenth, most of it the program itself.
#[cfg(unix)]
const MEMORY_BYTES_MAX: u64 = 256 << 20;
/// Half of what the threads have that fill templates in: what passes here has room there.
const STACK_BYTES: usize = 1 << 20;
/// The longest answer that is read: a fault quotes a line of the template.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// What is to be tried.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Candidate {
    /// The name of its kind.
    kind: String,
    /// What people are told it is called.
    file: String,
    text: String,
    images: Images,
}

impl Candidate {
    /// A template's text, and the pictures that it may show.
    pub fn new(kind: TemplateKind, file: &str, text: &str, images: &Images) -> Self {
        Candidate {
            kind: kind.as_str().to_owned(),
            file: file.to_owned(),
            text: text.to_owned(),
            images: images.clone(),
        }
    }

    /// Tries it here and now: only where nothing is lost with this process.
    ///
    /// # Errors
    /// With code, file, line, reason and remedy.
    pub fn check(&self) -> Result<(), String> {
        let kind = TemplateKind::from_name(&self.kind).ok_or_else(|| untried(&self.kind))?;
        let checked = Template::check(kind, self.file.as_str(), &self.text, &self.images);
        checked.map(drop).map_err(|error| error.to_string())
    }

    /// What is said where it is beyond a bound that only a process shows.
    pub(super) fn beyond(&self, bound: Bound) -> String {
        let fault = Fault::Bound { bound };
        TemplateError { file: self.file.clone(), line: 0, fault }.to_string()
    }
}

/// Who tries templates.
pub trait Checker: fmt::Debug + Send + Sync {
    /// Tries one.
    ///
    /// # Errors
    /// With code, file, line, reason and remedy; [`UNTRIED`] where it is worth another try.
    fn check(&self, candidate: &Candidate) -> Result<(), String>;
}

/// Tries each template in a process of its own.
#[derive(Debug)]
pub struct Apart {
    program: PathBuf,
}

impl Apart {
    /// With this program. On Linux that is the very one that runs, though another may have been installed since.
    ///
    /// # Errors
    /// Where the system does not say which it is.
    pub fn of_this_program() -> io::Result<Self> {
        let program =
            if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
        Ok(Apart { program })
    }

    fn start(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        // What it would say as it dies says nothing to who wrote the template.
        command.args(TRY).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn()
    }
}

impl Checker for Apart {
    fn check(&self, candidate: &Candidate) -> Result<(), String> {
        let mut child = self.start().map_err(untried)?;
        let answer = converse(&mut child, payload(candidate), TRIAL_MAX);
        if !matches!(answer, Ok(Some(_))) {
            // It may have ended this very moment.
            let _ = child.kill();
        }
        let status = child.wait().map_err(untried)?;
        match answer.map_err(untried)?.as_deref().map(read_payload) {
            Some(Some(answer)) => answer,
            Some(None) if !is_out_of_time(status) => Err(candidate.beyond(Bound::Memory)),
            Some(None) | None => Err(candidate.beyond(Bound::Time)),
        }
    }
}

/// All that the process says, once it is told all; `None` where it does not come to an end.
fn converse(child: &mut Child, asked: Vec<u8>, patience: Duration) -> io::Result<Option<Vec<u8>>> {
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let (said, answer) = channel();
    // Reading and writing wait for the process; the thread ends with it.
    thread::Builder::new().name("trial".into()).spawn(move || {
        // A process that is dead already shows by its silence.
        let _ = stdin.write_all(&asked);
        drop(stdin);
        let mut bytes = Vec::new();
        let _ = stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes);
        let _ = said.send(bytes);
    })?;
    Ok(answer.recv_timeout(patience).ok())
}

fn untried(cause: impl fmt::Display) -> String {
    format!(
        "{UNTRIED}: {cause}: 没能检查,稍后自动再试;请检查总部内存和进程数 / not tried, which will be done again; check \
             memory and processes of this machine"
    )
}

#[cfg(unix)]
fn is_out_of_time(status: ExitStatus) -> bool {
    use rustix::process::Signal;
    use std::os::unix::process::ExitStatusExt;
    [Signal::XCPU, Signal::KILL].iter().any(|signal| status.signal() == Some(signal.as_raw()))
}

#[cfg(not(unix))]
fn is_out_of_time(_status: ExitStatus) -> bool {
    false
}

/// The other end: tries the template on standard input and says what came of it on standard output.
pub fn answer() -> ExitCode {
    let tried = bound_this_process().and_then(|()| {
        let mut asked = Vec::new();
        io::stdin().lock().read_to_end(&mut asked)?;
        let candidate: Candidate =
            read_payload(&asked).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let slow = candidate.beyond(Bound::Time);
        let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || candidate.check())?;
        Ok(match thread.join() {
            Ok(Ok(())) if is_slow() => Ok(Err(slow)),
            joined => joined,
        })
    });
    let answer: Result<(), String> = match tried {
        Ok(Ok(checked)) => checked,
        // It has panicked: as with a process that dies, silence is the answer.
        Ok(Err(_)) => return ExitCode::FAILURE,
        Err(error) => Err(untried(error)),
    };
    match io::stdout().lock().write_all(&payload(&answer)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Whether this process has used more of the processor than a good template needs.
#[cfg(unix)]
fn is_slow() -> bool {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(used).is_ok_and(|used| used > PROCESSOR_MAX)
}

#[cfg(not(unix))]
fn is_slow() -> bool {
    false
}

#[cfg(unix)]
fn bound_this_process() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let bounds = [(Resource::As, MEMORY_BYTES_MAX), (Resource::Cpu, PROCESSOR_S_MAX), (Resource::Core, 0)];
    for (resource, most) in bounds {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// Only [`TRIAL_MAX`] bounds it here: what it takes of memory meanwhile, and a stack overflow, end with it.
#[cfg(not(unix))]
fn bound_this_process() -> io::Result<()> {
    Ok(())
}
