//! How many connections an upload uses, and for what.

use std::time::Duration;

use scripting_system::rules::connections::*;
use scripting_system::rules::upload_method::Writing;

#[test]
fn a_longer_round_trip_needs_more_connections() {
    let counts = [0, 1, 7, 8, 20, 50, 200].map(|milliseconds| for_round_trip(Duration::from_millis(milliseconds)));
    assert_eq!(counts, [1, 1, 1, 2, 3, 8, 29]);
}

#[test]
fn an_upload_divides_its_connections() {
    let shares = |useful, max| {
        let Shares { writers, readers, has_spare } = Shares::new(useful, max, Writing::SeveralConnections);
        (writers, readers, has_spare)
    };
    assert_eq!([1, 2, 3, 8].map(|max| shares(8, max)), [(1, 0, false), (1, 1, false), (1, 1, true), (3, 4, true)]);
    assert_eq!([1, 2, 3, 8].map(|max| shares(1, max)), [(1, 0, false), (1, 1, false), (1, 1, true), (1, 1, true)]);
    let in_advance = |writing| [0, 20 * MIB, 1 << 40].map(|size| Shares::new(8, 8, writing).in_advance(size));
    assert_eq!(in_advance(Writing::SeveralConnections), [1, 3, 7]);
    assert_eq!(in_advance(Writing::OneConnection), [1, 1, 1]);
}

#[test]
fn the_buffers_of_a_transfer_take_at_most_32_mib() {
    for (writers, readers) in (1..=8).zip(0..=8) {
        // Writing buffers up to three bytes for each byte in flight, reading half as much.
        let total = in_flight(8, writers, readers) as u64 * 3 * (2 * writers + readers) / 2;
        assert!(total <= 32 * MIB, "{writers}, {readers}: {total}");
    }
    assert_eq!((in_flight(2, 1, 1), in_flight(1, 1, 1)), (2 * 1024 * 1024, 1024 * 1024));
}
