//! A disk with one writer that commits groups: what is waiting or being committed is lost by a restart, but for a
//! commit that was done and that nobody had been told of.

pub(super) struct Disk<Op> {
    waiting: Vec<Op>,
    committing: Vec<Op>,
    /// Until then there is no room for anything new.
    pub(super) full_until: u64,
}

impl<Op> Disk<Op> {
    pub(super) fn new() -> Self {
        Disk { waiting: Vec::new(), committing: Vec::new(), full_until: 0 }
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

    /// There was no room for these: they are tried again before all that waits. True where a commit begins.
    pub(super) fn put_back(&mut self, mut ops: Vec<Op>) -> bool {
        let before = if self.committing.is_empty() { &mut self.waiting } else { &mut self.committing };
        ops.append(before);
        *before = ops;
        self.begin()
    }

    /// The process ends: what was being committed, which may be durable without its having been told.
    pub(super) fn lose(&mut self) -> Vec<Op> {
        self.waiting.clear();
        std::mem::take(&mut self.committing)
    }

    fn begin(&mut self) -> bool {
        if self.committing.is_empty() && !self.waiting.is_empty() {
            std::mem::swap(&mut self.committing, &mut self.waiting);
            return true;
        }
        false
    }
}
