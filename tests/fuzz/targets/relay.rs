//! The whole relay without TLS: a client and a server act as the records say, and what one sends is what the other
//! gets, byte for byte, up to the point where one of them was closed. It ends, and nothing panics.
//!
//! All of it runs in one thread on unix sockets, whose kernel buffers are as good as memory, and time passes only where
//! the script says so.

#![no_main]

use libfuzzer_sys::fuzz_target;
use peer::{Peer, World};
use pgscope::proxy::ClientMode;
use records::{framed, records};

#[path = "common.rs"]
mod common;
#[path = "relay/peer.rs"]
mod peer;
#[path = "records.rs"]
mod records;

/// Shorter than any of the proxy's own times.
const PATIENT: u64 = 4000;

/// The steps of a script, one record each.
async fn play(world: &mut World, data: &[u8]) {
    for (what, payload) in records(data) {
        let side = usize::from(what) % 2;
        match what % 14 {
            0 | 1 => world.peers[side].say(payload),
            2 | 3 => world.peers[side].say(&framed(payload)),
            4 => world.pass(payload.len() as u64).await,
            5 => world.peers[0].stop_sending(),
            6 => world.pass(100 * payload.len() as u64).await,
            7 => world.peers[1].stop_sending(),
            8 | 9 => world.peers[side].close(),
            10 | 11 => world.peers[side].reads = !world.peers[side].reads,
            // More than sockets and buffers hold.
            _ => world.peers[side].say(&payload.repeat(64)),
        }
        world.turn().await;
    }
}

/// What each side got if pgscope answered the SSLRequest that the client's bytes have at this place: that is taken out
/// of them, and its `N` put before what the server says after so many bytes.
fn answered(client: &[u8], server: &[u8], at: usize, said: usize) -> [Vec<u8>; 2] {
    let said = said.min(server.len());
    let up = [&client[..at], &client[at + 8..]].concat();
    [up, [&server[..said], b"N", &server[said..]].concat()]
}

/// All that each side may have got.
fn expected(mode: ClientMode, [client, server]: &[Peer; 2]) -> Vec<[Vec<u8>; 2]> {
    const SSL: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
    const GSS: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";
    let (client, server) = (&client.sent, &server.sent);
    // Where the server spoke first, the bytes are nobody's to read.
    let mut all = vec![[client.clone(), server.clone()]];
    if mode == ClientMode::Refuse {
        if client.starts_with(SSL) {
            all.push(answered(client, server, 0, 0));
        }
        if client.starts_with(GSS) && client[8..].starts_with(SSL) {
            all.push(answered(client, server, 8, 1));
        }
    }
    all
}

fn check(world: &World, mode: ClientMode) {
    let [client, server] = &world.peers;
    let got = [&server.received, &client.received];
    let possible = expected(mode, &world.peers);
    let fits = |sent: &&[Vec<u8>; 2]| {
        got.iter()
            .zip(*sent)
            .all(|(got, sent)| sent.starts_with(got))
    };
    let fitting: Vec<_> = possible.iter().filter(fits).collect();
    assert!(!fitting.is_empty(), "a byte was changed, added or lost");
    // Who ends before it has asked anything is not waited for: no server speaks to one that has said nothing.
    let unasked = client.silent && fitting.iter().any(|sent| sent[0].is_empty());
    if world.passed > PATIENT || client.closed || unasked {
        return;
    }
    assert!(
        fitting.iter().any(|sent| *got[1] == sent[1]),
        "{} of {} bytes of the server reached the client",
        got[1].len(),
        server.sent.len(),
    );
    if server.closed {
        return;
    }
    let whole = fitting
        .iter()
        .find(|sent| got.iter().zip(**sent).all(|(got, sent)| *got == sent));
    let whole = whole.unwrap_or_else(|| {
        let lengths = (got[0].len(), client.sent.len());
        panic!(
            "{} of {} bytes of the client reached the server",
            lengths.0, lengths.1
        )
    });
    let own = whole[1].len() - server.sent.len();
    let bytes = (whole[0].len() as u64, (whole[1].len() - own) as u64);
    assert_eq!(world.bytes(), bytes, "what is counted");
}

fuzz_target!(|data: &[u8]| {
    common::forgive_what_is_caught();
    let Some(([flags, size], data)) = data.split_first_chunk() else {
        return;
    };
    let mode = if flags & 1 == 0 {
        ClientMode::Refuse
    } else {
        ClientMode::Passthrough
    };
    peer::in_runtime(async {
        let size = usize::from(*size) * usize::from(*size) + 1;
        let mut world = World::new(mode, u32::from(flags >> 1 & 7), size).await;
        play(&mut world, data).await;
        world.end(usize::from(flags >> 4 & 1)).await;
        check(&world, mode);
    });
});
