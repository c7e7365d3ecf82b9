//! A disk with one writer that commits groups: what is waiting or being committed is lost by a restart.

pub(super) struct Disk<Op> {
    waiting: Vec<Op>,
    committing: Vec<Op>,
}

impl<Op> Disk<Op> {
    pub(super) fn new() -> Self {
        Disk { waiting: Vec::new(), committing: Vec::new() }
    }

    /// Takes a write. True where a commit begins with it, and is to be scheduled.
    pub(super) fn write(&mut self, op: Op) -> bool {
        self.waiting.push(op);
        self.begin()
    }

    /// The commit is durable: what was in it. True where the next one begins.
    pub(super) fn committed(&mut self) -> (Vec<Op>, bool) {
        let done = std::mem::take(&mut self.committing);
        let again = self.begin();
        (done, again)
    }

    pub(super) fn lose(&mut self) {
        self.waiting.clear();
        self.committing.clear();
    }

    fn begin(&mut self) -> bool {
        if self.committing.is_empty() && !self.waiting.is_empty() {
            std::mem::swap(&mut self.committing, &mut self.waiting);
            return true;
        }
        false
    }
}
