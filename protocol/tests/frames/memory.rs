//! A peer can make a decoder hold one frame and one read, and no more.

use super::{decode, frame, stream};
use docket_protocol::frame::{Decoder, FRAME_BYTES_MAX, FRAME_VERSION};
use docket_protocol::ids::Seq;
use docket_protocol::message::Message;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What a shell reads at once.
const READ_BYTES: usize = 16 * 1024;
/// A `Vec` that grows may have twice its content, and the old one while it is copied; the largest message is
/// built beside it.
const HELD_BYTES_MAX: usize = 4 * (FRAME_BYTES_MAX + READ_BYTES);

struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static HELD_MAX: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; the counters allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.get().wrapping_add(layout.size());
        HELD.set(held);
        HELD_MAX.set(HELD_MAX.get().max(held));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // What another thread has allocated may be freed here.
        HELD.set(HELD.get().saturating_sub(layout.size()));
        // SAFETY: the caller keeps the contract of `dealloc`, and `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that was held at once beyond what was held before.
fn held_by(act: impl FnOnce()) -> usize {
    let before = HELD.get();
    HELD_MAX.set(before);
    act();
    HELD_MAX.get() - before
}

/// Sends these bytes again and again, `reads` times what is read at once.
fn flood(bytes: &[u8], reads: usize) -> usize {
    let endless: Vec<u8> = bytes.iter().copied().cycle().take(READ_BYTES * reads).collect();
    let mut decoder = Decoder::default();
    held_by(|| {
        for read in endless.chunks(READ_BYTES) {
            if decode(&mut decoder, read).1.is_err() {
                break;
            }
        }
    })
}

#[test]
fn a_peer_cannot_make_it_hold_more_than_a_frame_and_a_read() {
    let largest = Message::Deliver { seq: Seq(1), payload: vec![0; FRAME_BYTES_MAX - 16] };
    let mut skipped = vec![FRAME_VERSION, 200];
    skipped.resize(FRAME_BYTES_MAX, 0);
    let mut lying = vec![FRAME_VERSION, 3, 1];
    // A payload of 2^63 bytes, as it says.
    lying.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    for (what, bytes) in [
        ("small messages", stream(&[Message::Ack { up_to: Seq(1) }])),
        ("the largest messages", stream(&[largest])),
        ("the largest skipped messages", frame(&skipped)),
        ("a length beyond all bounds", frame(&lying)),
        ("zeros", vec![0]),
        ("ones", vec![0xff]),
    ] {
        let held = flood(&bytes, 200);
        assert!(held <= HELD_BYTES_MAX, "{what}: {held} bytes");
    }
}
