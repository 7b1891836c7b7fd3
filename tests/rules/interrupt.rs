//! Interruptions end pauses and call closers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use scripting_system::runtime::interrupt::*;

#[test]
fn an_interruption_ends_a_pause() {
    let interrupt = Interrupt::new();
    let clone = interrupt.clone();
    let pausing = thread::spawn(move || clone.pause(Duration::from_secs(60)));
    interrupt.trigger(Interruption::Sigterm);
    assert_eq!(pausing.join().unwrap(), Err(Interrupted(Interruption::Sigterm)));
}

#[test]
fn an_interruption_calls_each_closer_until_its_guard_is_dropped() {
    let interrupt = Interrupt::new();
    let count = Arc::new(AtomicU32::new(0));
    let closer = || {
        let count = count.clone();
        move || {
            count.fetch_add(1, Ordering::SeqCst);
        }
    };
    drop(interrupt.on_trigger(closer()));
    let kept = interrupt.on_trigger(closer());
    interrupt.trigger(Interruption::Sigint);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    drop(kept);
    let _late = interrupt.on_trigger(closer());
    assert_eq!(count.load(Ordering::SeqCst), 2);
    interrupt.trigger(Interruption::Deadline);
    assert_eq!(interrupt.cause(), Some(Interruption::Sigint));
}
