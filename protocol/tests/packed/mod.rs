//! Packed rows come back as they were, and what is none costs no memory.

use docket_protocol::frame::payload;
use docket_protocol::pack::{ROWS_MAX, UNPACKED_BYTES_MAX, UnpackError, pack, unpack};
use docket_protocol::session::UPLOAD_BYTES_MAX;
use miniz_oxide::deflate::compress_to_vec_zlib;
use proptest::prelude::*;

#[test]
fn a_full_batch_that_cannot_be_packed_fits_a_frame() {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let rows: Vec<Vec<u8>> =
        (0..UPLOAD_BYTES_MAX / 256).map(|_| (0..256).map(|_| noise()).collect()).collect();
    let packed = pack(&rows);
    assert!(packed.len() + 64 < docket_protocol::frame::FRAME_BYTES_MAX, "{} bytes", packed.len());
    assert_eq!(unpack(&packed), Ok(rows));
}

#[test]
fn alike_rows_take_little() {
    let rows: Vec<Vec<u8>> =
        (0..200).map(|number| format!("堂食 #{number} 宫保鸡丁 ×1 米饭 ×2").into_bytes()).collect();
    let bytes: usize = rows.iter().map(Vec::len).sum();
    assert!(pack(&rows).len() * 4 < bytes);
}

#[test]
fn a_bomb_is_refused() {
    let bomb = compress_to_vec_zlib(&vec![0; 64 << 20], 9);
    assert!(bomb.len() < UNPACKED_BYTES_MAX, "{} bytes", bomb.len());
    assert_eq!(unpack(&bomb), Err(UnpackError::Damaged));
    let many = compress_to_vec_zlib(&payload(&vec![Vec::<u8>::new(); ROWS_MAX + 1]), 9);
    assert_eq!(unpack(&many), Err(UnpackError::Rows));
    assert_eq!(unpack(&compress_to_vec_zlib(&[5, 1], 9)), Err(UnpackError::Rows));
}

proptest! {
    #[test]
    fn rows_come_back(rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40)) {
        prop_assert_eq!(unpack(&pack(&rows)), Ok(rows));
    }

    #[test]
    fn noise_and_damaged_batches_do_no_harm(
        rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..10),
        at in any::<prop::sample::Index>(),
        with in 1_u8..,
        noise in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut packed = pack(&rows);
        let at = at.index(packed.len());
        packed[at] ^= with;
        // A bit that means nothing may be another one.
        prop_assert!(unpack(&packed).is_err() || unpack(&packed) == Ok(rows));
        let _ = unpack(&noise);
    }
}
